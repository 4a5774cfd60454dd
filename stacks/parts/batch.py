"""Who is scored without asking: the batch runs of each model that declares them."""

from collections.abc import Mapping
from typing import Any, Final

from components import BatchInference, Monitoring
from components.batch_inference import BatchInferenceArgs
from stacks.parts.base import Base
from stacks.parts.plan import Outputs, Plan
from stacks.parts.serving import serve_environment
from stacks.parts.training import Pools, checkpoint_uri
from stacks.pools import SHARED
from stacks.settings import Batch, Model

_RUNBOOK: Final = "batch-predictions.md"


def batch_inference(
    plan: Plan, base: Base, pools: Pools, watch: Monitoring | None, live: Mapping[str, str]
) -> dict[str, BatchInference]:
    """Registers them: model → its batch runs. The clock starts none before a version is live."""
    made = {}
    for model in plan.settings.models:
        if model.batch is None:
            continue
        args: BatchInferenceArgs = {**_args(plan, base, pools, model, model.batch), **_alarm(plan, watch)}
        if model.batch.schedule is not None and model.name in live:
            args["schedule"] = model.batch.schedule
        made[model.name] = BatchInference(f"batch-{model.name}", args)
    return made


def batch_outputs(made: Mapping[str, BatchInference]) -> Outputs:
    """The jobs, where predictions lie, and which policy lets one at them."""
    if not made:
        return {}
    return {
        "jobs": {f"predict-{name}": batch.job_definition_arn for name, batch in made.items()},
        "jobQueues": {f"predict-{name}": batch.queue_arn for name, batch in made.items()},
        "batch": {
            name: {"predictions": batch.output_uri, "deadLetterQueue": batch.dead_letter_queue_url}
            for name, batch in made.items()
        },
        "policies": {
            "readPredictions": {name: batch.read_policy_arn for name, batch in made.items()},
            "startPredictions": {name: batch.start_policy_arn for name, batch in made.items()},
        },
    }


def _args(plan: Plan, base: Base, pools: Pools, model: Model, batch: Batch) -> BatchInferenceArgs:
    args: BatchInferenceArgs = {
        "model": model.name,
        "feature_views": model.features,
        "image_uri": base.image.job_uri,
        "artifacts_bucket": base.lake.artifacts_bucket,
        "features_bucket": base.lake.features_bucket,
        "views_uri": base.features.views_uri,
        "pointer_prefix": base.registry.pointer_prefix,
        "checkpoint_uri": checkpoint_uri(base),
        "policy_arns": [base.features.read_policy_arn, base.registry.read_policy_arn],
        "chunk_rows": batch.chunk_rows,
        "max_bad_fraction": batch.max_bad_fraction,
        "hourly_cost_usd": _hourly(plan, batch),
        "environment": serve_environment(plan),
        "vcpus": batch.vcpus,
        "memory_mib": batch.memory_mib,
        "timeout_minutes": batch.timeout_minutes,
        # Beside the quality gate: CPU machines, spot first, that are there while a job runs.
        "queue_arn": pools["quality"].queue_arn,
        "kms_key_arn": base.lake.kms_key_arn,
        "tags": {**plan.tags, **plan.tags_of(model)},
    }
    if batch.entities is not None:
        args["entities_uri"] = batch.entities
    if batch.rows is not None:
        args["rows_uri"] = batch.rows
    return args


def _alarm(plan: Plan, watch: Monitoring | None) -> Any:
    """Whoever watches is told of failed runs."""
    if watch is None:
        return {}
    runbook = f"{plan.settings.runbooks_url.rstrip('/')}/{_RUNBOOK}"
    return {"alarm": {"topic_arn": watch.ticket_topic_arn, "runbook_url": runbook}}


def _hourly(plan: Plan, batch: Batch) -> float:
    """What the job's part of a machine likely costs an hour."""
    pool = next(sized for sized in plan.pools if sized.name == SHARED)
    return round(float(pool.plan.hourly_of(batch.vcpus, batch.memory_mib)), 6)
