"""What Batch refuses, and where its resources behave in their own way."""

import json

import pytest

from tests.twin.aws.provider.plugin import Plugin, Resource
from tests.twin.aws.provider.samples import values
from tests.twin.aws.provider.samples_batch import ENVIRONMENT, MACHINES, container, resources

DEFINITION = "aws:batch/jobDefinition:JobDefinition"
QUEUE = "aws:batch/jobQueue:JobQueue"
SPOT = {
    "type": "SPOT",
    "allocationStrategy": "SPOT_CAPACITY_OPTIMIZED",
    "maxVcpus": 8,
    "instanceRole": "machines",
    "instanceTypes": ["m6i"],
    "subnets": ["subnet-1"],
    "securityGroupIds": ["sg-1"],
}
FARGATE = {"type": "FARGATE", "maxVcpus": 8, "subnets": ["subnet-1"], "securityGroupIds": ["sg-1"]}


@pytest.fixture
def made(plugin: Plugin) -> dict[str, Resource]:
    found: dict[str, Resource] = {}
    for name, (token, inputs) in MACHINES.items():
        found[name] = plugin.make(token, values(inputs, found), name=name)
    return found


def environment(**changes: object) -> dict:
    found = {**SPOT, **changes}
    return {
        "type": "MANAGED",
        "computeResources": {key: value for key, value in found.items() if value is not None},
    }


def definition(**more: object) -> dict:
    return {"type": "container", "containerProperties": container(), **more}


@pytest.mark.parametrize(
    ("token", "inputs", "path", "said"),
    [
        (ENVIRONMENT[0], {"type": "MANAGED"}, "computeResources", "missing"),
        (ENVIRONMENT[0], {"type": "MINE"}, "type", "MANAGED"),
        (ENVIRONMENT[0], {**environment(), "state": "ON"}, "state", "ENABLED"),
        (ENVIRONMENT[0], {**environment(), "name": "a b"}, "name", "letters"),
        (ENVIRONMENT[0], environment(instanceRole=None), "computeResources.instanceRole", "profile"),
        (
            ENVIRONMENT[0],
            environment(instanceRole="arn:aws:iam::123456789012:role/x"),
            "computeResources.instanceRole",
            "not a role",
        ),
        (ENVIRONMENT[0], environment(minVcpus=9), "computeResources.minVcpus", "above maxVcpus (8)"),
        (
            ENVIRONMENT[0],
            environment(instanceTypes=["m6i", "m6x"]),
            "computeResources.instanceTypes[1]",
            "m6x",
        ),
        (
            ENVIRONMENT[0],
            environment(instanceTypes=["m6i.large", "m7g.large"]),
            "computeResources.instanceTypes[1]",
            "architecture",
        ),
        (ENVIRONMENT[0], environment(type="EC2"), "computeResources.allocationStrategy", "SPOT"),
        (
            ENVIRONMENT[0],
            environment(allocationStrategy=None),
            "computeResources.spotIamFleetRole",
            "BEST_FIT",
        ),
        (ENVIRONMENT[0], environment(bidPercentage=120), "computeResources.bidPercentage", "1 to 100"),
        (ENVIRONMENT[0], environment(launchTemplate={}), "computeResources.launchTemplate", "exactly one"),
        (
            ENVIRONMENT[0],
            {"type": "MANAGED", "computeResources": {**FARGATE, "instanceTypes": ["m6i"]}},
            "computeResources.instanceTypes",
            "FARGATE",
        ),
        (QUEUE, {"priority": 1, "state": "ENABLED"}, "computeEnvironmentOrders", "1 to 3"),
        (QUEUE, {"priority": -1, "state": "ENABLED"}, "priority", "0 to 1000"),
        (
            QUEUE,
            {
                "priority": 1,
                "state": "ENABLED",
                "computeEnvironmentOrders": [{"order": 1, "computeEnvironment": name} for name in "ab"],
            },
            "computeEnvironmentOrders[1].order",
            "twice",
        ),
        (DEFINITION, {"type": "container"}, "containerProperties", "missing"),
        (DEFINITION, {"type": "multinode"}, "nodeProperties", "missing"),
        (DEFINITION, definition(containerProperties="image"), "containerProperties", "JSON"),
        (DEFINITION, definition(containerProperties=container(imag="x")), "containerProperties", '"imag"'),
        (DEFINITION, definition(containerProperties=container(image="")), "containerProperties", "image"),
        (
            DEFINITION,
            definition(containerProperties=container(resourceRequirements=[{"type": "VCPU", "value": "2"}])),
            "containerProperties",
            "MEMORY",
        ),
        (DEFINITION, definition(platformCapabilities=["FARGATE"]), "containerProperties", "executionRoleArn"),
        (
            DEFINITION,
            definition(timeout={"attemptDurationSeconds": 5}),
            "timeout.attemptDurationSeconds",
            "60",
        ),
        (DEFINITION, definition(retryStrategy={"attempts": 11}), "retryStrategy.attempts", "1 to 10"),
        (
            DEFINITION,
            definition(retryStrategy={"attempts": 2, "evaluateOnExits": [{"action": "RETRY"}]}),
            "retryStrategy.evaluateOnExits[0]",
            "condition",
        ),
    ],
)
def test_what_batch_would_refuse_is_refused(
    plugin: Plugin, token: str, inputs: dict, path: str, said: str
) -> None:
    failures = plugin.check(token, inputs).failures
    assert said in failures.get(path, ""), failures


