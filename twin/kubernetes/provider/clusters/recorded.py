"""A cluster without a server: objects are kept in files, one each, so that what is there can be looked at."""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from twin.kubernetes.checks.defaults import with_defaults
from twin.kubernetes.kinds import DEFINITION
from twin.kubernetes.provider.clusters.cluster import Apply, Object, Place

_IDS: Final = uuid.UUID("6f0b3c1e-6d1c-5b52-9a55-0c4f9e1f7a11")
_ALWAYS: Final = frozenset({"default", "kube-node-lease", "kube-public", "kube-system"})
"""Namespaces that every cluster has."""
_UNSPACED: Final = "_"


class RecordedCluster:
    """Objects under a folder: `<group and version>.<kind>/<namespace or _>/<name>.json`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, place: Place) -> Object | None:
        """The object as recorded; None if there is none."""
        return _load(self._path(place))

    def apply(self, place: Place, manifest: Mapping[str, Any], how: Apply) -> tuple[Object, list[str]]:
        """Records the object; warns of what a real cluster would need to have first."""
        before = self.get(place)
        if before is not None and how.creates and not how.adopt and _manager(before) != how.manager:
            raise ValueError(
                f"{place.kind.name} {place.id} is there already: import it, or set "
                "upsertExistingObjects on the provider to take it over"
            )
        warnings = [place.kind.deprecation] if place.kind.deprecation else []
        if place.namespace and not self._has_namespace(place.namespace):
            warnings.append(
                f"namespace {place.namespace} is not in this stack (yet): a cluster that lacks it refuses "
                f"{place.kind.name} {place.id}; let it depend on the Namespace"
            )
        live = _live(place, manifest, before, how.manager)
        self._write(self._path(place), live)
        return live, warnings

    def delete(self, place: Place, seconds: float) -> None:
        """Removes the record; a namespace takes with it what it holds."""
        self._path(place).unlink(missing_ok=True)
        if place.kind.name == "Namespace" and not place.kind.group:
            for kind in self._folder.glob("*"):
                shutil.rmtree(kind / quote(place.name, safe=""), ignore_errors=True)
        self._tidy(self._path(place).parent)

    def definitions(self) -> Iterator[Object]:
        """The CustomResourceDefinitions that are recorded."""
        yield from self.all_of("apiextensions.k8s.io/v1", DEFINITION)

    def all_of(self, api_version: str, kind: str) -> Iterator[Object]:
        """Every object of a kind, in the order of namespaces and names."""
        for path in sorted((self._folder / _folder(api_version, kind)).glob("*/*.json")):
            found = _load(path)
            if found is not None:
                yield found

    def brings(self, group: str) -> bool:
        """Whether the definitions of a group are recorded."""
        return any(each.get("spec", {}).get("group") == group for each in self.definitions())

    def _has_namespace(self, name: str) -> bool:
        path = self._folder / _folder("v1", "Namespace") / _UNSPACED / f"{quote(name, safe='')}.json"
        return name in _ALWAYS or path.is_file() or self._release_makes(name)

    def _release_makes(self, namespace: str) -> bool:
        return any(
            each.get("namespace") == namespace and each.get("createNamespace") is True
            for each in self.all_of("helm.sh/v3", "Release")
        )

    def _path(self, place: Place) -> Path:
        folder = _folder(place.kind.api_version, place.kind.name)
        namespace = quote(place.namespace, safe="") or _UNSPACED
        return self._folder / folder / namespace / f"{quote(place.name, safe='')}.json"

    def _write(self, path: Path, live: Object) -> None:
        # Secrets are in here as in a cluster's own store: readable by the user alone.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                descriptor, name = tempfile.mkstemp(dir=path.parent)
                break
            except FileNotFoundError:  # another process tidied the empty folder away in between
                continue
        with os.fdopen(descriptor, "w") as file:
            json.dump(live, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)

    def _tidy(self, folder: Path) -> None:
        with contextlib.suppress(OSError):  # not empty
            while folder != self._folder.parent:
                folder.rmdir()
                folder = folder.parent


def names_in(folder: Path) -> list[str]:
    """What is recorded under a folder of clusters, for audits: `<cluster>: <kind> <namespace>/<name>`."""
    found = []
    for path in sorted(folder.glob("*/*/*/*.json")):
        cluster, kind, namespace, name = path.relative_to(folder).parts
        place = unquote(name.removesuffix(".json"))
        place = place if namespace == _UNSPACED else f"{unquote(namespace)}/{place}"
        found.append(f"{cluster}: {kind.rpartition('.')[2]} {place}")
    return found


def _folder(api_version: str, kind: str) -> str:
    return f"{api_version.replace('/', '_')}.{kind}"


def _load(path: Path) -> Object | None:
    try:
        found: Object = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}; delete it, and run `refresh`") from error
    return found


def _manager(live: Mapping[str, Any]) -> str:
    fields = live.get("metadata", {}).get("managedFields") or [{}]
    return str(fields[0].get("manager", ""))


def _live(place: Place, manifest: Mapping[str, Any], before: Object | None, manager: str) -> Object:
    """The object as a server shows it: with its own fields, and what it derives from the manifest."""
    live: Object = with_defaults(place.kind, json.loads(json.dumps(dict(manifest))))
    old = (before or {}).get("metadata", {})
    identity = uuid.uuid5(_IDS, f"{place.kind.api_version}/{place.kind.name}/{place.id}")
    metadata = {**live.get("metadata", {}), "name": place.name}
    if place.namespace:
        metadata["namespace"] = place.namespace
    changed = before is not None and {**before, "metadata": 0, "status": 0} != {
        **live,
        "metadata": 0,
        "status": 0,
    }
    live["metadata"] = {
        **metadata,
        "uid": old.get("uid", str(identity)),
        "creationTimestamp": old.get("creationTimestamp", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")),
        "generation": old.get("generation", 0) + (1 if changed or before is None else 0),
        "managedFields": [{"manager": manager, "operation": "Apply", "apiVersion": place.kind.api_version}],
    }
    derive = _DERIVED.get((place.kind.group, place.kind.name))
    if derive is not None:
        derive(live, hashlib.sha256(identity.bytes).digest())
    return live


def _namespace(live: Object, digest: bytes) -> None:
    labels = live["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = live["metadata"]["name"]
    live["status"] = {"phase": "Active"}


def _secret(live: Object, digest: bytes) -> None:
    written = live.pop("stringData", None) or {}
    encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in written.items()}
    if encoded or "data" in live:
        live["data"] = {**(live.get("data") or {}), **encoded}
    live.setdefault("type", "Opaque")


def _service(live: Object, digest: bytes) -> None:
    spec = live.setdefault("spec", {})
    kind = spec.setdefault("type", "ClusterIP")
    if kind == "ExternalName":
        return
    address = spec.setdefault("clusterIP", f"10.100.{digest[0]}.{digest[1] or 1}")
    spec.setdefault("clusterIPs", [address])
    balancer = {"ingress": [{"hostname": f"{digest.hex()[:16]}.load-balancer.twin.internal"}]}
    live["status"] = {"loadBalancer": balancer if kind == "LoadBalancer" else {}}


_DERIVED: Final = {("", "Namespace"): _namespace, ("", "Secret"): _secret, ("", "Service"): _service}
