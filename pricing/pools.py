"""What pools of instances cost: bounds for the worst month, the likely choice for the expected one.

A pool is a set of instance types and limits on what all its nodes together may have. Pure functions, used for
Karpenter's node pools and AWS Batch's compute environments alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from pricing.catalogue import InstanceType
from pricing.money import ZERO

NODES: Final = "nodes"
VCPU: Final = "vcpu"
MEMORY_MIB: Final = "memory_mib"
ACCELERATORS: Final = "accelerators"
_PRECEDENCE: Final = (ACCELERATORS, VCPU, MEMORY_MIB, NODES)
"""Which limit says what a pool is for: the scarcest thing it limits."""


@dataclass(frozen=True)
class Capacity:
    """A pool: instance types, limits on their sum, and how they are bought."""

    types: Sequence[InstanceType]
    limits: Mapping[str, Decimal] = field(default_factory=dict)
    """By `NODES`, `VCPU`, `MEMORY_MIB` and `ACCELERATORS`; what is not in here is not limited."""
    spot: bool = False
    """Bought on spot, with on-demand where spot is missing."""


@dataclass(frozen=True)
class PoolCost:
    """A pool's cost for one hour at its limits."""

    likely_hourly: Decimal
    """Filled with the cheapest of its types, spot's interruptions paid on demand."""
    likely_type: InstanceType
    worst_hourly: Decimal
    """No mix of its types within its limits costs more."""
    worst_type: InstanceType
    """The type that costs most within the limits."""
    likely_nodes: Decimal
    worst_nodes: Decimal
    """No mix of its types within its limits has more nodes."""


def hourly(instance: InstanceType, *, spot: bool) -> Decimal:
    """What an hour of the instance costs on average.

    On spot: the spot price while there is spot, on-demand for the share of hours that spot is missing.
    """
    if not spot or instance.spot is None:
        return instance.hourly
    share = instance.spot.interruption
    return instance.spot.hourly * (1 - share) + instance.hourly * share


def pool_cost(pool: Capacity) -> PoolCost | None:
    """What the pool costs at its limits; None when nothing bounds it, or no type fits.

    Worst month: exact for one type (as many whole nodes as fit). For several, what no mix of them can exceed:
    the least, over the limits, of the limit times the dearest price for one unit of what it limits.
    """
    fitting = [item for item in pool.types if _whole_nodes(item, pool.limits) != 0]
    bounds = {
        name: limit for name, limit in pool.limits.items() if all(_need(item, name) for item in fitting)
    }
    if not fitting or not bounds:
        return None
    primary = next(name for name in _PRECEDENCE if name in bounds)
    likely = min(fitting, key=lambda item: (hourly(item, spot=pool.spot) / _need(item, primary), item.name))
    dearest = max(fitting, key=lambda item: (_nodes(item, bounds) * item.hourly, item.name))
    if len(fitting) == 1:
        count = _nodes(likely, bounds)
        return PoolCost(
            count * hourly(likely, spot=pool.spot), likely, count * likely.hourly, likely, count, count
        )
    worst_hourly = min(
        limit * max(item.hourly / _need(item, name) for item in fitting) for name, limit in bounds.items()
    )
    worst_nodes = min(
        limit / min(_need(item, name) for item in fitting) for name, limit in bounds.items()
    ).to_integral_value(ROUND_FLOOR)
    likely_nodes = bounds[primary] / _need(likely, primary)
    return PoolCost(
        likely_hourly=min(likely_nodes * hourly(likely, spot=pool.spot), worst_hourly),
        likely_type=likely,
        worst_hourly=worst_hourly,
        worst_type=dearest,
        likely_nodes=min(likely_nodes, worst_nodes),
        worst_nodes=worst_nodes,
    )


def _whole_nodes(instance: InstanceType, limits: Mapping[str, Decimal]) -> Decimal | None:
    """How many whole nodes of one type the limits allow; None when they do not bound it."""
    counts = [
        (limit / need).to_integral_value(ROUND_FLOOR)
        for name, limit in limits.items()
        if (need := _need(instance, name))
    ]
    return min(counts, default=None)


def _nodes(instance: InstanceType, bounds: Mapping[str, Decimal]) -> Decimal:
    count = _whole_nodes(instance, bounds)
    return ZERO if count is None else count


def _need(instance: InstanceType, name: str) -> Decimal:
    """How much of what is limited one node takes."""
    if name == NODES:
        return Decimal(1)
    return Decimal(getattr(instance, name))