@pytest.mark.parametrize(
    ("before", "after", "replaces"),
    [
        ({}, {"maxVcpus": 64}, False),
        ({}, {"instanceTypes": ["c7i.xlarge"]}, False),
        ({}, {"type": "EC2", "allocationStrategy": "BEST_FIT_PROGRESSIVE"}, False),
        ({}, {"spotIamFleetRole": "arn:aws:iam::123456789012:role/fleet"}, True),
        ({"type": "EC2", "allocationStrategy": "BEST_FIT"}, {"imageId": "ami-1"}, True),
        ({"type": "EC2", "allocationStrategy": "BEST_FIT"}, {"maxVcpus": 64}, False),
    ],
)
def test_what_replaces_an_environment(
    plugin: Plugin, made: dict, before: dict, after: dict, replaces: bool
) -> None:
    token = ENVIRONMENT[0]
    old = plugin.checked(token, {"type": "MANAGED", "computeResources": resources(made, **before)})
    new = (
        plugin.checked(
            token, {"type": "MANAGED", "computeResources": resources(made, **before, **after)}, olds=old
        )
        if not set(before) & set(after)
        else {**old, "computeResources": {**old["computeResources"], **after}}
    )
    found = plugin.diff(Resource(f"urn:pulumi:test::project::{token}::it", "it", old, old), new)
    assert (found.replaces == ["computeResources"]) is replaces
    assert found.changed


def test_an_environment_in_use_goes_after_its_queue(plugin: Plugin, made: dict) -> None:
    pool = plugin.make(ENVIRONMENT[0], ENVIRONMENT[1](made), name="e")
    assert pool.state["status"] == "VALID"
    orders = [{"order": 1, "computeEnvironment": pool.state["arn"]}]
    queue = plugin.make(
        QUEUE, {"priority": 1, "state": "ENABLED", "computeEnvironmentOrders": orders}, name="q"
    )
    plugin.delete(queue)
    plugin.delete(pool)
    assert plugin.read(queue) is None
    assert plugin.read(pool) is None


def test_a_changed_definition_is_a_new_revision(plugin: Plugin) -> None:
    first = plugin.make(DEFINITION, definition())
    assert first.state["revision"] == 1
    changed = {**first.inputs, "containerProperties": container(command=["other"])}
    second = plugin.update(first, changed)
    assert second.state["revision"] == 2
    assert second.state["arn"] == f"{second.state['arnPrefix']}:2"
    assert plugin.read(first) is None, "the first revision is deregistered"
    kept = plugin.update(second, {**first.inputs, "deregisterOnNewRevision": False})
    assert kept.state["revision"] == 3
    assert plugin.read(second) is not None
    plugin.delete(kept)
    assert plugin.read(kept) is None
    assert plugin.read(second) is None, "a deletion takes every revision"


def test_documents_that_say_the_same_are_no_change(plugin: Plugin) -> None:
    job = plugin.make(DEFINITION, definition())
    document = json.loads(container(ulimits=[], mountPoints=None))
    document["environment"].reverse()
    document["environment"].append({"name": "EMPTY", "value": ""})
    del document["privileged"]
    news = plugin.checked(DEFINITION, definition(containerProperties=json.dumps(document)), olds=job.inputs)
    assert not plugin.diff(job, news).changed
    document["command"] = ["other"]
    news = plugin.checked(DEFINITION, definition(containerProperties=json.dumps(document)), olds=job.inputs)
    assert plugin.diff(job, news).changed
