"""Pulumi's properties ↔ the shapes of botocore's service models.

Pulumi names properties in camelCase, calls lists by plurals, and flattens lists of one item to an object or
makes an object a list of one; the API names members in its own case. A `Mapper` walks both descriptions side
by side, so that a resource type needs to state only the exceptions (`rename`).
"""

import base64
import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from twin.aws.provider import documents
from twin.aws.provider.schema import ObjectType, Type, list_item, map_item, nested
from twin.providers.problems import Problems, index, join
from twin.wire import UNKNOWN

NOT_SENT: Final = ""
"""As a new name in `rename`: the property is no member of the API's shape."""

_PAIR_KEYS: Final = ("key", "name")
_DIGIT_LIMIT: Final = {"integer": int, "long": int, "float": float, "double": float}


@dataclass(frozen=True)
class Place:
    """Where a value stands: by names alone (for `rename`), and as Pulumi writes the path (for problems)."""

    names: str = ""
    path: str = ""

    def property(self, name: str) -> "Place":
        """A property of the object here."""
        return Place(f"{self.names}.{name}" if self.names else name, join(self.path, name))

    def item(self, number: int) -> "Place":
        """An item of the list here."""
        return Place(self.names, index(self.path, number))

    def key(self, key: str) -> "Place":
        """A value of the map here."""
        return Place(self.names, join(self.path, key))


