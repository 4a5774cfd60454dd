"""A small HTTP/1.1 server for loopback, with keep-alive: most of a call's cost would otherwise be set-up.

Only what AWS clients send is understood: `Content-Length` and chunked bodies, `Expect: 100-continue`.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import BinaryIO, Final

_MAX_HEADER_LINE: Final = 65_536
_MAX_HEADERS: Final = 200
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
_LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request as it came over the wire; header names keep their spelling."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The first header of that name (any case), or an empty text."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), "")


@dataclass(slots=True)
class HttpResponse:
    """What goes back; `Content-Length` and `Connection` are added by the server."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[HttpRequest], HttpResponse]


class BadRequestError(Exception):
    """The bytes are not HTTP as AWS clients speak it."""


class HttpServer:
    """Serves `handler` on 127.0.0.1, one thread a connection."""

    def __init__(self, handler: Handler, port: int = 0) -> None:
        self._handler = handler
        self._socket = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port: int = self._socket.getsockname()[1]
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Accepts connections in the background."""
        threading.Thread(target=self._accept, name="accept", daemon=True).start()

    def close(self) -> None:
        """Stops listening and ends every connection."""
        with self._guard:
            self._closed = True
            connections = list(self._connections)
        for each in [self._socket, *connections]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._guard:
                if self._closed:
                    connection.close()
                    return
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # A client that goes away in mid-answer is its own affair.
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
            try:
                while (request := _read(stream, connection)) is not None:
                    response = self._handler(request) if _is_loopback(request) else _FORBIDDEN
                    keep = request.header("Connection").lower() != "close"
                    connection.sendall(_bytes(response, head=request.method == "HEAD", keep=keep))
                    if not keep:
                        break
            except BadRequestError as problem:
                refusal = HttpResponse(400, str(problem).encode(), {"Content-Type": "text/plain"})
                connection.sendall(_bytes(refusal, head=False, keep=False))
        with self._guard:
            self._connections.discard(connection)


_FORBIDDEN: Final = HttpResponse(
    403, b"the twin's cloud answers only to loopback host names\n", {"Content-Type": "text/plain"}
)


def _is_loopback(request: HttpRequest) -> bool:
    """Whether the client meant this machine: a web page that rebinds its own name to 127.0.0.1 did not."""
    host = request.header("Host")
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return name in _LOOPBACK_HOSTS or name.endswith(".localhost")


def _read(stream: BinaryIO, connection: socket.socket) -> HttpRequest | None:
    """The next request of the connection; None at its end."""
    line = stream.readline(_MAX_HEADER_LINE)
    if not line.strip():
        return None
    parts = line.decode("latin-1").rstrip("\r\n").split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequestError("malformed request line")
    headers = _read_headers(stream)
    lookup = {name.lower(): value for name, value in headers}
    if lookup.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in lookup.get("transfer-encoding", "").lower():
        body = _read_chunks(stream)
        headers = [pair for pair in headers if pair[0].lower() != "transfer-encoding"]
        headers.append(("Content-Length", str(len(body))))
    else:
        body = _read_exactly(stream, _length(lookup.get("content-length", "0")))
    return HttpRequest(parts[0], parts[1], tuple(headers), body)


def _read_headers(stream: BinaryIO) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    while (line := stream.readline(_MAX_HEADER_LINE)) not in (b"\r\n", b"\n"):
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not line.endswith(b"\n") or len(headers) >= _MAX_HEADERS:
            raise BadRequestError("malformed or too many headers")
        headers.append((name, value.strip()))
    return headers


def _length(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise BadRequestError(f"malformed Content-Length {text!r}")
    return int(text)


def _read_exactly(stream: BinaryIO, length: int) -> bytes:
    body = stream.read(length) if length else b""
    if len(body) != length:
        raise ConnectionError("the client left in mid-request")
    return body


def _read_chunks(stream: BinaryIO) -> bytes:
    chunks: list[bytes] = []
    while True:
        size_text = stream.readline(_MAX_HEADER_LINE).split(b";")[0].strip()
        try:
            size = int(size_text, 16)
        except ValueError:
            raise BadRequestError("malformed chunk") from None
        if size == 0:
            break
        chunks.append(_read_exactly(stream, size))
        stream.readline(_MAX_HEADER_LINE)
    while stream.readline(_MAX_HEADER_LINE).strip():  # trailers
        pass
    return b"".join(chunks)


def _bytes(response: HttpResponse, *, head: bool, keep: bool) -> bytes:
    reason = _REASONS.get(response.status, "")
    lines = [f"HTTP/1.1 {response.status} {reason}"]
    has_length = False
    for name, value in response.headers.items():
        lowered = name.lower()
        if lowered in ("connection", "transfer-encoding", "status"):
            continue
        if lowered == "content-length":
            if not head:
                continue  # the body's own length below is the true one
            has_length = True
        lines.append(f"{name}: {_one_line(value)}")
    bodiless = response.status in (204, 304)
    if not has_length and not bodiless:
        lines.append(f"Content-Length: {len(response.body)}")
    lines.append("Connection: keep-alive" if keep else "Connection: close")
    start = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")
    return start if head or bodiless else start + response.body


def _one_line(value: str) -> str:
    return value.replace("\r", "").replace("\n", " ") if "\n" in value or "\r" in value else value


def as_bytes(body: str | bytes | Iterable[bytes] | None) -> bytes:
    """A response body in any form that request handlers give it, as bytes."""
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    return b"".join(body)
