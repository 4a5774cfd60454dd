"""One pod from its start to its end, and what the API server is told of it."""

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from twin.kubernetes.kubelet.container import Container, now
from twin.kubernetes.kubelet.pod_spec import ContainerSpec, PodSpec
from twin.kubernetes.kubelet.watching import Server

_MERGE: Final = "application/strategic-merge-patch+json"
_AGAIN_SECONDS: Final = 1.0

Told = Callable[[ContainerSpec, Path, int | None], Mapping[str, str]]
"""A container, where its pod's volumes are, and its port → its environment."""


class Pod:
    """A pod that runs on this machine."""

    def __init__(self, spec: PodSpec, address: str, folder: Path, server: Server, told: Told) -> None:
        """Nothing runs yet.

        Args:
            spec: What it runs.
            address: Its IP address in the cluster; nothing listens there.
            folder: Its own.
            server: Who is told how it is.
            told: What its containers see.
        """
        self.spec = spec
        self.address = address
        self._folder = folder
        self._server = server
        self._told = told
        self._news = asyncio.Event()
        self._initialised = False
        self._since: dict[str, tuple[bool, str]] = {}
        self._begun = now()
        self._init = [self._container(each) for each in spec.init]
        self.containers = [self._container(each) for each in spec.containers]
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ready(self) -> bool:
        """Whether all of it wants requests."""
        return self._initialised and all(each.ready for each in self.containers)

    def start(self) -> None:
        """Begins, in the background."""
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._publish())]
        self._news.set()

    async def end(self, grace: float) -> None:
        """Ends its containers in order, within the seconds of grace, and has the API server forget it."""
        await asyncio.gather(*(each.end(grace) for each in (*self._init, *self.containers)))
        self.kill()
        await forget(self._server, self.spec)

    def kill(self) -> None:
        """Ends it where it stands: its object is gone already."""
        for task in self._tasks:
            task.cancel()
        for container in (*self._init, *self.containers):
            container.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _container(self, spec: ContainerSpec) -> Container:
        return Container(
            spec, self._folder, lambda port: self._told(spec, self._folder / "volumes", port), self._news.set
        )

    async def _run(self) -> None:
        for volume in self.spec.volumes:
            (self._folder / "volumes" / volume).mkdir(parents=True, exist_ok=True)
        for container in self._init:
            if not await container.complete():
                return
        self._initialised = True
        self._news.set()
        await asyncio.gather(*(each.keep() for each in self.containers))

    async def _publish(self) -> None:
        """Tells the API server whenever something is another, in order."""
        told: dict[str, Any] = {}
        while True:
            await self._news.wait()
            self._news.clear()
            status = self._status()
            if status == told:
                continue
            try:
                code, _ = await self._server.call(
                    "PATCH", f"{self.spec.path}/status", {"status": status}, _MERGE
                )
            except (aiohttp.ClientError, TimeoutError, ValueError):
                code = 503
            if code == 200:
                told = status
            elif code != 404:
                await asyncio.sleep(_AGAIN_SECONDS)
                self._news.set()

    def _status(self) -> dict[str, Any]:
        conditions = {
            "Initialized": self._initialised,
            "ContainersReady": self.ready,
            "Ready": self.ready,
        }
        return {
            "phase": "Running" if self._initialised else "Pending",
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "startTime": self._begun,
            "conditions": [self._condition(name, holds) for name, holds in conditions.items()],
            "initContainerStatuses": [each.status() for each in self._init],
            "containerStatuses": [each.status() for each in self.containers],
        }

    def _condition(self, name: str, holds: bool) -> dict[str, str]:
        if self._since.get(name, (None, ""))[0] is not holds:
            self._since[name] = (holds, now())
        return {
            "type": name,
            "status": "True" if holds else "False",
            "lastTransitionTime": self._since[name][1],
        }


async def forget(server: Server, spec: PodSpec) -> None:
    """Has the API server forget a pod that has ended."""
    body = {"gracePeriodSeconds": 0, "preconditions": {"uid": spec.uid}}
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError):
        await server.call("DELETE", spec.path, body)
