"""One cluster, from its folder: start it, end it, tell how it is."""

import fcntl
import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from twin.kubernetes.cluster import programs
from twin.kubernetes.cluster.api import Api, ApiError
from twin.kubernetes.cluster.catalogue import instance_types
from twin.kubernetes.cluster.certificates import CLIENTS, create_all
from twin.kubernetes.cluster.components import (
    PYTHON,
    SERVICE_ADDRESS,
    Component,
    Ports,
    Say,
    components,
    environment_of,
)
from twin.kubernetes.cluster.definitions import definitions
from twin.kubernetes.cluster.files import ClusterFiles, write_json, write_private
from twin.kubernetes.cluster.processes import Process, start, stop
from twin.kubernetes.cluster.stages import stages

_READY_SECONDS: Final = 120.0
_LOG_LINES: Final = 5


class ClusterError(Exception):
    """The cluster does not come up; the text says which part, and what it said last."""


@dataclass(frozen=True)
class ComponentStatus:
    """How one process is."""

    name: str
    pid: int
    alive: bool
    last_words: tuple[str, ...] = ()
    """The end of its log, when it is not alive."""


@dataclass(frozen=True)
class Status:
    """How a cluster is."""

    folder: Path
    server: str | None = None
    """The API server's address; None when there is no cluster."""
    region: str = ""
    speed: float = 1.0
    components: tuple[ComponentStatus, ...] = ()
    answers: bool = False
    """Whether the API server says that it is ready."""
    problem: str = ""
    """Why it does not."""

    @property
    def exists(self) -> bool:
        """Whether there is a cluster, well or not."""
        return self.server is not None

    @property
    def well(self) -> bool:
        """Whether all of it works."""
        return self.answers and all(component.alive for component in self.components)

    @property
    def kubeconfig(self) -> Path:
        """How to reach it."""
        return ClusterFiles(self.folder).kubeconfig()


@dataclass
class _Record:
    """What is written down of a cluster."""

    ports: Ports
    region: str
    speed: float
    processes: dict[str, Process] = field(default_factory=dict)

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.ports.api}"

    def write(self, path: Path) -> None:
        write_json(
            path,
            {
                "ports": vars(self.ports),
                "region": self.region,
                "speed": self.speed,
                "processes": {name: vars(process) for name, process in self.processes.items()},
            },
        )

    @classmethod
    def read(cls, path: Path) -> "_Record | None":
        try:
            told = json.loads(path.read_text())
            processes = {name: Process(**process) for name, process in told["processes"].items()}
            return cls(Ports(**told["ports"]), told["region"], told["speed"], processes)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def up(
    folder: Path,
    *,
    region: str = "us-east-1",
    speed: float = 1.0,
    cloud: Path | None = None,
    say: Say = lambda _: None,
) -> Status:
    """Starts the folder's cluster, or what of it does not run, and waits until it is ready.

    Args:
        folder: The cluster's own; made if missing.
        region: Whose instance types and prices Karpenter buys at.
        speed: How many times faster than a wall clock Karpenter's own waits end. Karpenter is started anew
            when this or the region changes.
        cloud: Folder of the twin's cloud. With one, pods of the platform's own image run for real, and
            that is the AWS that they see; without, all pods are played.
        say: Told what is being done.

    Raises:
        programs.NoGoError: it would have to be built, and no Go here can.
        programs.BuildError: it cannot be built.
        ClusterError: a part does not come up.
    """
    binaries = {**programs.ensure(say), PYTHON: Path(sys.executable)}
    files = ClusterFiles(folder.absolute())
    files.create()
    with _locked(files.folder):
        record = _Record.read(files.record) or _Record(Ports(_free_port(), _free_port()), region, speed)
        if (record.region, record.speed) != (region, speed):
            stop([record.processes[name] for name in ("karpenter",) if name in record.processes])
            record.region, record.speed = region, speed
        _prepare(files, record, runs_pods=cloud is not None)
        for component in components(files, record.ports, region=region, speed=speed, cloud=cloud):
            running = record.processes.get(component.name)
            if running is None or not running.alive:
                say(f"starting {component.name}")
                record.processes[component.name] = start(
                    [str(binaries[component.program]), *component.arguments],
                    folder=files.folder,
                    environment=environment_of(component, files),
                    log=files.log(component.name),
                )
                record.write(files.record)
            _settle(files, record, component)
    return status(folder)


