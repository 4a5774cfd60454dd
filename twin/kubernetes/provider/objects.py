"""The life of an object: checked, compared, applied, read, deleted."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from twin.kubernetes.checks import manifest as manifests
from twin.kubernetes.kinds import DEFINITION, Kind, Kinds
from twin.kubernetes.provider.clusters.cluster import Apply, Cluster, NotReadyError, Place
from twin.kubernetes.provider.configuration import Configuration
from twin.kubernetes.provider.difference import Change, as_found, changes
from twin.kubernetes.provider.immutable import Immutable
from twin.kubernetes.provider.naming import is_autonamed, name_object
from twin.kubernetes.provider.remarks import Remarks
from twin.providers.naming import Naming
from twin.providers.problems import Problems
from twin.providers.rpc import InitFailedError
from twin.wire import UNKNOWN

State = dict[str, Any]
FIELD_MANAGER: Final = "__fieldManager"
INITIAL_VERSION: Final = "__initialApiVersion"
_FORCE: Final = "pulumi.com/patchForce"
_SERVERS: Final = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
"""Metadata that a server writes."""
_WAIT_SECONDS: Final = 600.0


@dataclass(frozen=True)
class Difference:
    """What an update would do."""

    changes: list[Change] = field(default_factory=list)
    replaces: list[str] = field(default_factory=list)
    """Paths that can not change in place."""
    delete_first: bool = False


@dataclass(frozen=True)
class Found:
    """An object as it is."""

    id: str
    state: State
    inputs: State


class Objects:
    """Carries objects through their life in one cluster."""

    def __init__(
        self, kinds: Kinds, configuration: Configuration, cluster: Cluster, remarks: Remarks
    ) -> None:
        self._kinds = kinds
        self._configuration = configuration
        self._cluster = cluster
        self._remarks = remarks

    # -- check

    def check(self, token: str, news: Mapping[str, Any], naming: Naming, problems: Problems) -> State:
        """The inputs, completed; what is wrong with them is in `problems`."""
        inputs = identified(token, news)
        api_version, name = inputs["apiVersion"], inputs["kind"]
        if UNKNOWN in (api_version, name):
            return inputs
        kind = self._kinds.find(str(api_version), str(name))
        if kind is None:
            problems.add(
                "",
                f"{api_version} {name} is unknown: it is neither Kubernetes' nor a pinned operator's",
                self._kinds.suggestion(str(api_version), str(name)),
            )
            return inputs
        if not isinstance(inputs.setdefault("metadata", {}), dict):
            if inputs["metadata"] is not UNKNOWN:
                problems.add("metadata", f"{inputs['metadata']!r} is not an object", "give an object")
            return inputs
        inputs["metadata"] = dict(inputs["metadata"])
        name_object(inputs, naming, problems)
        if kind.namespaced and not inputs["metadata"].get("namespace"):
            inputs["metadata"]["namespace"] = self._configuration.namespace
        if kind.name == DEFINITION:
            self._kinds.learn(inputs)
        manifests.check(kind, inputs, problems)
        return inputs

    # -- differences

    def diff(self, olds: Mapping[str, Any], news: Mapping[str, Any], ignored: tuple[str, ...]) -> Difference:
        """What differs, and what of it takes another object."""
        found = [change for change in changes(olds, news) if not change.path.startswith(ignored or ("\0",))]
        if not found:
            return Difference()
        # Another version of the same kind is the same object.
        moved = olds.get("apiVersion") != news.get("apiVersion") and _same_group(olds, news)
        kind = self._kinds.find(str(news.get("apiVersion")), str(news.get("kind")))
        replaces: list[str] = []
        if kind is not None:
            immutable = Immutable(kind, self._configuration, olds, news)
            replaces = [each.path for each in found if immutable(each.path)]
        if moved:
            replaces = [path for path in replaces if path != "apiVersion"]
        stays = _name(olds) == _name(news) and not is_autonamed(news)
        return Difference(found, replaces, delete_first=bool(replaces) and stays)

    # -- changes

    def create(self, urn: str, inputs: Mapping[str, Any], attempt: str, seconds: float) -> Found:
        """Makes the object, and waits until it is ready."""
        prepared = _generated(inputs, attempt)
        return self._apply(urn, prepared, inputs, manager_of(urn), seconds, creates=True)

    def update(
        self, urn: str, identifier: str, old: State, inputs: Mapping[str, Any], seconds: float
    ) -> Found:
        """Applies the manifest anew; fields that it no longer has are given up."""
        manager = str(old.get(FIELD_MANAGER) or manager_of(urn))
        prepared = {**inputs, "metadata": {**inputs["metadata"], "name": identifier.rpartition("/")[2]}}
        return self._apply(urn, prepared, inputs, manager, seconds, creates=False)

    def preview(self, inputs: Mapping[str, Any], old: State | None = None) -> State:
        """The state that an apply would leave, as far as it is known before."""
        metadata = inputs.get("metadata")
        # The server's own fields are what they were; of a new object they are not known.
        before = (old or {}).get("metadata", {})
        own = {name: value for name, value in before.items() if name in _SERVERS}
        kept = {
            key: value
            for key, value in (old or {}).items()
            if key in ("status", FIELD_MANAGER, INITIAL_VERSION)
        }
        known = metadata if isinstance(metadata, dict) else {}
        return {**kept, **inputs, "metadata": {**own, **known} if metadata is not UNKNOWN else UNKNOWN}

    def _apply(
        self,
        urn: str,
        manifest: Mapping[str, Any],
        inputs: Mapping[str, Any],
        manager: str,
        seconds: float,
        *,
        creates: bool,
    ) -> Found:
        place = self._place(manifest)
        annotations = manifest["metadata"].get("annotations") or {}
        how = Apply(
            manager=manager,
            force=self._configuration.force or annotations.get(_FORCE) == "true",
            adopt=self._configuration.adopt or annotations.get(_FORCE) == "true",
            creates=creates,
            seconds=seconds or _WAIT_SECONDS,
        )
        try:
            live, warnings = self._cluster.apply(place, _clean(manifest), how)
        except NotReadyError as unready:
            state = _state(unready.live, manager, place.kind)
            if creates:
                raise InitFailedError(place.id, state, inputs, unready.reason) from unready
            raise ValueError(unready.reason) from unready
        for warning in warnings:
            self._remarks.warn(urn, warning)
        return Found(place.id, _state(live, manager, place.kind), dict(inputs))

    # -- reading and deleting

    def read(self, urn: str, token: str, identifier: str, state: State, inputs: State) -> Found | None:
        """The object as it is now, and its inputs as they are there; None if it is gone."""
        known = inputs or state
        api_version, name = identity_of(token, known)
        kind = self._required(api_version, name)
        place = _at(kind, identifier, self._configuration.namespace)
        live = self._cluster.get(place)
        if live is None:
            return None
        manager = str(state.get(FIELD_MANAGER) or manager_of(urn))
        found = as_found(kind, inputs, _readable(kind, inputs, live)) if inputs else _importable(live)
        return Found(place.id, _state(live, manager, kind, state), found)

    def delete(self, token: str, identifier: str, state: State, seconds: float) -> None:
        """Deletes the object, and waits until it is gone."""
        kind = self._required(*identity_of(token, state))
        place = _at(kind, identifier, self._configuration.namespace)
        self._cluster.delete(place, seconds or _WAIT_SECONDS)

    def _place(self, manifest: Mapping[str, Any]) -> Place:
        kind = self._required(str(manifest["apiVersion"]), str(manifest["kind"]))
        metadata = manifest["metadata"]
        space = str(metadata.get("namespace") or self._configuration.namespace) if kind.namespaced else ""
        return Place(kind, space, str(metadata["name"]))

    def _required(self, api_version: str, name: str) -> Kind:
        kind = self._kinds.find(api_version, name)
        if kind is None:
            remedy = self._kinds.suggestion(api_version, name)
            raise ValueError(f"{api_version} {name} is unknown; {remedy}")
        return kind


def identified(token: str, inputs: Mapping[str, Any]) -> State:
    """The inputs with apiVersion and kind, which a resource's type implies."""
    api_version, name = identity_of(token, inputs)
    return {
        **inputs,
        "apiVersion": inputs.get("apiVersion") or api_version,
        "kind": inputs.get("kind") or name,
    }


