"""Plugin processes: started, watched, spoken to over gRPC on loopback, ended."""

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from twin.engine import tether
from twin.engine.engine_service import CHANNEL_OPTIONS
from twin.engine.errors import StepError

_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 5.0
_QUICK_SECONDS: Final = 120.0
"""For calls that change nothing: check, diff, configure."""
_SLOW_SECONDS: Final = 1800.0
"""For calls that may wait for a cloud, unless customTimeouts says otherwise."""
_TAIL_LINES: Final = 20

DYNAMIC: Final = "pulumi-python"
"""The package of resources whose provider is a class in the program."""
_CREDENTIALS: Final = ("AWS_", "AZURE_", "ARM_", "GOOGLE_", "CLOUDSDK_", "PULUMI_ACCESS_TOKEN", "KUBECONFIG")
"""Beginnings of the variables that no child of the twin ever sees."""


class PluginError(StepError):
    """A plugin that cannot be started, or a call of it that failed."""


class UnclearError(PluginError):
    """A call without an end: what it did is not known."""


class PluginDiedError(UnclearError):
    """The plugin's process ended while it was needed."""


class PartialFailureError(PluginError):
    """The resource exists, but something after its making failed."""

    def __init__(self, message: str, identity: str, properties: Any, reasons: Sequence[str]) -> None:
        super().__init__(message)
        self.id = identity
        self.properties = properties
        self.reasons = list(reasons)


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without credentials and proxies: nothing a child could reach a real cloud with."""
    return {
        key: value
        for key, value in environment.items()
        if not key.startswith(_CREDENTIALS) and not key.lower().endswith("_proxy")
    }


class PluginProcess:
    """A child that says its port on its first line of output, and serves gRPC there until it is closed."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        tell: Callable[[str], None],
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self._tell = tell
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._port = ""
        self._ready = threading.Event()
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**environment, tether.VARIABLE: "1"},
                cwd=folder,
                text=True,
                errors="replace",
                # Its own group: Ctrl-C reaches the engine alone, which ends its children when it is done.
                start_new_session=True,
            )
        except OSError as error:
            raise PluginError(f"plugin {name} cannot be started: {error}") from error
        self._readers = [
            threading.Thread(target=self._read_output, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self.channel: grpc.Channel | None = None

    def connect(self) -> grpc.Channel:
        """Waits for the port; returns the channel. Raises PluginError if the plugin does not come up."""
        if not self._ready.wait(_START_SECONDS) or not self._port:
            said = self.last_words()
            self.close()
            raise PluginError(f"plugin {self.name} did not start: {said}")
        if self.channel is None:
            self.channel = grpc.insecure_channel(f"127.0.0.1:{self._port}", options=CHANNEL_OPTIONS)
        return self.channel

    def last_words(self) -> str:
        """How the process stands and the end of what it wrote to its error stream."""
        code = self._process.poll()
        if code is not None:
            for reader in self._readers:
                reader.join(_END_SECONDS)
        state = "still running" if code is None else _ended(code)
        said = "\n".join(self._tail)
        return f"{state}; its last words:\n{said}" if said else f"{state}, without a word"

    @property
    def dead(self) -> bool:
        """Whether the process has ended."""
        try:
            self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            return False
        return True

    def ask_to_end(self) -> None:
        """Asks the process to end, and does not wait."""
        self._signal(signal.SIGTERM)

    def close(self) -> None:
        """Ends the process, politely first."""
        if self.channel is not None:
            self.channel.close()
            self.channel = None
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)
                break
        if self._process.stdin is not None:
            self._process.stdin.close()
        for reader in self._readers:
            reader.join(_END_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _read_output(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        for line in self._process.stdout:
            if not self._ready.is_set():
                if line.strip().isdigit():
                    self._port = line.strip()
                    self._ready.set()
                else:
                    self._tail.append(line.rstrip())
            elif line.strip():
                self._tell(line.rstrip())
        self._ready.set()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - it was asked for
        for line in self._process.stderr:
            self._tail.append(line.rstrip())


def _ended(code: int) -> str:
    if code < 0:
        return f"ended by signal {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def find_provider(package: str, folders: Sequence[Path]) -> list[str]:
    """The command of a package's provider plugin. Raises PluginError that lists where it was looked for.

    Only the given folders count, not PATH: a real cloud's plugin that happens to lie there must never be run.
    """
    if package == DYNAMIC:
        return [*tether.command("pulumi.dynamic")]
    for folder in folders:
        path = folder / f"pulumi-resource-{package}"
        if os.access(path, os.X_OK):
            return [str(path)]
    places = ", ".join(str(folder) for folder in folders) or "nowhere"
    raise PluginError(
        f"the twin has no provider for package {package!r} "
        f"(looked for pulumi-resource-{package} in {places}); "
        "deploy this stack with the pulumi CLI, or leave the package out"
    )


class ProviderClient:
    """A provider plugin's calls, with deadlines, and with errors that name the cause."""

    def __init__(self, process: PluginProcess) -> None:
        self.process = process
        self._stub: Any = None
        self.accept_secrets = False
        self.accept_references = False
        self.supports_preview = False

    def connect(self) -> None:
        """Waits for the plugin and shakes hands."""
        self._stub = provider_pb2_grpc.ResourceProviderStub(self.process.connect())
        handshake = provider_pb2.ProviderHandshakeRequest(configure_with_urn=True, invoke_with_preview=True)
        self.call("Handshake", handshake, optional=True)
        self.call("GetPluginInfo", empty_pb2.Empty(), optional=True)

    def configure(self, request: Any) -> None:
        """Configures the provider and notes what it understands."""
        answer = self.call("Configure", request)
        self.accept_secrets = answer.acceptSecrets
        self.accept_references = answer.acceptResources
        self.supports_preview = answer.supportsPreview

    def call(self, method: str, request: Any, *, timeout: float | None = None, optional: bool = False) -> Any:
        """One call. `optional`: a plugin that does not have it answers None."""
        slow = method in ("Create", "Update", "Delete", "Read", "Construct", "Call", "Invoke")
        deadline = timeout or (_SLOW_SECONDS if slow else _QUICK_SECONDS)
        try:
            return getattr(self._stub, method)(request, timeout=deadline)
        except grpc.RpcError as error:
            if optional and error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return None
            raise self._translated(error, method, deadline) from error

    def cancel(self) -> None:
        """Asks the provider to give up what it is doing; it may not know how."""
        if self._stub is not None:
            try:
                self._stub.Cancel(empty_pb2.Empty(), timeout=_END_SECONDS)
            except grpc.RpcError:
                return

    def close(self) -> None:
        """Ends the plugin."""
        self.process.close()

    def _translated(self, error: grpc.RpcError, method: str, deadline: float) -> PluginError:
        code, details = error.code(), error.details() or ""
        gone = code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED) and self.process.dead
        if gone:
            return PluginDiedError(
                f"provider plugin {self.process.name} died during {method}: {self.process.last_words()}"
            )
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            return UnclearError(f"{method} took longer than {deadline:g} s and was given up")
        failed = _init_failure(error)
        if failed is not None:
            return PartialFailureError(details, failed.id, failed.properties, failed.reasons)
        return PluginError(details or code.name)


def _init_failure(error: grpc.RpcError) -> Any:
    metadata: Any = error.trailing_metadata()
    for key, value in metadata or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            for detail in status.details:
                failed = provider_pb2.ErrorResourceInitFailed()
                if detail.Is(failed.DESCRIPTOR):
                    detail.Unpack(failed)
                    return failed
    return None