def down(folder: Path) -> bool:
    """Ends every process of the folder's cluster and removes the folder. Returns whether there was one."""
    files = ClusterFiles(folder.absolute())
    if not files.folder.exists():
        return False
    with _locked(files.folder):
        record = _Record.read(files.record)
        if record is not None:
            stop(reversed(list(record.processes.values())))
        files.remove()
    return True


def status(folder: Path) -> Status:
    """How the folder's cluster is; changes nothing."""
    files = ClusterFiles(folder.absolute())
    record = _Record.read(files.record)
    if record is None:
        return Status(files.folder)
    found = tuple(
        ComponentStatus(name, process.pid, process.alive, () if process.alive else _last_words(files, name))
        for name, process in record.processes.items()
    )
    problem = _why_not_ready(files)
    return Status(
        files.folder, record.server, record.region, record.speed, found, answers=not problem, problem=problem
    )


def _prepare(files: ClusterFiles, record: _Record, *, runs_pods: bool) -> None:
    if not (files.certificates / "ca.crt").exists():
        create_all(files.certificates, ["127.0.0.1", "localhost", "kubernetes.default.svc", SERVICE_ADDRESS])
    for client in CLIENTS:
        files.write_kubeconfig(client, record.server)
    write_json(files.catalogue, instance_types(record.region))
    write_private(files.stages, stages(runs_pods=runs_pods))


def _settle(files: ClusterFiles, record: _Record, component: Component) -> None:
    """Waits for what the next component builds on."""
    if component.name == "kube-apiserver":
        _wait(files, record, "kube-apiserver", lambda: not _why_not_ready(files))
        with Api(files.kubeconfig()) as api:
            _define(api)
    elif component.name == "karpenter":
        _wait(files, record, "karpenter", lambda: _karpenter_ready(record.ports.karpenter_health))
    elif component.name == "kubelet":
        _wait(files, record, "kubelet", files.addresses.exists)


def _define(api: Api) -> None:
    """Puts the custom resources' definitions there, and waits until the server serves them."""
    wanted = definitions()
    for definition in wanted:
        api.apply(definition)
    end = time.monotonic() + _READY_SECONDS
    while not all(_established(api, definition) for definition in wanted):
        if time.monotonic() > end:
            raise ClusterError("the API server does not serve the custom resources' definitions")
        time.sleep(0.1)


def _established(api: Api, definition: dict[str, Any]) -> bool:
    conditions = api.get(api.path_of(definition)).get("status", {}).get("conditions")
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions or ())


def _wait(files: ClusterFiles, record: _Record, name: str, ready: Callable[[], bool]) -> None:
    end = time.monotonic() + _READY_SECONDS
    while not ready():
        dead = [part for part, process in record.processes.items() if not process.alive]
        late = time.monotonic() > end
        if dead or late:
            blamed = dead[0] if dead else name
            why = "ended" if dead else f"was not ready within {_READY_SECONDS:.0f} s"
            said = "\n  ".join(_last_words(files, blamed)) or "(nothing)"
            raise ClusterError(
                f"{blamed} {why}. The last it said, in {files.log(blamed)}:\n  {said}\n"
                "`stagecraft cluster down` clears everything away."
            )
        time.sleep(0.1)


def _why_not_ready(files: ClusterFiles) -> str:
    try:
        with Api(files.kubeconfig()) as api:
            api.get("/readyz")
    except (OSError, ValueError, KeyError, ApiError) as error:
        return f"the API server does not answer: {error}"
    return ""


def _karpenter_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _last_words(files: ClusterFiles, name: str) -> tuple[str, ...]:
    try:
        lines: Sequence[str] = files.log(name).read_text(errors="replace").splitlines()
    except OSError:
        return ()
    return tuple(line[:500] for line in lines[-_LOG_LINES:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One command at a time. The lock is on the folder itself, so that `down` leaves none behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
