"""Lambda's execution environments: a process each, kept warm for the next invocation of the same function."""

import hashlib
import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from twin.aws.cloud.client import session
from twin.aws.cloud.live.processes import ProcessGroup, container_environment
from twin.aws.cloud.live.runtime_api import Given, RuntimeApi

WARM_SECONDS: Final = 120.0
"""How long an environment is kept that nobody asks."""
MOST_WARM: Final = 8
"""Environments that are kept; the one that was used longest ago makes room."""
_INIT_SECONDS: Final = 60.0
"""In AWS it is 10; a laptop may be busy."""
_POLL_SECONDS: Final = 0.05
_LOG_LINES: Final = 1_000
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Function:
    """What is needed of a function to run it."""

    name: str
    arn: str
    version: str
    region: str
    handler: str
    runtime: str
    image: bool
    code: bytes
    environment: dict[str, str]
    seconds: int
    memory: int

    @property
    def identity(self) -> str:
        """Changes with whatever an environment of it was made from."""
        told = [value for key, value in sorted(vars(self).items()) if key != "code"]
        return hashlib.sha256(self.code + json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What an invocation gave: the payload, and the kind of error if it was one."""

    payload: bytes
    error: str
    log: bytes


@dataclass(frozen=True)
class Start:
    """How a function's process is started."""

    command: list[str]
    folder: Path | None
    """Where its code is; None if it brings its own, as an image does."""


class Environments:
    """A cloud's environments."""

    def __init__(self, endpoint: str, processes: ProcessGroup, start: Callable[[Function], Start]) -> None:
        self._endpoint = endpoint
        self._processes = processes
        self._start = start
        self._warm: list[_Environment] = []
        self._at_work = 0
        self._closed = False
        self._guard = threading.Lock()

    def busy(self) -> bool:
        """Whether one of them is at work, if only on what comes after an answer."""
        return self._at_work > 0

    def close(self) -> None:
        """Ends those that wait, and keeps none from now on."""
        with self._guard:
            self._closed = True
            warm, self._warm = self._warm, []
        for environment in warm:
            environment.close()

    def invoke(self, function: Function, event: bytes) -> Outcome:
        """The answer of a warm environment, or of a new one.

        Raises:
            OSError: no process can be started.
        """
        with self._guard:
            self._at_work += 1
        try:
            environment = self._taken(function) or _Environment(
                function, self._start(function), self._endpoint, self._processes
            )
        except BaseException:
            self._rest()
            raise
        try:
            return environment.invoke(event)
        finally:
            # The caller has the answer; what the function still does is waited for beside.
            threading.Thread(target=self._keep, args=(environment,), daemon=True).start()

    def _taken(self, function: Function) -> "_Environment | None":
        """A warm environment of the function; those of what it was before are ended."""
        identity = function.identity  # of all its code: not to be reckoned for each
        with self._guard:
            ours = [each for each in self._warm if each.function.arn == function.arn]
            outdated = [each for each in ours if each.identity != identity or each.ended]
            usable = [each for each in ours if each not in outdated]
            taken = usable[-1] if usable else None
            self._warm = [each for each in self._warm if each is not taken and each not in outdated]
        for environment in outdated:
            environment.close()
        return taken

    def _keep(self, environment: "_Environment") -> None:
        usable = False
        try:
            usable = environment.settle()
        except Exception:  # the cloud may be ending
            _logger.exception("function %s, after its answer", environment.function.name)
        finally:
            self._rest()
        with self._guard:
            kept = usable and not self._closed
            if kept:
                self._warm.append(environment)
            surplus = [] if len(self._warm) <= MOST_WARM else [self._warm.pop(0)]
        for each in surplus if kept else [environment]:
            each.close()
        if kept:
            timer = threading.Timer(WARM_SECONDS, self._expire, (environment, environment.invocations))
            timer.daemon = True
            timer.start()

    def _expire(self, environment: "_Environment", invocations: int) -> None:
        with self._guard:
            if environment not in self._warm or environment.invocations != invocations:
                return
            self._warm.remove(environment)
        environment.close()

    def _rest(self) -> None:
        with self._guard:
            self._at_work -= 1


class _Environment:
    """One process of a function. One invocation at a time."""

    def __init__(self, function: Function, start: Start, endpoint: str, processes: ProcessGroup) -> None:
        self.function = function
        self.identity = function.identity
        self.invocations = 0
        self._processes = processes
        self._deadline = 0.0
        self._scratch = tempfile.TemporaryDirectory(prefix="stagecraft-function-")
        folder = Path(self._scratch.name)
        self._log = _Log(function, endpoint, folder / "log")
        self._api = RuntimeApi()
        told = function.environment | {
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_LOG_GROUP_NAME": self._log.group,
            "AWS_LAMBDA_LOG_STREAM_NAME": self._log.stream,
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
        }
        try:
            with self._log.path.open("wb") as output:
                self._process = processes.start(
                    start.command,
                    container_environment(endpoint, function.region, told),
                    start.folder or folder,
                    output=output,
                )
        except BaseException:
            self._api.close()
            self._scratch.cleanup()
            raise

    @property
    def ended(self) -> bool:
        """Whether the process is over."""
        return self._process.poll() is not None

    def invoke(self, event: bytes) -> Outcome:
        """Has the process answer, in the function's time."""
        self.invocations += 1
        request_id = str(uuid4())
        api, seconds = self._api, self.function.seconds
        self._wait(lambda: api.asking or api.answer is not None, _INIT_SECONDS)
        if api.asking:
            self._deadline = time.time() + seconds
            api.give(Given(request_id, self.function.arn, event, self._deadline))
            self._wait(lambda: api.answer is not None, seconds)
        answer = api.answer
        log = self._log.keep()
        if answer is not None:
            return Outcome(answer.payload, "Unhandled" if answer.failed else "", log)
        if self.ended:
            return _failed("Runtime.ExitError", f"Runtime exited with status {self._process.returncode}", log)
        limit = float(seconds) if self._deadline else _INIT_SECONDS
        self._processes.end(self._process, grace=0.0)
        return _failed("Sandbox.Timedout", f"{request_id} Task timed out after {limit:.2f} seconds", log)

    def settle(self) -> bool:
        """Waits until the process asks for more; whether it does, in the time that it had."""
        self._wait(lambda: self._api.asking, self._deadline - time.time())
        self._log.keep()
        return self._api.asking and not self.ended

    def close(self) -> None:
        """Ends the process."""
        self._api.close()
        self._processes.end(self._process, grace=0.0)
        self._scratch.cleanup()

    def _wait(self, happened: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.ended and time.monotonic() < end:
            if self._api.wait_until(happened, _POLL_SECONDS):
                return


class _Log:
    """What an environment prints, carried over into its stream of the function's log group."""

    def __init__(self, function: Function, endpoint: str, path: Path) -> None:
        self.path = path
        self.group = f"/aws/lambda/{function.name}"
        self.stream = f"{time.strftime('%Y/%m/%d')}/[{function.version}]{uuid4().hex}"
        self._open = partial(self._opened, endpoint, function.region)
        self._logs: Any = None
        self._read = 0

    def keep(self) -> bytes:
        """Carries over what is new, and returns it."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        lines = [line for line in new.decode(errors="replace").splitlines() if line.strip()]
        self._logs = self._logs or self._open()
        if lines:
            now = int(time.time() * 1000)
            self._logs.put_log_events(
                logGroupName=self.group,
                logStreamName=self.stream,
                logEvents=[{"timestamp": now, "message": line} for line in lines[-_LOG_LINES:]],
            )
        return new

    def _opened(self, endpoint: str, region: str) -> Any:
        logs = session(endpoint, region).client("logs")
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=self.group)
        logs.create_log_stream(logGroupName=self.group, logStreamName=self.stream)
        return logs


def _failed(kind: str, message: str, log: bytes) -> Outcome:
    return Outcome(json.dumps({"errorType": kind, "errorMessage": message}).encode(), "Unhandled", log)
