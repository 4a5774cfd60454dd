"""What runs here of a cluster's pods."""

import asyncio
import contextlib
import ipaddress
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from twin.aws.cloud.client import CloudError, ensure_cloud
from twin.aws.cloud.live.processes import container_environment
from twin.kubernetes.cluster.files import ClusterFiles, write_json
from twin.kubernetes.kubelet.fronts import Front
from twin.kubernetes.kubelet.pod import Pod, forget
from twin.kubernetes.kubelet.pod_spec import ContainerSpec, PodSpec, runs_here
from twin.kubernetes.kubelet.services import Services
from twin.kubernetes.kubelet.watching import Collection, Object, Server

_PODS: Final = ipaddress.ip_network("10.244.0.0/16")
_OVER: Final = ("Failed", "Succeeded")


class Kubelet:
    """Every machine's, of one cluster."""

    def __init__(self, server: Server, files: ClusterFiles, cloud: Path, region: str) -> None:
        """Nothing runs yet.

        Args:
            server: The API server.
            files: The cluster's files.
            cloud: Folder of the twin's cloud that the pods talk to; it is started when one does.
            region: The cluster's.
        """
        self._server = server
        self._files = files
        self._cloud = cloud
        self._region = region
        self._news = asyncio.Event()
        self._pods = self._collection("/api/v1/pods")
        self._others = (
            self._collection("/api/v1/services"),
            self._collection("/apis/discovery.k8s.io/v1/endpointslices"),
            self._collection("/apis/gateway.networking.k8s.io/v1/httproutes"),
        )
        self._running: dict[str, Pod] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._addresses = (str(address) for address in itertools.cycle(_PODS.hosts()))
        self._services = Services(*self._others, self._running.values)
        self._aws = Front(self._cloud_ports)
        self._told: Object | None = None

    def _collection(self, path: str) -> Collection:
        return Collection(self._server, path, self._news.set)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then every pod's processes end where they stand."""
        collections = (self._pods, *self._others)
        tasks = [asyncio.create_task(each.run()) for each in collections]
        try:
            await asyncio.gather(*(each.known.wait() for each in collections))
            while not stop.is_set():
                self._settle()
                await _first(self._news.wait(), stop.wait())
                self._news.clear()
        finally:
            for task in (*tasks, *self._ending.values()):
                task.cancel()
            for pod in self._running.values():
                pod.kill()

    # -- pods

    def _settle(self) -> None:
        """Starts what is new, ends what is to go, and says where what is there answers."""
        there = {pod["metadata"]["uid"]: pod for pod in self._pods.all() if runs_here(pod)}
        for uid in self._running.keys() - there.keys():
            ending = self._ending.pop(uid, None)
            if ending is not None and not ending.done():
                ending.cancel()
            self._running.pop(uid).kill()
        for uid, pod in there.items():
            if pod["metadata"].get("deletionTimestamp"):
                self._end(uid, pod)
            elif uid not in self._running and _placed(pod):
                self._start(uid, pod)
        self._tell()

    def _start(self, uid: str, pod: Object) -> None:
        spec = PodSpec.of(pod)
        folder = self._files.folder / "pods" / f"{spec.namespace}_{spec.name}"
        self._running[uid] = Pod(spec, self._free_address(), folder, self._server, self._environment)
        self._running[uid].start()

    def _end(self, uid: str, pod: Object) -> None:
        if uid in self._ending:
            return
        running = self._running.get(uid)
        grace = float(pod["metadata"].get("deletionGracePeriodSeconds") or 0)
        # One that never ran here has nothing to end.
        over = forget(self._server, PodSpec.of(pod)) if running is None else running.end(grace)
        task = self._ending[uid] = asyncio.create_task(over)
        task.add_done_callback(lambda _: self._ending.pop(uid, None))

    def _free_address(self) -> str:
        taken = {pod["status"].get("podIP") for pod in self._pods.all()}
        taken |= {pod.address for pod in self._running.values()}
        return next(address for address in self._addresses if address not in taken)

    def _environment(self, container: ContainerSpec, volumes: Path, port: int | None) -> Mapping[str, str]:
        told = container.environment(volumes, port, self._services.address_of)
        region = told.get("AWS_DEFAULT_REGION") or self._region
        return container_environment(self._aws.url, region, told)

    async def _cloud_ports(self) -> list[int]:
        """The twin's cloud, which ends when it is idle and comes back where somebody asks."""
        try:
            handle = await asyncio.to_thread(ensure_cloud, self._cloud)
        except CloudError:
            return []
        return [urlsplit(handle.endpoint).port or 80]

    def _tell(self) -> None:
        """Writes down where Services answer, and which processes are behind them."""
        told = self._services.told()
        if told != self._told:
            self._told = told
            with contextlib.suppress(OSError):  # the cluster's folder goes with the cluster
                write_json(self._files.addresses, told)


def _placed(pod: Object) -> bool:
    return bool(pod["spec"].get("nodeName")) and pod["status"].get("phase") not in _OVER


async def _first(*waits: Any) -> None:
    tasks = [asyncio.create_task(each) for each in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
