"""Processes that outlive the command which started them, found again by what was written down of them."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_END_SECONDS: Final = 15.0
_PROC: Final = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process that was started: its id, and when, since ids are given again."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return _started(self.pid) == self.started


def start(command: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path) -> Process:
    """Starts a process in a session of its own, so that Ctrl-C at the command leaves it alone.

    Args:
        command: What to run.
        folder: Where it runs.
        environment: All that it sees of the environment.
        log: What it writes is appended here.
    """
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as output:
        child = subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    child.returncode = 0  # it is not waited for: `Popen` would warn of a child left running
    return Process(child.pid, _started(child.pid) or "")


def stop(processes: Iterable[Process]) -> None:
    """Ends processes, one after the other: asks, and after a while insists."""
    for process in processes:
        _signal(process, signal.SIGTERM)
        if not _gone(process, _END_SECONDS):
            _signal(process, signal.SIGKILL)
            _gone(process, _END_SECONDS)


def _signal(process: Process, number: signal.Signals) -> None:
    if process.alive:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def _gone(process: Process, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while process.alive:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _started(pid: int) -> str | None:
    """When the process started, in the system's own words; None when there is none, or only its remains."""
    if _PROC.joinpath("self", "stat").exists():
        try:
            fields = _PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        if fields[0] not in ("Z", "X"):
            return fields[19]
        _bury(pid)
        return None
    told = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = told.stdout.strip().partition(" ")
    if state and not state.startswith("Z"):
        return started.strip()
    _bury(pid)
    return None


def _bury(pid: int) -> None:
    """Takes the remains of a process away, if it was a child of ours."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
