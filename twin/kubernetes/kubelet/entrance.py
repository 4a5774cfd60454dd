"""A Gateway of the Gateway API, as a port on loopback that carries out the routes which hang on it."""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp import web

from twin.kubernetes.kubelet.routes import Object, rule_for

_LARGEST_BODY: Final = 8 * 1024 * 1024
_ANSWER_SECONDS: Final = 60.0
_HOP_BY_HOP: Final = frozenset(
    {"connection", "content-length", "host", "keep-alive", "transfer-encoding", "upgrade"}
)

Routes = Callable[[], Sequence[Object]]
Ports = Callable[[str, int], Awaitable[list[int]]]
"""A Service and its port → where it answers on loopback, the one to try first in front."""


class Entrance:
    """One Gateway."""

    def __init__(self, routes: Routes, ports: Ports) -> None:
        """Listens from now on.

        Args:
            routes: Those that hang on it, as they are at the moment.
            ports: Who answers.
        """
        self._routes = routes
        self._ports = ports
        self._draw = random.Random()  # noqa: S311  # shares of requests, no secret
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._serving = asyncio.create_task(self._serve())

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    async def _serve(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http:

            async def handle(request: web.Request) -> web.Response:
                return await self._handle(http, request)

            application = web.Application(client_max_size=_LARGEST_BODY)
            application.router.add_route("*", "/{path:.*}", handle)
            runner = web.AppRunner(application, access_log=None)
            await runner.setup()
            try:
                await web.SockSite(runner, self._socket).start()
                await asyncio.Event().wait()
            finally:
                await runner.cleanup()

    async def _handle(self, http: aiohttp.ClientSession, request: web.Request) -> web.Response:
        rule = rule_for(self._routes(), request.host, request.method, request.path)
        if rule is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        backend = rule.chosen(self._draw)
        if backend is None:
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        path = rule.rewritten or request.path
        query = f"?{request.query_string}" if request.query_string else ""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        body = await request.read()
        for port in await self._ports(backend.service, backend.port):
            try:
                async with http.request(
                    request.method,
                    f"http://127.0.0.1:{port}{path}{query}",
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                ) as answer:
                    told = {
                        name: value
                        for name, value in answer.headers.items()
                        if name.lower() not in _HOP_BY_HOP
                    }
                    return web.Response(status=answer.status, body=await answer.read(), headers=told)
            except aiohttp.ClientConnectorError:
                continue
            except (aiohttp.ClientError, TimeoutError):
                return web.Response(status=HTTPStatus.BAD_GATEWAY)
        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
