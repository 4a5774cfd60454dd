"""A small client of a Kubernetes API server on this machine."""

import base64
import http.client
import json
import socket
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, urlencode, urlsplit

from twin.loopback import require_loopback

MANAGER: Final = "stagecraft"
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_JSON: Final = "application/json"
_SECONDS: Final = 30.0


class ApiError(Exception):
    """The API server refused; `status` is its HTTP status and `reason` Kubernetes' own word for why."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Api:
    """One connection to an API server. Not for several threads at once.

    Everything is as strict as the server can be: unknown fields are refused, and what it warns of is kept in
    `warnings`.
    """

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        parts = urlsplit(cluster["server"])
        require_loopback(parts.netloc)
        self._context = _context(cluster, user)
        self._host, self._port = str(parts.hostname), parts.port
        self._connection: http.client.HTTPSConnection | None = None
        self._paths: dict[tuple[str, str], tuple[str, bool]] = {}
        self.warnings: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

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
        applied: dict[str, Any] = self._call("PATCH", self.path_of(manifest), query, manifest, _APPLY)
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
            if error.status != http.HTTPStatus.NOT_FOUND:
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
        payload = None if body is None else json.dumps(body).encode()
        headers = {"Accept": _JSON, **({} if payload is None else {"Content-Type": content_type})}
        for attempt in (1, 2):
            connection = self._open()
            try:
                connection.request(method, target, payload, headers)
                answer = connection.getresponse()
                text = answer.read()
                break
            except (http.client.HTTPException, ConnectionError):
                # A connection that was idle may have been closed meanwhile.
                self.close()
                if attempt == 2:
                    raise
            except TimeoutError:
                self.close()
                raise
        self._keep_warnings(answer)
        if answer.status >= 300:
            raise _refusal(answer.status, text)
        return json.loads(text) if answer.getheader("Content-Type", "").startswith(_JSON) else text.decode()

    def _open(self) -> http.client.HTTPSConnection:
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                self._host, self._port, context=self._context, timeout=_SECONDS
            )
            self._connection.connect()
            # Small requests, each waiting for its answer: collecting them would only cost time.
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection

    def _keep_warnings(self, answer: http.client.HTTPResponse) -> None:
        for header in answer.headers.get_all("Warning") or ():
            # 299 - "text"
            self.warnings.append(header.partition('"')[2].rpartition('"')[0] or header)


def _context(cluster: Mapping[str, str], user: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
    )
    # `ssl` takes a client's key from a file only; this one lives for a moment, and only we can read it.
    with tempfile.NamedTemporaryFile() as file:
        for part in ("client-certificate-data", "client-key-data"):
            file.write(base64.b64decode(user[part]))
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _refusal(status: int, text: bytes) -> ApiError:
    try:
        told = json.loads(text)
        return ApiError(status, str(told.get("reason", "")), str(told.get("message", told)))
    except (ValueError, AttributeError):
        return ApiError(status, "", text.decode(errors="replace")[:500])