def identity_of(token: str, known: Mapping[str, Any]) -> tuple[str, str]:
    """The apiVersion and kind of a resource: as its properties say, else as its type says."""
    _, api_version, name = token.split(":", 2)
    told, called = known.get("apiVersion"), known.get("kind")
    if isinstance(told, str) and isinstance(called, str):
        return told, called
    # Pulumi calls the core's group `core`.
    return api_version.removeprefix("core/"), name


def manager_of(urn: str) -> str:
    """Who owns a resource's fields: the same again when an interrupted creation is repeated."""
    return f"pulumi-kubernetes-{hashlib.sha256(urn.encode()).hexdigest()[:8]}"


def _generated(inputs: Mapping[str, Any], attempt: str) -> State:
    """The manifest with a name made from `generateName`: the same for the same attempt."""
    metadata = inputs["metadata"]
    prefix = metadata.get("generateName")
    if metadata.get("name") or not prefix:
        return dict(inputs)
    rest = {key: value for key, value in metadata.items() if key != "generateName"}
    digits = hashlib.sha256(attempt.encode()).hexdigest()[:5]
    return {**inputs, "metadata": {**rest, "name": f"{prefix}{digits}"}}


def _at(kind: Kind, identifier: str, namespace: str) -> Place:
    space, slash, name = identifier.rpartition("/")
    return Place(kind, (space if slash else namespace) if kind.namespaced else "", name)


