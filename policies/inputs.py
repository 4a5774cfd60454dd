"""Reading what is to be judged outside of a deployment: a list of resources, or a Pulumi state file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from google.protobuf import struct_pb2

from policies.documents import loads
from twin.engine.analyzer import PolicyResource, ProviderResource, ResourceOptions
from twin.wire import OUTPUT, SECRET, SIGNATURE, UNKNOWN, from_struct

_URN: Final = "urn:pulumi:"


@dataclass(frozen=True)
class Judged:
    """A resource in both forms that packs see: what the program gives it, and what it became."""

    inputs: PolicyResource
    outputs: PolicyResource


@dataclass
class _Reader:
    stack: str
    project: str
    problems: list[str] = field(default_factory=list)


def load_resources(path: Path) -> list[Judged]:
    """The resources of a JSON file: a list of them, a single one, an object by name, or a Pulumi state.

    Raises:
        ValueError: Names everything that is wrong with it.
    """
    try:
        document = loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    return read_resources(document)


def read_resources(document: Any, stack: str = "eval", project: str = "eval") -> list[Judged]:
    """The same from parsed JSON.

    An entry is `{"type", "name", "properties"}` with, if wanted, `urn`, `parent`, `dependencies` and
    `propertyDependencies` (URNs or names), `options` (`protect`, …) and `provider` (`type`, `properties`).

    Raises:
        ValueError: Names everything that is wrong with it.
    """
    entries, from_state = _entries(document)
    reader = _Reader(stack, project)
    judged = _from_state(entries, reader) if from_state else _from_list(entries, reader)
    if reader.problems:
        raise ValueError("; ".join(reader.problems))
    return judged


def deployment_of(document: Any) -> Any:
    """What a state file holds: `pulumi stack export`, or a backend's own checkpoint; anything else as it is.

    A stack that was never deployed, or holds nothing any more, has no list of resources.
    """
    if isinstance(document, Mapping) and isinstance(document.get("checkpoint"), Mapping):
        found = document["checkpoint"].get("latest")
    elif isinstance(document, Mapping) and "deployment" in document:
        found = document["deployment"]
    else:
        return document
    if found is None:
        return {"resources": []}
    if isinstance(found, Mapping) and found.get("resources") is None:
        return {**found, "resources": []}
    return found


def _entries(document: Any) -> tuple[list[Any], bool]:
    """The resources of a document, and whether they are those of a state."""
    found = deployment_of(document)
    if isinstance(found, Mapping) and isinstance(found.get("resources"), list):
        return list(found["resources"]), "manifest" in found or _is_state(found["resources"])
    if isinstance(found, Mapping) and isinstance(found.get("type"), str):
        return [found], _is_state([found])
    if isinstance(found, Mapping):
        return list(_named(found)), False
    if isinstance(found, list):
        return found, _is_state(found)
    raise ValueError("expected a list of resources, an object by name, or a Pulumi deployment")


def _is_state(entries: list[Any]) -> bool:
    """State entries have inputs and outputs where a plain list has properties."""
    return any(
        isinstance(item, Mapping) and "properties" not in item and ("inputs" in item or "outputs" in item)
        for item in entries
    )


def _named(document: Mapping[str, Any]) -> Iterator[Any]:
    for name, entry in document.items():
        yield {"name": name, **entry} if isinstance(entry, Mapping) else entry


def _from_list(entries: list[Any], reader: _Reader) -> list[Judged]:
    kept: list[tuple[Mapping[str, Any], str, str, str]] = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, Mapping):
            reader.problems.append(f"resource {index} is a {type(entry).__name__}, not an object")
            continue
        kind = entry.get("type")
        name = str(entry.get("name") or f"resource-{index}")
        if not isinstance(kind, str) or not kind:
            reader.problems.append(f"resource {index} ({name}) has no type")
            continue
        if not isinstance(entry.get("properties", {}), Mapping):
            reader.problems.append(f"the properties of resource {index} ({name}) are no object")
            continue
        urn = str(entry.get("urn") or f"{_URN}{reader.stack}::{reader.project}::{kind}::{name}")
        kept.append((entry, kind, name, urn))
    names = _Names((name, urn) for _, _, name, urn in kept)
    resources = []
    for entry, kind, name, urn in kept:
        resource = PolicyResource(
            type=kind,
            name=name,
            urn=urn,
            properties=_decoded(entry.get("properties") or {}),
            options=_options(entry),
            provider=_provider(entry.get("provider")),
            parent=next(iter(names.urns(entry.get("parent"), urn)), ""),
            dependencies=names.urns(entry.get("dependencies"), urn),
            property_dependencies={
                str(key): names.urns(value, urn)
                for key, value in _mapping(entry.get("propertyDependencies")).items()
            },
        )
        resources.append(Judged(resource, resource))
    return resources


def _from_state(entries: list[Any], reader: _Reader) -> list[Judged]:
    providers: dict[str, ProviderResource] = {}
    judged = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("urn"), str) or "type" not in entry:
            reader.problems.append(f"resource {index} of the state has no urn or type")
            continue
        if entry.get("delete"):
            continue  # on its way out: replaced, or to be deleted
        urn, kind = entry["urn"], str(entry["type"])
        name = urn.rpartition("::")[2]
        inputs, outputs = _decoded(_mapping(entry.get("inputs"))), _decoded(_mapping(entry.get("outputs")))
        if kind.startswith("pulumi:providers:"):
            providers[f"{urn}::{entry.get('id')}"] = ProviderResource(kind, name, urn, inputs)
        common: dict[str, Any] = {
            "type": kind,
            "name": name,
            "urn": urn,
            "options": _options(entry),
            "provider": providers.get(str(entry.get("provider"))),
            "parent": str(entry.get("parent") or ""),
            "dependencies": _texts(entry.get("dependencies")),
            "property_dependencies": {
                str(key): _texts(value) for key, value in _mapping(entry.get("propertyDependencies")).items()
            },
        }
        judged.append(
            Judged(
                PolicyResource(properties=inputs, **common),
                PolicyResource(properties={**inputs, **outputs, "id": entry.get("id")}, **common),
            )
        )
    return judged


def _decoded(value: Mapping[str, Any]) -> dict[str, Any]:
    """JSON with Pulumi's signatures as values of `twin.wire`."""
    struct = struct_pb2.Struct()
    try:
        struct.update(_opened(value))
    except RecursionError:
        return {"__nested": UNKNOWN}
    return from_struct(struct)


