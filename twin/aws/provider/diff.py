"""Comparing property values: what changed between inputs, and what the cloud has against what was asked."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from twin.aws.provider import documents
from twin.aws.provider.schema import ObjectType, Type, list_item, map_item, nested
from twin.providers.problems import index, join
from twin.wire import UNKNOWN, Archive, Asset

Kind = Literal["ADD", "DELETE", "UPDATE"]

_SETS: Final = (
    "Ids",
    "Arns",
    "Subnets",
    "subnets",
    "SecurityGroups",
    "securityGroups",
    "CidrBlocks",
    "cidrBlocks",
    "Zones",
    "Actions",
    "actions",
    "instanceTypes",
    "nonKeyAttributes",
    "platformCapabilities",
    "subscriberEmailAddresses",
    "allowedMethods",
    "allowedOrigins",
    "allowedHeaders",
    "events",
    "shardLevelMetrics",
    "clientIdLists",
    "compatibleRuntimes",
    "compatibleArchitectures",
)
"""Endings of list properties that are sets to AWS: another order is no change."""


class Change(NamedTuple):
    """One changed path; `replaces` if the documentation says that this very property forces a replacement."""

    path: str
    kind: Kind
    replaces: bool


def is_zero(value: Any) -> bool:
    """Whether the value says no more than leaving it out would."""
    return value is None or value is False or (not isinstance(value, bool) and value in ("", 0, [], {}))


def changed_properties(
    old: Mapping[str, Any], new: Mapping[str, Any], described: ObjectType
) -> dict[str, list[Change]]:
    """Top-level property → what changed in it, in the order of names."""
    found = {}
    for name in sorted({*old, *new}):
        kind = described.properties.get(name)
        if kind is None:
            continue
        differences = list(_differences(old.get(name), new.get(name), kind, name, name))
        if name in described.replaces:
            differences = [change._replace(replaces=True) for change in differences]
        if differences:
            found[name] = differences
    return found


def _differences(old: Any, new: Any, kind: Type, path: str, name: str) -> Iterator[Change]:
    if new is UNKNOWN:
        yield Change(path, "ADD" if old is None else "UPDATE", False)
        return
    if is_zero(old) and is_zero(new):
        return
    if old is None or new is None:
        yield Change(path, "ADD" if old is None else "DELETE", False)
        return
    item = list_item(kind)
    if item is not None and isinstance(old, list) and isinstance(new, list):
        yield from _list_differences(old, new, item, path, name)
        return
    described = nested(kind)
    element = map_item(kind)
    if isinstance(old, dict) and isinstance(new, dict) and (described is not None or element is not None):
        for key in sorted({*old, *new}):
            inner = element if described is None else described.properties.get(key)
            if inner is None:
                continue
            forced = described is not None and key in described.replaces
            for change in _differences(old.get(key), new.get(key), inner, join(path, key), key):
                yield change._replace(replaces=True) if forced else change
        return
    if not _same_scalar(old, new):
        yield Change(path, "UPDATE", False)


def _list_differences(old: list[Any], new: list[Any], item: Type, path: str, name: str) -> Iterator[Change]:
    if name.endswith(_SETS) and UNKNOWN not in new:
        before, after = Counter(map(_key, old)), Counter(map(_key, new))
        if before == after:
            return
        gone, come = before - after, after - before
        yield from (Change(index(path, i), "DELETE", False) for i, v in enumerate(old) if _take(gone, v))
        yield from (Change(index(path, i), "ADD", False) for i, v in enumerate(new) if _take(come, v))
        return
    for place in range(max(len(old), len(new))):
        where = index(path, place)
        if place >= len(old):
            yield Change(where, "ADD", False)
        elif place >= len(new):
            yield Change(where, "DELETE", False)
        else:
            yield from _differences(old[place], new[place], item, where, name)


def _take(counts: Counter[str], value: Any) -> bool:
    key = _key(value)
    if counts[key] <= 0:
        return False
    counts[key] -= 1
    return True


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def _same_scalar(left: Any, right: Any) -> bool:
    if isinstance(left, Asset | Archive) or isinstance(right, Asset | Archive):
        if type(left) is type(right) and left.hash and right.hash:
            return bool(left.hash == right.hash)
        return bool(left == right)
    if left == right:
        return True
    return documents.same(left, right)


def equivalent(wanted: Any, actual: Any, previous: Any = None) -> bool:
    """Whether what the cloud has (`actual`) is what was asked for.

    What was not asked for may be there: the cloud's own defaults. With `previous` (what the cloud had
    before) a change of such a default shows too.
    """
    if is_zero(wanted) and is_zero(actual):
        return True
    if isinstance(wanted, dict) and isinstance(actual, dict):
        if not all(_equivalent_part(wanted, actual, previous, key) for key in wanted):
            return False
        if not isinstance(previous, dict):
            return True
        return all(key in wanted or equivalent(previous.get(key), value) for key, value in actual.items())
    if isinstance(wanted, list) and isinstance(actual, list):
        if len(wanted) != len(actual):
            return False
        before = (
            previous if isinstance(previous, list) and len(previous) == len(actual) else [None] * len(actual)
        )
        if all(equivalent(*triple) for triple in zip(wanted, actual, before, strict=True)):
            return True
        return _matched_in_any_order(wanted, actual)
    if _same_scalar(wanted, actual):
        return True
    return _text(wanted) == _text(actual) if _is_scalar(wanted) and _is_scalar(actual) else False


def _equivalent_part(wanted: Mapping[str, Any], actual: Mapping[str, Any], previous: Any, key: str) -> bool:
    before = previous.get(key) if isinstance(previous, Mapping) else None
    return equivalent(wanted[key], actual.get(key), before)


def _matched_in_any_order(wanted: list[Any], actual: list[Any]) -> bool:
    rest = list(actual)
    for item in wanted:
        place = next((i for i, candidate in enumerate(rest) if equivalent(item, candidate)), None)
        if place is None:
            return False
        del rest[place]
    return True


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | bool | int | float)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def settled(actual: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What the cloud has, each value in the notation in which it was asked for where both mean the same."""
    result = {}
    for name in {**wanted, **actual}:
        if name not in actual:
            result[name] = wanted[name]
            continue
        value = actual[name]
        asked = wanted.get(name)
        if asked is not None and equivalent(asked, value):
            value = _completed(asked, value)
        if value is not None:
            result[name] = value
    return result


