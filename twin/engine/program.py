"""Starts the Pulumi program in its own process and waits for its end."""

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from twin.engine import tether
from twin.engine.plugins import scrubbed

SHOWN: Final = 32
"""Exit code of a program whose error was already told."""

_END_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Program:
    """What to run, and as what."""

    path: Path
    """The folder with `__main__.py`, or a file."""
    folder: Path
    project: str
    stack: str
    organization: str
    root: Path
    config: Mapping[str, str]
    secret_keys: tuple[str, ...]
    environment: Mapping[str, str]
    parallel: int


class ProgramProcess:
    """The running program. Its output is handed on line by line."""

    def __init__(
        self, program: Program, monitor: str, engine: str, *, preview: bool, say: Callable[[str], None]
    ) -> None:
        told = {
            "project": program.project,
            "stack": program.stack,
            "organization": program.organization,
            "rootDirectory": str(program.root),
            "program": str(program.path),
            "monitor": monitor,
            "engine": engine,
            "dryRun": preview,
            "parallel": program.parallel,
            "threads": program.parallel * 4,
        }
        environment = scrubbed(os.environ) | {
            **program.environment,
            "PULUMI_CONFIG": json.dumps(dict(program.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(program.secret_keys)),
            "PULUMI_PROJECT": program.project,
            "PULUMI_STACK": program.stack,
            "PULUMI_DRY_RUN": "true" if preview else "false",
        }
        self._process = subprocess.Popen(
            [*tether.command("twin.engine.program_main"), json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_with_checkout(environment),
            cwd=program.folder,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        self._reader = threading.Thread(target=_read, args=(self._process.stdout, say), daemon=True)
        self._reader.start()

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float | None = None) -> int:
        """Waits for the end; returns the exit code. Raises TimeoutExpired."""
        code = self._process.wait(seconds)
        self._reader.join(_END_SECONDS)
        return code

    def end(self) -> None:
        """Ends the process, politely first."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)
        self._reader.join(_END_SECONDS)


def failed_silently(code: int) -> bool:
    """Whether a program ended badly without having said why."""
    return code not in (0, SHOWN)


def _with_checkout(environment: Mapping[str, str]) -> dict[str, str]:
    """The program's interpreter must find `twin` wherever the program lies."""
    checkout = str(Path(__file__).resolve().parents[2])
    paths = [checkout, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    return {**environment, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def _read(stream: IO[str], say: Callable[[str], None]) -> None:
    for line in stream:
        say(line.rstrip("\n"))
