"""What a training pool must be, from what is needed of it: machines, limits, quota, cost.

The one place where a need becomes numbers. Node pools, Batch's compute environments, Kueue's quotas, budgets
and the estimate all take them from here, with `pricing.pools` doing the money: they agree to the dollar.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from difflib import get_close_matches
from typing import Final

from pricing.accelerators import ACCELERATORS, NONE, ZONES, Accelerator
from pricing.catalogue import InstanceType, catalogue
from pricing.money import HOURS_PER_MONTH
from pricing.places import places
from pricing.pools import ACCELERATORS as ACCELERATOR_LIMIT
from pricing.pools import MEMORY_MIB, VCPU, Capacity, pool_cost
from pricing.snapshot import Snapshot
from pricing.usage import Usage

SPOT_MINIMUM_TYPES: Final = 3
"""With fewer, a spot pool waits when one market is empty (rule R10)."""
MAXIMUM_TYPES: Final = 8
PRICE_SPREAD: Final = Decimal(2)
"""Machines that cost more than so many times the cheapest are left out while there are three others."""
DEFAULT_SPOT_SHARE: Final = Decimal("0.75")
DEFAULT_CHECKPOINT_MINUTES: Final = 15
DEFAULT_GRACE_SECONDS: Final = 110
"""AWS reclaims a spot host two minutes after it says so."""
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True)
class Checkpoints:
    """How a spot pool's jobs keep their work."""

    uri: str = ""
    """`s3://` prefix that ends in `/`."""
    minutes: int = DEFAULT_CHECKPOINT_MINUTES
    grace_seconds: int = DEFAULT_GRACE_SECONDS
    """From SIGTERM to SIGKILL; from 10 to 115, since the host is gone after 120."""


@dataclass(frozen=True)
class Need:
    """What jobs of a pool need; what is left out follows from the accelerator.

    At least one of `max_nodes`, `max_vcpus` and `max_hourly_usd` says how far the pool may grow.
    """

    accelerator: str = NONE
    accelerators: int = 1
    """How many of them one job takes."""
    vcpus: int | None = None
    memory_mib: int | None = None
    families: tuple[str, ...] = ()
    instance_types: tuple[str, ...] = ()
    """Exactly these, in place of what `families` and prices would choose."""
    efa: bool = False
    """Only machines with Elastic Fabric Adapter, for training over several nodes."""
    zones: tuple[str, ...] = ()
    """Default: any zone of the region."""
    spot: bool = True
    spot_share: Decimal = DEFAULT_SPOT_SHARE
    """Of the pool's nodes, those bought on spot; the others are the on-demand fall-back."""
    min_nodes: int = 0
    """Nodes that the pool must at least be able to have."""
    max_nodes: int | None = None
    max_vcpus: int | None = None
    max_hourly_usd: Decimal | None = None
    """The most that all the pool's nodes together may cost in an hour, on demand."""
    checkpoints: Checkpoints | None = None
    """Required on spot."""


@dataclass(frozen=True)
class NeedProblem:
    """One thing that is wrong with a need."""

    path: str
    value: object
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.value!r}; {self.remedy}"


