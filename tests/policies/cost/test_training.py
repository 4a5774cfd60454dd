"""C1, C2: training runs on spot where it can, and spot does not lose its work."""

import json

from tests.policies.cases import UNKNOWN, fails, missing, open_question, parametrized, passes, resource

BATCH = "aws:batch/computeEnvironment:ComputeEnvironment"
JOB = "aws:batch/jobDefinition:JobDefinition"
NODES = "aws:eks/nodeGroup:NodeGroup"
POOL = "kubernetes:karpenter.sh/v1:NodePool"
TRAINING = "aws:sagemaker/trainingJob:TrainingJob"

CONTRACT = {
    "STAGECRAFT_CHECKPOINT_URI": "s3://artifacts/checkpoints",
    "STAGECRAFT_CHECKPOINT_MINUTES": "15",
    "STAGECRAFT_GRACE_SECONDS": "110",
}


def batch(kind="SPOT", types=("g5.xlarge",), **properties):
    return resource(
        BATCH,
        "pool",
        type="MANAGED",
        computeResources={"type": kind, "instanceTypes": list(types)},
        **properties,
    )


def job(environment, as_text=True):
    container = {
        "image": "train",
        "environment": [{"name": name, "value": value} for name, value in environment.items()],
    }
    return resource(
        JOB, "train", type="container", containerProperties=json.dumps(container) if as_text else container
    )


def without(*names):
    return {name: value for name, value in CONTRACT.items() if name not in names}


def pool(name="gpu", capacity=("spot",), annotations=None, weight=None, gpu=True, **spec):
    requirements = [{"key": "karpenter.sh/capacity-type", "operator": "In", "values": list(capacity)}]
    if gpu:
        requirements.append(
            {"key": "karpenter.k8s.aws/instance-family", "operator": "In", "values": ["g5", "g6"]}
        )
    template = {"spec": {"requirements": requirements, **spec}}
    return resource(
        POOL,
        name,
        metadata={"name": name, "annotations": annotations or {}},
        spec={"template": template} | ({"weight": weight} if weight else {}),
    )


def training(**properties):
    config = {"instanceType": "ml.g5.2xlarge", "instanceCount": 1, "volumeSizeInGb": 50}
    return resource(TRAINING, **{"resourceConfig": config, **properties})


def managed_spot(**properties):
    return training(
        **{
            "enableManagedSpotTraining": True,
            "stoppingCondition": {"maxRuntimeInSeconds": 3600, "maxWaitTimeInSeconds": 7200},
            "checkpointConfig": {"s3Uri": "s3://artifacts/checkpoints"},
            **properties,
        }
    )


ON_DEMAND_POOL = pool(capacity=["on-demand"])

CASES = [
    passes("C1", "Batch on spot", batch(), environment="dev"),
    passes("C1", "no accelerator", batch("EC2", ["m6i.large"]), environment="dev"),
    passes("C1", "production", batch("EC2"), environment="prod"),
    passes("C1", "tagged for production", batch("EC2", tags={"environment": "prod"}), environment="dev"),
    passes(
        "C1",
        "node group on spot",
        resource(NODES, instanceTypes=["g5.xlarge"], capacityType="SPOT"),
        environment="dev",
    ),
    passes("C1", "managed spot", managed_spot(), environment="staging"),
    passes("C1", "a spot pool", pool(), environment="dev"),
    passes(
        "C1",
        "the fall-back of a spot pool",
        pool("gpu-spot", weight=50),
        pool("gpu-fallback", capacity=["on-demand"], weight=10),
        environment="dev",
    ),
    fails("C1", "Batch on demand", batch("EC2"), environment="dev"),
    fails("C1", "tagged for development", batch("EC2", tags={"environment": "dev"}), environment="prod"),
    fails("C1", "an on-demand pool", ON_DEMAND_POOL, environment="dev"),
    fails(
        "C1",
        "a pool for GPUs by count",
        pool(gpu=False, capacity=["on-demand"], taints=[{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]),
        environment="dev",
    ),
    missing(
        "C1",
        "Batch defaults to on demand",
        resource(BATCH, computeResources={"instanceTypes": ["p5.48xlarge"]}),
        environment="dev",
    ),
    missing(
        "C1",
        "node groups default to on demand",
        resource(NODES, instanceTypes=["g6.xlarge"]),
        environment="dev",
    ),
    missing("C1", "training jobs default to on demand", training(), environment="dev"),
    open_question("C1", "unknown types", resource(NODES, instanceTypes=UNKNOWN), environment="dev"),
    open_question("C1", "unknown capacity", batch(UNKNOWN), environment="dev"),
    passes("C2", "a job with the contract", batch(), job(CONTRACT)),
    passes("C2", "the same as an object", batch(), job(CONTRACT, as_text=False)),
    passes("C2", "short jobs beside it", batch(), job(CONTRACT), job({"MODE": "quality"})),
    passes(
        "C2", "other names", batch(), job({"CHECKPOINT_S3": "s3://b", "CHECKPOINT_EVERY": "5", "GRACE": "60"})
    ),
    passes(
        "C2",
        "on the pool itself",
        batch(tags={"checkpoint-uri": "s3://b", "checkpoint-minutes": "5", "grace-seconds": "60"}),
    ),
    passes("C2", "not spot", batch("EC2")),
    passes(
        "C2",
        "a node pool",
        pool(
            annotations={"acme.io/checkpoint-location": "s3://b", "acme.io/checkpoint-interval": "5m"},
            terminationGracePeriod="2m",
        ),
    ),
    passes("C2", "managed spot", managed_spot()),
    passes("C2", "training on demand", training()),
    passes("C2", "a cluster's own pool", pool(gpu=False)),
    fails("C2", "no location", batch(), job(without("STAGECRAFT_CHECKPOINT_URI"))),
    fails("C2", "no interval", batch(), job(without("STAGECRAFT_CHECKPOINT_MINUTES"))),
    fails("C2", "no grace period", batch(), job(without("STAGECRAFT_GRACE_SECONDS"))),
    fails("C2", "no waiting time", managed_spot(stoppingCondition={"maxRuntimeInSeconds": 3600})),
    fails(
        "C2",
        "waits less than it runs",
        managed_spot(stoppingCondition={"maxRuntimeInSeconds": 3600, "maxWaitTimeInSeconds": 60}),
    ),
    fails("C2", "no checkpoint", managed_spot(checkpointConfig=None)),
    fails("C2", "a node pool with half of it", pool(annotations={"checkpoint-location": "s3://b"})),
    missing("C2", "no job says anything", batch()),
    missing("C2", "a node pool that says nothing", pool()),
    open_question("C2", "unknown container", batch(), resource(JOB, "train", containerProperties=UNKNOWN)),
    open_question("C2", "unknown spot", training(enableManagedSpotTraining=UNKNOWN)),
]


@parametrized(CASES)
def test_rule(cost, case):
    case.check(cost)


def test_the_missing_parts_are_named(cost):
    (finding,) = (item for item in cost.judge([batch(), job({})]).violations if item.id == "C2")
    assert finding.message.endswith("no location and no interval and no grace period")
