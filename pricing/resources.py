"""What is estimated: resources as a Pulumi state or a policy's stack sees them, and how they are joined."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from pricing.money import number

STACK_TYPE: Final = "pulumi:pulumi:Stack"
_PROVIDER_PACKAGES: Final = ("aws", "kubernetes", "pulumi")
_MISSING: Final = object()


@dataclass(frozen=True)
class Resource:
    """One resource of a stack, its values resolved."""

    urn: str
    type: str
    """Pulumi type token, such as `aws:s3/bucket:Bucket`."""
    name: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    """camelCase, as Pulumi spells them; outputs over inputs."""
    parent: str | None = None
    """URN of the parent."""
    provider: str | None = None
    """Provider reference, `URN::ID`."""
    property_dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Property name → URNs that its value was made from."""
    custom: bool | None = None
    """False for a component, True for a provider's resource, None to tell by the type."""

    @classmethod
    def of(cls, entry: "Resource | Mapping[str, Any]") -> "Resource":
        """A resource from a mapping: an entry of a state file, or the keys of this class.

        `properties` are taken if given, else `outputs` over `inputs`. What is malformed is left out, so that
        one bad entry never hides the rest of an estimate.
        """
        if isinstance(entry, Resource):
            return entry
        urn = _text(entry.get("urn"))
        properties = entry.get("properties")
        if not isinstance(properties, Mapping):
            properties = {**_mapping(entry.get("inputs")), **_mapping(entry.get("outputs"))}
        if "id" not in properties and isinstance(entry.get("id"), str):
            properties = {**properties, "id": entry["id"]}
        custom = entry.get("custom")
        dependencies = entry.get("propertyDependencies", entry.get("property_dependencies"))
        return cls(
            urn=urn,
            type=_text(entry.get("type")) or urn.rpartition("$")[2].partition("::")[0],
            name=_text(entry.get("name")) or urn.rpartition("::")[2],
            properties=properties,
            parent=_text(entry.get("parent")) or None,
            provider=_text(entry.get("provider")) or None,
            property_dependencies={
                str(key): [item for item in value if isinstance(item, str)]
                for key, value in _mapping(dependencies).items()
                if isinstance(value, Sequence) and not isinstance(value, str)
            },
            custom=custom if isinstance(custom, bool) else None,
        )

    @property
    def package(self) -> str:
        """`aws` of `aws:s3/bucket:Bucket`."""
        return self.type.partition(":")[0]

    @property
    def is_component(self) -> bool:
        """Whether it only groups other resources."""
        if self.custom is not None:
            return not self.custom and self.package != "pulumi"
        # A provider's generated resources carry their module's file in the token (`random:index/randomId:…`).
        return self.package not in _PROVIDER_PACKAGES and "/" not in self.type


class Properties:
    """Reads of a property tree that never fail: what is missing or of another type is its default.

    Paths are dotted (`scalingConfig.maxSize`). A list of one block reads like the block, since providers
    differ in how they spell `at most one`.
    """

    def __init__(self, values: Any, note: Callable[[str], None]) -> None:
        self.values = values
        self._note = note

    def has(self, path: str) -> bool:
        """Whether there is a value, other than null, at the path."""
        return self._get(path) is not _MISSING

    def number(self, path: str, default: Decimal | int) -> Decimal:
        """The number at the path. One that is there but is not known (yet) is the default, and said so."""
        value = self._get(path)
        if value is _MISSING:
            return Decimal(default)
        found = number(value)
        if found is None or found < 0:
            self._note(f"{path} is no known number; {default} is assumed")
            return Decimal(default)
        return found

    def text(self, path: str, default: str = "") -> str:
        """The string at the path."""
        value = self._get(path)
        return value if isinstance(value, str) else default

    def flag(self, path: str, default: bool = False) -> bool:
        """The boolean at the path; the strings `true` and `false` count."""
        value = self._get(path)
        if isinstance(value, str):
            return value.lower() == "true" if value.lower() in ("true", "false") else default
        return value if isinstance(value, bool) else default

    def texts(self, path: str) -> list[str]:
        """The strings of the list at the path."""
        value = self._get(path)
        if isinstance(value, str):
            return [value]
        return [item for item in value if isinstance(item, str)] if _is_list(value) else []

    def blocks(self, path: str) -> "list[Properties]":
        """The mappings of the list at the path; a single mapping counts as a list of one."""
        value = self._get(path)
        entries = [value] if isinstance(value, Mapping) else value if _is_list(value) else []
        return [Properties(item, self._note) for item in entries if isinstance(item, Mapping)]

    def block(self, path: str) -> "Properties":
        """The mapping at the path, empty where there is none."""
        found = self.blocks(path)
        return found[0] if found else Properties({}, self._note)

    def size(self, path: str) -> int:
        """How many entries the list at the path has."""
        value = self._get(path)
        return len(value) if _is_list(value) else 0

    def raw(self, path: str) -> Any:
        """The value at the path as it is, None where there is none."""
        value = self._get(path)
        return None if value is _MISSING else value

    def _get(self, path: str) -> Any:
        value = self.values
        for key in path.split("."):
            if _is_list(value) and len(value) == 1:
                value = value[0]
            if not isinstance(value, Mapping) or key not in value:
                return _MISSING
            value = value[key]
        return _MISSING if value is None else value


class Inventory:
    """The resources of one estimate, and how they are joined."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.resources = tuple(resources)
        self.by_urn = {resource.urn: resource for resource in self.resources if resource.urn}
        self._by_type: dict[str, list[Resource]] = defaultdict(list)
        for resource in self.resources:
            self._by_type[resource.type].append(resource)
        self._by_value: dict[tuple[str, str], dict[str, list[Resource]]] = {}

    def of_type(self, *types: str) -> Iterator[Resource]:
        """Every resource of these types, in the order of the stack."""
        for token in types:
            yield from self._by_type.get(token, ())

    def having(self, token: str, key: str, value: str) -> Sequence[Resource]:
        """Resources of a type whose top-level property `key` is the string `value`."""
        index = self._by_value.get((token, key))
        if index is None:
            index = defaultdict(list)
            for resource in self._by_type.get(token, ()):
                found = resource.properties.get(key)
                if isinstance(found, str):
                    index[found].append(resource)
            self._by_value[token, key] = index
        return index.get(value, ())

    def referred(
        self, resource: Resource, path: str, value: str, token: str, keys: Sequence[str]
    ) -> Resource | None:
        """The resource of type `token` that `resource`'s property `path` refers to.

        By what Pulumi recorded of the property's origin; else by a value equal to one of the target's `keys`;
        else the only one of its type under the same parent.
        """
        for urn in resource.property_dependencies.get(path.partition(".")[0], ()):
            target = self.by_urn.get(urn)
            if target is not None and target.type == token:
                return target
        if value:
            for key in keys:
                found = self.having(token, key, value)
                if found:
                    return found[0]
        siblings = [item for item in self._by_type.get(token, ()) if item.parent == resource.parent]
        return siblings[0] if len(siblings) == 1 else None

    def component_of(self, resource: Resource) -> Resource | None:
        """The nearest component above a resource; None directly below the stack."""
        seen: set[str] = set()
        parent = resource.parent
        while parent is not None and parent not in seen:
            seen.add(parent)
            found = self.by_urn.get(parent)
            if found is None:
                return None
            if found.is_component and found.type != STACK_TYPE:
                return found
            parent = found.parent
        return None


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
