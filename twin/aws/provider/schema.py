"""What pulumi_aws says of resource types (`schema.json`), and checking property values against it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from twin.providers.problems import Problems, index, join
from twin.wire import UNKNOWN, Archive, Asset

Type = str | dict[str, Any]
"""`string`, `integer`, `number`, `boolean`, `json` (text or object), `asset`, `archive`, `any`, or one of
`{"list": Type}`, `{"map": Type}`, `{"object": name}`."""

_FILE: Final = Path(__file__).with_name("schema.json")
_TRUTH: Final = {"true": True, "false": False}


@dataclass(frozen=True)
class ObjectType:
    """A nested object, or the inputs of a resource."""

    properties: Mapping[str, Type]
    required: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResourceType:
    """A resource type: its inputs, its outputs (which include the inputs), and which outputs are secret.

    `computed` are the optional inputs that AWS chooses when they are left out.
    """

    token: str
    inputs: ObjectType
    outputs: Mapping[str, Type]
    secret: tuple[str, ...]
    computed: frozenset[str]


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_FILE.read_bytes())
    return content


def version() -> str:
    """The pulumi_aws release that the schema was taken from."""
    return str(_content()["version"])


def tokens() -> tuple[str, ...]:
    """Every resource type described."""
    return tuple(_content()["resources"])


@cache
def resource_type(token: str) -> ResourceType:
    """The description of a resource type."""
    found = _content()["resources"][token]
    return ResourceType(
        token,
        ObjectType(found["inputs"], tuple(found["required"]), tuple(found["replaces"])),
        found["outputs"],
        tuple(found["secret"]),
        frozenset(found["computed"]),
    )


@cache
def object_type(name: str) -> ObjectType:
    """The description of a nested object."""
    found = _content()["types"][name]
    return ObjectType(found["properties"], tuple(found["required"]), tuple(found["replaces"]))


def list_item(kind: Type) -> Type | None:
    """The type of a list's items; None if it is no list."""
    return kind.get("list") if isinstance(kind, dict) else None


def map_item(kind: Type) -> Type | None:
    """The type of a map's values; None if it is no map."""
    return kind.get("map") if isinstance(kind, dict) else None


def nested(kind: Type) -> ObjectType | None:
    """The object that a type stands for; None if it is no object."""
    name = kind.get("object") if isinstance(kind, dict) else None
    return object_type(name) if name is not None else None


def checked(value: Any, kind: Type, path: str, problems: Problems) -> Any:
    """The value as the type wants it (numbers in text become numbers, as Pulumi's bridge does).

    What does not fit is added to `problems`.
    """
    if value is UNKNOWN or value is None:
        return value
    item = list_item(kind)
    if item is not None:
        if not isinstance(value, list):
            problems.add(path, f"{_shown(value)} is not a list", "give a list")
            return value
        return [checked(part, item, index(path, place), problems) for place, part in enumerate(value)]
    item = map_item(kind)
    if item is not None:
        if not isinstance(value, dict):
            problems.add(path, f"{_shown(value)} is not a map", "give a map of names to values")
            return value
        return {key: checked(part, item, join(path, key), problems) for key, part in value.items()}
    described = nested(kind)
    if described is not None:
        if not isinstance(value, dict):
            problems.add(path, f"{_shown(value)} is not an object", "give an object")
            return value
        return checked_object(value, described, path, problems)
    return _checked_scalar(value, str(kind), path, problems)


def checked_object(
    values: Mapping[str, Any], described: ObjectType, path: str, problems: Problems
) -> dict[str, Any]:
    """An object's properties, each as its type wants it; unknown and missing ones are problems."""
    result = {}
    for key, value in values.items():
        if key.startswith("__"):  # bookkeeping of Pulumi's bridge
            continue
        if key not in described.properties:
            known = ", ".join(_nearest(key, described.properties))
            problems.add(join(path, key), "there is no such property", f"properties like it: {known}")
            continue
        fitted = checked(value, described.properties[key], join(path, key), problems)
        if fitted is not None:
            result[key] = fitted
    for key in described.required:
        if values.get(key) is None:
            problems.add(join(path, key), "is missing", "it is required: give a value")
    return result


def _checked_scalar(value: Any, kind: str, path: str, problems: Problems) -> Any:
    if kind == "any" or (kind in ("asset", "archive") and isinstance(value, Asset | Archive)):
        return value
    if kind == "json" and isinstance(value, dict | list):
        return value
    if kind in ("string", "json"):
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(value)
    elif kind == "boolean":
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value in _TRUTH:
            return _TRUTH[value]
    elif kind in ("integer", "number"):
        number = _number(value)
        if number is not None and (kind == "number" or isinstance(number, int)):
            return number
    wanted = {"json": "string", "asset": "file asset", "archive": "archive"}.get(kind, kind)
    article = "an" if wanted[0] in "aeiou" else "a"
    problems.add(path, f"{_shown(value)} is not {article} {wanted}", f"give {article} {wanted}")
    return value


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int | float) else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _nearest(key: str, known: Mapping[str, Any]) -> Iterator[str]:
    from difflib import get_close_matches

    close = get_close_matches(key, known, n=3, cutoff=0.4)
    yield from close or sorted(known)[:8]