def _completed(asked: Any, actual: Any) -> Any:
    """The asked value plus what the cloud added to it inside objects."""
    if isinstance(asked, dict) and isinstance(actual, dict):
        extra = {key: value for key, value in actual.items() if key not in asked and not is_zero(value)}
        return {**{key: _completed(value, actual.get(key)) for key, value in asked.items()}, **extra}
    if isinstance(asked, list) and isinstance(actual, list) and len(asked) == len(actual):
        if all(equivalent(*pair) for pair in zip(asked, actual, strict=True)):
            return [_completed(*pair) for pair in zip(asked, actual, strict=True)]
        return asked
    return asked


def current_inputs(
    inputs: Mapping[str, Any],
    actual: Mapping[str, Any],
    previous: Mapping[str, Any],
    described: ObjectType,
    chosen: frozenset[str],
) -> dict[str, Any]:
    """The inputs as the cloud has them now: as given where nothing changed, so that only a real change shows.

    A property that the program does not set is added when the cloud's value is no longer what it was, unless
    it is one of those that AWS chooses (`chosen`).
    """
    result = {}
    for name in sorted(described.properties):
        given = inputs.get(name)
        if name not in actual:
            value = given
        elif given is not None:
            before = previous.get(name)
            value = given if equivalent(given, actual[name], before) else actual[name]
        elif name in previous or not previous:
            value = None if equivalent(previous.get(name), actual[name]) else actual[name]
        else:
            value = None
        if given is None and previous and name in chosen:
            continue
        if value is not None and (given is not None or not is_zero(value)):
            result[name] = value
    return result
