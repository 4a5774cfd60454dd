"""What a model's answers cost, from its declaration: what its watching job reckons cost and return by."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from components import gateway, serving_cluster
from pricing import serving
from pricing.serving import ServingCost
from pricing.snapshot import PriceUnknownError
from pricing.usage import Usage
from stacks.parts.ladder import standby_versions
from stacks.parts.plan import Plan
from stacks.parts.serving import in_cluster, most_replicas
from stacks.settings import Model, Trial

_ALL: Final = Decimal(100)
_TYPES: Final = {"cpu": serving_cluster.CPU_TYPES, "gpu": serving_cluster.GPU_TYPES}


def serving_cost(plan: Plan, model: Model, previous: Mapping[str, str]) -> ServingCost | None:
    """What serving it costs; None where the region's prices are not known.

    Args:
        plan: The stack; its declared usage says how long an answer takes and how far what scales is scaled.
        model: One of its models.
        previous: Model → version that was live before, which stands by in a cluster.
    """
    usage = plan.settings.declared_usage
    try:
        return (_pods if in_cluster(model) else _endpoints)(plan, model, usage, previous)
    except PriceUnknownError:
        return None


def _endpoints(plan: Plan, model: Model, usage: Usage, _previous: Mapping[str, str]) -> ServingCost:
    """The live endpoint, those that get a part or copies of its requests, and the gateway before them."""
    declared, region = model.serving, plan.region
    own = usage.of(f"endpoint-{model.name}-endpoint")
    beside = serving.serverless(declared.memory_mib, region=region, usage=own)
    live = beside
    if declared.mode == "realtime":
        count = serving.average(declared.min_replicas, most_replicas(model), own)
        live = serving.instances(declared.instance_type, count, region=region)
    trial, shadow = _share(model.release.ab), _share(model.release.shadow)
    whole = live.for_share(1 - trial) + beside.for_share(trial + shadow)
    if plan.has("fallback"):
        whole += serving.function(gateway.DEFAULT_MEMORY_MIB, region=region, usage=usage.of("gateway"))
    return whole


def _share(trial: Trial | None) -> Decimal:
    """The share of requests that a trial gets, 0 to 1; 0 without one."""
    return Decimal(0) if trial is None else Decimal(repr(trial.percent)) / _ALL


def _pods(plan: Plan, model: Model, usage: Usage, previous: Mapping[str, str]) -> ServingCost:
    """Its versions' pods and held places, and its part of the gateway, which all such models share."""
    wanted, versions = model.serving.pods_or_default, 1 + len(standby_versions(model, previous))
    replicas = serving.average(model.serving.min_replicas, most_replicas(model), usage)
    own = serving.pods(
        _TYPES[wanted.runtime],
        versions * replicas + wanted.warm,
        vcpus=wanted.vcpus,
        memory_mib=wanted.memory_mib,
        accelerators=wanted.gpus if wanted.runtime == "gpu" else 0,
        region=plan.region,
    )
    gateways = serving.average(serving_cluster.GATEWAY_LEAST, serving_cluster.GATEWAY_MOST, usage)
    front = serving.pods(
        serving_cluster.CPU_TYPES,
        gateways / sum(map(in_cluster, plan.settings.models)),
        vcpus=serving_cluster.GATEWAY_CONTAINER.vcpus,
        memory_mib=serving_cluster.GATEWAY_CONTAINER.memory_mib,
        region=plan.region,
    )
    return own + front