def _opened(value: Any) -> Any:
    """A state's secrets as the wire has them: with their plain text if it is there, else unknown."""
    if isinstance(value, Mapping):
        if value.get(SIGNATURE) == SECRET and "value" not in value:
            text = value.get("plaintext")
            return {SIGNATURE: SECRET, "value": loads(text)} if isinstance(text, str) else _unknown()
        return {str(key): _opened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_opened(item) for item in value]
    return value


def _unknown() -> dict[str, Any]:
    return {SIGNATURE: OUTPUT}


def _options(entry: Mapping[str, Any]) -> ResourceOptions:
    options = {**_mapping(entry.get("options")), **{key: entry[key] for key in ("protect",) if key in entry}}
    ignored = options.get("ignoreChanges")
    return ResourceOptions(
        protect=bool(options.get("protect")),
        ignore_changes=[str(item) for item in ignored] if isinstance(ignored, list) else (),
    )


def _provider(value: Any) -> ProviderResource | None:
    if not isinstance(value, Mapping):
        return None
    kind = str(value.get("type") or "pulumi:providers:aws")
    name = str(value.get("name") or "default")
    urn = str(value.get("urn") or f"{_URN}eval::eval::{kind}::{name}")
    return ProviderResource(kind, name, urn, _decoded(_mapping(value.get("properties"))))


class _Names:
    """By what a list's entries refer to each other: a URN, or a name, which different types may share."""

    def __init__(self, entries: Iterable[tuple[str, str]]) -> None:
        self._urns: dict[str, list[str]] = {}
        for name, urn in entries:
            self._urns.setdefault(name, []).append(urn)

    def urns(self, value: Any, own: str) -> list[str]:
        """The URNs that a reference may mean, but one's own: a bucket and its policy may have one name."""
        return [urn for text in _texts(value) for urn in self._urns.get(text, [text]) if urn not in ("", own)]


def _texts(value: Any) -> list[str]:
    """A list's strings; a single one counts as a list of one."""
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
