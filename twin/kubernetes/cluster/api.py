"""A small client of a Kubernetes API server on this machine."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

from twin.kubernetes.api_server import APPLY, ApiServer
from twin.kubernetes.provider import kubeconfig

MANAGER: Final = "stagecraft"
_MERGE: Final = "application/merge-patch+json"
_JSON: Final = "application/json"


class ApiError(Exception):
    """The API server refused; `status` is its HTTP status and `reason` Kubernetes' own word for why."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Api:
    """An API server, by its paths and whole objects.

    Everything is as strict as the server can be: unknown fields are refused, and what it warns of is kept in
    `warnings`.
    """

    def __init__(self, config: Path) -> None:
        """Connects by a kubeconfig file. Raises ValueError for one of another machine's server."""
        self._server = ApiServer(kubeconfig.parse(str(config)))
        self._paths: dict[tuple[str, str], tuple[str, bool]] = {}
        self.warnings: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections."""
        self._server.close()

    def get(self, path: str, **query: str) -> Any:
        """What lies at a path. Raises ApiError."""
        return self._call("GET", path, query)

    def items(self, path: str, **query: str) -> list[dict[str, Any]]:
        """The objects of a collection. Raises ApiError."""
        listed: list[dict[str, Any]] = self.get(path, **query).get("items") or []
        return listed

    def apply(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Applies an object by server-side apply, validation `Strict`; returns it. Raises ApiError."""
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict", "force": "true"}
        applied: dict[str, Any] = self._call("PATCH", self.path_of(manifest), query, manifest, APPLY)
        return applied

    def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Makes an object. Raises ApiError."""
        path = self.path_of(manifest).rpartition("/")[0]
        made: dict[str, Any] = self._call("POST", path, {"fieldValidation": "Strict"}, manifest)
        return made

    def merge(self, path: str, change: Mapping[str, Any]) -> Any:
        """Changes fields of an object, or of its status by a path that ends so. Raises ApiError."""
        return self._call("PATCH", path, {"fieldManager": MANAGER}, change, _MERGE)

    def delete(self, path: str, *, grace_seconds: int | None = None) -> None:
        """Deletes an object, or every object of a collection; what is not there counts as deleted."""
        body: dict[str, Any] = {"propagationPolicy": "Background"}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        try:
            self._call("DELETE", path, {}, body)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Posts to a subresource. Raises ApiError."""
        return self._call("POST", path, {}, body)

    def path_of(self, manifest: Mapping[str, Any]) -> str:
        """Where an object lies. Raises ApiError for a kind that the server does not know."""
        metadata = manifest["metadata"]
        group, namespaced = self._resource(str(manifest["apiVersion"]), str(manifest["kind"]))
        prefix, plural = group.rsplit("/", 1)
        if namespaced:
            prefix += f"/namespaces/{quote(metadata.get('namespace') or 'default')}"
        return f"{prefix}/{plural}/{quote(metadata.get('name') or '')}"

    def _resource(self, version: str, kind: str) -> tuple[str, bool]:
        """The path of a kind's collection, and whether it lies in namespaces."""
        known = self._paths.get((version, kind))
        if known is None:
            prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
            for resource in self.get(prefix)["resources"]:
                if "/" not in resource["name"]:
                    found = (f"{prefix}/{resource['name']}", bool(resource["namespaced"]))
                    self._paths[version, resource["kind"]] = found
            known = self._paths.get((version, kind))
        if known is None:
            raise ApiError(404, "NotFound", f"the cluster knows no {kind} in {version}")
        return known

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        content_type: str = _JSON,
    ) -> Any:
        target = f"{path}?{urlencode(query)}" if query else path
        status, answer, warnings = self._server.call(method, target, body, content_type)
        self.warnings += warnings
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            raise ApiError(status, str(answer.get("reason", "")), str(answer.get("message", answer)))
        return answer
