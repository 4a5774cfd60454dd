"""Puts a cloud together: gateway, gap fillers, what runs, what is kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.gaps.services import fill_all
from twin.aws.cloud.gaps.services.foreseen import foresee
from twin.aws.cloud.gaps.store import RecordStore
from twin.aws.cloud.gateway import Gateway
from twin.aws.cloud.inbox import Inbox
from twin.aws.cloud.inventory import inventory
from twin.aws.cloud.live.alarms.evaluator import AlarmEvaluator
from twin.aws.cloud.live.batch import BatchRunner
from twin.aws.cloud.live.executions import Executions
from twin.aws.cloud.live.functions import FunctionRunner
from twin.aws.cloud.live.hosting import EndpointHost
from twin.aws.cloud.live.processes import ProcessGroup
from twin.aws.cloud.live.queue_metrics import QueueMetrics
from twin.aws.cloud.live.streams import DeliveryStreams
from twin.aws.cloud.live.targets import EventTargets
from twin.aws.cloud.live.waiting import Waiting
from twin.aws.cloud.state import StateKeeper


class Live:
    """Everything that runs beside the calls."""

    def __init__(self, store: RecordStore, directory: Path, endpoint: str, *, enabled: bool) -> None:
        self.enabled = enabled
        self._processes = ProcessGroup()
        self.hosting = EndpointHost(store, directory, endpoint, self._processes, live=enabled)
        self.batch = BatchRunner(store, directory, endpoint, self._processes, live=enabled)
        self.functions = FunctionRunner(directory, endpoint, self._processes, live=enabled)
        self.executions = Executions(endpoint)
        self.targets = EventTargets(endpoint, live=enabled)
        self.queues = QueueMetrics()
        emitters = (self.hosting.metrics, self.queues)
        self.alarms = AlarmEvaluator(store, endpoint, emitters, live=enabled)
        self.streams = DeliveryStreams(endpoint, live=enabled)
        self._parts = (
            self.hosting,
            self.batch,
            self.functions,
            self.executions,
            self.targets,
            self.alarms,
            self.streams,
        )

    def attach(self, gateway: Gateway) -> None:
        """Connects everything with the gateway."""
        for part in (*self._parts, self.queues):
            part.attach(gateway)
        Waiting(gateway)

    def start(self) -> None:
        """Takes up what the last process left."""
        for part in self._parts:
            part.start()

    def busy(self) -> bool:
        """Whether anything is under way that must not be cut off by idleness."""
        return any(part.busy() for part in self._parts)

    def pids(self) -> list[int]:
        """The ids of the processes that run."""
        return self._processes.pids()

    def stop(self) -> None:
        """Ends every process."""
        self.alarms.stop()
        self.batch.stop_all()
        self.functions.stop()
        self.targets.stop()
        self.streams.stop()
        self._processes.close()


@dataclass(frozen=True)
class Parts:
    """A cloud's parts, as its process needs them."""

    gateway: Gateway
    keeper: StateKeeper
    live: Live
    inventory: Callable[[], list[dict[str, Any]]]
    inbox: Inbox
    foresee: Callable[[str, Mapping[str, str], Sequence[str]], None]


def assemble(directory: Path, endpoint: str, *, seed: int, live: bool) -> Parts:
    """The parts of a cloud, connected; nothing runs yet."""
    store = RecordStore()
    running = Live(store, directory, endpoint, enabled=live)
    registry = GapRegistry(store)
    fill_all(registry, running.hosting, running.batch)
    inbox = Inbox()
    inbox.fill(registry)
    gateway = Gateway(registry, seed)
    running.attach(gateway)
    keeper = StateKeeper(gateway, directory, {"records": store, "answers": gateway.answers, "inbox": inbox})
    return Parts(gateway, keeper, running, lambda: inventory(store), inbox, partial(foresee, store))
