"""The cluster, and in it a pool for each kind of machine that models train on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from components import Cluster, Monitoring, Network, TrainingPool
from components.cluster import ClusterArgs
from components.model_registry import NO_VERSION
from components.training_pool import PoolAlarm, PoolCapacity, PoolQueue, TrainingPoolArgs
from pricing.accelerators import NEURON
from pricing.needs import Purchase
from stacks.parts.base import Base
from stacks.parts.plan import Outputs, Plan
from stacks.parts.serving import in_cluster
from stacks.parts.training import checkpoint_uri, train_job
from stacks.pools import SHARED, SizedPool
from stacks.settings import Model

NAMESPACE: Final = "training"
SERVING: Final = "serving"
"""Namespace of models that answer from the cluster."""
RUNBOOK: Final = "spot-fall-back.md"
NEURON_AMI: Final = "al2023@v20260715"
"""Amazon Linux carries the Neuron driver, which Bottlerocket does not."""
_KINDS: Final = {"spot": "spot", "on-demand": "on_demand"}


@dataclass(frozen=True)
class Compute:
    """A cluster and its pools."""

    cluster: Cluster
    pools: Mapping[str, TrainingPool]
    """By the name of the declared pool."""


def compute(plan: Plan, base: Base, network: Network, watch: Monitoring | None) -> Compute | None:
    """Registers them, if the stack has a cluster."""
    if not plan.has("cluster"):
        return None
    cluster = _cluster(plan, base, network)
    pools = {
        sized.name: TrainingPool(pool_component(sized), _pool_args(plan, base, cluster, sized, watch))
        for sized in plan.pools
        if sized.models
    }
    return Compute(cluster, pools)


def pool_component(sized: SizedPool) -> str:
    """What the component of a declared pool is called, and what its nodes are labelled with."""
    return sized.name.replace(SHARED, NAMESPACE, 1)


def compute_outputs(plan: Plan, made: Compute | None) -> Outputs:
    """How to reach the cluster, how to start a job in it, and what each pool may cost."""
    if made is None:
        return {"cluster": NO_VERSION, "pools": {}}
    return {
        "cluster": {
            "name": made.cluster.cluster_name,
            "kubeconfig": made.cluster.kubeconfig,
            "namespace": NAMESPACE,
        },
        "pools": {
            sized.name: {
                "nodePools": made.pools[sized.name].node_pools,
                "localQueues": made.pools[sized.name].local_queues,
                "jobTemplates": made.pools[sized.name].job_config_maps,
                "instanceTypes": list(sized.plan.instance_types),
                "expectedMonthlyUsd": round(float(sized.plan.expected_monthly), 2),
                "worstMonthlyUsd": round(float(sized.plan.worst_monthly), 2),
                "worstMonthlyUsdByModel": {
                    name: float(share.worst_monthly_usd) for name, share in sized.shares.items()
                },
            }
            for sized in plan.pools
            if sized.models
        },
    }


def _cluster(plan: Plan, base: Base, network: Network) -> Cluster:
    settings = plan.settings.cluster
    args: ClusterArgs = {
        "kubernetes_version": settings.kubernetes_version,
        "namespaces": [NAMESPACE, *([SERVING] if any(map(in_cluster, plan.settings.models)) else [])],
        "system_nodes": {
            "instance_types": [settings.system_instance_type],
            "nodes": settings.system_nodes,
        },
        "network": {"vpc_id": network.vpc_id, "subnet_ids": network.dual_stack_subnet_ids},
        "kms_key_arn": base.lake.kms_key_arn,
        "allow_data_loss": plan.settings.may_lose_data("cluster"),
        "tags": plan.tags,
    }
    if settings.admin_arns:
        args["admin_arns"] = settings.admin_arns
    return Cluster("cluster", args)


def _pool_args(
    plan: Plan, base: Base, cluster: Cluster, sized: SizedPool, watch: Monitoring | None
) -> TrainingPoolArgs:
    args: TrainingPoolArgs = {
        "cluster": {
            "name": cluster.cluster_name,
            "kubeconfig": cluster.kubeconfig,
            "subnet_ids": cluster.subnet_ids,
            "security_group_id": cluster.security_group_id,
            "instance_profile": cluster.instance_profile,
        },
        "namespace": NAMESPACE,
        "instance_types": list(sized.plan.instance_types),
        "accelerator_resource": sized.plan.resource,
        "on_demand": _capacity(sized.plan.on_demand),
        "queues": [_queue(plan, base, sized, model) for model in sized.models],
        "quotas": plan.has("quotas"),
        "fallback_alarm": _alarm(plan, watch),
        "kms_key_arn": base.lake.kms_key_arn,
        "tags": plan.tags,
    }
    if sized.plan.spot is not None:
        args["spot"] = _capacity(sized.plan.spot)
        args["contract"] = {"checkpoint_uri": checkpoint_uri(base)}
    zones = next(
        (item.zones for item in plan.settings.pools if item.accelerator == sized.plan.accelerator), []
    )
    if zones:
        args["zones"] = zones
    if sized.plan.resource == NEURON:
        args["ami"] = NEURON_AMI
    return args


def _capacity(bought: Purchase) -> PoolCapacity:
    return {
        "accelerators": bought.accelerators,
        "vcpus": bought.vcpus,
        "memory_mib": bought.memory_mib,
    }


def _queue(plan: Plan, base: Base, sized: SizedPool, model: Model) -> PoolQueue:
    """A model's training as in Batch, with its part of the pool."""
    job = train_job(plan, model, base)
    queue: Any = {
        "name": job["name"],
        "image_uri": job["image_uri"],
        "command": job["command"],
        "environment": job["environment"],
        "policy_arns": job["policy_arns"],
        "vcpus": job["vcpus"],
        "memory_mib": job["memory_mib"],
        "accelerators": job["gpus"],
        "checkpoint_minutes": job["checkpoint_minutes"],
        "timeout_minutes": job["timeout_minutes"],
        "tags": job["tags"],
    }
    for kind, (accelerators, vcpus, memory) in sized.shares[model.name].quota.items():
        queue[_KINDS[kind]] = {"accelerators": accelerators, "vcpus": vcpus, "memory_mib": memory}
    return queue  # type: ignore[no-any-return]  # made of its names


def _alarm(plan: Plan, watch: Monitoring | None) -> PoolAlarm:
    alarm: PoolAlarm = {"runbook_url": f"{plan.settings.runbooks_url.rstrip('/')}/{RUNBOOK}"}
    if watch is None:
        return {**alarm, "emails": plan.settings.notify}
    return {**alarm, "topic_arn": watch.ticket_topic_arn}
