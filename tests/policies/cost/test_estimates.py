"""C3, C4, C6, C7: what the stack and its pools will cost, and on which machines."""

import pytest

from tests.policies.cases import UNKNOWN, fails, missing, open_question, parametrized, passes, resource

INSTANCE = "aws:ec2/instance:Instance"
NODES = "aws:eks/nodeGroup:NodeGroup"
BATCH = "aws:batch/computeEnvironment:ComputeEnvironment"
POOL = "kubernetes:karpenter.sh/v1:NodePool"
CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
ALLOWED = {"instance-type-allowed": {"allowed": ["m6i.*", "g5.xlarge"]}}

WORKERS = resource(
    NODES,
    "workers",
    instanceTypes=["m5.xlarge"],
    scalingConfig={"minSize": 3, "desiredSize": 3, "maxSize": 3},
)


def budget(usd, **more):
    return {"overrides": {"estimate-under-budget": {"monthlyBudgetUsd": usd, **more}}}


def capped(usd):
    return {"overrides": {"pool-has-a-cap": {"capUsd": usd}}}


def pool(limits=None, family="p5", size="48xlarge"):
    requirements = [
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [f"{family}.{size}"]},
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]},
    ]
    spec = {"template": {"spec": {"requirements": requirements}}}
    return resource(POOL, "gpu", spec=spec if limits is None else {**spec, "limits": limits})


CASES = [
    passes("C3", "under the budget", WORKERS, **budget(500)),
    passes("C3", "no budget", WORKERS),
    fails("C3", "over the budget", WORKERS, **budget(400)),
    fails("C3", "the worst month", pool({"nvidia.com/gpu": 16}), **budget(1000)),
    missing(
        "C3",
        "what is not said costs AWS's default",
        resource(INSTANCE, instanceType="p4d.24xlarge"),
        **budget(100),
    ),
    passes("C4", "known", resource("aws:s3/bucket:Bucket")),
    fails("C4", "a type nobody priced", resource("aws:quantum/computer:Computer")),
    missing("C4", "a machine that does not exist", resource(INSTANCE, instanceType="z99.huge")),
    passes("C6", "any, unless configured", resource(INSTANCE, instanceType="p5.48xlarge")),
    passes("C6", "on the list", resource(INSTANCE, instanceType="m6i.large"), overrides=ALLOWED),
    passes(
        "C6",
        "SageMaker's spelling",
        resource(CONFIGURATION, productionVariants=[{"instanceType": "ml.g5.xlarge"}]),
        overrides=ALLOWED,
    ),
    passes("C6", "a family", resource(BATCH, computeResources={"instanceTypes": ["m6i"]}), overrides=ALLOWED),
    passes("C6", "says none", resource(INSTANCE), overrides=ALLOWED),
    fails("C6", "not on the list", resource(INSTANCE, instanceType="m7i.large"), overrides=ALLOWED),
    fails(
        "C6", "one of several", resource(NODES, instanceTypes=["m6i.large", "p5.48xlarge"]), overrides=ALLOWED
    ),
    fails("C6", "a pool's", pool(), overrides=ALLOWED),
    missing(
        "C6",
        "a shadow variant's",
        resource(CONFIGURATION, shadowProductionVariants=[{"instanceType": "ml.p5.48xlarge"}]),
        overrides=ALLOWED,
    ),
    open_question("C6", "unknown", resource(INSTANCE, instanceType=UNKNOWN), overrides=ALLOWED),
    passes("C7", "limits", pool({"nvidia.com/gpu": 16})),
    passes("C7", "under its cap", pool({"nvidia.com/gpu": 16}), **capped(81000)),
    passes("C7", "Batch", resource(BATCH, computeResources={"maxVcpus": 8})),
    fails("C7", "over its cap", pool({"nvidia.com/gpu": 16}), **capped(80000)),
    missing("C7", "no limits", pool()),
    missing("C7", "Batch without limits", resource(BATCH, computeResources={"instanceTypes": ["optimal"]})),
    open_question("C7", "unknown limits", resource(POOL, spec={"limits": UNKNOWN})),
    open_question("C7", "unknown price", pool({"cpu": 8}, family="z99", size="huge"), **capped(10)),
]


@parametrized(CASES)
def test_rule(cost, case):
    case.check(cost)


def test_the_estimate_is_exact(cost):
    """Three m5.xlarge: 3 x 0.192 x 730 = 420.48; with their disks between that and 450."""
    (finding,) = (
        item for item in cost.judge([WORKERS], **budget(1)).violations if "expected" in item.message
    )
    dollars = float(finding.message.split("$")[1].split(",")[0])
    assert 420.48 <= dollars < 450


def test_the_worst_month_of_a_pool_is_exact(cost):
    """Two p5.48xlarge: 2 x 55.04 x 730 = 80358.40, and their disks."""
    (finding,) = (
        item for item in cost.judge([pool({"nvidia.com/gpu": 16})], **capped(1)).violations if item.id == "C7"
    )
    assert 80358.40 <= float(finding.message.split("$")[1].split(" ")[0]) < 80400
    assert finding.message.endswith("its cap is $1.00")


@pytest.mark.parametrize(("factor", "broken"), [(1, True), (200, False)])
def test_the_worst_month_may_cost_so_many_budgets(cost, factor, broken):
    verdict = cost.judge([pool({"nvidia.com/gpu": 8})], **budget(1000, worstFactor=factor))
    assert any("worst month" in item.message for item in verdict.violations) is broken
