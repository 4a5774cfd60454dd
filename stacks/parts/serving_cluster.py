"""Models that answer from the stack's own cluster: a gateway there, and pods for each of their versions."""

import json
from collections.abc import Mapping
from typing import Final

from components import Monitoring, ServingCluster
from components.model_registry import NO_VERSION
from components.serving_cluster import ServedModel, ServedVariant, ServingClusterArgs
from stacks.parts.base import Base
from stacks.parts.compute import SERVING, Compute
from stacks.parts.ladder import CHALLENGER, LIVE, PREVIOUS, SHADOW, join_keys, patience, standby_versions
from stacks.parts.plan import Outputs, Plan
from stacks.parts.serving import Versions, in_cluster, most_replicas
from stacks.settings import Model

COMPONENT: Final = "models"
_GATEWAY: Final = {"STAGECRAFT_GATEWAY_METRICS": "cloudwatch"}
"""Alarms are in CloudWatch, so what the gateway counts goes there too."""


def serving_cluster(
    plan: Plan,
    base: Base,
    made: Compute | None,
    watch: Monitoring | None,
    released: Versions,
) -> ServingCluster | None:
    """Registers them, if there is a cluster and a model for it.

    Args:
        plan: The stack.
        base: What it stands on.
        made: Its cluster.
        watch: What is told how the gateway does, if the stack has that.
        released: The versions that the registry's pointers name.
    """
    models = [model for model in plan.settings.models if in_cluster(model)]
    if made is None or not models:
        return None
    cluster, settings = made.cluster, plan.settings.cluster
    args: ServingClusterArgs = {
        "cluster": {
            "name": cluster.cluster_name,
            "kubeconfig": cluster.kubeconfig,
            "subnet_ids": cluster.subnet_ids,
            "security_group_id": cluster.security_group_id,
            "instance_profile": cluster.instance_profile,
        },
        "namespace": SERVING,
        "image_uri": base.image.job_uri,
        "artifacts_bucket": base.lake.artifacts_bucket,
        "models": [_served(plan, base, model, released) for model in models],
        "callers": list(settings.callers),
        "kms_key_arn": base.lake.kms_key_arn,
        "tags": plan.tags,
    }
    if watch is not None:
        args["gateway"] = {"environment": dict(_GATEWAY), "policy_arns": [watch.emit_policy_arn]}
    if settings.prometheus is not None:
        args["prometheus"] = {
            "url": settings.prometheus.url,
            "namespace": settings.prometheus.namespace,
        }
    if settings.entrance is not None:
        args["entrance"] = {
            "gateway": settings.entrance.gateway,
            "namespace": settings.entrance.namespace,
            "hostnames": list(settings.entrance.hostnames),
            "models": settings.entrance.models,
        }
    return ServingCluster(COMPONENT, args)


def serving_cluster_outputs(made: ServingCluster | None) -> Outputs:
    """Where models answer inside the cluster."""
    if made is None:
        return {"servingCluster": NO_VERSION}
    return {
        "servingCluster": {
            "namespace": SERVING,
            "gatewayUrl": made.gateway_url,
            "modelUrls": made.model_urls,
            "nodePools": made.node_pools,
        }
    }


def _served(plan: Plan, base: Base, model: Model, released: Versions) -> ServedModel:
    serving, pods = model.serving, model.serving.pods_or_default
    timeout, slow = patience(model)
    beside = standby_versions(model, released.previous) if model.name in released.live else {}
    served: ServedModel = {
        "name": model.name,
        "package_group": base.registry.package_groups[model.name],
        "variants": _variants(model, released.live, beside),
        "keys": join_keys(plan, model),
        "runtime": pods.runtime,
        "min_replicas": serving.min_replicas,
        "max_replicas": most_replicas(model),
        "warm_replicas": pods.warm,
        "vcpus": pods.vcpus,
        "memory_mib": pods.memory_mib,
        "model_gib": pods.model_gib,
        "ladder": [step for step in serving.steps if step != PREVIOUS or PREVIOUS in beside],
        "last_good_seconds": serving.last_good_minutes * 60,
        "timeout_ms": timeout,
        "slow_ms": slow,
        "tags": plan.tags_of(model),
    }
    if pods.image is not None:
        served["image_uri"] = pods.image
    if pods.runtime == "gpu":
        served["gpus"] = pods.gpus
    if pods.queue is not None:
        served["target"] = pods.queue
    if serving.default_answer is not None:
        served["default_answer"] = json.dumps(serving.default_answer)
    return served


def _variants(model: Model, live: Mapping[str, str], beside: Mapping[str, str]) -> list[ServedVariant]:
    """What answers, with its share; nothing before the first release."""
    if model.name not in live:
        return []
    challenger = model.release.ab.percent if model.release.ab else 0
    variants: list[ServedVariant] = [
        {"name": LIVE, "model_package_arn": live[model.name], "percent": 100 - challenger}
    ]
    for role, version in beside.items():
        variant: ServedVariant = {"name": role, "model_package_arn": version, "percent": 0}
        if role == CHALLENGER:
            variant["percent"] = challenger
        elif role == SHADOW and model.release.shadow is not None:
            variant["percent"] = model.release.shadow.percent
            variant["shadow"] = True
        variants.append(variant)
    return variants
