"""The one codec between Pulumi's protobuf `Struct`s and Python values.

Pulumi marks special values as objects that carry a signature key. Here they become small classes, so that
engine, providers and the policy host never handle signatures themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from google.protobuf import struct_pb2

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"
REFERENCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_TEXT: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How an unknown travels; the other kinds of unknown (bool, number, …) are read as this one."""

_UNKNOWN_TEXTS: Final = frozenset(
    {
        UNKNOWN_TEXT,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)


class Unknown:
    """A value that is not known before the resource exists."""

    _instance: "Unknown | None" = None

    def __new__(cls) -> "Unknown":
        """There is one unknown, so that `is` works."""
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __deepcopy__(self, _memo: Any) -> "Unknown":
        return self


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that must not be shown. Its repr hides it, so that no log can leak it."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True)
class OutputValue:
    """An output with what is known about it: `value` (UNKNOWN if not known), secrecy, dependencies (URNs)."""

    value: Any
    secret: bool = False
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResourceReference:
    """A resource passed as a value. `id` is None for a component, UNKNOWN while it is not made."""

    urn: str
    id: Any = None
    package_version: str = ""


@dataclass(frozen=True)
class Asset:
    """A file as a value: exactly one of `text`, `path`, `uri`."""

    text: str | None = None
    path: str | None = None
    uri: str | None = None
    hash: str = ""


@dataclass(frozen=True)
class Archive:
    """A folder or zip as a value: exactly one of `assets` (name → Asset or Archive), `path`, `uri`."""

    assets: Mapping[str, Any] | None = None
    path: str | None = None
    uri: str | None = None
    hash: str = ""


@dataclass(frozen=True)
class Encoding:
    """Which special values the receiver understands; the others are sent in their plain form."""

    secrets: bool = True
    references: bool = True
    outputs: bool = False


PLAIN: Final = Encoding(secrets=False, references=False)
FULL: Final = Encoding()


def to_struct(properties: Mapping[str, Any], encoding: Encoding = FULL) -> struct_pb2.Struct:
    """Properties as a `Struct`; a property that is None is left out, as Pulumi's own engine does."""
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        if value is not None:
            _fill(struct.fields[key], value, encoding)
    return struct


def to_value(value: Any, encoding: Encoding = FULL) -> struct_pb2.Value:
    """One value as protobuf."""
    target = struct_pb2.Value()
    _fill(target, value, encoding)
    return target


def from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """A `Struct` as Python values; null properties are left out."""
    return {
        key: from_value(value)
        for key, value in struct.fields.items()
        if value.WhichOneof("kind") != "null_value"
    }


def from_value(value: struct_pb2.Value) -> Any:
    """One protobuf value as Python; whole numbers become int."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text = value.string_value
        return UNKNOWN if text in _UNKNOWN_TEXTS else text
    if kind == "bool_value":
        return value.bool_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    if kind == "list_value":
        return [from_value(item) for item in value.list_value.values]
    if kind == "struct_value":
        fields = value.struct_value.fields
        if SIGNATURE in fields:
            return _special({key: from_value(item) for key, item in fields.items()})
        return {key: from_value(item) for key, item in fields.items()}
    return None


def _special(fields: dict[str, Any]) -> Any:
    signature = fields[SIGNATURE]
    if signature == SECRET:
        return Secret(fields.get("value"))
    if signature == OUTPUT:
        return OutputValue(
            fields.get("value", UNKNOWN), bool(fields.get("secret")), tuple(fields.get("dependencies") or ())
        )
    if signature == REFERENCE:
        return ResourceReference(fields["urn"], fields.get("id"), fields.get("packageVersion") or "")
    if signature == ASSET:
        return Asset(fields.get("text"), fields.get("path"), fields.get("uri"), fields.get("hash") or "")
    if signature == ARCHIVE:
        return Archive(fields.get("assets"), fields.get("path"), fields.get("uri"), fields.get("hash") or "")
    raise ValueError(f"unknown value signature {signature!r}")


def special_fields(value: Any) -> dict[str, Any] | None:
    """The signed object that stands for a special value on the wire and in state; None for plain values."""
    if isinstance(value, Secret):
        return {SIGNATURE: SECRET, "value": value.value}
    if isinstance(value, ResourceReference):
        fields: dict[str, Any] = {SIGNATURE: REFERENCE, "urn": value.urn}
        if value.id is not None:
            fields["id"] = "" if value.id is UNKNOWN else value.id
        fields["packageVersion"] = value.package_version
        return fields
    if isinstance(value, Asset):
        present = {"text": value.text, "path": value.path, "uri": value.uri, "hash": value.hash or None}
        return {SIGNATURE: ASSET, **{key: item for key, item in present.items() if item is not None}}
    if isinstance(value, Archive):
        parts = {"assets": value.assets, "path": value.path, "uri": value.uri, "hash": value.hash or None}
        return {SIGNATURE: ARCHIVE, **{key: item for key, item in parts.items() if item is not None}}
    if isinstance(value, OutputValue):
        output: dict[str, Any] = {SIGNATURE: OUTPUT}
        if value.value is not UNKNOWN:
            output["value"] = value.value
        if value.secret:
            output["secret"] = True
        if value.dependencies:
            output["dependencies"] = list(value.dependencies)
        return output
    return None


def _fill(target: struct_pb2.Value, value: Any, encoding: Encoding) -> None:
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):  # before int, which it is too
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif value is None:
        target.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, list | tuple):
        target.list_value.SetInParent()
        values = target.list_value.values
        for item in value:
            _fill(values.add(), item, encoding)
    elif isinstance(value, Mapping):
        target.struct_value.SetInParent()
        fields = target.struct_value.fields
        for key, item in value.items():
            _fill(fields[key], item, encoding)
    elif value is UNKNOWN:
        target.string_value = UNKNOWN_TEXT
    else:
        _fill(target, _encoded(value, encoding), encoding)


def _encoded(value: Any, encoding: Encoding) -> Any:
    """A special value in the richest form that the receiver understands."""
    if isinstance(value, Secret) and not encoding.secrets:
        return value.value
    if isinstance(value, OutputValue) and not encoding.outputs:
        return Secret(value.value) if value.secret else value.value
    if isinstance(value, ResourceReference) and not encoding.references:
        return value.urn if value.id is None else value.id
    fields = special_fields(value)
    if fields is None:
        raise TypeError(f"cannot be sent to Pulumi: {type(value).__name__}")
    return fields


def holds_secret(value: Any) -> bool:
    """Whether anything within is marked secret."""
    if isinstance(value, dict):
        return any(holds_secret(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(holds_secret(item) for item in value)
    if isinstance(value, OutputValue):
        return value.secret or holds_secret(value.value)
    return isinstance(value, Secret)


class Unwrapped(NamedTuple):
    """A value without its marks, and what the marks said."""

    value: Any
    secret: bool
    unknown: bool
    dependencies: frozenset[str]


def unwrap(value: Any) -> Unwrapped:
    """Strips `Secret` and `OutputValue` at every depth; says whether any was secret or unknown."""
    secret = unknown = False
    dependencies: set[str] = set()

    def strip(item: Any) -> Any:
        nonlocal secret, unknown
        if isinstance(item, Secret):
            secret = True
            return strip(item.value)
        if isinstance(item, OutputValue):
            secret = secret or item.secret
            dependencies.update(item.dependencies)
            return strip(item.value)
        if item is UNKNOWN:
            unknown = True
            return item
        if isinstance(item, Mapping):
            return {key: strip(part) for key, part in item.items()}
        if isinstance(item, list | tuple):
            return [strip(part) for part in item]
        return item

    plain = strip(value)
    return Unwrapped(plain, secret, unknown, frozenset(dependencies))
