"""What happened in a simulation, as it was seen: nodes and what they cost, jobs and how long they waited."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from twin.kubernetes.simulation.trace import Job

SPOT = "spot"


@dataclass
class Node:
    """One instance, from when it was bought to when it was gone."""

    name: str
    pool: str
    capacity_type: str
    instance_type: str
    since: float
    until: float | None = None
    """None while it runs."""

    def hours(self, now: float) -> float:
        """How long it ran."""
        return (now if self.until is None else self.until) - self.since


@dataclass
class JobRecord:
    """How a job fared."""

    job: Job
    group: str
    remaining: float
    """Hours of work left when nothing more is lost."""
    waiting_since: float | None
    running_since: float | None = None
    done_at: float | None = None
    waits: list[float] = field(default_factory=list)
    """Hours from being handed in, and from each interruption, to all workers running."""
    interruptions: int = 0
    hours_lost: float = 0.0
    """Work that had to be done again, in hours of the whole job."""

    @property
    def late(self) -> bool | None:
        """Whether it missed its deadline; None without one."""
        if self.job.deadline is None:
            return None
        return self.done_at is None or self.done_at > self.job.at + self.job.deadline

    def started(self, now: float) -> None:
        """All its workers run."""
        if self.running_since is None:
            self.running_since = now
            self.waits.append(now - (self.waiting_since if self.waiting_since is not None else now))
            self.waiting_since = None

    def lost_workers(self, now: float) -> None:
        """Not all of its workers run any more: what came after the last checkpoint is lost."""
        if self.running_since is None:
            return
        worked = min(now - self.running_since, self.remaining)
        saved = worked // self.job.checkpoint_hours * self.job.checkpoint_hours
        self.remaining -= saved
        self.hours_lost += worked - saved
        self.interruptions += 1
        self.running_since, self.waiting_since = None, now

    def due(self, now: float) -> bool:
        """Whether its work is done by now."""
        return (
            self.done_at is None
            and self.running_since is not None
            and now - self.running_since >= self.remaining
        )

    def finished(self) -> None:
        """Its work is done."""
        if self.running_since is not None:
            self.done_at = self.running_since + self.remaining
            self.remaining = 0.0


@dataclass
class Ledger:
    """Everything that was seen."""

    nodes: dict[str, Node] = field(default_factory=dict)
    jobs: dict[str, JobRecord] = field(default_factory=dict)
    replica_waits: dict[str, list[float]] = field(default_factory=dict)
    """By group: hours that serving replicas waited for a node."""

    def see_nodes(self, now: float, running: Iterable[Node]) -> None:
        """Notes the instances that run now; those that do not any more have ended."""
        seen: set[str] = set()
        for node in running:
            seen.add(node.name)
            self.nodes.setdefault(node.name, node)
        for node in self.nodes.values():
            if node.until is None and node.name not in seen:
                node.until = now

    def running(self) -> list[Node]:
        """The instances that run."""
        return [node for node in self.nodes.values() if node.until is None]

    @property
    def unfinished(self) -> list[JobRecord]:
        """Jobs that were handed in and are not done."""
        return [record for record in self.jobs.values() if record.done_at is None]


def counts_over_time(nodes: Iterable[Node], end: float) -> list[tuple[float, int]]:
    """How many of the nodes ran, from each time on at which that changed."""
    changes: dict[float, int] = {0.0: 0}
    for node in nodes:
        changes[node.since] = changes.get(node.since, 0) + 1
        if node.until is not None and node.until <= end:
            changes[node.until] = changes.get(node.until, 0) - 1
    series: list[tuple[float, int]] = []
    count = 0
    for time in sorted(changes):
        count += changes[time]
        if not series or series[-1][1] != count:
            series.append((time, count))
    return series


def hours_with_any(nodes: Iterable[Node], end: float) -> float:
    """For how long at least one of the nodes ran."""
    series = counts_over_time(nodes, end)
    total = 0.0
    for index, (time, count) in enumerate(series):
        until = series[index + 1][0] if index + 1 < len(series) else end
        total += until - time if count else 0.0
    return total


def percentile(values: Iterable[float], percent: float) -> float | None:
    """The least value that at least so many percent of the values do not exceed; None of none."""
    ordered = sorted(values)
    if not ordered:
        return None
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]


def spent(nodes: Iterable[Node], hourly: Mapping[tuple[str, str], float], end: float) -> float:
    """What the nodes cost, in US dollars, by price per hour of type and capacity type."""
    return sum(node.hours(end) * hourly[node.instance_type, node.capacity_type] for node in nodes)
