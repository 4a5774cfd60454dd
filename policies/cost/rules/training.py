"""What training costs: spot where it can be, and spot that does not lose work."""

import re

from policies.catalogue import About, Findings, joined_rule
from policies.machines import (
    BATCH_POOL,
    NODE_POOL,
    POOLS,
    TRAINING_JOB,
    Pool,
    batch_containers,
    environment_of,
    is_training_pool,
)
from policies.queues import queued_with
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.tags import known_label
from policies.values import any_of

_LOCATION = re.compile(r"check_?point(?!.*(minute|interval|second|every|freq)).*", re.IGNORECASE)
_INTERVAL = re.compile(r"check_?point.*(minute|interval|second|every|freq)", re.IGNORECASE)
_GRACE = re.compile(r"grace|stop_?timeout|termination_?notice", re.IGNORECASE)
_PARTS = (("location", _LOCATION), ("interval", _INTERVAL), ("grace period", _GRACE))


@joined_rule(
    About(
        id="C1",
        name="accelerated-training-on-spot",
        title="GPU training pools outside prod run on spot",
        remedy="Let it use spot (Batch: type SPOT; Karpenter: capacity-type spot; SageMaker: managed spot).",
    ),
    types=POOLS,
)
def accelerated_training_on_spot(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """Spot costs a third of on-demand; an experiment can wait, and be resumed."""
    if (known_label(resource, "environment") or settings.environment).lower().startswith("prod"):
        return
    pool = Pool(resource)
    if not pool.accelerated or not is_training_pool(pool) or pool.spot:
        return
    if pool.kind == NODE_POOL and any_of(
        (Pool(other) for other in stack.of(NODE_POOL)),
        lambda other: other.spot and other.accelerated and other.weight > pool.weight,
    ):
        return  # the fall-back of a spot pool that Karpenter prefers
    if pool.kind == BATCH_POOL and any_of(queued_with(resource, stack), lambda other: other.spot):
        return  # the fall-back of a spot pool in the same queue
    yield "its accelerators are billed on demand"


@joined_rule(
    About(
        id="C2",
        name="spot-pool-keeps-its-work",
        title="Spot training has a checkpoint location, an interval and a grace period",
        remedy=(
            "Give jobs of a spot pool a checkpoint location, interval and grace period (variables such as "
            "CHECKPOINT_URI, CHECKPOINT_MINUTES, GRACE_SECONDS; on a node pool as annotations), SageMaker "
            "spot jobs a checkpointConfig and a maxWaitTimeInSeconds of at least the run time."
        ),
        severity="high",
    ),
    types=POOLS,
)
def spot_pool_keeps_its_work(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """AWS takes spot capacity back at two minutes' notice: what was not saved is paid for twice."""
    pool = Pool(resource)
    if not is_training_pool(pool) or not pool.spot:
        return
    if pool.kind == TRAINING_JOB:
        yield from _sagemaker_contract(resource)
        return
    stated = {key: value for key, value in pool.marks().items() if value not in (None, "")}
    if pool.kind == BATCH_POOL:
        jobs = stack.of("aws:batch:JobDefinition")
        contracts = [_contract(environment_of(item)) for job in jobs for item in batch_containers(job)]
    else:
        contracts = []
    contracts.append(_contract(stated))
    if pool.kind == NODE_POOL:
        spec = resource.props.block("spec").block("template").block("spec")
        if spec.stated("terminationGracePeriod"):
            contracts[-1] |= {"grace period"}
    best = max(contracts, key=len)
    missing = [part for part, _ in _PARTS if part not in best]
    if missing:
        yield f"nothing on this spot pool states its checkpoint contract: no {' and no '.join(missing)}"


def _contract(stated: dict[str, object]) -> set[str]:
    return {part for part, pattern in _PARTS if any(pattern.search(key.replace("-", "_")) for key in stated)}


def _sagemaker_contract(job: Resource) -> Findings:
    stopping = job.props.block("stoppingCondition")
    longest = stopping.number("maxWaitTimeInSeconds")
    if longest is None:
        yield "managed spot training needs stoppingCondition.maxWaitTimeInSeconds"
    elif longest < (stopping.number("maxRuntimeInSeconds") or 86400):
        yield "maxWaitTimeInSeconds is less than the run time, so the job can never finish"
    if not job.props.block("checkpointConfig").stated("s3Uri"):
        yield "an interrupted job starts again from nothing: checkpointConfig.s3Uri is not set"
