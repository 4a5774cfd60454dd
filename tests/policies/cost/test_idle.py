"""C8, C9, C10, C17: what is paid for while nobody uses it."""

import base64

from tests.policies.cases import (
    UNKNOWN,
    Case,
    depends,
    fails,
    missing,
    open_question,
    parametrized,
    passes,
    resource,
)

JOB = "kubernetes:batch/v1:Job"
ENDPOINT = "aws:sagemaker/endpoint:Endpoint"
CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
NOTEBOOK = "aws:sagemaker/notebookInstance:NotebookInstance"
LIFECYCLE = "aws:sagemaker/notebookInstanceLifecycleConfiguration:NotebookInstanceLifecycleConfiguration"
DOMAIN = "aws:sagemaker/domain:Domain"
TARGET = "aws:appautoscaling/target:Target"
ACTION = "aws:appautoscaling/scheduledAction:ScheduledAction"
EKS = "aws:eks/cluster:Cluster"
NAT = "aws:ec2/natGateway:NatGateway"
VPC_ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"

REALTIME = {"instanceType": "ml.m5.large", "initialInstanceCount": 1}
CHURN = resource(ENDPOINT, "churn", endpointConfigName="configuration")


def script(text):
    return resource(LIFECYCLE, "stop", onStart=base64.b64encode(text.encode()).decode())


def studio(state):
    idle = {"appLifecycleManagement": {"idleSettings": {"lifecycleManagement": state}}}
    return resource(DOMAIN, defaultUserSettings={"jupyterLabAppSettings": idle})


def configuration(*variants):
    return resource(CONFIGURATION, "configuration", productionVariants=list(variants))


CASES = [
    passes("C8", "a Job that goes", resource(JOB, spec={"ttlSecondsAfterFinished": 3600})),
    passes("C8", "an experiment with an end", resource(ENDPOINT, tags={"experiment": "a", "ttl": "7d"})),
    passes("C8", "no experiment", resource(ENDPOINT, tags={"owner": "growth"})),
    fails("C8", "an experiment without an end", resource(ENDPOINT, tags={"acme:experiment": "a"})),
    fails("C8", "by purpose", resource(NOTEBOOK, tags={"purpose": "experiment"})),
    missing("C8", "a Job that stays", resource(JOB, spec={})),
    open_question("C8", "unknown", resource(ENDPOINT, tags=UNKNOWN)),
    passes(
        "C9",
        "a script that stops it",
        resource(NOTEBOOK, lifecycleConfigName="stop"),
        script("python autostop.py --time 3600"),
    ),
    passes("C9", "a configuration elsewhere", resource(NOTEBOOK, lifecycleConfigName="shared")),
    passes("C9", "Studio", studio("ENABLED")),
    fails(
        "C9",
        "a script that does something else",
        resource(NOTEBOOK, lifecycleConfigName="stop"),
        script("pip install pandas"),
    ),
    fails("C9", "Studio without", studio("DISABLED")),
    missing("C9", "nothing said", resource(NOTEBOOK)),
    missing("C9", "Studio's default", resource(DOMAIN)),
    open_question("C9", "unknown", studio(UNKNOWN)),
    passes(
        "C10", "serverless", configuration({"serverlessConfig": {"maxConcurrency": 5}}), environment="dev"
    ),
    passes(
        "C10",
        "managed scaling from 0",
        configuration({**REALTIME, "managedInstanceScaling": {"minInstanceCount": 0}}),
        environment="dev",
    ),
    passes(
        "C10",
        "scales to 0",
        CHURN,
        configuration(REALTIME),
        resource(TARGET, minCapacity=0, resourceId="endpoint/churn/variant/a"),
        environment="dev",
    ),
    passes(
        "C10",
        "scheduled",
        CHURN,
        configuration(REALTIME),
        resource(ACTION, resourceId=UNKNOWN) | depends("churn", "resourceId"),
        environment="dev",
    ),
    passes("C10", "production", configuration(REALTIME)),
    fails(
        "C10",
        "scales to 1",
        CHURN,
        configuration(REALTIME),
        resource(TARGET, minCapacity=1, resourceId="endpoint/churn/variant/a"),
        environment="dev",
    ),
    fails(
        "C10",
        "tagged for development",
        resource(CONFIGURATION, productionVariants=[REALTIME], tags={"environment": "dev"}),
    ),
    missing("C10", "stands", configuration(REALTIME), environment="staging"),
    open_question("C10", "unknown", resource(CONFIGURATION, productionVariants=UNKNOWN), environment="dev"),
    passes("C17", "one outside production", resource(NAT), environment="dev"),
    passes("C17", "what a cluster stands on", resource(NAT), resource(EKS), stage="validate"),
    passes("C17", "several in production", resource(NAT, "a"), resource(NAT, "b")),
    passes("C17", "a gateway endpoint", resource(VPC_ENDPOINT, vpcEndpointType="Gateway"), stage="validate"),
    passes("C17", "AWS's default is a gateway", resource(VPC_ENDPOINT), stage="validate"),
    fails("C17", "two outside production", resource(NAT, "a"), resource(NAT, "b"), environment="dev"),
    fails(
        "C17",
        "an interface endpoint at validate",
        resource(VPC_ENDPOINT, vpcEndpointType="Interface"),
        stage="validate",
    ),
    Case("C17", "missing", "a gateway at validate", [resource(NAT)], {"stage": "validate"}),
    open_question("C17", "unknown", resource(VPC_ENDPOINT, vpcEndpointType=UNKNOWN), stage="validate"),
]


@parametrized(CASES)
def test_rule(cost, case):
    case.check(cost)
