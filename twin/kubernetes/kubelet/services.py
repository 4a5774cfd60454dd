"""Where a cluster's Services answer on this machine, and the Gateways that routes hang on."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from twin.kubernetes.kubelet.entrance import Entrance
from twin.kubernetes.kubelet.fronts import Front
from twin.kubernetes.kubelet.pod import Pod
from twin.kubernetes.kubelet.routes import gateways
from twin.kubernetes.kubelet.watching import Collection, Object

_SERVICE_NAME: Final = "kubernetes.io/service-name"


class Services:
    """Leads to the pods that run here, as the control plane's endpoint slices say."""

    def __init__(
        self,
        services: Collection,
        slices: Collection,
        routes: Collection,
        running: Callable[[], Iterable[Pod]],
    ) -> None:
        self._services = services
        self._slices = slices
        self._routes = routes
        self._running = running
        self._fronts: dict[tuple[str, int], Front] = {}
        self._entrances: dict[str, Entrance] = {}
        self._turns = itertools.count()

    def told(self) -> Object:
        """All that answers, as `addresses.json` has it."""
        told: Object = {
            f"{gateway}.gateway": {"url": self._entrance(gateway).url, "pods": []}
            for gateway in sorted(self._routed())
        }
        for item in self._services.all():
            service = f"{item['metadata']['name']}.{item['metadata']['namespace']}"
            for port in (int(each["port"]) for each in item["spec"].get("ports") or ()):
                pods = [_told(pod, where) for pod, where in self._behind(service, port)]
                if pods:
                    told[f"{service}.svc:{port}"] = {"url": self.address_of(service, port), "pods": pods}
        return told

    def address_of(self, service: str, port: int) -> str:
        """Where a port of a Service (`<name>.<namespace>`) is on this machine, from now on."""
        known = self._fronts.get((service, port))
        if known is None:
            known = self._fronts[service, port] = Front(functools.partial(self._ports, service, port))
        return known.url

    async def _ports(self, service: str, port: int) -> list[int]:
        """Where a Service's pods that are ready listen, another one in front each time."""
        found = [where for pod, where in self._behind(service, port) if pod.ready]
        turn = next(self._turns) % len(found) if found else 0
        return found[turn:] + found[:turn]

    def _routed(self) -> dict[str, list[Object]]:
        """Gateway → its routes."""
        found: dict[str, list[Object]] = {}
        for route in self._routes.all():
            for gateway in gateways(route):
                found.setdefault(gateway, []).append(route)
        return found

    def _entrance(self, gateway: str) -> Entrance:
        known = self._entrances.get(gateway)
        if known is None:
            known = Entrance(lambda: self._routed().get(gateway, []), self._ports)
            self._entrances[gateway] = known
        return known

    def _behind(self, service: str, port: int) -> Iterator[tuple[Pod, int]]:
        """The pods behind a Service by its endpoint slices, with where they listen on loopback."""
        name, namespace = service.split(".")
        declared: Object = next(
            (
                item["spec"]
                for item in self._services.all()
                if (item["metadata"]["namespace"], item["metadata"]["name"]) == (namespace, name)
            ),
            {},
        )
        called = [each.get("name", "") for each in declared.get("ports") or () if each["port"] == port]
        by_address = {pod.address: pod for pod in self._running()}
        for item in self._slices.all():
            metadata = item["metadata"]
            if (metadata["namespace"], metadata.get("labels", {}).get(_SERVICE_NAME)) != (namespace, name):
                continue
            targets = [each["port"] for each in item.get("ports") or () if each.get("name", "") in called]
            for endpoint in item.get("endpoints") or ():
                pod = by_address.get(endpoint["addresses"][0])
                if pod is None or not (endpoint.get("conditions") or {}).get("ready"):
                    continue
                for container in pod.containers:
                    if container.spec.port in targets and container.port is not None:
                        yield pod, container.port


def _told(pod: Pod, port: int) -> Object:
    return {
        "name": pod.spec.name,
        "url": f"http://127.0.0.1:{port}",
        "pids": [each.pid for each in pod.containers if each.pid is not None],
    }
