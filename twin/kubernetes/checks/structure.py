"""A manifest against its kind's schema, as strict server-side validation judges it: every problem at once.

Reads Kubernetes' published OpenAPI and the structural schemas of custom resources.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final

from twin.kubernetes import quantities
from twin.kubernetes.kinds import Kind, metadata_kind
from twin.providers.problems import Problems, index, join
from twin.wire import UNKNOWN

_QUANTITY: Final = {"oneOf": [{"type": "string"}, {"type": "number"}]}
_RANGES: Final = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_TYPES: Final = {
    "object": (dict, "an object"),
    "array": (list, "a list"),
    "string": (str, "text"),
    "boolean": (bool, "true or false"),
    "integer": (int, "a whole number"),
    "number": (int | float, "a number"),
}
_DURATION: Final = re.compile(r"^[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+)$")
_SHOWN: Final = 60
_SECRET: Final = ("data", "stringData")
_IDENTITY: Final = ("apiVersion", "kind")


def check(kind: Kind, manifest: Mapping[str, Any], problems: Problems) -> None:
    """Notes what of the manifest its kind's schema forbids. Values that are not known yet pass."""
    _Check(kind, problems).top(manifest)


def shown(value: Any) -> str:
    """A value as a problem tells it."""
    text = f'"{value}"' if isinstance(value, str) else "null" if value is None else str(value)
    text = {"True": "true", "False": "false"}.get(text, text)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


