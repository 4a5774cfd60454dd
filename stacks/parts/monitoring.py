"""Who is told what of the models, and where to look: all of it from their declarations."""

from collections.abc import Mapping
from typing import Any, Final

from components import Endpoint, Monitoring
from components.model_registry import NO_VERSION
from components.monitor_jobs import VIEWS_JOB, MonitorJobs
from components.monitoring import MonitoringArgs
from components.watch.declaration import WatchedModel, WatchedView
from pricing.catalogue import catalogue
from stacks.parts.base import Base
from stacks.parts.plan import Outputs, Plan
from stacks.parts.serving import Versions, in_cluster
from stacks.parts.serving_costs import serving_cost
from stacks.parts.training import Pools
from stacks.settings import FeatureView, Model

CAPABILITIES: Final = ("dashboards", "monitors", "slo-alarms", "unit-costs")
"""What of it a stack may have."""
_SIZES_OF: Final = "us-east-1"
"""The region that the snapshot knows most types of; how many cores one has is the same everywhere."""


def monitoring(
    plan: Plan,
    base: Base,
    pools: Pools,
    endpoints: Mapping[str, Endpoint],
    released: Versions,
) -> Monitoring | None:
    """Registers it, if the stack has any of it."""
    if not any(plan.has(capability) for capability in CAPABILITIES):
        return None
    args: MonitoringArgs = {
        "models": [
            watched_model(plan, model, endpoints[model.name], released) for model in plan.settings.models
        ],
        "runbooks_url": plan.settings.runbooks_url,
        "emails": plan.settings.notify,
        "dashboards": plan.has("dashboards"),
        "kms_key_arn": base.lake.kms_key_arn,
        "tags": plan.tags,
    }
    if plan.has("dashboards"):
        args["grafana_bucket"] = base.lake.artifacts_bucket
    if plan.has("monitors"):
        args["views"] = [watched_view(view) for view in plan.settings.feature_views]
        args["jobs"] = monitor_jobs(base, pools)
    return Monitoring("monitoring", args)


def monitoring_outputs(plan: Plan, pools: Pools, watch: Monitoring | None) -> Outputs:
    """Where to hear of trouble, where to look, and the jobs that look."""
    jobs = [*(f"watch-{model.name}" for model in plan.settings.models), VIEWS_JOB]
    if not plan.has("monitors"):
        jobs = []
    if watch is None:
        return {"topics": {"pages": NO_VERSION, "tickets": NO_VERSION}, "alarms": {}, "dashboards": {}}
    return {
        "topics": {"pages": watch.page_topic_arn, "tickets": watch.ticket_topic_arn},
        "alarms": watch.alarm_names,
        "dashboards": watch.dashboard_names,
        "policies": {"emitMetrics": watch.emit_policy_arn},
        "jobs": {job: watch.job_definition_arns[job] for job in jobs},
        "jobQueues": dict.fromkeys(jobs, pools["quality"].queue_arn),
    }


def monitor_jobs(base: Base, pools: Pools) -> MonitorJobs:
    """The jobs that watch run where the quality gate does, on the smallest machines."""
    return {
        "image_uri": base.image.job_uri,
        "queue_arn": pools["quality"].queue_arn,
        "artifacts_bucket": base.lake.artifacts_bucket,
        "curated_bucket": base.lake.curated_bucket,
        "environment": {
            "AWS_USE_DUALSTACK_ENDPOINT": "true",
            "STAGECRAFT_FEATURES_BUCKET": base.lake.features_bucket,
            "STAGECRAFT_VIEWS_PREFIX": base.features.views_uri,
            "STAGECRAFT_POINTER_PREFIX": base.registry.pointer_prefix,
        },
        "policy_arns": [base.features.read_policy_arn, base.registry.read_policy_arn],
    }


def watched_model(plan: Plan, model: Model, endpoint: Endpoint, released: Versions) -> WatchedModel:
    """What a model's declaration comes to, as far as the stack's capabilities go."""
    serving, monitor = model.serving, model.monitor
    watched: WatchedModel = {
        "name": model.name,
        "feature_views": list(model.features),
        "live": model.name in released.live,
        "serverless": serving.mode == "serverless",
        # Where there is a gateway callers ask it, and what they get is what was promised.
        "gateway": plan.has("fallback") or in_cluster(model),
        "batch": model.batch is not None,
    }
    if not in_cluster(model):
        watched["endpoint_name"] = endpoint.endpoint_name
    if serving.mode == "realtime":
        machine = catalogue(_SIZES_OF).get(serving.instance_type.removeprefix("ml."))
        watched["vcpus"] = machine.vcpu if machine else 0
        watched["gpus"] = machine.gpus if machine else 0
    if plan.has("slo-alarms") and model.slo is not None:
        watched["slo"] = {
            "availability": model.slo.availability,
            "latency_p95_ms": model.slo.latency_p95_ms,
        }
    if plan.has("monitors"):
        if monitor.drift is not None:
            watched["drift_threshold"] = monitor.drift.threshold
        if monitor.accuracy is not None:
            watched["accuracy"] = {"metric": monitor.accuracy.metric, "limit": monitor.accuracy.floor}
        if monitor.calibration is not None:
            watched["max_calibration_error"] = monitor.calibration.max_error
        if monitor.bias is not None:
            watched["bias"] = {
                "attribute": monitor.bias.attribute,
                "max_disparity": monitor.bias.max_disparity,
            }
        if model.training.feedback_rows is not None and plan.has("retraining"):
            watched["feedback_rows"] = model.training.feedback_rows
        watched["business"] = [
            {"metric": kpi.metric} if kpi.floor is None else {"metric": kpi.metric, "floor": kpi.floor}
            for kpi in monitor.business
        ]
        cost = serving_cost(plan, model, released.previous)
        if cost is not None:
            watched["serving_cost"] = {"hourly_usd": float(cost.hourly), "request_usd": float(cost.request)}
    if plan.has("unit-costs"):
        watched["unit_cost"] = (
            {}
            if monitor.unit_cost is None
            else {"max_usd_per_thousand": monitor.unit_cost.max_usd_per_thousand}
        )
    return watched


def watched_view(view: FeatureView) -> WatchedView:
    """A feature view as Monitoring takes it; what is not said stays unsaid."""
    watched: Any = {"name": view.name, **view.watch.model_dump(exclude_none=True)}
    return watched  # type: ignore[no-any-return]  # both are made of the same names
