"""The training pools that follow from a stack's models: models with the same machines share one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pricing.accelerators import NONE
from pricing.needs import Checkpoints, Need, PoolPlan, Share, plan_pool

if TYPE_CHECKING:
    from stacks.settings import Batch, Model, PoolSettings, Settings

DEFAULT_MAX_VCPUS: Final = 16
"""What a pool may grow to, where a stack does not say."""
DEFAULT_REGION: Final = "us-east-1"
SHARED: Final = "pool"
"""The CPU pool, which the platform's own jobs run in too."""
_CHECKPOINTS: Final = "s3://artifacts/checkpoints/"
"""The lake has the place, whatever its bucket will be called: sizes do not hang on it."""


@dataclass(frozen=True)
class DeclaredPool:
    """One pool."""

    name: str
    models: tuple[int, ...]
    """Places of the models that train in it; the shared pool may have none."""
    need: Need


def declared_pools(
    models: Mapping[int, "Model"], pools: Iterable["PoolSettings"], max_vcpus: int
) -> list[DeclaredPool]:
    """The pools of a stack, the shared one first, then in the order of their models."""
    members: dict[str, list[int]] = {SHARED: []}
    for index, model in sorted(models.items()):
        members.setdefault(pool_name(model), []).append(index)
    limits = {item.accelerator: item for item in pools}
    # Batch runs share the CPU pool, whatever their models train on.
    batches = {SHARED: [model.batch for _, model in sorted(models.items()) if model.batch is not None]}
    return [
        DeclaredPool(
            name,
            tuple(places),
            _need([models[place] for place in places], batches.get(name, []), limits, max_vcpus),
        )
        for name, places in members.items()
    ]


def pool_name(model: "Model") -> str:
    """The pool that a model trains in: one of its own where it names machines or shuns spot."""
    training = model.training
    if training.instance_types is not None or not training.spot:
        return f"{SHARED}-{model.name}"
    return SHARED if training.accelerator == NONE else f"{SHARED}-{training.accelerator}"


def _need(
    models: Sequence["Model"],
    batches: Sequence["Batch"],
    limits: Mapping[str, "PoolSettings"],
    max_vcpus: int,
) -> Need:
    """What the largest job of the pool needs, within the stack's limits."""
    training = [model.training for model in models]
    # Those that do not say how large they are fit into whatever the pool has.
    large = [item for item in batches if {"vcpus", "memory_mib"} & item.model_fields_set]
    accelerator = training[0].accelerator if training else NONE
    limit = limits.get(accelerator)
    stated: dict[str, Any] = {}
    if limit is not None:
        stated = {
            "families": tuple(limit.families),
            "zones": tuple(limit.zones),
            "efa": limit.efa,
            "min_nodes": limit.min_nodes,
            "max_nodes": limit.max_nodes,
        }
        if limit.max_hourly_usd is not None:
            stated["max_hourly_usd"] = Decimal(str(limit.max_hourly_usd))
        if limit.spot_share is not None:
            stated["spot_share"] = Decimal(str(limit.spot_share))
    bounded = limit is not None and (limit.max_nodes is not None or limit.max_hourly_usd is not None)
    named = training[0].instance_types if training else None
    return Need(
        accelerator=accelerator,
        accelerators=max((item.gpus for item in training), default=1),
        vcpus=_most([*(item.vcpus for item in training), *(item.vcpus for item in large)]),
        memory_mib=_most([*(item.memory_mib for item in training), *(item.memory_mib for item in large)]),
        instance_types=tuple(named or ()),
        spot=all(item.spot for item in training),
        max_vcpus=None if bounded else max_vcpus,
        checkpoints=Checkpoints(
            _CHECKPOINTS, min((item.checkpoint_minutes for item in training), default=15)
        ),
        **stated,
    )


def _most(amounts: Iterable[int | None]) -> int | None:
    """The largest that is said; None if none is."""
    return max((amount for amount in amounts if amount is not None), default=None)


@dataclass(frozen=True)
class SizedPool:
    """A pool, its machines and limits, and what each of its models may count on."""

    name: str
    models: tuple["Model", ...]
    plan: PoolPlan
    shares: Mapping[str, Share]
    """Model → its part."""

    @property
    def batch_vcpus(self) -> dict[str, int]:
        """Capacity type → vCPUs, as Batch counts a pool: by its smallest machines."""
        smallest = self.plan.types[0].vcpu
        return {item.capacity_type: item.nodes * smallest for item in self.plan.purchases}


def sized_pools(settings: "Settings", region: str) -> list[SizedPool]:
    """A stack's pools at the region's prices; settings that are right have none that cannot be sized."""
    models = dict(enumerate(settings.models))
    sized = []
    for pool in declared_pools(models, settings.pools, settings.max_vcpus):
        plan = plan_pool(pool.need, region=region)
        members = tuple(models[place] for place in pool.models)
        sized.append(SizedPool(pool.name, members, plan, plan.shares(_weights(members)) if members else {}))
    return sized


def _weights(models: Sequence["Model"]) -> dict[str, Decimal]:
    """By their budgets where each has one, else in equal parts."""
    budgets = {model.name: model.monthly_budget_usd for model in models}
    if all(budgets.values()):
        return {name: Decimal(str(budget)) for name, budget in budgets.items()}
    return dict.fromkeys(budgets, Decimal(1))
