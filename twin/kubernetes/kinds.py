"""What a cluster serves: each kind's schema, its name in the API's paths, whether it has a namespace."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final

_HERE: Final = Path(__file__).parent
_OPENAPI: Final = _HERE / "openapi"
_CRDS: Final = _HERE / "crds"
_REFERENCE: Final = "#/components/schemas/"
_METADATA: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
DEFINITION: Final = "CustomResourceDefinition"


@dataclass(frozen=True)
class Kind:
    """One kind of object in one version."""

    api_version: str
    name: str
    plural: str
    namespaced: bool
    schema: Mapping[str, Any] = field(repr=False)
    schemas: Mapping[str, Any] = field(repr=False, default_factory=dict)
    """What the schema's references point to."""
    custom: bool = False
    """Whether it comes from a CustomResourceDefinition."""
    deprecation: str = ""
    """What a server warns of when the version is used."""

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        return group_of(self.api_version)

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema itself where it is a reference to one."""
        while True:
            within = schema.get("allOf")
            inner = within[0] if within and len(within) == 1 and "$ref" in within[0] else schema
            reference = inner.get("$ref")
            if reference is None:
                return schema
            schema = self.schemas[reference.removeprefix(_REFERENCE)]


def group_of(api_version: str) -> str:
    """The group of an apiVersion such as `apps/v1`; empty for the core."""
    return api_version.rpartition("/")[0]


class Kinds:
    """Every kind that is known: Kubernetes' own, the pinned operators', those that a program defines."""

    def __init__(self) -> None:
        self._learnt: dict[tuple[str, str], Kind] = {}

    def learn(self, definition: Mapping[str, Any]) -> None:
        """Takes up the kinds of a program's CustomResourceDefinition; a malformed one teaches none."""
        try:
            self._learnt.update({(kind.api_version, kind.name): kind for kind in _defined(definition)})
        except (KeyError, TypeError, AttributeError):
            return

    def find(self, api_version: str, name: str) -> Kind | None:
        """The kind, or None if no schema is known."""
        learnt = self._learnt.get((api_version, name))
        return learnt or _built_in(api_version).get(name)

    def suggestion(self, api_version: str, name: str) -> str:
        """What may have been meant by an unknown apiVersion and kind, as a remedy."""
        known = sorted({*_api_versions(), *(version for version, _ in self._learnt)})
        here = [kind for kind in _every_kind() if kind.name == name]
        if here:
            return f"{name} is served as {' and '.join(sorted({kind.api_version for kind in here}))}"
        same = sorted(_built_in(api_version))
        close = get_close_matches(name, same, 1) or get_close_matches(
            name, [each.name for each in _every_kind()], 1
        )
        if close:
            found = [kind.api_version for kind in _every_kind() if kind.name == close[0]]
            where = api_version if api_version in found else found[0]
            return f'did you mean "{close[0]}" of {where}?'
        if api_version in known:
            return f"{api_version} has {', '.join(same[:12])}"
        return "make its CustomResourceDefinition part of the program, and let the resource depend on it"


def definition_files() -> list[Path]:
    """The CustomResourceDefinitions of the pinned operators, each a manifest that a server accepts."""
    return sorted(_CRDS.glob("*.*.json"))


@cache
def metadata_kind() -> Kind:
    """What `metadata` of any object may hold."""
    schemas = _document("v1")["schemas"]
    return Kind("v1", "ObjectMeta", "", False, schemas[_METADATA], schemas)


@cache
def _document(api_version: str) -> Mapping[str, Any]:
    group, _, version = api_version.rpartition("/")
    path = _OPENAPI / f"{group or 'core'}__{version}.json"
    if "/" in group or not path.is_file():
        return {}
    found: Mapping[str, Any] = json.loads(path.read_text())
    return found


@cache
def _built_in(api_version: str) -> Mapping[str, Kind]:
    document = _document(api_version)
    if document:
        schemas = document["schemas"]
        return {
            name: Kind(
                api_version, name, told["plural"], told["namespaced"], schemas[told["schema"]], schemas
            )
            for name, told in document["kinds"].items()
        }
    group = group_of(api_version)
    if not group:
        return {}
    return {
        kind.name: kind
        for path in sorted(_CRDS.glob(f"*.{group}.json"))
        for kind in _defined(json.loads(path.read_text()))
        if kind.api_version == api_version
    }


def _api_versions() -> Iterator[str]:
    for path in sorted(_OPENAPI.glob("*__*.json")):
        group, _, version = path.stem.rpartition("__")
        yield version if group == "core" else f"{group}/{version}"
    for path in definition_files():
        for version in json.loads(path.read_text())["spec"]["versions"]:
            yield f"{path.stem.partition('.')[2]}/{version['name']}"


@cache
def _every_kind() -> tuple[Kind, ...]:
    versions = dict.fromkeys(_api_versions())
    return tuple(kind for version in versions for kind in _built_in(version).values())


def _defined(definition: Mapping[str, Any]) -> Iterator[Kind]:
    spec = definition["spec"]
    for version in spec["versions"]:
        if not version.get("served", True):
            continue
        api_version = f"{spec['group']}/{version['name']}"
        warning = version.get("deprecationWarning") or f"{api_version} {spec['names']['kind']} is deprecated"
        yield Kind(
            api_version=api_version,
            name=spec["names"]["kind"],
            plural=spec["names"]["plural"],
            namespaced=spec["scope"] == "Namespaced",
            schema=version["schema"]["openAPIV3Schema"],
            custom=True,
            deprecation=warning if version.get("deprecated") else "",
        )
