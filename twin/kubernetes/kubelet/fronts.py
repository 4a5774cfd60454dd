"""Addresses on loopback that lead to whoever answers at the moment: of Services, and of the twin's cloud."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Final

_CHUNK: Final = 64 * 1024
_BACKLOG: Final = 512

Ports = Callable[[], Awaitable[list[int]]]
"""The ports on loopback where somebody answers, the one to try first in front."""


class Front:
    """A port on loopback, whose connections each go on to one of those that answer."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._listening = asyncio.create_task(self._listen())

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._socket, backlog=_BACKLOG)
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for port in await self._ports():
                try:
                    onward = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    continue
                await _join((reader, writer), onward)
                return
        finally:
            writer.close()


async def _join(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    other: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Hands on what each says, until one of them has ended."""
    ways = [asyncio.create_task(_hand_on(one[0], other[1])), asyncio.create_task(_hand_on(other[0], one[1]))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        other[1].close()


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
