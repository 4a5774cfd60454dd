"""What the GPUs of the stack's cluster do, and who hears of it."""

from components import GpuTelemetry, Monitoring, ServingCluster
from components.gpu_telemetry import GpuTelemetryArgs
from components.model_registry import NO_VERSION
from components.pool_objects import NVIDIA
from components.serving_cluster import gpu_pool_name
from stacks.parts.base import Base
from stacks.parts.compute import Compute, pool_component
from stacks.parts.plan import Outputs, Plan
from stacks.parts.serving import in_cluster
from stacks.parts.serving_cluster import COMPONENT


def gpu_telemetry(
    plan: Plan, base: Base, made: Compute | None, served: ServingCluster | None, watch: Monitoring | None
) -> GpuTelemetry | None:
    """Registers it, if the stack has a cluster with NVIDIA GPUs.

    Args:
        plan: The stack.
        base: What it stands on.
        made: Its cluster.
        served: What answers from there.
        watch: What is told of trouble, if the stack has that.
    """
    if made is None:
        return None
    pools = gpu_pools(plan, serving=served is not None)
    if not pools:
        return None
    args: GpuTelemetryArgs = {
        "cluster": {"name": made.cluster.cluster_name, "kubeconfig": made.cluster.kubeconfig},
        "pools": pools,
        "image_uri": base.image.job_uri,
        "runbooks_url": plan.settings.runbooks_url,
        "dashboards": plan.has("dashboards"),
        "kms_key_arn": base.lake.kms_key_arn,
        "tags": plan.tags,
    }
    if plan.has("dashboards"):
        args["grafana_bucket"] = base.lake.artifacts_bucket
    if watch is None:
        args["emails"] = plan.settings.notify
    else:
        args["topic_arn"] = watch.ticket_topic_arn
    return GpuTelemetry("gpus", args)


def gpu_pools(plan: Plan, *, serving: bool) -> list[str]:
    """The pools with NVIDIA GPUs, by what their nodes are labelled with; training's first."""
    training = [
        pool_component(sized) for sized in plan.pools if sized.models and sized.plan.resource == NVIDIA
    ]
    asked = any(
        in_cluster(model) and model.serving.pods_or_default.runtime == "gpu" for model in plan.settings.models
    )
    return [*training, *([gpu_pool_name(COMPONENT)] if serving and asked else [])]


def gpu_outputs(made: GpuTelemetry | None) -> Outputs:
    """Where to look at them."""
    if made is None:
        return {"gpus": NO_VERSION}
    return {
        "gpus": {
            "alarms": made.alarm_names,
            "dashboards": made.dashboard_names,
            "grafana": made.grafana_uris,
        }
    }