class _Check:
    def __init__(self, kind: Kind, problems: Problems) -> None:
        self._kind = kind
        self._problems = problems

    def top(self, manifest: Mapping[str, Any]) -> None:
        if self._kind.custom:
            self._object(_with_identity(self._kind.schema), manifest, "")
        else:
            self.value(self._kind.schema, manifest, "")

    def value(self, schema: Mapping[str, Any], value: Any, path: str) -> None:
        if value is UNKNOWN:
            return
        schema = self._kind.resolved(schema)
        if value is None:
            # A null of a field that is not nullable is dropped, as though it were not there.
            return
        if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
            self._int_or_string(schema, value, path)
        elif schema.get("oneOf") == _QUANTITY["oneOf"]:
            self._quantity(value, path)
        elif self._typed(schema, value, path):
            self._constrained(schema, value, path)
            if isinstance(value, dict):
                self._object(schema, value, path)
            elif isinstance(value, list):
                self._list(schema, value, path)

    def _typed(self, schema: Mapping[str, Any], value: Any, path: str) -> bool:
        wanted = schema.get("type")
        if wanted is None:
            return True
        expected, word = _TYPES[wanted]
        fits = isinstance(value, expected) and not (isinstance(value, bool) and wanted != "boolean")
        if not fits:
            told = self._told(value, path)
            self._problems.add(path, f"{told} is not {word}", f"give {word}{_example(schema)}")
        return fits

    def _int_or_string(self, schema: Mapping[str, Any], value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | str):
            self._problems.add(path, f"{shown(value)} is neither a whole number nor text", "give one of them")
            return
        self._constrained(schema, value, path)

    def _quantity(self, value: Any, path: str) -> None:
        if quantities.parse(value) is None:
            self._problems.add(path, f"{shown(value)} is no quantity", 'give one such as "500m" or "2Gi"')

    # -- objects and lists

    def _object(self, schema: Mapping[str, Any], value: Mapping[str, Any], path: str) -> None:
        if schema.get("x-kubernetes-embedded-resource"):
            schema = _with_identity(schema)
        properties = schema.get("properties", {})
        rest = schema.get("additionalProperties")
        for name in schema.get("required", ()):
            if value.get(name) is None:
                self._problems.add(join(path, name), "is missing", f"it is required{self._within(path)}")
        for name, item in value.items():
            where = join(path, name)
            if (
                name == "metadata"
                and properties.get(name, {}).get("type") == "object"
                and self._embeds(path, schema)
            ):
                _Check(metadata_kind(), self._problems).value(metadata_kind().schema, item, where)
            if name in properties:
                self.value(properties[name], item, where)
            elif isinstance(rest, Mapping):
                self.value(rest, item, where)
            elif rest is not True and self._closed(schema):
                self._unknown(name, properties, where, path)

    def _embeds(self, path: str, schema: Mapping[str, Any]) -> bool:
        top = not path and self._kind.custom
        return top or bool(schema.get("x-kubernetes-embedded-resource"))

    def _closed(self, schema: Mapping[str, Any]) -> bool:
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            return False
        # Among Kubernetes' own schemas an object without a word is free; in a structural schema it is empty.
        return bool(schema.get("properties")) or (self._kind.custom and "properties" in schema)

    def _unknown(self, name: str, properties: Mapping[str, Any], path: str, parent: str) -> None:
        close = get_close_matches(name, properties, 1)
        remedy = f'did you mean "{close[0]}"?' if close else "leave it out"
        self._problems.add(path, f"is not a field{self._within(parent)}", remedy)

    def _within(self, path: str) -> str:
        return f" of {self._kind.name}'s {path}" if path else f" of {self._kind.name}"

    def _list(self, schema: Mapping[str, Any], value: list[Any], path: str) -> None:
        items = schema.get("items")
        if isinstance(items, Mapping):
            for place, item in enumerate(value):
                if item is None:
                    self._problems.add(index(path, place), "is null", "leave it out")
                self.value(items, item, index(path, place))
        for place, earlier, told in _repeated(schema, value):
            self._problems.add(
                index(path, place), f"repeats {told} of {index(path, earlier)}", "each may stand once"
            )

    # -- values

    def _constrained(self, schema: Mapping[str, Any], value: Any, path: str) -> None:
        for wrong, remedy in constraints(schema, value):
            self._problems.add(path, f"{self._told(value, path)} {wrong}", remedy)
        for several, least in (("anyOf", 1), ("oneOf", 1)):
            if schema.get(several) and not _is_plain_union(schema[several]):
                fitting = sum(self._satisfies(each, value) for each in schema[several])
                if fitting < least or (several == "oneOf" and fitting > 1):
                    self._problems.add(path, *_unfit(schema[several], several, fitting))
        for each in schema.get("allOf", ()):
            if "$ref" not in each and not self._satisfies(each, value):
                self._problems.add(path, f"{shown(value)} breaks a rule of its schema", _wanted(each))
        if "not" in schema and self._satisfies(schema["not"], value):
            self._problems.add(
                path, f"{shown(value)} is excluded", f"it must not be so: {_wanted(schema['not'])}"
            )

    def _told(self, value: Any, path: str) -> str:
        """The value, unless it is what a Secret keeps."""
        hidden = self._kind.name == "Secret" and not self._kind.group and path.startswith(_SECRET)
        return "its value" if hidden else shown(value)

    def _satisfies(self, schema: Mapping[str, Any], value: Any) -> bool:
        """Whether a value obeys a schema that is no more than constraints."""
        if value is UNKNOWN:
            return True
        found = Problems()
        inner = _Check(self._kind, found)
        if not inner._typed(schema, value, ""):
            return False
        inner._constrained(schema, value, "")
        if isinstance(value, dict):
            for name in schema.get("required", ()):
                if value.get(name) is None:
                    return False
            for name, described in schema.get("properties", {}).items():
                if value.get(name) is not None and not self._satisfies(described, value[name]):
                    return False
        if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
            return not found and all(self._satisfies(schema["items"], item) for item in value)
        return not found


