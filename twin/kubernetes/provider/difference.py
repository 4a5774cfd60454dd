"""What differs between two manifests, by field; and a manifest as a cluster has it now."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from twin.kubernetes import quantities
from twin.kubernetes.kinds import Kind, metadata_kind
from twin.providers.problems import index, join
from twin.wire import UNKNOWN

Happening = Literal["ADD", "DELETE", "UPDATE"]


class Change(NamedTuple):
    """One field that differs."""

    path: str
    kind: Happening


def changes(old: Any, new: Any, path: str = "") -> Iterator[Change]:
    """The fields that differ, in the order of their names; null is as good as absent."""
    if new is not UNKNOWN and isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            yield from changes(old.get(name), new.get(name), join(path, name))
    elif isinstance(old, list) and isinstance(new, list):
        for place in range(max(len(old), len(new))):
            where = index(path, place)
            if place >= len(old):
                yield Change(where, "ADD")
            elif place >= len(new):
                yield Change(where, "DELETE")
            else:
                yield from changes(old[place], new[place], where)
    elif old is None and new is not None:
        yield Change(path, "ADD")
    elif new is None and old is not None:
        yield Change(path, "DELETE")
    elif new is UNKNOWN or old != new or isinstance(old, bool) is not isinstance(new, bool):
        yield Change(path, "UPDATE")


def as_found(kind: Kind, given: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest that was given, with what the cluster has now in the fields that it sets.

    What a server adds, and what others own, is not the program's and is left out.
    """
    overlaid: dict[str, Any] = _found(kind, kind.schema, given, live)
    return overlaid


def _found(kind: Kind, schema: Mapping[str, Any], given: Any, live: Any) -> Any:
    schema = kind.resolved(schema)
    if isinstance(given, dict) and isinstance(live, dict):
        return _found_object(kind, schema, given, live)
    if isinstance(given, list) and isinstance(live, list):
        return _found_list(kind, schema, given, live)
    return given if _same(given, live) else live


def _found_object(
    kind: Kind, schema: Mapping[str, Any], given: Mapping[str, Any], live: Mapping[str, Any]
) -> dict[str, Any]:
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
    found = {}
    for name, value in given.items():
        now = live.get(name)
        if now is None:
            if not _says_something(value):
                found[name] = value
        elif name == "metadata" and kind.custom and schema is kind.schema:
            found[name] = _found(metadata_kind(), metadata_kind().schema, value, now)
        else:
            described = properties.get(name, rest if isinstance(rest, Mapping) else {})
            found[name] = _found(kind, described, value, now)
    return found


def _found_list(kind: Kind, schema: Mapping[str, Any], given: list[Any], live: list[Any]) -> list[Any]:
    items = schema.get("items", {})
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys and schema.get("x-kubernetes-list-type") == "map":
        # A key that a server defaults, such as a port's protocol, tells nothing when it was not given.
        def find(item: Any) -> Any:
            told = [key for key in keys if isinstance(item, dict) and item.get(key) is not None]
            return next((each for each in live if all(each.get(key) == item[key] for key in told)), None)

        paired = [(item, find(item)) for item in given]
        return [_found(kind, items, item, found) for item, found in paired if found is not None]
    if len(given) == len(live):
        return [_found(kind, items, item, found) for item, found in zip(given, live, strict=True)]
    return live


def _says_something(value: Any) -> bool:
    """Whether leaving the field out would mean something else."""
    return not (value is None or value is False or (not isinstance(value, bool) and value in ("", 0, [], {})))


def _same(given: Any, live: Any) -> bool:
    if given == live and isinstance(given, bool) is isinstance(live, bool):
        return True
    if isinstance(given, str | int | float) and isinstance(live, str | int | float):
        left, right = quantities.parse(given), quantities.parse(live)
        return left is not None and left == right and not isinstance(given, bool)
    return False
