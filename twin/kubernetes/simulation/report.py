"""The report of a simulation: per group of pools, what ran, who waited, what it cost."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pricing import catalogue
from twin.kubernetes.simulation.estimate import estimated_cost
from twin.kubernetes.simulation.ledger import (
    SPOT,
    Ledger,
    Node,
    counts_over_time,
    hours_with_any,
    percentile,
    spent,
)
from twin.kubernetes.simulation.pools import Group
from twin.kubernetes.simulation.spot import SpotPlan
from twin.kubernetes.simulation.trace import Trace


@dataclass(frozen=True)
class PoolReport:
    """One NodePool."""

    name: str
    spot: bool
    nodes: int
    most_at_once: int
    node_hours: float
    cost_usd: float
    instance_types: dict[str, int]
    over_time: list[tuple[float, int]]
    """Nodes from each hour on."""


@dataclass(frozen=True)
class GroupReport:
    """Pools that stand in for each other."""

    name: str
    pools: tuple[PoolReport, ...]
    jobs: int
    jobs_done: int
    deadlines_missed: int
    interruptions: int
    """Times that a job lost workers to an instance that was taken back."""
    hours_lost: float
    """Work done again, in hours of a whole job."""
    wait_minutes_p50: float | None
    wait_minutes_p95: float | None
    spot_share: float | None
    """Of the node-hours; None of none."""
    fallback_hours: float
    """How long at least one fall-back node ran."""
    cost_usd: float
    all_on_demand_usd: float
    """What the same node-hours cost on demand."""
    estimate_usd: float | None
    """What `pricing` said beforehand."""

    @property
    def off_estimate(self) -> float | None:
        """How far the cost is from the estimate, as a share of the estimate."""
        return (self.cost_usd - self.estimate_usd) / self.estimate_usd if self.estimate_usd else None


@dataclass(frozen=True)
class Report:
    """A whole simulation."""

    seed: int
    region: str
    speed: float
    hours: float
    """Until the last node was gone."""
    spot_plan: SpotPlan
    groups: tuple[GroupReport, ...]
    ended_early: bool
    """Whether there was still something left to run or to remove when time was up."""

    def to_json(self) -> dict[str, Any]:
        """The report as one JSON object, keys in camelCase."""
        told: dict[str, Any] = _camel(asdict(self))
        for group, found in zip(told["groups"], self.groups, strict=True):
            group["offEstimate"] = found.off_estimate
        told["spotPlan"]["missingShare"] = self.spot_plan.missing_share
        return told


def group_report(
    group: Group, ledger: Ledger, trace: Trace, plan: SpotPlan, *, region: str, end: float
) -> GroupReport:
    """What a group's part of the simulation came to."""
    prices = _prices(region)
    names = {pool.name for pool in group.pools}
    nodes = [node for node in ledger.nodes.values() if node.pool in names]
    records = [record for record in ledger.jobs.values() if record.group == group.name]
    waits = [wait for record in records for wait in record.waits] + ledger.replica_waits.get(group.name, [])
    all_hours = sum(node.hours(end) for node in nodes)
    spot_hours = sum(node.hours(end) for node in nodes if node.capacity_type == SPOT)
    on_demand = {key: prices[key[0], "on-demand"] for key in prices}
    fallback = {pool.name for pool in group.fallbacks}
    return GroupReport(
        name=group.name,
        pools=tuple(
            _pool_report(
                pool.name, [node for node in nodes if node.pool == pool.name], prices, end, spot=pool.spot
            )
            for pool in group.pools
        ),
        jobs=len(records),
        jobs_done=sum(record.done_at is not None for record in records),
        deadlines_missed=sum(record.late is True for record in records),
        interruptions=sum(record.interruptions for record in records),
        hours_lost=sum(record.hours_lost for record in records),
        wait_minutes_p50=_minutes(percentile(waits, 50)),
        wait_minutes_p95=_minutes(percentile(waits, 95)),
        spot_share=spot_hours / all_hours if all_hours else None,
        fallback_hours=hours_with_any((node for node in nodes if node.pool in fallback), end),
        cost_usd=spent(nodes, prices, end),
        all_on_demand_usd=spent(nodes, on_demand, end),
        estimate_usd=estimated_cost(group, trace, plan, region),
    )


def _pool_report(
    name: str, nodes: Sequence[Node], prices: dict[tuple[str, str], float], end: float, *, spot: bool
) -> PoolReport:
    types = sorted(node.instance_type for node in nodes)
    series = counts_over_time(nodes, end)
    return PoolReport(
        name=name,
        spot=spot,
        nodes=len(nodes),
        most_at_once=max(count for _, count in series),
        node_hours=sum(node.hours(end) for node in nodes),
        cost_usd=spent(nodes, prices, end),
        instance_types={each: types.count(each) for each in dict.fromkeys(types)},
        over_time=series,
    )


def _prices(region: str) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for name, item in catalogue(region).items():
        found[name, "on-demand"] = float(item.hourly)
        if item.spot is not None:
            found[name, SPOT] = float(item.spot.hourly)
    return found


def _minutes(hours: float | None) -> float | None:
    return None if hours is None else hours * 60


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel_key(key): _camel(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_camel(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


def _camel_key(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(part.capitalize() for part in others)
