"""What keeps models current: the loop of each, from new data to a live version or back."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pulumi

from components import Endpoint, ModelLoop, Monitoring
from components.model_loop import LoopJob, ModelLoopArgs
from components.model_loop_gate import LabelCount, LoopGate
from stacks.code import function_code
from stacks.parts.base import Base
from stacks.parts.ladder import patience
from stacks.parts.plan import Outputs, Plan
from stacks.parts.training import Pools
from stacks.settings import Model

GATES: Final = ("errors", "latency", "outage")
"""Alarms of a model's that speak for its users: the SLO's, or plain ones where none is declared."""


def model_loops(
    plan: Plan,
    base: Base,
    pools: Pools,
    endpoints: Mapping[str, Endpoint],
    watch: Monitoring | None,
) -> dict[str, ModelLoop]:
    """Registers them, if the stack retrains: model → loop."""
    if not plan.has("retraining"):
        return {}
    return {
        model.name: ModelLoop(
            f"loop-{model.name}",
            {
                **_args(plan, model, base, pools, endpoints[model.name]),
                **_alarms(plan, model, watch),
            },
        )
        for model in plan.settings.models
    }


def loop_outputs(loops: Mapping[str, ModelLoop]) -> Outputs:
    """Each model's state machine, who may start it, and where it tells how it ended."""
    if not loops:
        return {}
    return {
        "loops": {name: loop.state_machine_arn for name, loop in loops.items()},
        "topics": {"loops": {name: loop.topic_arn for name, loop in loops.items()}},
        "policies": {"startLoops": {name: loop.start_policy_arn for name, loop in loops.items()}},
    }


def _args(plan: Plan, model: Model, base: Base, pools: Pools, endpoint: Endpoint) -> ModelLoopArgs:
    materialise: LoopJob = {
        "job_definition_arn": base.features.materialise_job_arn.apply(str),
        "queue_arn": pools["quality"].queue_arn,
    }
    args: ModelLoopArgs = {
        "model": model.name,
        "views": model.features,
        "quality": _job(pools, "quality"),
        "materialise": materialise,
        "train": _job(pools, f"train-{model.name}"),
        "package_group": base.registry.package_groups[model.name],
        "lineage_table": base.registry.lineage_table,
        "pointer_prefix": base.registry.pointer_prefix,
        "endpoint_name": endpoint.endpoint_name,
        "endpoint_role_arn": endpoint.role_arn,
        "code": function_code(),
        "approval": model.release.approval,
        "canary_percent": canary_steps(model),
        "bake_minutes": model.release.bake_minutes,
        "bake_limit_minutes": model.release.bake_limit_minutes,
        "gate": gate_of(model),
        "emails": plan.settings.notify,
        "kms_key_arn": base.lake.kms_key_arn,
        "tags": {**plan.tags, **plan.tags_of(model)},
    }
    if model.training.schedule is not None:
        args["schedule"] = model.training.schedule
    if plan.has("fallback"):
        args["labels"] = _labels(model, base, pools)
    return args


def gate_of(model: Model) -> LoopGate:
    """What its versions must be to get more of the traffic: its promise, and how sure to be."""
    told = model.release.gate
    _, slow_ms = patience(model)
    gate: LoopGate = {
        "latency_p95_ms": slow_ms,
        "error_rate": told.error_rate,
        "excess_burn": told.excess_burn,
        "quality_margin": told.quality_margin,
        "undecided": told.undecided,
    }
    if model.slo is not None:
        gate["availability"] = model.slo.availability
    if told.quality is not None:
        gate["quality"] = told.quality
    return gate


def _labels(model: Model, base: Base, pools: Pools) -> LabelCount:
    """Who counts wrong answers: where the quality gate runs, by the log that the gateway writes."""
    return {
        "image_uri": base.image.job_uri,
        "queue_arn": pools["quality"].queue_arn,
        "artifacts_bucket": base.lake.artifacts_bucket,
        "environment": {
            "AWS_USE_DUALSTACK_ENDPOINT": "true",
            "STAGECRAFT_FEATURES_BUCKET": base.lake.features_bucket,
            "STAGECRAFT_VIEWS_PREFIX": base.features.views_uri,
            "STAGECRAFT_MODEL_VIEWS": json.dumps(model.features),
        },
        "policy_arns": [base.features.read_policy_arn, base.registry.read_policy_arn],
    }


def _alarms(plan: Plan, model: Model, watch: Monitoring | None) -> Any:
    """What rolls its releases back, and what has it trained anew: Monitoring's own alarms on the model."""
    if watch is None:
        return {}
    gates = [f"{model.name}-{kind}" for kind in GATES]
    told: dict[str, pulumi.Input[list[str]]] = {
        "gate_alarm_names": watch.alarm_names.apply(
            lambda names: [names[gate] for gate in gates if gate in names]
        )
    }
    retrain = retraining_alarms(plan, model)
    if retrain:
        told["retrain_alarm_names"] = watch.alarm_names.apply(lambda names: [names[each] for each in retrain])
    return told


def retraining_alarms(plan: Plan, model: Model) -> list[str]:
    """What has it trained anew: answers that got worse, and feedback that no version has learnt from."""
    if not plan.has("monitors"):
        return []
    worse = [f"{model.name}-quality"] if model.monitor.drift or model.monitor.accuracy else []
    return [*worse, *([] if model.training.feedback_rows is None else [f"{model.name}-feedback"])]


def canary_steps(model: Model) -> list[int]:
    """The shares of traffic that a version gets: a serverless endpoint has one version at a time."""
    return model.release.canary_percent if model.serving.mode == "realtime" else [100]


def _job(pools: Pools, job: str) -> LoopJob:
    pool = pools[job]
    return {"job_definition_arn": pool.job_definition_arns[job], "queue_arn": pool.queue_arn}
