"""Stack states in Pulumi's deployment format, version 3: the form `pulumi stack export` writes and reads."""

import heapq
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from twin.engine import urns
from twin.engine.secrets import Encryption
from twin.engine.soundness import VERSION, check
from twin.wire import (
    ARCHIVE,
    ASSET,
    OUTPUT,
    REFERENCE,
    SECRET,
    SIGNATURE,
    Archive,
    Asset,
    ResourceReference,
    Secret,
    special_fields,
)

_JSON_NAMES: Final = {
    "property_dependencies": "propertyDependencies",
    "pending_replacement": "pendingReplacement",
    "additional_secret_outputs": "additionalSecretOutputs",
    "custom_timeouts": "customTimeouts",
    "import_id": "importID",
    "retain_on_delete": "retainOnDelete",
    "deleted_with": "deletedWith",
    "ignore_changes": "ignoreChanges",
    "replace_on_changes": "replaceOnChanges",
    "init_errors": "initErrors",
    "source_position": "sourcePosition",
}


_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


class DeploymentError(Exception):
    """A document that is not a deployment we may work with; carries every problem found."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass
class ResourceState:
    """One resource as the deployment records it. Values may hold `Secret`, assets and references."""

    urn: str
    type: str
    custom: bool = False
    id: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    parent: str = ""
    protect: bool = False
    external: bool = False
    dependencies: list[str] = field(default_factory=list)
    provider: str = ""
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    delete: bool = False
    """An old copy, replaced, that is still to be deleted."""
    pending_replacement: bool = False
    """Deleted to be made anew; the new one is not made yet."""
    aliases: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    import_id: str = ""
    retain_on_delete: bool = False
    deleted_with: str = ""
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    init_errors: list[str] = field(default_factory=list)
    created: str = ""
    modified: str = ""
    source_position: str = ""
    unknown: dict[str, Any] = field(default_factory=dict)
    """Fields of newer engines that this one does not use; kept as they came."""

    @property
    def name(self) -> str:
        """The resource's name within the program."""
        return urns.Urn.parse(self.urn).name

    @property
    def is_provider(self) -> bool:
        """Whether this is a provider instance."""
        return urns.is_provider(self.type)

    def depends_on(self) -> list[str]:
        """URNs of everything that must exist while this one does."""
        named = [self.parent, self.deleted_with, *self.dependencies]
        for listed in self.property_dependencies.values():
            named += listed
        if self.provider:
            named.append(urns.split_reference(self.provider)[0])
        return sorted({urn for urn in named if urn})


@dataclass(frozen=True)
class Operation:
    """A provider call that was begun and of which no end is recorded: what it did is not known."""

    kind: str
    """`creating`, `updating`, `deleting`, `reading` or `importing`."""
    resource: ResourceState


@dataclass
class Deployment:
    """A stack's resources, dependencies first, with the calls that were in flight."""

    resources: list[ResourceState] = field(default_factory=list)
    pending: list[Operation] = field(default_factory=list)
    salt_text: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


def now() -> str:
    """The time as deployments record it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def encode_value(value: Any, encryption: Encryption, place: str) -> Any:
    """A value as JSON; secrets are encrypted, `place` keeps their ciphertext stable."""
    if _is_plain(value):
        return value
    if isinstance(value, Secret):
        plain = json.dumps(
            encode_value(value.value, encryption, place), sort_keys=True, separators=(",", ":")
        )
        return {SIGNATURE: SECRET, "ciphertext": encryption.encrypt(plain, place)}
    if isinstance(value, Mapping):
        return {key: encode_value(item, encryption, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode_value(item, encryption, f"{place}[{index}]") for index, item in enumerate(value)]
    signed = special_fields(value)
    if signed is None:
        raise TypeError(f"{place}: {type(value).__name__} cannot be kept in a state")
    return {key: encode_value(item, encryption, f"{place}.{key}") for key, item in signed.items()}


def _is_plain(value: Any) -> bool:
    """Whether a value is JSON as it stands, which most are."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is dict:
        return all(_is_plain(item) for item in value.values())
    return kind is list and all(_is_plain(item) for item in value)


