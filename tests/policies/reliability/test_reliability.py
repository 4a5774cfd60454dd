"""R1 to R14: data that comes back, endpoints that answer, machines that can be lost."""

import pytest

from tests.policies.cases import (
    UNKNOWN,
    depends,
    fails,
    missing,
    open_question,
    parametrized,
    passes,
    resource,
)

BUCKET = "aws:s3/bucket:Bucket"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
TABLE = "aws:dynamodb/table:Table"
CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
ENDPOINT = "aws:sagemaker/endpoint:Endpoint"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TARGET = "aws:appautoscaling/target:Target"
DATABASE = "aws:rds/instance:Instance"
FUNCTION = "aws:lambda/function:Function"
CLUSTER = "aws:eks/cluster:Cluster"
GROUP = "aws:autoscaling/group:Group"
NODES = "aws:eks/nodeGroup:NodeGroup"
BATCH = "aws:batch/computeEnvironment:ComputeEnvironment"
QUEUE = "aws:batch/jobQueue:JobQueue"
POOL = "kubernetes:karpenter.sh/v1:NodePool"
STREAM = "aws:kinesis/stream:Stream"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"

RAW = resource(BUCKET, "raw")
SURVIVES = {"multiAz": True, "deletionProtection": True, "backupRetentionPeriod": 7}
REALTIME = {"variantName": "live", "instanceType": "ml.m5.large", "initialInstanceCount": 2}
SERVERLESS = {"variantName": "live", "serverlessConfig": {"memorySizeInMb": 2048, "maxConcurrency": 5}}
CHURN = resource(ENDPOINT, "churn", name="churn-live", endpointConfigName="churn-configuration")
RUNBOOK = "https://wiki.example.com/runbooks/churn"


def configuration(*variants, **properties):
    return resource(CONFIGURATION, "churn-configuration", productionVariants=list(variants), **properties)


def alarm(name="errors", description=f"It fails. Runbook: {RUNBOOK}", **properties):
    return resource(
        ALARM, name, alarmDescription=description, dimensions={"EndpointName": "churn-live"}, **properties
    )


SCALES = resource(TARGET, resourceId="endpoint/churn-live/variant/live", serviceNamespace="sagemaker")
BURNS = alarm("slo-burn", "The SLO's error budget burns")
MODELLED = resource(
    ENDPOINT,
    "churn",
    name="churn-live",
    endpointConfigName="churn-configuration",
    tags={"model": "shop-prod/churn"},
)


def by_model(model):
    """A burn alarm on what a model's callers get, whichever endpoint answers."""
    metric = {"namespace": "Stagecraft", "metricName": "Errors", "dimensions": {"Model": model}}
    return resource(
        ALARM,
        "slo-burn",
        alarmDescription=f"The SLO's error budget burns. Runbook: {RUNBOOK}",
        metricQueries=[{"id": "errors", "metric": metric}],
    )


MIXED = {"launchTemplate": {"overrides": [{"instanceType": "m6i.large"}, {"instanceType": "m7i.large"}]}}
SPANS = {"vpcZoneIdentifiers": ["a", "b"], "mixedInstancesPolicy": MIXED}


def batch(name, kind="SPOT", types=("m6i.large", "m7i.large", "c7i.large")):
    return resource(BATCH, name, computeResources={"type": kind, "instanceTypes": list(types), "maxVcpus": 8})


def queue(*environments):
    orders = [{"order": order, "computeEnvironment": name} for order, name in enumerate(environments)]
    return resource(QUEUE, computeEnvironmentOrders=orders)


def pool(
    name, *capacity, types=("m6i.large", "m7i.large", "c7i.large"), key="node.kubernetes.io/instance-type"
):
    requirements = [
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": list(capacity)},
        {"key": key, "operator": "In", "values": list(types)},
    ]
    return resource(POOL, name, spec={"template": {"spec": {"requirements": requirements}}})


def deployment(**spec):
    return resource(DEPLOYMENT, spec={"template": {"spec": {"containers": [{"name": "app"}], **spec}}})


