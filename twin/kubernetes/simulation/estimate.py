"""What `pricing` says the same load costs, before any of it is run.

The estimate is made as `stagecraft cost` makes it, from what is known beforehand and nothing else: the trace
is declared as usage of the pools, and the spot plan says for which share of those hours spot is missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from pricing import HOURS_PER_MONTH, Resource, Snapshot, SpotPrice, Usage, bundled, estimate
from pricing.node_pools import limits
from pricing.pools import ACCELERATORS, VCPU
from pricing.resources import Properties
from twin.kubernetes.simulation.pools import Group
from twin.kubernetes.simulation.spot import SpotPlan
from twin.kubernetes.simulation.trace import Shape, Trace

_TYPE: Final = "kubernetes:karpenter.sh/v1:NodePool"
_UNIT: Final = "pool-hour"


def estimated_cost(group: Group, trace: Trace, plan: SpotPlan, region: str) -> float | None:
    """What the group's nodes should cost over the trace, in US dollars; None where that is not known."""
    load = _Load.of(group, trace, plan)
    bound = limits(Properties(group.pools[0].manifest["spec"], _ignore))
    unit = ACCELERATORS if ACCELERATORS in bound else VCPU
    if not bound.get(unit):
        return None
    hours = load.accelerator_hours if unit == ACCELERATORS else load.cpu_hours
    share = hours / (float(bound[unit]) * trace.hours)
    usage = Usage.from_mapping({"byName": {group.name: {"poolShare": min(1.0, share)}}})
    found = estimate(
        [_resource(pool.name, pool.manifest) for pool in group.pools],
        region=region,
        usage=usage,
        snapshot=_PlannedSpot(bundled(), load.on_demand_share),
    )
    if found.unpriced:
        return None
    lines = [line for cost in found.resources for line in cost.lines if line.unit == _UNIT]
    month = sum((line.expected * line.unit_price for line in lines), Decimal(0))
    return float(month) * trace.hours / float(HOURS_PER_MONTH)


class _Load:
    """A group's part of the trace, in hours of what pools are limited by."""

    def __init__(self) -> None:
        self.accelerator_hours = 0.0
        self.cpu_hours = 0.0
        self._without_spot = 0.0
        self._of_any_kind = 0.0

    @property
    def on_demand_share(self) -> float:
        """Share of the hours in which spot will be missing for what needs it."""
        return self._without_spot / self._of_any_kind if self._of_any_kind else 0.0

    @classmethod
    def of(cls, group: Group, trace: Trace, plan: SpotPlan) -> "_Load":
        load = cls()
        names = {pool.name for pool in group.pools}
        for job in trace.jobs:
            if job.pool in names or not job.pool:
                for _ in range(job.workers):
                    load._add(job.shape, job.at, job.hours, plan)
        for serving in trace.serving:
            if serving.pool in names or not serving.pool:
                for start, end in serving.lives(trace.hours):
                    load._add(serving.shape, start, end - start, plan)
        return load

    def _add(self, shape: Shape, start: float, hours: float, plan: SpotPlan) -> None:
        self.accelerator_hours += shape.gpus * hours
        self.cpu_hours += shape.cpus * hours
        self._of_any_kind += hours
        self._without_spot += _hours_without_spot(start, hours, plan)


def _hours_without_spot(start: float, hours: float, plan: SpotPlan) -> float:
    """How many of a pod's hours on-demand instances will carry, by expectation.

    A pod that starts while spot is missing stays where it started. One that runs when instances are taken
    back goes on without spot, by the chance that it is hit.
    """
    if plan.missing_at(start):
        return hours
    on_spot, expected = 1.0, 0.0
    for interruption in plan.interruptions:
        left = start + hours - interruption.at
        if 0 < left < hours:
            expected += on_spot * interruption.share * left
            on_spot *= 1 - interruption.share
    return expected


class _PlannedSpot(Snapshot):
    """The price snapshot, with spot missing for the share of the hours that the plan leaves without it."""

    def __init__(self, prices: Snapshot, missing: float) -> None:
        super().__init__(prices.directory)
        self._missing = Decimal(str(missing))

    def spot(self, instance_type: str, region: str) -> SpotPrice | None:
        found = super().spot(instance_type, region)
        return None if found is None else replace(found, interruption=self._missing)


def usual_missing_share(groups: Iterable[Group], region: str) -> float:
    """For which share of the time the price snapshot takes spot to be missing, for what the pools may buy."""
    from pricing import allowed_types

    shares = [
        float(item.spot.interruption)
        for group in groups
        for pool in group.pools
        if pool.spot
        for item in allowed_types(pool.manifest["spec"], region=region)
        if item.spot is not None
    ]
    return sum(shares) / len(shares) if shares else 0.0


def _resource(name: str, manifest: Mapping[str, Any]) -> Resource:
    urn = f"urn:pulumi:simulation::stagecraft::{_TYPE}::{name}"
    return Resource.of({"urn": urn, "type": _TYPE, "name": name, "properties": manifest})


def _ignore(_note: str) -> None:
    """A value that cannot be read is as good as none; the API server refuses it."""
