"""What models train in: jobs, and pools of machines that are there while a job runs."""

import json

import pulumi

from components import BatchTrainingPool, Network
from components.batch_training_pool import BatchTrainingPoolArgs, PoolJob
from pricing.accelerators import ACCELERATORS
from stacks.cross_checks import ERROR_METRICS
from stacks.parts.base import Base
from stacks.parts.plan import Outputs, Plan
from stacks.pools import SHARED
from stacks.settings import Model

Pools = dict[str, BatchTrainingPool]
"""Job → the pool it runs in."""


def training_pools(plan: Plan, base: Base, network: Network) -> Pools:
    """Registers pools and jobs. Models with the same machines share a pool."""
    made: Pools = {}
    for sized in plan.pools:
        jobs = [quality_job(plan, base)] if sized.name == SHARED else []
        jobs += [train_job(plan, model, base) for model in sized.models]
        vcpus = sized.batch_vcpus
        args: BatchTrainingPoolArgs = {
            "jobs": jobs,
            "checkpoint_uri": checkpoint_uri(base),
            "instance_types": list(sized.plan.instance_types),
            "spot": "spot" in vcpus,
            "max_vcpus": vcpus.get("spot", vcpus["on-demand"]),
            "fallback_vcpus": vcpus["on-demand"],
            "network": {"vpc_id": network.vpc_id, "subnet_ids": network.subnet_ids},
            "kms_key_arn": base.lake.kms_key_arn,
            "tags": plan.tags,
        }
        if base.image.repository_arns:
            args["repository_arns"] = list(base.image.repository_arns)
        pool = BatchTrainingPool(sized.name, args)
        made.update({job["name"]: pool for job in jobs})
    return made


def checkpoint_uri(base: Base) -> pulumi.Output[str]:
    """Where jobs keep their work."""
    return pulumi.Output.format("s3://{0}/checkpoints/", base.lake.artifacts_bucket)


def training_outputs(pools: Pools) -> Outputs:
    """Jobs, and the queue that each is submitted to."""
    return {
        "jobs": {job: pool.job_definition_arns[job] for job, pool in pools.items()},
        "jobQueues": {
            **{job: pool.queue_arn for job, pool in pools.items()},
            "materialise": pools["quality"].queue_arn,
        },
    }


def quality_job(plan: Plan, base: Base) -> PoolJob:
    """Raw to curated rows, by the views' declarations."""
    return {
        "name": "quality",
        "image_uri": base.image.job_uri,
        "command": ["quality"],
        "environment": {
            "STAGECRAFT_STACK": plan.stack,
            "STAGECRAFT_RAW_BUCKET": base.lake.raw_bucket,
            "STAGECRAFT_CURATED_BUCKET": base.lake.curated_bucket,
            "STAGECRAFT_FEATURES_BUCKET": base.lake.features_bucket,
            "STAGECRAFT_VIEWS_PREFIX": base.features.views_uri,
        },
        "policy_arns": [base.lake.curate_policy_arn],
    }


def train_job(plan: Plan, model: Model, base: Base) -> PoolJob:
    """A model's training."""
    training = model.training
    default = ACCELERATORS[training.accelerator]
    label, task = plan.settings.outcome_of(model)
    return {
        "name": f"train-{model.name}",
        "image_uri": base.image.job_uri,
        "command": ["train"],
        "environment": {
            "STAGECRAFT_STACK": plan.stack,
            "STAGECRAFT_FEATURES_BUCKET": base.lake.features_bucket,
            "STAGECRAFT_ARTIFACTS_BUCKET": base.lake.artifacts_bucket,
            "STAGECRAFT_VIEWS_PREFIX": base.features.views_uri,
            "STAGECRAFT_MODEL": model.name,
            "STAGECRAFT_MODEL_VIEWS": json.dumps(model.features),
            "STAGECRAFT_MODEL_LABEL": label,
            "STAGECRAFT_MODEL_TASK": task,
            "STAGECRAFT_MODEL_PACKAGE_GROUP": base.registry.package_groups[model.name],
            "STAGECRAFT_LINEAGE_TABLE": base.registry.lineage_table,
            "STAGECRAFT_POINTER_PREFIX": base.registry.pointer_prefix,
            "STAGECRAFT_IMAGE_URI": base.image.uri,
            **evaluation_of(model),
            **optimisation_of(plan, model),
        },
        "policy_arns": [
            base.features.read_policy_arn,
            base.registry.register_policy_arns[model.name],
        ],
        "vcpus": training.vcpus or default.vcpus,
        "memory_mib": training.memory_mib or default.memory_mib,
        "gpus": 0 if training.accelerator == "none" else training.gpus,
        "checkpoint_minutes": training.checkpoint_minutes,
        "timeout_minutes": training.timeout_minutes,
        "tags": plan.tags_of(model),
    }


def optimisation_of(plan: Plan, model: Model) -> dict[str, str]:
    """Whether a version gets a smaller form, and what that may lose; as `train` is told."""
    if not plan.has("model-optimisation"):
        return {}
    return {
        "STAGECRAFT_OPTIMISE": "true",
        "STAGECRAFT_PARITY_TOLERANCE": str(model.training.parity_tolerance),
    }


def evaluation_of(model: Model) -> dict[str, str]:
    """What a version must reach to be approved, and whom its report tells apart; as `train` is told."""
    told: dict[str, str] = {}
    accuracy, bias = model.monitor.accuracy, model.monitor.bias
    if accuracy and accuracy.metric not in ERROR_METRICS:
        told["STAGECRAFT_METRIC_FLOORS"] = json.dumps({accuracy.metric: accuracy.floor})
    if bias:
        told["STAGECRAFT_MODEL_GROUP_BY"] = bias.attribute
    return told
