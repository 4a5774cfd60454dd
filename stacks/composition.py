"""What a stack is made of: its parts, joined by what each hands to the next.

A part is a module of `stacks.parts`: a function that registers it, and one that tells its outputs.
"""

import pulumi_aws as aws

from stacks.parts.base import base_of, base_outputs
from stacks.parts.batch import batch_inference, batch_outputs
from stacks.parts.compute import compute, compute_outputs
from stacks.parts.costs import cost_guard, cost_outputs
from stacks.parts.delivery import delivery_outputs, delivery_roles
from stacks.parts.events import event_outputs, event_stream
from stacks.parts.gpus import gpu_outputs, gpu_telemetry
from stacks.parts.ladder import declarations, gateway, gateway_outputs, standby_endpoints
from stacks.parts.loop import loop_outputs, model_loops
from stacks.parts.monitoring import monitoring, monitoring_outputs
from stacks.parts.network import network_of
from stacks.parts.plan import Outputs, Plan, joined
from stacks.parts.serving import endpoints, hosted, released_versions, serving_outputs
from stacks.parts.serving_cluster import serving_cluster, serving_cluster_outputs
from stacks.parts.training import training_outputs, training_pools
from stacks.settings import Settings


def deploy(settings: Settings, stack: str) -> Outputs:
    """Registers everything; returns the stack's outputs (docs/components.md)."""
    plan = Plan(settings, stack)
    delivery = delivery_roles(plan)  # first: it confines the roles that come after it
    released = released_versions(stack)
    by_sagemaker = hosted(plan, released)
    live = by_sagemaker.live
    base = base_of(plan)
    network = network_of(plan, base)
    pools = training_pools(plan, base, network)
    models = endpoints(plan, base, live)
    watch = monitoring(plan, base, pools, models, released)
    standby = standby_endpoints(plan, base, by_sagemaker, watch)
    declared = declarations(plan, models, standby, live)
    front = gateway(plan, base, declared)
    batches = batch_inference(plan, base, pools, watch, released.live)
    events = event_stream(plan, base)
    loops = model_loops(plan, base, pools, models, watch)
    cluster = compute(plan, base, network, watch)
    served = serving_cluster(plan, base, cluster, watch, released)
    gpus = gpu_telemetry(plan, base, cluster, served, watch)
    costs = cost_guard(plan, base)
    return joined(
        {
            "stack": stack,
            "stage": settings.stage,
            "environment": settings.environment,
            "region": aws.get_region_output().region,
        },
        base_outputs(plan, base),
        training_outputs(pools),
        compute_outputs(plan, cluster),
        serving_outputs(base, models, live),
        serving_cluster_outputs(served),
        gpu_outputs(gpus),
        monitoring_outputs(plan, pools, watch),
        gateway_outputs(plan, standby, declared, front),
        batch_outputs(batches),
        event_outputs(events),
        loop_outputs(loops),
        cost_outputs(costs),
        delivery_outputs(delivery),
    )