class Mapper:
    """The mapping of one resource type's properties to its service's shapes."""

    def __init__(self, model: ServiceModel, rename: Mapping[str, str]) -> None:
        self._model = model
        self._rename = rename
        self._members: dict[tuple[str, str], dict[str, str]] = {}

    def operation(self, name: str) -> OperationModel:
        """The model of an API operation."""
        return self._model.operation_model(name)

    def shape(self, name: str) -> Shape:
        """A shape of the service by its name; `Operation.input` and `.output` name an operation's."""
        operation, _, side = name.partition(".")
        if not side:
            return self._model.shape_for(name)
        found = self.operation(operation)
        shape: Shape | None = found.input_shape if side == "input" else found.output_shape
        return shape if shape is not None else StructureShape(name, {"type": "structure", "members": {}})

    def structure(self, name: str) -> StructureShape:
        """A shape that has members."""
        shape = self.shape(name)
        if not isinstance(shape, StructureShape):
            raise TypeError(f"{name} is no structure")
        return shape

    def mapped(self, shape: str, described: ObjectType) -> frozenset[str]:
        """The properties that have a member in the shape."""
        return frozenset(self._aligned(described, self.structure(shape), ""))

    def request(
        self,
        shape: str,
        values: Mapping[str, Any],
        described: ObjectType,
        problems: Problems | None = None,
        path: str = "",
    ) -> dict[str, Any]:
        """Properties as parameters of the shape; with `problems`, what breaks the shape's rules is noted."""
        target = self.structure(shape)
        return self._structure_out(values, described, target, Place(path, path), problems)

    def properties(
        self, shape: str, data: Mapping[str, Any], described: ObjectType, path: str = ""
    ) -> dict[str, Any]:
        """The API's data as properties; what the API does not mention is left out."""
        return self._structure_in(data, described, self.structure(shape), path)

    def _aligned(self, described: ObjectType, shape: StructureShape, path: str) -> dict[str, str]:
        key = (path, shape.name)
        found = self._members.get(key)
        if found is None:
            found = {}
            for name, kind in described.properties.items():
                renamed = self._rename.get(f"{path}.{name}" if path else name)
                if renamed is not None:
                    if renamed in shape.members:
                        found[name] = renamed
                    continue
                member = member_for(name, tuple(shape.members), list_item(kind) is not None)
                if member is not None:
                    found[name] = member
            self._members[key] = found
        return found

    # properties → API

    def _structure_out(
        self,
        values: Mapping[str, Any],
        described: ObjectType,
        shape: StructureShape,
        place: Place,
        problems: Problems | None,
    ) -> dict[str, Any]:
        aligned = self._aligned(described, shape, place.names)
        result = {}
        for name, value in values.items():
            inner = place.property(name)
            member = aligned.get(name)
            if member is None:
                if problems is not None and place.path and self._rename.get(inner.names) != NOT_SENT:
                    problems.add(inner.path, "is not emulated by the twin", "leave it out")
                continue
            if value is None or value == "":
                continue
            kind = described.properties[name]
            sent = self.outgoing(value, kind, shape.members[member], inner, problems)
            if sent is not None:
                result[member] = sent
        return result

    def outgoing(
        self, value: Any, kind: Type, shape: Shape, place: Place, problems: Problems | None = None
    ) -> Any:
        """One value as the shape wants it."""
        if value is UNKNOWN or value is None:
            return value
        described, item, element = nested(kind), list_item(kind), map_item(kind)
        if isinstance(shape, ListShape):
            if described is not None:
                return [self.outgoing(value, kind, shape.member, place, problems)]
            if element is not None:
                return _pairs_out(value, shape)
            if item is not None:
                _check_length(value, shape, place.path, problems, "items")
                return [
                    self.outgoing(part, item, shape.member, place.item(number), problems)
                    for number, part in enumerate(value)
                ]
        if isinstance(shape, StructureShape) and described is not None:
            return self._structure_out(value, described, shape, place, problems)
        if isinstance(shape, StructureShape) and item is not None:
            if problems is not None and len(value) > 1:
                problems.add(place.path, f"has {len(value)} items", "give one")
            return self.outgoing(value[0], item, shape, place.item(0), problems) if value else None
        if isinstance(shape, MapShape) and element is not None:
            return {
                key: self.outgoing(part, element, shape.value, place.key(key), problems)
                for key, part in value.items()
            }
        return _scalar_out(value, shape, place.path, problems)

    # API → properties

    def _structure_in(
        self, data: Mapping[str, Any], described: ObjectType, shape: StructureShape, names: str
    ) -> dict[str, Any]:
        result = {}
        for name, member in self._aligned(described, shape, names).items():
            value = data.get(member)
            if value is None:
                continue
            inner = f"{names}.{name}" if names else name
            converted = self.incoming(value, described.properties[name], shape.members[member], inner)
            if converted is not None:
                result[name] = converted
        return result

    def incoming(self, value: Any, kind: Type, shape: Shape, names: str) -> Any:
        """One value of the API as the property's type wants it."""
        described = nested(kind)
        item = list_item(kind)
        if isinstance(shape, ListShape) and described is not None:
            return self.incoming(value[0], kind, shape.member, names) if value else None
        if isinstance(shape, StructureShape) and described is not None:
            return self._structure_in(value, described, shape, names)
        if isinstance(shape, StructureShape) and item is not None:
            return [self.incoming(value, item, shape, names)]
        if isinstance(shape, ListShape) and item is not None:
            return [self.incoming(part, item, shape.member, names) for part in value]
        map_kind = map_item(kind)
        if isinstance(shape, ListShape) and map_kind is not None:
            return _pairs_in(value, shape)
        if isinstance(shape, MapShape) and map_kind is not None:
            return {key: self.incoming(part, map_kind, shape.value, names) for key, part in value.items()}
        return _scalar_in(value, str(kind))


@lru_cache(maxsize=20_000)
def member_for(name: str, members: tuple[str, ...], plural: bool) -> str | None:
    """The API member that a property stands for: the same letters, or singular for plural."""
    known = {member.lower(): member for member in members}
    for candidate in _candidates(name.lower(), plural):
        if candidate in known:
            return known[candidate]
    return None


def _candidates(name: str, plural: bool) -> Iterable[str]:
    yield name
    if name.endswith("ies"):
        yield f"{name[:-3]}y"
    if name.endswith("es"):
        yield name[:-2]
    if name.endswith("s"):
        yield name[:-1]
    yield f"{name}s"
    if plural:
        yield f"{name}list"
        yield f"{name.removesuffix('s')}list"


