"""A cluster with an API server on this machine: objects are applied by it, validated strictly."""

import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from twin.kubernetes.api_server import APPLY, ApiServer
from twin.kubernetes.provider.clusters import waiting
from twin.kubernetes.provider.clusters.cluster import Apply, NotReadyError, Object, Place
from twin.kubernetes.provider.kubeconfig import Access

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_PROPAGATION: Final = "pulumi.com/deletionPropagationPolicy"


class ServedCluster:
    """Talks to a Kubernetes API server; any address but this machine's is refused."""

    def __init__(self, access: Access) -> None:
        self._server = ApiServer(access)

    def get(self, place: Place) -> Object | None:
        """The object as the server has it; None if there is none."""
        status, body, _ = self._server.call("GET", _path(place))
        if status == 404:
            return None
        _refuse_unless(status == 200, status, body, place)
        found: Object = body
        return found

    def apply(self, place: Place, manifest: Mapping[str, Any], how: Apply) -> tuple[Object, list[str]]:
        """Applies the object on the server's side, and waits until it is ready."""
        if how.creates and not how.adopt:
            before = self.get(place)
            if before is not None and not _manages(before, how.manager):
                raise ValueError(
                    f"{place.kind.name} {place.id} is there already: import it, or set "
                    "upsertExistingObjects on the provider to take it over"
                )
        query = {
            "fieldManager": how.manager,
            "fieldValidation": "Strict",
            "force": "true" if how.force else "false",
        }
        status, body, warnings = self._server.call(
            "PATCH", f"{_path(place)}?{urlencode(query)}", manifest, APPLY
        )
        _refuse_unless(status in (200, 201), status, body, place)
        return self._ready(place, body, how.seconds), warnings

    def delete(self, place: Place, seconds: float) -> None:
        """Deletes the object and waits until its finalizers are through."""
        live = self.get(place)
        if live is None:
            return
        policy = (live["metadata"].get("annotations") or {}).get(_PROPAGATION, "foreground")
        options = {"propagationPolicy": policy[:1].upper() + policy[1:]}
        status, body, _ = self._server.call("DELETE", _path(place), options)
        if status == 404:
            return
        _refuse_unless(status in (200, 202), status, body, place)
        identity, end, pause = live["metadata"].get("uid"), time.monotonic() + seconds, _FIRST_PAUSE
        while True:
            left = self.get(place)
            if left is None or left["metadata"].get("uid") != identity:
                return
            if time.monotonic() >= end:
                held = ", ".join(left["metadata"].get("finalizers") or ()) or "nothing that it names"
                raise ValueError(
                    f"{place.kind.name} {place.id} is not gone after {seconds:.0f} s; it is held by {held}"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _ready(self, place: Place, live: Object, seconds: float) -> Object:
        end, pause = time.monotonic() + seconds, _FIRST_PAUSE
        while True:
            missing = waiting.pending(place.kind, live)
            if missing is None:
                return live
            never = waiting.failed(place.kind, live)
            if never is not None or time.monotonic() >= end:
                why = never or f"{missing} after {seconds:.0f} s"
                raise NotReadyError(live, f"{place.kind.name} {place.id} is not ready: {why}")
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            found = self.get(place)
            if found is None:
                raise NotReadyError(live, f"{place.kind.name} {place.id} was deleted while it was awaited")
            live = found


def _path(place: Place) -> str:
    root = "/apis" if place.kind.group else "/api"
    space = f"/namespaces/{quote(place.namespace, safe='')}" if place.kind.namespaced else ""
    return f"{root}/{place.kind.api_version}{space}/{place.kind.plural}/{quote(place.name, safe='')}"


def _manages(live: Object, manager: str) -> bool:
    return any(each.get("manager") == manager for each in live["metadata"].get("managedFields") or ())


def _refuse_unless(fine: bool, status: int, body: Any, place: Place) -> None:
    if fine:
        return
    said = body.get("message", "") if isinstance(body, dict) else str(body)
    what = f"{place.kind.name} {place.id}"
    if status == 404:
        raise ValueError(
            f"{what}: the server does not serve {place.kind.api_version} {place.kind.name}, or lacks the "
            f"namespace: {said}; let it depend on what brings them"
        )
    if status == 409 and "conflict" in said.lower():
        raise ValueError(
            f"{what}: fields are managed by somebody else: {said}; leave them out, or annotate the object "
            'with pulumi.com/patchForce: "true" to take them over'
        )
    raise ValueError(f"{what} was refused ({status}): {said}")
