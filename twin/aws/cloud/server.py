"""The cloud's process: serves its folder's state on loopback until it is told to end, or is idle."""

import fcntl
import json
import logging
import os
import secrets
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twin.aws.cloud import clock, moto_host
from twin.aws.cloud.client import ENDPOINT_FILE, LIFE_LOCK
from twin.aws.cloud.http import HttpRequest, HttpResponse, HttpServer

_SEED: Final = 20_260_720
"""The same for every cloud: the same calls give the same ids everywhere."""
_ADMIN: Final = "/_stagecraft/"
_TICK_SECONDS: Final = 0.5
_QUIET_SECONDS: Final = 1.0
_COMPACT_RECORDS: Final = 100
_COMPACT_BYTES: Final = 64_000_000
_log = logging.getLogger(__name__)


class AlreadyServedError(Exception):
    """Another process serves the folder's cloud."""


def serve(
    directory: Path,
    *,
    port: int = 0,
    region: str = "us-east-1",
    idle_seconds: int | None = None,
    live: bool = True,
    on_ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serves until SIGTERM, SIGINT, a request to stop, or idleness; then saves.

    Args:
        directory: The cloud's own folder.
        port: The port to listen on; 0 takes a free one.
        region: The region of whatever names none.
        idle_seconds: How long without requests or running work until it ends; None: for ever.
        live: Whether jobs, functions and models really run.
        on_ready: Called with the endpoint once the cloud answers.

    Raises:
        AlreadyServedError: another process serves that folder.
        UnreadableStateError: the saved state can't be read.
    """
    with (directory / LIFE_LOCK).open("a") as life:
        try:
            fcntl.flock(life, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyServedError(f"another process serves the cloud in {directory}") from error
        cloud = _Cloud(directory, port, region, live=live)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        cloud.open(stop)
        try:
            on_ready(cloud.endpoint)
            cloud.watch(stop, idle_seconds)
        finally:
            cloud.close()


class _Cloud:
    """The parts of a cloud, put together."""

    def __init__(self, directory: Path, port: int, region: str, *, live: bool) -> None:
        self._directory = directory
        self._http = HttpServer(self._handle, port)
        self.endpoint = f"http://127.0.0.1:{self._http.port}"
        self._instance = secrets.token_hex(8)
        self._last_request = clock.real_now()
        self._open_requests = 0
        self._stop = threading.Event()

        moto_host.prepare(self._http.port, region)
        # What follows imports moto, which must be set up first.
        from twin.aws.cloud.assembly import assemble

        self._parts = assemble(directory, self.endpoint, seed=_SEED, live=live)

    def open(self, stop: threading.Event) -> None:
        """Loads the saved state and begins to answer."""
        self._stop = stop
        self._parts.keeper.open()
        self._parts.live.start()
        self._http.start()
        told = {"endpoint": self.endpoint, "pid": os.getpid(), "instance": self._instance}
        target = self._directory / ENDPOINT_FILE
        temporary = target.with_suffix(".tmp")
        temporary.write_text(json.dumps(told) + "\n")
        temporary.replace(target)

    def watch(self, stop: threading.Event, idle_seconds: int | None) -> None:
        """Waits for the end; compacts a long journal in quiet moments."""
        while not stop.wait(_TICK_SECONDS):
            if self._parts.live.busy() or self._open_requests:
                self._last_request = clock.real_now()
            quiet = clock.real_now() - self._last_request
            if quiet > _QUIET_SECONDS and self._parts.keeper.is_long(_COMPACT_RECORDS, _COMPACT_BYTES):
                self._parts.keeper.save()
            if idle_seconds is not None and quiet > idle_seconds:
                _log.info("idle for %d s: ending", idle_seconds)
                return

    def close(self) -> None:
        """Ends what runs, saves, and takes the endpoint back."""
        self._parts.live.stop()
        self._parts.gateway.lock.acquire()  # for good: nobody is to change what is saved now
        self._parts.keeper.close()
        (self._directory / ENDPOINT_FILE).unlink(missing_ok=True)
        self._http.close()

    def _handle(self, request: HttpRequest) -> HttpResponse:
        if request.target.startswith(_ADMIN):
            return self._administer(request)
        self._open_requests += 1
        try:
            return self._parts.gateway.handle(request)
        finally:
            self._open_requests -= 1
            self._last_request = clock.real_now()

    def _administer(self, request: HttpRequest) -> HttpResponse:
        wanted = request.method, request.target.removeprefix(_ADMIN).partition("?")[0]
        match wanted:
            case "GET", "health":
                live = self._parts.live
                told = {"instance": self._instance, "pid": os.getpid(), "live": live.enabled}
                return _json({**told, "processes": live.pids()})
            case "GET", "inventory":
                self._last_request = clock.real_now()
                with self._parts.gateway.lock:
                    return _json(self._parts.inventory())
            case "GET", "inbox":
                self._last_request = clock.real_now()
                with self._parts.gateway.lock:
                    return _json(self._parts.inbox.messages())
            case "POST", "kill-endpoint":
                told = json.loads(request.body)
                killed = self._parts.live.hosting.kill(told["region"], told["endpoint"])
                return _json({"killed": killed})
            case "POST", "save":
                self._parts.keeper.save()
                return _json({"saved": self._parts.keeper.unsaved == 0})
            case "POST", "reclaim":
                return self._reclaim(request.body)
            case "POST", "foresee":
                told = json.loads(request.body)
                with self._parts.gateway.lock:
                    self._parts.foresee(told["region"], told["parameters"], told["versions"])
                return _json({"foreseen": len(told["parameters"]) + len(told["versions"])})
            case "POST", "stop":
                self._stop.set()
                return _json({"stopping": True})
        return _json({"error": f"the twin's cloud has no {request.method} {request.target}"}, 404)

    def _reclaim(self, body: bytes) -> HttpResponse:
        from twin.aws.cloud.live.batch import Reclaim

        self._last_request = clock.real_now()
        try:
            told = json.loads(body)
            region, job_id = str(told["region"]), str(told["job"])
            reclaim = Reclaim(float(told["graceSeconds"]), [str(text) for text in told["when"]])
        except (ValueError, KeyError, TypeError) as problem:
            return _json({"error": f"expected region, job, graceSeconds, when: {problem!r}"}, 400)
        if self._parts.live.batch.reclaim(region, job_id, reclaim):
            return _json({"reclaimed": job_id})
        return _json({"error": f"job {job_id} has no host in {region}"}, 409)


def _json(value: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(status, json.dumps(value).encode() + b"\n", {"Content-Type": "application/json"})