def _clean(manifest: Mapping[str, Any]) -> State:
    """The manifest without nulls and without what is Pulumi's own."""

    def without_nulls(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: without_nulls(item) for key, item in value.items() if item is not None}
        if isinstance(value, list):
            return [without_nulls(item) for item in value]
        return value

    return {
        key: without_nulls(value)
        for key, value in manifest.items()
        if not key.startswith("__") and value is not None
    }


def _state(live: Mapping[str, Any], manager: str, kind: Kind, before: State | None = None) -> State:
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    initial = (before or {}).get(INITIAL_VERSION) or kind.api_version
    return {
        **live,
        # An item of a list that a server sent may lack them.
        "apiVersion": live.get("apiVersion", kind.api_version),
        "kind": live.get("kind", kind.name),
        "metadata": metadata,
        FIELD_MANAGER: manager,
        INITIAL_VERSION: initial,
    }


def _importable(live: Mapping[str, Any]) -> State:
    metadata = {key: value for key, value in live["metadata"].items() if key not in _SERVERS}
    rest = {key: value for key, value in live.items() if key not in ("metadata", "status")}
    return {**rest, "metadata": metadata}


def _readable(kind: Kind, inputs: State, live: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object with a Secret's `stringData`, which a server keeps encoded in `data` alone."""
    written = inputs.get("stringData")
    if kind.name != "Secret" or kind.group or not isinstance(written, dict):
        return live
    data = live.get("data") or {}
    texts = {key: base64.b64decode(data[key]).decode(errors="replace") for key in written if key in data}
    return {**live, "stringData": texts}


def _name(manifest: Mapping[str, Any]) -> tuple[Any, Any]:
    metadata = manifest.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return metadata.get("namespace"), metadata.get("name")


def _same_group(olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    groups = {str(each.get("apiVersion")).rpartition("/")[0] for each in (olds, news)}
    return len(groups) == 1 and olds.get("kind") == news.get("kind")
