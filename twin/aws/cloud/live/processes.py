"""Processes that stand for the platform's container image, with a container's environment."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from twin.aws.cloud.client import process_environment

IMAGE_COMMAND: Final = "STAGECRAFT_IMAGE_COMMAND"
"""Stands in for `<python> -m platform_jobs`, the image's entrypoint; for tests."""
_CHECKOUT: Final = Path(__file__).resolve().parents[4]
_TERM_SECONDS: Final = 5.0
_INHERITED: Final = frozenset({"HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", IMAGE_COMMAND})


def image_command(arguments: Sequence[str]) -> list[str]:
    """The command line that the image would run for these arguments."""
    entrypoint = os.environ.get(IMAGE_COMMAND)
    start = shlex.split(entrypoint) if entrypoint else [sys.executable, "-m", "platform_jobs"]
    return [*start, *arguments]


def container_environment(endpoint: str, region: str, told: Mapping[str, str]) -> dict[str, str]:
    """The environment of a container: little of this machine's, the way to the twin's cloud, what it is told.

    Nothing that it is told can lead it to another cloud.
    """
    base = {name: value for name, value in os.environ.items() if name in _INHERITED}
    base |= {"PYTHONPATH": str(_CHECKOUT), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    safe = {
        name: value for name, value in told.items() if not name.startswith("AWS_") or name in _TOLD_BY_AWS
    }
    return process_environment(endpoint, region, base | safe) | {
        name: safe[name] for name in sorted(_TOLD_BY_AWS & set(safe))
    }


_TOLD_BY_AWS: Final = frozenset(
    {
        "AWS_BATCH_CE_NAME",
        "AWS_BATCH_JOB_ARRAY_INDEX",
        "AWS_BATCH_JOB_ATTEMPT",
        "AWS_BATCH_JOB_ID",
        "AWS_BATCH_JQ_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
    }
)


class ProcessGroup:
    """The processes of one cloud: each in a session of its own, all of them ended with the cloud."""

    def __init__(self) -> None:
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._guard = threading.Lock()
        self._closed = False

    def pids(self) -> list[int]:
        """The ids of the processes that run."""
        with self._guard:
            return sorted(pid for pid, process in self._running.items() if process.poll() is None)

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        *,
        output: "IO[bytes] | int" = subprocess.PIPE,
        errors: "IO[bytes] | int" = subprocess.STDOUT,
        given: "IO[bytes] | int" = subprocess.DEVNULL,
    ) -> "subprocess.Popen[bytes]":
        """Starts a process. Raises OSError if it can't be, or the cloud is ending."""
        with self._guard:
            if self._closed:
                raise OSError("the twin's cloud is ending")
            process = subprocess.Popen(
                list(command),
                env=dict(environment),
                cwd=folder,
                stdin=given,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
            self._running[process.pid] = process
        return process

    def end(self, process: "subprocess.Popen[Any]", grace: float = _TERM_SECONDS) -> None:
        """Ends a process and what it started: asked first, after `grace` seconds forced.

        Without grace it is not even asked.
        """
        if process.poll() is None:
            if grace > 0:
                _signal(process, signal.SIGTERM)
            try:
                process.wait(grace)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait()
        self.ended(process)

    def ended(self, process: "subprocess.Popen[Any]") -> None:
        """The process is over; what it may have left of its session is ended too."""
        _signal(process, signal.SIGKILL)
        with self._guard:
            self._running.pop(process.pid, None)

    def close(self) -> None:
        """Ends every process, and starts no more."""
        with self._guard:
            self._closed = True
            running = list(self._running.values())
        for process in running:
            _signal(process, signal.SIGTERM)
        end = time.monotonic() + _TERM_SECONDS
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
            self.end(process, grace=0.0)


def _signal(process: "subprocess.Popen[Any]", number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