def affinity(*values, preferred=False):
    expression = {"key": "karpenter.sh/capacity-type", "operator": "In", "values": list(values)}
    if preferred:
        term = [{"weight": 1, "preference": {"matchExpressions": [expression]}}]
        return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": term}}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


CASES = [
    passes(
        "R1",
        "separate",
        RAW,
        resource(VERSIONING, bucket="raw", versioningConfiguration={"status": "Enabled"}),
    ),
    passes("R1", "inline", resource(BUCKET, versioning={"enabled": True})),
    passes("R1", "inline in V2", resource("aws:s3/bucketV2:BucketV2", versionings=[{"enabled": "true"}])),
    fails(
        "R1",
        "suspended",
        RAW,
        resource(VERSIONING, bucket="raw", versioningConfiguration={"status": "Suspended"}),
    ),
    fails("R1", "off", resource(BUCKET, versioning={"enabled": False})),
    missing("R1", "nothing said", RAW),
    open_question(
        "R1", "unknown", RAW, resource(VERSIONING, bucket="raw", versioningConfiguration={"status": UNKNOWN})
    ),
    passes("R2", "on", resource(TABLE, pointInTimeRecovery={"enabled": True})),
    passes("R2", "as text, in a list", resource(TABLE, pointInTimeRecovery=[{"enabled": "true"}])),
    fails("R2", "off", resource(TABLE, pointInTimeRecovery={"enabled": False})),
    missing("R2", "nothing said", resource(TABLE)),
    open_question("R2", "unknown", resource(TABLE, pointInTimeRecovery=UNKNOWN)),
    passes("R3", "two", configuration(REALTIME)),
    passes("R3", "serverless", configuration(SERVERLESS)),
    passes("R3", "managed scaling", configuration({"managedInstanceScaling": {"minInstanceCount": 2}})),
    passes(
        "R3", "outside production", configuration({**REALTIME, "initialInstanceCount": 1}), environment="dev"
    ),
    fails("R3", "one", configuration({**REALTIME, "initialInstanceCount": 1})),
    fails("R3", "one of two variants", configuration(REALTIME, {**REALTIME, "initialInstanceCount": 1})),
    missing("R3", "nothing said", configuration({"instanceType": "ml.m5.large"})),
    open_question("R3", "unknown", configuration({**REALTIME, "initialInstanceCount": UNKNOWN})),
    passes("R4", "all three", CHURN, configuration(REALTIME), alarm(), BURNS, SCALES),
    passes("R4", "serverless", CHURN, configuration(SERVERLESS), alarm(), BURNS),
    passes("R4", "judged at the gateway", MODELLED, configuration(SERVERLESS), alarm(), by_model("churn")),
    fails("R4", "another model's gateway", MODELLED, configuration(SERVERLESS), alarm(), by_model("other")),
    passes("R4", "before stabilise", CHURN, stage="validate"),
    fails("R4", "no alarm", CHURN, configuration(SERVERLESS)),
    fails("R4", "no objective", CHURN, configuration(SERVERLESS), alarm()),
    fails("R4", "no scaling", CHURN, configuration(REALTIME), alarm(), BURNS),
    fails("R4", "another endpoint's", resource(ENDPOINT, "other"), configuration(SERVERLESS), alarm(), BURNS),
    missing("R4", "nothing", CHURN),
    open_question(
        "R4",
        "an unknown kind of variant",
        CHURN,
        resource(CONFIGURATION, "churn-configuration", productionVariants=UNKNOWN),
        alarm(),
        BURNS,
    ),
    passes("R5", "on", alarm(actionsEnabled=True)),
    passes("R5", "on by default", alarm()),
    fails("R5", "off", alarm(actionsEnabled=False)),
    missing(
        "R5", "off as text", resource("aws:cloudwatch/compositeAlarm:CompositeAlarm", actionsEnabled="false")
    ),
    open_question("R5", "unknown", alarm(actionsEnabled=UNKNOWN)),
    passes("R6", "survives", resource(DATABASE, **SURVIVES)),
    passes("R6", "AWS backs up for a day", resource(DATABASE, multiAz=True, deletionProtection=True)),
    passes("R6", "a cluster", resource("aws:rds/cluster:Cluster", backupRetentionPeriod=5)),
    fails("R6", "one zone", resource(DATABASE, **{**SURVIVES, "multiAz": False})),
    fails("R6", "no backup", resource(DATABASE, **{**SURVIVES, "backupRetentionPeriod": 0})),
    fails("R6", "not protected", resource(DATABASE, **{**SURVIVES, "deletionProtection": False})),
    fails("R6", "a cluster without backup", resource("aws:rds/cluster:Cluster", backupRetentionPeriod="0")),
    missing("R6", "nothing said", resource(DATABASE)),
    open_question("R6", "unknown", resource(DATABASE, **{**SURVIVES, "multiAz": UNKNOWN})),
    passes(
        "R7",
        "both",
        resource(FUNCTION, deadLetterConfig={"targetArn": UNKNOWN}, reservedConcurrentExecutions=5),
    ),
    passes(
        "R7",
        "a destination",
        resource(FUNCTION, "f", reservedConcurrentExecutions=5),
        resource(
            "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
            functionName="f",
            destinationConfig={"onFailure": {"destination": "arn"}},
        ),
    ),
    fails("R7", "no queue", resource(FUNCTION, reservedConcurrentExecutions=5)),
    fails(
        "R7",
        "no limit",
        resource(FUNCTION, deadLetterConfig={"targetArn": "arn"}, reservedConcurrentExecutions=-1),
    ),
    missing("R7", "nothing said", resource(FUNCTION)),
    open_question(
        "R7",
        "unknown",
        resource(FUNCTION, deadLetterConfig={"targetArn": "arn"}, reservedConcurrentExecutions=UNKNOWN),
    ),
    passes("R8", "supported", resource(CLUSTER, version="1.33")),
    passes("R8", "AWS picks", resource(CLUSTER)),
    fails("R8", "old", resource(CLUSTER, version="1.24")),
    missing("R8", "old as a number", resource(CLUSTER, version=1.9)),
    open_question("R8", "unknown", resource(CLUSTER, version=UNKNOWN)),
    passes("R9", "spans", resource(GROUP, **SPANS)),
    passes("R9", "by zones", resource(GROUP, availabilityZones=["a", "b"], mixedInstancesPolicy=MIXED)),
    passes(
        "R9",
        "by requirements",
        resource(
            GROUP,
            vpcZoneIdentifiers=UNKNOWN,
            mixedInstancesPolicy={
                "launchTemplate": {"overrides": [{"instanceRequirements": {"vcpuCount": {"min": 2}}}]}
            },
        ),
    ),
    passes("R9", "nodes", resource(NODES, subnetIds=["a", "b"])),
    fails("R9", "one zone", resource(GROUP, **{**SPANS, "vpcZoneIdentifiers": ["a"]})),
    fails("R9", "one type", resource(GROUP, vpcZoneIdentifiers=["a", "b"], launchTemplate={"id": "lt"})),
    fails("R9", "nodes in one subnet", resource(NODES, subnetIds=["a"])),
    missing("R9", "nothing said", resource(GROUP)),
    open_question(
        "R9", "unknown", resource(GROUP, vpcZoneIdentifiers=["a", "b"], mixedInstancesPolicy=UNKNOWN)
    ),
    passes("R10", "Batch with a way out", batch("spot"), batch("safe", "EC2"), queue("spot", "safe")),
    passes(
        "R10",
        "Batch picks types",
        batch("spot", types=["optimal"]),
        batch("safe", "EC2"),
        queue("spot", "safe"),
    ),
    passes("R10", "both in one pool", pool("any", "spot", "on-demand")),
    passes("R10", "two pools", pool("spot", "spot"), pool("safe", "on-demand")),
    passes(
        "R10",
        "families",
        pool("any", "spot", "on-demand", types=["m7i"], key="karpenter.k8s.aws/instance-family"),
    ),
    passes("R10", "not spot", batch("safe", "EC2", ["m6i.large"])),
    fails("R10", "one type", batch("spot", types=["m6i.large"]), batch("safe", "EC2"), queue("spot", "safe")),
    fails("R10", "no way out of Batch", batch("spot"), queue("spot")),
    fails("R10", "in another queue", batch("spot"), batch("safe", "EC2"), queue("spot"), queue("safe")),
    fails("R10", "no way out of Karpenter", pool("spot", "spot")),
    fails("R10", "two types", pool("any", "spot", "on-demand", types=["m6i.large", "m7i.large"])),
    missing("R10", "EKS takes one type", resource(NODES, capacityType="SPOT")),
    open_question("R10", "unknown", resource(BATCH, computeResources={"type": UNKNOWN})),
    passes("R11", "a week", resource(STREAM, retentionPeriod=168)),
    fails("R11", "two days", resource(STREAM, retentionPeriod=48)),
    missing("R11", "a day by default", resource(STREAM)),
    open_question("R11", "unknown", resource(STREAM, retentionPeriod=UNKNOWN)),
    passes("R12", "anywhere", deployment()),
    passes("R12", "prefers spot", deployment(affinity=affinity("spot", preferred=True))),
    passes("R12", "either", deployment(affinity=affinity("spot", "on-demand"))),
    passes(
        "R12",
        "outside production",
        deployment(nodeSelector={"karpenter.sh/capacity-type": "spot"}),
        environment="dev",
    ),
    fails("R12", "selects spot", deployment(nodeSelector={"karpenter.sh/capacity-type": "spot"})),
    fails("R12", "selects EKS's spot", deployment(nodeSelector={"eks.amazonaws.com/capacityType": "SPOT"})),
    missing("R12", "requires spot", deployment(affinity=affinity("spot"))),
    open_question("R12", "unknown", deployment(nodeSelector=UNKNOWN)),
    passes("R13", "an address", alarm()),
    passes("R13", "a file", alarm(description="Fails. Runbook: docs/architecture.md")),
    fails("R13", "a file that is not there", alarm(description="Fails. Runbook: docs/runbooks/nothing.md")),
    fails("R13", "says nothing of it", alarm(description="Fails")),
    missing("R13", "nothing said", resource(ALARM)),
    open_question("R13", "unknown", resource(ALARM, alarmDescription=UNKNOWN)),
    passes("R14", "declares it", resource(ENDPOINT, tags={"fallback": "last-good"})),
    passes("R14", "with a prefix", resource(ENDPOINT, tags={"stagecraft:fallback": "none"})),
    passes(
        "R14",
        "asynchronous",
        CHURN,
        configuration(REALTIME, asyncInferenceConfig={"outputConfig": {"s3OutputPath": "s3://b"}}),
    ),
    passes("R14", "before stabilise", resource(ENDPOINT), stage="validate"),
    fails("R14", "an empty one", resource(ENDPOINT, tags={"fallback": ""})),
    missing("R14", "nothing said", resource(ENDPOINT)),
    open_question("R14", "unknown", resource(ENDPOINT, tags=UNKNOWN)),
]


