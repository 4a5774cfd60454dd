"""The objects of a kind as the API server has them, kept up to date by a watch."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from twin.kubernetes.api_server import ssl_context
from twin.kubernetes.provider.kubeconfig import Access

Object = dict[str, Any]
_PAUSE: Final = 0.5
_WATCH_SECONDS: Final = 300
_LONGEST_LINE: Final = 4 * 1024 * 1024
"""An object is a line of the watch."""


class Server:
    """An API server, for one event loop."""

    def __init__(self, access: Access) -> None:
        if not access.local:
            raise ValueError(f"{access.server} is not on this machine: the twin talks to loopback only")
        self._url = access.server
        # A watch is silent for as long as nothing happens.
        timeout = aiohttp.ClientTimeout(total=None, connect=5, sock_read=_WATCH_SECONDS + 30)
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=ssl_context(access), limit=0),
            timeout=timeout,
            read_bufsize=_LONGEST_LINE,
        )

    async def close(self) -> None:
        """Closes its connections."""
        await self._http.close()

    async def call(
        self, method: str, path: str, body: Object | None = None, form: str = "application/json"
    ) -> tuple[int, Object]:
        """One call: its HTTP status, and what was answered. Raises aiohttp.ClientError, TimeoutError."""
        data = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": form}
        async with self._http.request(method, self._url + path, data=data, headers=headers) as answer:
            told: Object = await answer.json(content_type=None)
            return answer.status, told

    def stream(self, path: str, version: str) -> Any:
        """A watch from a version on."""
        told = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(_WATCH_SECONDS)}
        return self._http.get(self._url + path, params=told)


class Collection:
    """The objects at one path, by namespace and name."""

    def __init__(self, server: Server, path: str, changed: Callable[[], None]) -> None:
        """Nothing is known yet.

        Args:
            server: Who has them.
            path: Where they are, in all namespaces.
            changed: Called after every change.
        """
        self._server = server
        self._path = path
        self._changed = changed
        self._objects: dict[tuple[str, str], Object] = {}
        self.known = asyncio.Event()
        """Set once what is there has been read."""

    def all(self) -> list[Object]:
        """The objects, in the order of their names."""
        return [self._objects[key] for key in sorted(self._objects)]

    async def run(self) -> None:
        """Follows the server until it is cancelled; a server that is away is asked again."""
        while True:
            try:
                await self._watch(await self._list())
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                await asyncio.sleep(_PAUSE)

    async def _list(self) -> str:
        status, told = await self._server.call("GET", self._path)
        if status != 200:
            raise ValueError(f"{self._path}: {status}")
        self._objects = {_key(item): item for item in told.get("items") or ()}
        self.known.set()
        self._changed()
        return str(told["metadata"]["resourceVersion"])

    async def _watch(self, version: str) -> None:
        """Until the server ends it, or no longer knows the version."""
        while True:
            async with self._server.stream(self._path, version) as answer:
                if answer.status != 200:
                    return
                async for line in answer.content:
                    news = json.loads(line)
                    item = news["object"]
                    if news["type"] == "ERROR":
                        return
                    version = item["metadata"]["resourceVersion"]
                    if news["type"] == "DELETED":
                        self._objects.pop(_key(item), None)
                    elif news["type"] in ("ADDED", "MODIFIED"):
                        self._objects[_key(item)] = item
                    self._changed()


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
