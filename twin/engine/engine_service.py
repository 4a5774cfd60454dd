"""What programs, providers and packs all call in the engine: logging and the root resource.

Every debug line of the SDK is a blocking call (thousands a run), so `Log` does no more than hand a line over.
"""

import operator
import re
import threading
from collections.abc import Callable
from concurrent import futures
from enum import IntEnum
from types import TracebackType
from typing import Any, Final, Self

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc
from semver import Version

MAX_MESSAGE_BYTES: Final = 400 * 1024 * 1024
CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.enable_http_proxy", 0),
)
"""For every server and channel on loopback: Pulumi's own message limit, and never through a proxy."""

PROTOCOL_VERSION: Final = "3.272.0"
"""The Pulumi version whose protocol this engine speaks; what `require_pulumi_version` is checked against."""

_WORKERS: Final = 16
_CLAUSE: Final = re.compile(r"(>=|<=|!=|==|=|>|<|!)?\s*v?(\d+\.\d+\.\d+[0-9A-Za-z.+-]*)")
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "": operator.eq,
    "=": operator.eq,
    "==": operator.eq,
    "!": operator.ne,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class Severity(IntEnum):
    """How much a log line matters; the numbers are the protocol's."""

    DEBUG = 0
    INFO = 1
    WARNING = 2
    ERROR = 3


LogSink = Callable[[Severity, str, str, int], None]
"""Takes (severity, message, URN or "", stream id or 0). Called on any thread; must be quick."""


class EngineService(engine_pb2_grpc.EngineServicer):
    """One engine as its children see it.

    Lines below `least` are dropped without being handed to `log`, which is what keeps debug lines cheap.
    """

    def __init__(self, log: LogSink, least: Severity = Severity.INFO) -> None:
        self._log = log
        self._least = least
        self._root = ""
        self._root_lock = threading.Lock()

    @property
    def root_urn(self) -> str:
        """The URN of the stack resource; empty until the program has registered it."""
        with self._root_lock:
            return self._root

    def Log(self, request: Any, _context: Any) -> empty_pb2.Empty:  # noqa: N802  the protocol's name
        """A line from a child."""
        if request.severity >= self._least:
            self._log(Severity(request.severity), request.message, request.urn, request.streamId)
        return empty_pb2.Empty()

    def GetRootResource(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """The parent of every resource that names none."""
        return engine_pb2.GetRootResourceResponse(urn=self.root_urn)

    def SetRootResource(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """Called by the program once its stack resource is registered."""
        with self._root_lock:
            self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    def StartDebugging(self, request: Any, _context: Any) -> empty_pb2.Empty:  # noqa: N802
        """A program waits for a debugger: tell the user how to attach."""
        self._log(Severity.INFO, request.message or "The program waits for a debugger.", "", 0)
        return empty_pb2.Empty()

    def RequirePulumiVersion(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Refuses a program that needs another Pulumi version than the one this engine speaks."""
        wanted = request.pulumi_version_range
        try:
            fits = version_in_range(PROTOCOL_VERSION, wanted)
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if not fits:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"Pulumi CLI version {PROTOCOL_VERSION} does not satisfy the version range {wanted!r}",
            )
        return engine_pb2.RequirePulumiVersionResponse()


def version_in_range(version: str, wanted: str) -> bool:
    """Whether a version fits a range such as `>=3.5.0 !3.7.7 || 4.0.0` (space is AND, `||` is OR).

    Raises:
        ValueError: The range cannot be read.
    """
    have = Version.parse(version)
    alternatives = [_clauses(part, wanted) for part in wanted.split("||")]
    return any(
        all(_COMPARE[comparison](have, bound) for comparison, bound in clauses) for clauses in alternatives
    )


def _clauses(part: str, wanted: str) -> list[tuple[str, Version]]:
    clauses = [(sign or "", Version.parse(bound)) for sign, bound in _CLAUSE.findall(part)]
    if not clauses or _CLAUSE.sub("", part).strip():
        raise ValueError(f"cannot read the version range {wanted!r}; write it like '>=3.100.0 <4.0.0'")
    return clauses


class EngineServer:
    """Serves an `EngineService` on a free loopback port until it is closed; usable with `with`."""

    def __init__(self, service: EngineService, workers: int = _WORKERS) -> None:
        # Children may call back while the engine waits for them: the workers must not run out.
        self._server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=workers, thread_name_prefix="engine-service"),
            options=CHANNEL_OPTIONS,
        )
        engine_pb2_grpc.add_EngineServicer_to_server(service, self._server)
        self.service = service
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        """Stops serving; calls under way get a second to end."""
        self._server.stop(grace=1).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
