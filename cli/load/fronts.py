"""What a load is put on: a gateway and the live model behind it, wherever the stack has them."""

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from cli.cluster_gateway import ClusterGateway, NobodyAnswersError
from cli.load.gateway_process import GatewayError, RunningGateway, running_gateway


class Front(Protocol):
    """A gateway that answers."""

    @property
    def address(self) -> str:
        """Where predictions are asked for."""

    def counters(self) -> Sequence[str]:
        """Where each of its processes says what it has counted."""

    def kill_live(self) -> list[int]:
        """Kills the live model's processes where they stand; returns their ids."""


class Opener(Protocol):
    """A front that is there for a while."""

    def open(self) -> contextlib.AbstractContextManager[Front]:
        """Raises GatewayError: it does not come up."""


@dataclass(frozen=True, kw_only=True)
class OwnGateway:
    """A gateway for the time of the load, before SageMaker endpoints of the twin."""

    cloud: str
    """The twin's cloud."""
    region: str
    stack: str
    model: str
    endpoint: str
    """The live version's endpoint."""
    declaration: Mapping[str, Any]
    """The model's entry of `STAGECRAFT_GATEWAY_MODELS`."""
    told: Mapping[str, str] = field(default_factory=dict)
    """More of the gateway's environment."""

    @contextmanager
    def open(self) -> Iterator[Front]:
        """Runs it."""
        models = {self.model: self.declaration}
        with running_gateway(self.cloud, self.region, self.stack, models, self.told) as gateway:
            yield _BeforeEndpoints(self, gateway)


@dataclass(frozen=True)
class _BeforeEndpoints:
    declared: OwnGateway
    gateway: RunningGateway

    @property
    def address(self) -> str:
        return self.gateway.address

    def counters(self) -> Sequence[str]:
        return [self.gateway.address]

    def kill_live(self) -> list[int]:
        from twin.aws.cloud.client import kill_endpoint

        return kill_endpoint(self.declared.cloud, self.declared.region, self.declared.endpoint)


@dataclass(frozen=True)
class InCluster:
    """The stack's own gateway in its cluster, and the pods behind it."""

    gateway: ClusterGateway

    @contextmanager
    def open(self) -> Iterator[Front]:
        """It is there, or it is not."""
        try:
            self.gateway.gateway()
            self.gateway.live()
        except NobodyAnswersError as error:
            raise GatewayError(str(error)) from None
        yield _Pods(self.gateway)


@dataclass(frozen=True)
class _Pods:
    declared: ClusterGateway

    @property
    def address(self) -> str:
        return self.declared.gateway().url

    def counters(self) -> Sequence[str]:
        return [pod.url for pod in self.declared.gateway().pods]

    def kill_live(self) -> list[int]:
        killed = []
        for pod in self.declared.live().pods:
            for process in pod.processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                    killed.append(process)
        return killed
