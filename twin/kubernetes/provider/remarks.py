"""What the provider tells a user besides errors: warnings of the server, and of the twin itself."""

import contextlib
from typing import Final

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from twin.loopback import require_loopback

_SECONDS: Final = 5.0


class Remarks:
    """Tells the engine; each remark once in the life of the process."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._stub: engine_pb2_grpc.EngineStub | None = None
        self._said: set[tuple[str, str]] = set()

    def warn(self, urn: str, text: str) -> None:
        """A warning about a resource."""
        self._say(engine_pb2.WARNING, urn, text)

    def note(self, urn: str, text: str) -> None:
        """A note about a resource, or with an empty URN about the provider."""
        self._say(engine_pb2.INFO, urn, text)

    def _say(self, severity: "engine_pb2.LogSeverity.ValueType", urn: str, text: str) -> None:
        if not self._engine or (urn, text) in self._said:
            return
        self._said.add((urn, text))
        if self._stub is None:
            self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(require_loopback(self._engine)))
        # A remark that nobody hears is no reason to fail.
        with contextlib.suppress(grpc.RpcError):
            self._stub.Log(engine_pb2.LogRequest(severity=severity, message=text, urn=urn), timeout=_SECONDS)