def decode_value(value: Any, encryption: Encryption, place: str) -> Any:
    """The reverse of `encode_value`."""
    if isinstance(value, list):
        return [decode_value(item, encryption, f"{place}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    signature = value.get(SIGNATURE)
    if signature is None:
        return {key: decode_value(item, encryption, f"{place}.{key}") for key, item in value.items()}
    if signature == SECRET:
        if "plaintext" in value:
            return Secret(decode_value(json.loads(value["plaintext"]), encryption, place))
        return Secret(
            decode_value(json.loads(encryption.decrypt(value["ciphertext"], place)), encryption, place)
        )
    if signature == REFERENCE:
        return ResourceReference(value["urn"], value.get("id"), value.get("packageVersion", ""))
    if signature == ASSET:
        return Asset(value.get("text"), value.get("path"), value.get("uri"), value.get("hash", ""))
    if signature == ARCHIVE:
        assets = value.get("assets")
        inner = None if assets is None else decode_value(assets, encryption, place)
        return Archive(inner, value.get("path"), value.get("uri"), value.get("hash", ""))
    what = (
        "an output that is not resolved" if signature == OUTPUT else f"a value of unknown kind {signature!r}"
    )
    raise DeploymentError([f"{place}: {what}"])


_PLAIN_FIELDS: Final = tuple(
    (item.name, _JSON_NAMES.get(item.name, item.name))
    for item in fields(ResourceState)
    if item.name not in ("urn", "custom", "inputs", "outputs", "unknown")
)
_KNOWN_NAMES: Final = {"urn", "custom", "inputs", "outputs", *(name for _, name in _PLAIN_FIELDS)}


def encode_resource(state: ResourceState, encryption: Encryption) -> dict[str, Any]:
    """One resource as JSON, without the fields that say nothing."""
    encoded: dict[str, Any] = {"urn": state.urn, "custom": state.custom}
    for attribute, name in _PLAIN_FIELDS:
        value = getattr(state, attribute)
        if value:
            encoded[name] = value
    if state.inputs:
        encoded["inputs"] = encode_value(state.inputs, encryption, f"{state.urn}#inputs")
    if state.outputs:
        encoded["outputs"] = encode_value(state.outputs, encryption, f"{state.urn}#outputs")
    return {**encoded, **state.unknown}


def decode_resource(raw: Mapping[str, Any], encryption: Encryption) -> ResourceState:
    """One resource from JSON."""
    urn = raw["urn"]
    known = {attribute: raw[name] for attribute, name in _PLAIN_FIELDS if raw.get(name) is not None}
    return ResourceState(
        urn=urn,
        custom=bool(raw.get("custom")),
        inputs=decode_value(raw.get("inputs") or {}, encryption, f"{urn}#inputs"),
        outputs=decode_value(raw.get("outputs") or {}, encryption, f"{urn}#outputs"),
        unknown={key: value for key, value in raw.items() if key not in _KNOWN_NAMES},
        **known,
    )


def ordered(resources: Iterable[ResourceState]) -> list[ResourceState]:
    """Resources with dependencies first; what is free stands in the order of URNs, so that states compare."""
    listed = list(resources)
    index_of = {state.urn: index for index, state in enumerate(listed) if not state.delete}
    waiting: dict[int, int] = {}
    followers: dict[int, list[int]] = {}
    ready: list[tuple[tuple[bool, str, str], int]] = []
    rank = [(state.type != urns.STACK_TYPE, state.urn, state.id) for state in listed]
    for index, state in enumerate(listed):
        needs = {index_of[urn] for urn in state.depends_on() if urn in index_of and index_of[urn] != index}
        waiting[index] = len(needs)
        for need in needs:
            followers.setdefault(need, []).append(index)
        if not needs:
            ready.append((rank[index], index))
    heapq.heapify(ready)
    result: list[ResourceState] = []
    while ready:
        _, index = heapq.heappop(ready)
        result.append(listed[index])
        for follower in followers.get(index, ()):
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(ready, (rank[follower], follower))
    if len(result) != len(listed):
        stuck = sorted(listed[index].urn for index, count in waiting.items() if count > 0)
        raise DeploymentError([f"resources depend on each other in a circle: {', '.join(stuck)}"])
    return result


def dump(deployment: Deployment, encryption: Encryption, cli_version: str) -> dict[str, Any]:
    """The document of a deployment, as `pulumi stack export` writes it."""
    body: dict[str, Any] = {
        "manifest": {
            "time": now(),
            "magic": sha256(cli_version.encode()).hexdigest(),
            "version": cli_version,
        },
        "secrets_providers": {"type": "passphrase", "state": {"salt": encryption.salt_text}},
        "resources": [encode_resource(state, encryption) for state in deployment.resources],
        "metadata": deployment.metadata,
    }
    if deployment.pending:
        body["pending_operations"] = [
            {"type": operation.kind, "resource": encode_resource(operation.resource, encryption)}
            for operation in deployment.pending
        ]
    return {"version": VERSION, "deployment": body}


def dump_bytes(document: Mapping[str, Any]) -> bytes:
    """A deployment's document as a file: a resource a line, which is quick to write and good to compare."""
    body = document["deployment"]
    rest = {key: value for key, value in body.items() if key != "resources"}
    resources = ",\n".join(json.dumps(raw, ensure_ascii=False) for raw in body["resources"])
    head = json.dumps({"version": document["version"], "deployment": rest}, ensure_ascii=False)
    opened = head.removesuffix("}}")
    return f'{opened}{", " if rest else ""}"resources": [\n{resources}\n]}}}}\n'.encode()


def read(document: Any, passphrase: str, stack: str | None = None) -> tuple[Deployment, Encryption]:
    """A deployment from its document, checked first. Raises DeploymentError (every problem), SecretsError."""
    problems = check(document, stack)
    if problems:
        raise DeploymentError(problems)
    body = document["deployment"]
    salt = (body.get("secrets_providers") or {}).get("state", {}).get("salt")
    encryption = Encryption(passphrase, salt)
    try:
        resources = [decode_resource(raw, encryption) for raw in body.get("resources") or ()]
        pending = [
            Operation(raw["type"], decode_resource(raw["resource"], encryption))
            for raw in body.get("pending_operations") or ()
        ]
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise DeploymentError([f"a resource's record is damaged: {error!r}"]) from error
    return Deployment(resources, pending, salt or "", body.get("metadata") or {}), encryption


def plain_outputs(deployment: Deployment) -> dict[str, Any]:
    """The stack's outputs."""
    for state in deployment.resources:
        if state.type == urns.STACK_TYPE and not state.delete:
            return state.outputs
    return {}


def copy_of(state: ResourceState, **changes: Any) -> ResourceState:
    """A copy with some fields other."""
    return replace(state, **changes)