class NeedError(ValueError):
    """A need that no pool can meet; `problems` lists everything wrong with it."""

    def __init__(self, problems: Sequence[NeedProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Purchase:
    """The part of a pool that is bought one way."""

    spot: bool
    nodes: int
    """Of the smallest machine; larger ones count by what they take of the limits."""
    accelerators: int
    vcpus: int
    memory_mib: int
    likely_hourly: Decimal
    """Full, with the cheapest machines."""
    worst_hourly: Decimal
    """Full, with the dearest machines, on demand."""

    @property
    def capacity_type(self) -> str:
        """As Karpenter says it."""
        return "spot" if self.spot else "on-demand"


@dataclass(frozen=True)
class Share:
    """What one of those who share a pool may count on; all shares together are the pool."""

    quota: Mapping[str, tuple[int, int, int]]
    """Capacity type → accelerators, vCPUs, MiB."""
    worst_monthly_usd: Decimal
    """Its part of the pool's dearest month, to the cent."""


@dataclass(frozen=True)
class PoolPlan:
    """A pool that meets a need."""

    region: str
    accelerator: str
    resource: str
    """`nvidia.com/gpu`, `aws.amazon.com/neuron`, or empty for a CPU pool."""
    types: tuple[InstanceType, ...]
    """Cheapest first."""
    purchases: tuple[Purchase, ...]
    """Spot first, where there is spot."""
    job_accelerators: int
    job_vcpus: int
    job_memory_mib: int

    @property
    def instance_types(self) -> tuple[str, ...]:
        """Their names, cheapest first."""
        return tuple(item.name for item in self.types)

    @property
    def families(self) -> tuple[str, ...]:
        """Every family, by name."""
        return tuple(sorted({item.family for item in self.types}))

    @property
    def spot(self) -> Purchase | None:
        """What is bought on spot."""
        return next((item for item in self.purchases if item.spot), None)

    @property
    def on_demand(self) -> Purchase:
        """What is bought on demand: the fall-back of spot, or all of it."""
        return next(item for item in self.purchases if not item.spot)

    @property
    def worst_hourly(self) -> Decimal:
        """All of it, with the dearest machines, on demand."""
        return sum((item.worst_hourly for item in self.purchases), Decimal(0))

    @property
    def worst_monthly(self) -> Decimal:
        """The same for a month: what a budget must hold for machines."""
        return self.worst_hourly * HOURS_PER_MONTH

    @property
    def expected_monthly(self) -> Decimal:
        """As `stagecraft cost` expects: the usual share of what is bought first; the fall-back rests."""
        return self.purchases[0].likely_hourly * HOURS_PER_MONTH * Usage().pool_share

    def hourly_of(self, vcpus: int, memory_mib: int) -> Decimal:
        """What a job of this size likely costs an hour: its part of the machines that are bought first."""
        first = self.purchases[0]
        part = max(Decimal(vcpus) / first.vcpus, Decimal(memory_mib) / first.memory_mib)
        return part * first.likely_hourly

    def shares(self, weights: Mapping[str, Decimal]) -> dict[str, Share]:
        """The pool divided among those who share it, by weight; the shares add up to the whole exactly.

        Args:
            weights: Name → weight, each more than 0; at least one.
        """
        names = sorted(weights)
        parts = [weights[name] for name in names]
        quotas: dict[str, list[tuple[int, int, int]]] = {
            item.capacity_type: list(
                zip(
                    divided(item.accelerators, parts),
                    divided(item.vcpus, parts),
                    divided(item.memory_mib, parts),
                    strict=True,
                )
            )
            for item in self.purchases
        }
        cents = divided(int((self.worst_monthly / _CENT).to_integral_value()), parts)
        return {
            name: Share({kind: quota[index] for kind, quota in quotas.items()}, cents[index] * _CENT)
            for index, name in enumerate(names)
        }


def plan_pool(need: Need, *, region: str, snapshot: Snapshot | None = None) -> PoolPlan:
    """The pool that meets a need at the region's prices.

    Raises:
        NeedError: with everything that is wrong with the need.
    """
    problems = list(_problems(need, region, snapshot))
    if problems:
        raise NeedError(problems)
    kind = ACCELERATORS[need.accelerator]
    need = replace(need, vcpus=need.vcpus or kind.vcpus, memory_mib=need.memory_mib or kind.memory_mib)
    types = _machines(need, kind, region, snapshot)
    smallest = types[0]
    nodes = _nodes(need, types)
    on_spot = _on_spot(need, nodes)
    purchases = [_purchase(types, smallest, count, spot) for count, spot in _bought(nodes, on_spot)]
    return PoolPlan(
        region=region,
        accelerator=need.accelerator,
        resource=kind.resource,
        types=types,
        purchases=tuple(purchases),
        job_accelerators=need.accelerators if kind.resource else 0,
        job_vcpus=need.vcpus or 0,
        job_memory_mib=need.memory_mib or 0,
    )


def divided(total: int, weights: Sequence[Decimal]) -> list[int]:
    """A whole divided by weight into whole parts that add up to it (largest remainders first)."""
    whole = sum(weights)
    exact = [total * weight / whole for weight in weights]
    parts = [int(part.to_integral_value(ROUND_FLOOR)) for part in exact]
    by_remainder = sorted(range(len(parts)), key=lambda index: (parts[index] - exact[index], index))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts


def _on_spot(need: Need, nodes: int) -> int:
    """How many of the nodes are spot; one at least is left to fall back to."""
    return min(max(int(nodes * need.spot_share), 1), nodes - 1) if need.spot else 0


def _bought(nodes: int, on_spot: int) -> list[tuple[int, bool]]:
    return [(on_spot, True), (nodes - on_spot, False)] if on_spot else [(nodes, False)]


def _problems(need: Need, region: str, snapshot: Snapshot | None) -> Iterator[NeedProblem]:
    yield from _amounts(need)
    known = catalogue(region, snapshot)
    if not known:
        yield NeedProblem("region", region, f"has no known prices: one of {', '.join(ZONES)}")
        return
    for zone in need.zones:
        letters = ZONES.get(region, "abcdef")
        if zone not in [f"{region}{letter}" for letter in letters]:
            yield NeedProblem(
                "zones", zone, f"is no zone of {region}: {', '.join(region + letter for letter in letters)}"
            )
    kind = ACCELERATORS.get(need.accelerator)
    if kind is None:
        yield NeedProblem(
            "accelerator",
            need.accelerator,
            f"must be one of {', '.join(ACCELERATORS)}{_close(need.accelerator, ACCELERATORS)}",
        )
        return
    named = list(_named(need, kind, known))
    yield from named
    if not named and not list(_amounts(need)):
        yield from _fit(need, kind, region, snapshot)


def _amounts(need: Need) -> Iterator[NeedProblem]:
    """What numbers say by themselves."""
    at_least_one: dict[str, int | Decimal | None] = {
        "accelerators": need.accelerators,
        "vcpus": need.vcpus,
        "memory_mib": need.memory_mib,
        "max_nodes": need.max_nodes,
        "max_vcpus": need.max_vcpus,
    }
    for path, value in at_least_one.items():
        if value is not None and value < 1:
            yield NeedProblem(path, value, "must be at least 1")
    if need.max_hourly_usd is not None and need.max_hourly_usd <= 0:
        yield NeedProblem("max_hourly_usd", need.max_hourly_usd, "must be more than 0")
    if need.max_nodes is None and need.max_vcpus is None and need.max_hourly_usd is None:
        yield NeedProblem(
            "max_nodes", None, "say how far it may grow: max_nodes, max_vcpus or max_hourly_usd"
        )
    if need.min_nodes < 0 or (need.max_nodes is not None and need.min_nodes > need.max_nodes):
        yield NeedProblem("min_nodes", need.min_nodes, f"must be from 0 to max_nodes ({need.max_nodes})")
    if need.spot and not 0 < need.spot_share <= 1:
        yield NeedProblem(
            "spot_share",
            need.spot_share,
            "must be more than 0 and at most 1; without spot, set spot to false",
        )
    if need.spot and need.instance_types and len(set(need.instance_types)) < SPOT_MINIMUM_TYPES:
        yield NeedProblem(
            "instance_types",
            list(need.instance_types),
            "must name three types or more with spot, or it has nowhere to go",
        )
    if need.spot:
        yield from _contract(need.checkpoints)


def _contract(checkpoints: Checkpoints | None) -> Iterator[NeedProblem]:
    """The spot contract: what is not saved is paid for twice."""
    if checkpoints is None:
        yield NeedProblem(
            "checkpoints", None, "spot needs a checkpoint location, an interval and a grace period"
        )
        return
    if not (checkpoints.uri.startswith("s3://") and checkpoints.uri.endswith("/")):
        yield NeedProblem("checkpoints.uri", checkpoints.uri, "must be an s3:// prefix that ends in '/'")
    if not 1 <= checkpoints.minutes <= 240:
        yield NeedProblem("checkpoints.minutes", checkpoints.minutes, "must be from 1 to 240")
    if not 10 <= checkpoints.grace_seconds <= 115:
        yield NeedProblem("checkpoints.grace_seconds", checkpoints.grace_seconds, "must be from 10 to 115")


def _named(need: Need, kind: Accelerator, known: Mapping[str, InstanceType]) -> Iterator[NeedProblem]:
    """Families and types that are named exist here, and have what is asked for."""
    families = {item.family for item in known.values()}
    for path, names, choices in (
        ("families", need.families, sorted(families)),
        ("instance_types", need.instance_types, sorted(known)),
    ):
        for name in names:
            members = [item for item in known.values() if name in (item.family, item.name)]
            if not members:
                yield NeedProblem(path, name, f"is not offered in the region{_close(name, choices)}")
            elif not any(_carries(item, kind) for item in members):
                wanted = (
                    f"has no {need.accelerator}" if kind.resource else "has accelerators a CPU pool pays for"
                )
                yield NeedProblem(path, name, f"{wanted}; take {', '.join(kind.families)}")
            elif need.efa and not any(item.efa for item in members):
                yield NeedProblem(path, name, "has no machine with EFA")


def _carries(item: InstanceType, kind: Accelerator) -> bool:
    """Whether a machine has the kind's chip, or none where none is asked for."""
    return item.accelerator in kind.chips if kind.chips else not item.accelerators


def _fit(need: Need, kind: Accelerator, region: str, snapshot: Snapshot | None) -> Iterator[NeedProblem]:
    """Machines that are there are large, many and cheap enough."""
    need = replace(need, vcpus=need.vcpus or kind.vcpus, memory_mib=need.memory_mib or kind.memory_mib)
    types = _machines(need, kind, region, snapshot)
    asked = f"{need.accelerators} x {need.accelerator}, " if kind.resource else ""
    if not types:
        yield NeedProblem(
            "instance_types" if need.instance_types else "accelerator",
            list(need.instance_types) or need.accelerator,
            f"no machine of it in {region} has {asked}{need.vcpus} vCPUs and {need.memory_mib} MiB"
            f"{' and EFA' if need.efa else ''} for a job; ask for less, or name others",
        )
        return
    for name in need.instance_types:
        if name not in {item.name for item in types}:
            yield NeedProblem(
                "instance_types",
                name,
                f"is too small for {asked}{need.vcpus} vCPUs and {need.memory_mib} MiB beside the node's own",
            )
    if need.spot and len(types) < SPOT_MINIMUM_TYPES:
        yield NeedProblem(
            "instance_types" if need.instance_types else "families",
            [item.name for item in types],
            "spot needs at least three instance types, or it has nowhere to go; add families, "
            "or set spot to false",
        )
    nodes, least = _nodes(need, types), max(need.min_nodes, 2 if need.spot else 1)
    if nodes < least:
        path, value = _tightest(need, types)
        why = "one on spot and one to fall back to" if need.spot and need.min_nodes < 2 else "min_nodes"
        hourly = least * _dearest(types)
        yield NeedProblem(
            path,
            value,
            f"is too little for {least} x {types[0].name} ({why}), which may cost ${hourly:.2f} an hour "
            f"and have {least * types[0].vcpu} vCPUs",
        )
    elif need.spot and len(types) >= SPOT_MINIMUM_TYPES:
        yield from _diversity(need, types, nodes)


def _diversity(need: Need, types: Sequence[InstanceType], nodes: int) -> Iterator[NeedProblem]:
    """A machine that is larger than the spot limits is none that spot can be had on."""
    unit = _unit(types[0])
    third = sorted(unit(item) for item in types)[SPOT_MINIMUM_TYPES - 1]
    if _on_spot(need, nodes) * unit(types[0]) >= third:
        return
    enough = next(count for count in itertools.count(2) if _on_spot(need, count) * unit(types[0]) >= third)
    held = [item.name for item in types if unit(item) <= _on_spot(need, nodes) * unit(types[0])]
    path, value = _tightest(need, types)
    yield NeedProblem(
        path,
        value,
        f"holds no machine but {', '.join(held)} on spot, which needs three types: make it {enough} x "
        f"{types[0].name} (${enough * _dearest(types):.2f} an hour at most), or set spot to false",
    )


def _machines(
    need: Need, kind: Accelerator, region: str, snapshot: Snapshot | None
) -> tuple[InstanceType, ...]:
    """The machines of the pool, cheapest first: those on which a job fits, and that cost about the same."""
    families = need.families or kind.families
    found = [
        item
        for item in catalogue(region, snapshot).values()
        if (item.name in need.instance_types if need.instance_types else item.family in families)
        and not item.bare_metal
        and _carries(item, kind)
        and (item.efa or not need.efa)
        and _slots(need, kind, item)
    ]
    if need.instance_types:
        return _by_price(found)
    # The sizes that hold fewest jobs first: limits are spent in small steps, and idle nodes are small.
    found.sort(key=lambda item: (_slots(need, kind, item), item.hourly, item.name))
    chosen = found[:SPOT_MINIMUM_TYPES]
    for item in found[SPOT_MINIMUM_TYPES:MAXIMUM_TYPES]:
        if _slots(need, kind, item) == _slots(need, kind, found[0]) and (
            item.hourly <= PRICE_SPREAD * found[0].hourly
        ):
            chosen.append(item)
    return _by_price(chosen)


def _by_price(found: Sequence[InstanceType]) -> tuple[InstanceType, ...]:
    return tuple(sorted(found, key=lambda item: (item.hourly, item.name)))


def _slots(need: Need, kind: Accelerator, item: InstanceType) -> int:
    """How many jobs fit on a machine."""
    return places(
        item,
        vcpus=need.vcpus or kind.vcpus,
        memory_mib=need.memory_mib or kind.memory_mib,
        accelerators=need.accelerators if kind.resource else 0,
    )


def _unit(item: InstanceType) -> Callable[[InstanceType], int]:
    """What limits count first: the scarcest thing that a pool is for."""
    return (lambda other: other.accelerators) if item.accelerators else (lambda other: other.vcpu)


def _dearest(types: Sequence[InstanceType]) -> Decimal:
    """What limits of one smallest machine may cost in an hour."""
    unit = _unit(types[0])
    return max(item.hourly / unit(item) for item in types) * unit(types[0])


def _bounds(need: Need, types: Sequence[InstanceType]) -> dict[str, int]:
    """Setting → how many nodes it allows."""
    smallest = types[0]
    bounds = {}
    if need.max_nodes is not None:
        bounds["max_nodes"] = need.max_nodes
    if need.max_vcpus is not None:
        bounds["max_vcpus"] = need.max_vcpus // smallest.vcpu
    if need.max_hourly_usd is not None:
        bounds["max_hourly_usd"] = int(need.max_hourly_usd / _dearest(types))
    return bounds


def _nodes(need: Need, types: Sequence[InstanceType]) -> int:
    return min(_bounds(need, types).values())


def _tightest(need: Need, types: Sequence[InstanceType]) -> tuple[str, object]:
    bounds = _bounds(need, types)
    path = min(bounds, key=lambda name: (bounds[name], name))
    return path, getattr(need, path)


def _purchase(types: tuple[InstanceType, ...], smallest: InstanceType, nodes: int, spot: bool) -> Purchase:
    """Limits for so many nodes, with room for any mix of the machines, and what they cost."""
    unit = _unit(smallest)
    units = nodes * unit(smallest)
    vcpus = max(math.ceil(units / unit(item) * item.vcpu) for item in types)
    memory = max(math.ceil(units / unit(item) * item.memory_mib) for item in types)
    limits = {VCPU: Decimal(vcpus), MEMORY_MIB: Decimal(memory)}
    if smallest.accelerators:
        limits[ACCELERATOR_LIMIT] = Decimal(units)
    cost = pool_cost(Capacity(types, limits, spot=spot))
    if cost is None:  # the smallest machine always fits
        raise AssertionError(f"limits of {nodes} x {smallest.name} hold no machine")
    return Purchase(
        spot=spot,
        nodes=nodes,
        accelerators=units if smallest.accelerators else 0,
        vcpus=vcpus,
        memory_mib=memory,
        likely_hourly=cost.likely_hourly,
        worst_hourly=cost.worst_hourly,
    )


def _close(word: str, choices: Mapping[str, object] | Sequence[str]) -> str:
    close = get_close_matches(word, list(choices), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
