"""Batch job queues: which pools back each other."""

from policies.machines import BATCH_POOL, Pool
from policies.resources import Resource, Stack
from policies.values import CannotJudge

QUEUE = "aws:batch:JobQueue"


def queued_with(pool: Resource, stack: Stack) -> list[Pool]:
    """The other pools of the queues that a Batch pool is in, in the queues' order."""
    found: list[Pool] = []
    for queue in stack.of(QUEUE):
        members = _members(queue, stack)
        if pool in members:
            found += [Pool(item) for item in members if item is not pool]
    return found


def _members(queue: Resource, stack: Stack) -> list[Resource]:
    prop = (
        "computeEnvironmentOrders"
        if queue.props.stated("computeEnvironmentOrders")
        else "computeEnvironments"
    )
    try:
        orders = queue.props.blocks("computeEnvironmentOrders")
        values = [item.text("computeEnvironment") for item in orders] or queue.props.texts(
            "computeEnvironments"
        )
    except CannotJudge:
        # Not known yet: then what the property depends on says as much.
        return [
            stack.by_urn[urn]
            for urn in queue.dependencies(prop)
            if urn in stack.by_urn and stack.by_urn[urn].type == BATCH_POOL
        ]
    return [item for value in values for item in stack.matching(BATCH_POOL, value)]