@parametrized(CASES)
def test_rule(reliability, case):
    case.check(reliability)


def test_a_queue_is_known_by_what_it_depends_on(reliability):
    orders = resource(QUEUE, computeEnvironmentOrders=[{"order": 1, "computeEnvironment": UNKNOWN}])
    both = {"propertyDependencies": {"computeEnvironmentOrders": ["spot", "safe"]}}
    assert "R10" not in reliability.judge([batch("spot"), batch("safe", "EC2"), orders | both]).ids


def test_versioning_is_known_by_what_it_depends_on(reliability):
    versioning = resource(VERSIONING, bucket=UNKNOWN, versioningConfiguration={"status": "Enabled"})
    assert "R1" not in reliability.judge([RAW, versioning | depends("raw", "bucket")]).ids
    assert "R1" in reliability.judge([RAW, versioning]).ids


@pytest.mark.parametrize(("root", "broken"), [("{here}", False), ("/nowhere", True)])
def test_where_runbooks_are_can_be_configured(reliability, tmp_path, root, broken):
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "churn.md").write_text("Do this.")
    overrides = {"alarm-names-runbook": {"root": root.format(here=tmp_path)}}
    verdict = reliability.judge([alarm(description="Runbook: runbooks/churn.md")], overrides=overrides)
    assert ("R13" in verdict.ids) is broken