def _pairs_out(value: Mapping[str, Any], shape: ListShape) -> list[dict[str, Any]]:
    names = _pair_members(shape)
    return [{names[0]: key, names[1]: value[key]} for key in sorted(value)]


def _pairs_in(value: Iterable[Mapping[str, Any]], shape: ListShape) -> dict[str, Any]:
    names = _pair_members(shape)
    return {pair[names[0]]: pair.get(names[1], "") for pair in value}


def _pair_members(shape: ListShape) -> tuple[str, str]:
    pair = shape.member
    if not isinstance(pair, StructureShape):
        raise TypeError(f"{shape.name} is no list of pairs")
    members = {member.lower(): member for member in pair.members}
    key = next(members[name] for name in (*_PAIR_KEYS, "tagkey") if name in members)
    value = next(members[name] for name in ("value", "tagvalue") if name in members)
    return key, value


def _scalar_out(value: Any, shape: Shape, path: str, problems: Problems | None) -> Any:
    kind = shape.type_name
    if kind == "string":
        if isinstance(value, dict | list):
            value = documents.dump(value)
        elif isinstance(value, bool):
            value = "true" if value else "false"
        elif not isinstance(value, str):
            value = str(value)
        _check_text(value, shape, path, problems)
    elif kind == "blob":
        return value.encode() if isinstance(value, str) else value
    elif kind == "boolean" and isinstance(value, str):
        return value == "true"
    elif kind in _DIGIT_LIMIT:
        try:
            value = _DIGIT_LIMIT[kind](value)
        except (TypeError, ValueError):
            if problems is not None:
                problems.add(path, f"{value!r} is not a number", "give a number")
            return value
        _check_range(value, shape, path, problems)
    return value


def _scalar_in(value: Any, kind: str) -> Any:
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, bytes | bytearray):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    if kind in ("string", "json"):
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, dict | list):
            return documents.dump(value)
        return str(value)
    if kind in ("integer", "number") and isinstance(value, str):
        return float(value) if "." in value else int(value)
    if kind == "integer" and isinstance(value, float):
        return int(value)
    if kind == "boolean" and isinstance(value, str):
        return value.lower() == "true"
    return value


def _check_text(value: str, shape: Shape, path: str, problems: Problems | None) -> None:
    if problems is None:
        return
    allowed = getattr(shape, "enum", None) or ()
    if allowed and value not in allowed:
        shown = ", ".join(allowed[:12]) + (", …" if len(allowed) > 12 else "")
        problems.add(path, f"{value!r} is not allowed", f"use one of: {shown}")
        return
    _check_length(value, shape, path, problems, "characters")
    pattern = shape.metadata.get("pattern")
    if pattern and not _matches(pattern, value):
        problems.add(path, f"{value[:80]!r} does not match {pattern}", "give a value of that form")


def _check_length(value: Any, shape: Shape, path: str, problems: Problems | None, unit: str) -> None:
    if problems is None:
        return
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and len(value) < least:
        problems.add(path, f"has {len(value)} {unit}", f"give at least {least}")
    if most is not None and len(value) > most:
        problems.add(path, f"has {len(value)} {unit}", f"give at most {most}")


def _check_range(value: float, shape: Shape, path: str, problems: Problems | None) -> None:
    if problems is None:
        return
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and value < least:
        problems.add(path, f"{value} is too small", f"give at least {least}")
    if most is not None and value > most:
        problems.add(path, f"{value} is too large", f"give at most {most}")


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


@lru_cache(maxsize=2_000)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The API's pattern for Python; None where its dialect (Java's) has no counterpart."""
    for java, python in (
        ("\\p{IsAlphabetic}", "a-zA-Z"),
        ("\\p{Alnum}", "a-zA-Z0-9"),
        ("\\p{ASCII}", "\\x00-\\x7F"),
    ):
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern)
    except re.error:
        return None