def constraints(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[str, str]]:
    """What of a single value its schema forbids: (what is wrong, what would be right)."""
    if "enum" in schema and value not in schema["enum"]:
        choices = [shown(each) for each in schema["enum"]]
        close = get_close_matches(str(value), [str(each) for each in schema["enum"]], 1, 0.75)
        hint = f" (did you mean {shown(close[0])}?)" if close else ""
        yield "is not one of its values", f"give {' or '.join(choices)}{hint}"
    if isinstance(value, str):
        yield from _of_text(schema, value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _of_number(schema, value)
    elif isinstance(value, list):
        yield from _of_size(len(value), schema, "Items", "entries")
    elif isinstance(value, dict):
        yield from _of_size(len(value), schema, "Properties", "keys")


def _of_text(schema: Mapping[str, Any], value: str) -> Iterator[tuple[str, str]]:
    yield from _of_size(len(value), schema, "Length", "characters")
    pattern = schema.get("pattern")
    if pattern is not None and not _matches(pattern, value):
        yield "does not have the right form", f"it must match {pattern}"
    form = schema.get("format")
    if form == "byte" and not _is_base64(value):
        yield "is not base64", "encode it, or give plain text where the kind has a field for it"
    elif form == "date-time" and not _is_time(value):
        yield "is not a time", 'give one such as "2026-01-31T08:00:00Z"'
    elif form == "duration" and not _DURATION.match(value):
        yield "is not a duration", 'give one such as "30s" or "1h30m"'


def _of_number(schema: Mapping[str, Any], value: float) -> Iterator[tuple[str, str]]:
    least, most = _RANGES.get(schema.get("format", ""), (None, None))
    low, high = schema.get("minimum", least), schema.get("maximum", most)
    if low is not None and (value < low or (schema.get("exclusiveMinimum") and value == low)):
        yield "is too small", f"give {'more than' if schema.get('exclusiveMinimum') else 'at least'} {low}"
    if high is not None and (value > high or (schema.get("exclusiveMaximum") and value == high)):
        yield "is too large", f"give {'less than' if schema.get('exclusiveMaximum') else 'at most'} {high}"
    step = schema.get("multipleOf")
    if step and value % step:
        yield "is between two allowed values", f"give a multiple of {step}"


def _of_size(size: int, schema: Mapping[str, Any], what: str, unit: str) -> Iterator[tuple[str, str]]:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    if least is not None and size < least:
        yield f"has {size} {unit}", f"give at least {least}"
    if most is not None and size > most:
        yield f"has {size} {unit}", f"give at most {most}"


def _repeated(schema: Mapping[str, Any], value: list[Any]) -> Iterator[tuple[int, int, str]]:
    """(place, place of the first, what is the same) of entries that a list may have once only."""
    form = schema.get("x-kubernetes-list-type")
    keys = schema.get("x-kubernetes-list-map-keys", ())
    first: dict[str, int] = {}
    for place, item in enumerate(value):
        if item is UNKNOWN or (isinstance(item, dict) and any(item.get(key) is UNKNOWN for key in keys)):
            continue
        if form == "set":
            identity, told = repr(item), "the value"
        elif form == "map" and isinstance(item, dict) and any(item.get(key) is not None for key in keys):
            identity = repr([item.get(key) for key in keys])
            told = " and ".join(f"{key} {shown(item[key])}" for key in keys if item.get(key) is not None)
        else:
            continue
        if identity in first:
            yield place, first[identity], told
        first.setdefault(identity, place)


def _with_identity(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of a whole object: it has apiVersion, kind and metadata even where they are not written."""
    text = {"type": "string"}
    properties = {
        "metadata": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        **dict.fromkeys(_IDENTITY, text),
        **schema.get("properties", {}),
    }
    return {**schema, "properties": _free_metadata(properties)}


def _free_metadata(properties: dict[str, Any]) -> dict[str, Any]:
    """`metadata` is checked as every object's; what a definition says of its fields counts on top."""
    return {
        **properties,
        "metadata": {**properties["metadata"], "x-kubernetes-preserve-unknown-fields": True},
    }


def _is_plain_union(branches: list[Any]) -> bool:
    """Whether it says no more than that a value is a number or text."""
    return all(set(each) == {"type"} and each["type"] in ("integer", "string", "number") for each in branches)


def _unfit(branches: list[Any], word: str, fitting: int) -> tuple[str, str]:
    wanted = " or ".join(dict.fromkeys(_wanted(each) for each in branches))
    if fitting > 1:
        return f"fits {fitting} of its alternatives", f"exactly one is allowed: {wanted}"
    return (
        "fits none of its alternatives",
        f"{'exactly one' if word == 'oneOf' else 'one'} is needed: {wanted}",
    )


def _wanted(schema: Mapping[str, Any]) -> str:
    if "required" in schema:
        return " with ".join(schema["required"])
    if "not" in schema:
        return f"no {_wanted(schema['not'])}"
    if "anyOf" in schema:
        return "(" + " or ".join(_wanted(each) for each in schema["anyOf"]) + ")"
    kept = {key: each for key, each in schema.items() if key not in ("properties", "items")}
    names = [*schema.get("properties", ())]
    return ", ".join([*(f"{key} {each}" for key, each in kept.items()), *names])


def _example(schema: Mapping[str, Any]) -> str:
    return f": {' or '.join(shown(each) for each in schema['enum'])}" if "enum" in schema else ""


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:
        # Go's own classes, such as \p{L}, are none of Python's: the server judges those.
        return True


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value.encode(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _is_time(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
