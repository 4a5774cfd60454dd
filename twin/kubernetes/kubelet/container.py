"""One container as a process: started, asked how it is, started again, ended."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from twin.engine import tether
from twin.kubernetes.kubelet.pod_spec import ContainerSpec, Probe

_STARTUP_POLL: Final = 0.2
"""A machine of its own would be asked every few seconds; here everybody waits for it."""
_BACK_OFF: Final = (0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""Seconds before a restart, as a kubelet has them; one that was well for long begins at the front."""
_WELL_SECONDS: Final = 600.0
_LAST_WORDS: Final = 1000
_KILLED_SECONDS: Final = 5.0

Environment = Callable[[int | None], Mapping[str, str]]
"""The port that it gets → all that it sees of the environment."""


class Container:
    """A container of a pod; `changed` is called whenever its status is another."""

    def __init__(
        self, spec: ContainerSpec, folder: Path, environment: Environment, changed: Callable[[], None]
    ) -> None:
        self.spec = spec
        self.port: int | None = None
        """Where it listens on loopback."""
        self.ready = False
        self._folder = folder
        self._environment = environment
        self._changed = changed
        self._started = False
        self._restarts = 0
        self._state: dict[str, Any] = {"waiting": {"reason": "PodInitializing"}}
        self._last_state: dict[str, Any] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._ending = False

    @property
    def pid(self) -> int | None:
        """Its process, while there is one."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process is not None else None

    @property
    def log(self) -> Path:
        """What it wrote."""
        return self._folder / f"{self.spec.name}.log"

    def status(self) -> dict[str, Any]:
        """Its entry of the pod's status."""
        return {
            "name": self.spec.name,
            "image": self.spec.image,
            "imageID": "",
            "ready": self.ready,
            "started": self._started,
            "restartCount": self._restarts,
            "state": self._state,
            "lastState": self._last_state,
        }

    async def complete(self) -> bool:
        """Runs it until it succeeds; whether it did, for it may be told to end before."""
        while not self._ending:
            process = await self._start()
            if await process.wait() == 0:
                self._terminated(0)
                self.ready = True
                self._changed()
                return True
            self._terminated(process.returncode)
            await self._pause()
        return False

    async def keep(self) -> None:
        """Runs it again and again, until it is told to end."""
        while not self._ending:
            begun = time.monotonic()
            process = await self._start()
            asking = asyncio.create_task(self._ask_forever(process))
            try:
                code = await process.wait()
            finally:
                asking.cancel()
            self.ready = self._started = False
            if time.monotonic() - begun > _WELL_SECONDS:
                self._restarts = 0
            self._terminated(code)
            if not self._ending:
                await self._pause()

    async def end(self, seconds: float) -> None:
        """Ends it: asks after it has lingered, and insists when its time is over."""
        self._ending = True
        end = time.monotonic() + seconds
        process = self._process
        if process is None or process.returncode is not None:
            return
        await _over(process, min(self.spec.linger, seconds))
        _signal(process, signal.SIGTERM)
        if not await _over(process, max(0.0, end - time.monotonic())):
            self.kill()
            await _over(process, _KILLED_SECONDS)

    def kill(self) -> None:
        """Ends it where it stands."""
        self._ending = True
        if self._process is not None and self._process.returncode is None:
            _signal(self._process, signal.SIGKILL)

    async def _start(self) -> asyncio.subprocess.Process:
        self.port = None if self.spec.port is None else _free_port()
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *tether.command("platform_jobs"),
                *self.spec.arguments,
                cwd=self._folder,
                env=dict(self._environment(self.port)),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        self._state = {"running": {"startedAt": now()}}
        self._changed()
        return self._process

    def _terminated(self, code: int | None) -> None:
        words = self.log.read_bytes()[-_LAST_WORDS:].decode(errors="replace").strip()
        self._state = {
            "terminated": {
                "exitCode": code if code is not None and code >= 0 else 128 - (code or 0),
                "reason": "Completed" if code == 0 else "Error",
                "message": "" if code == 0 else words,
                "finishedAt": now(),
            }
        }
        self._changed()

    async def _pause(self) -> None:
        """The back-off before the next start."""
        seconds = _BACK_OFF[min(self._restarts, len(_BACK_OFF) - 1)]
        self._restarts += 1
        self._last_state = self._state
        if seconds:
            message = f"back-off {seconds:.0f}s restarting failed container={self.spec.name}"
            self._state = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
        self._changed()
        await asyncio.sleep(seconds)

    async def _ask_forever(self, process: asyncio.subprocess.Process) -> None:
        startup = self.spec.startup
        if startup is not None:
            end = time.monotonic() + startup.period * startup.failures
            while not await self._answers(startup):
                if time.monotonic() > end:
                    _signal(process, signal.SIGKILL)
                    return
                await asyncio.sleep(_STARTUP_POLL)
        self._started = True
        if self.spec.readiness is None:
            self._say_ready(ready=True)
        await asyncio.gather(self._ask_readiness(), self._ask_liveness(process))

    async def _ask_readiness(self) -> None:
        probe, misses = self.spec.readiness, 0
        while probe is not None:
            misses = 0 if await self._answers(probe) else misses + 1
            if misses == 0 or misses >= probe.failures:
                self._say_ready(ready=misses == 0)
            await asyncio.sleep(probe.period)

    async def _ask_liveness(self, process: asyncio.subprocess.Process) -> None:
        probe, misses = self.spec.liveness, 0
        while probe is not None:
            misses = 0 if await self._answers(probe) else misses + 1
            if misses >= probe.failures:
                _signal(process, signal.SIGKILL)
                return
            await asyncio.sleep(probe.period)

    def _say_ready(self, *, ready: bool) -> None:
        if ready != self.ready or ready:
            self.ready = ready
            self._changed()

    async def _answers(self, probe: Probe) -> bool:
        """Whether it answers with a status from 200 to 399 in time."""
        try:
            async with asyncio.timeout(probe.timeout):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    writer.write(
                        f"GET {probe.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
                    )
                    head = await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False
        return head.startswith(b"HTTP/1.") and head.split()[1][:1] in (b"2", b"3")


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _over(process: asyncio.subprocess.Process, seconds: float) -> bool:
    """Whether it has ended, waiting so long."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), seconds)
    return process.returncode is not None


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
