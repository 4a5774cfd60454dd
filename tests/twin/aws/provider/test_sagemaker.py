"""What SageMaker refuses, and where its resources behave in their own way."""

import grpc
import pytest

from tests.twin.aws.provider.plugin import Plugin, Resource
from tests.twin.aws.provider.samples import ROLE, values
from tests.twin.aws.provider.samples_sagemaker import (
    CONFIGURATION,
    IMAGE,
    KEY_ARN,
    MODEL,
    ROLE_ARN,
    schedule,
)

ENDPOINT = "aws:sagemaker/endpoint:Endpoint"
SERVERLESS = {"serverlessConfig": {"maxConcurrency": 5, "memorySizeInMb": 2048}}
INSTANCES = {"instanceType": "ml.m7i.large", "initialInstanceCount": 1}
CAPTURE = {
    "destinationS3Uri": "s3://b/c",
    "initialSamplingPercentage": 10,
    "captureOptions": [{"captureMode": "Input"}],
}


def configuration(*variants: dict, **more: object) -> dict:
    named = [{"variantName": f"v{place}", "modelName": "m", **each} for place, each in enumerate(variants)]
    return {"productionVariants": named, **more}


@pytest.mark.parametrize(
    ("token", "inputs", "path", "said"),
    [
        (MODEL[0], {"executionRoleArn": ROLE_ARN}, "containers", "no container"),
        (
            MODEL[0],
            {"executionRoleArn": "me", "primaryContainer": {"image": IMAGE}},
            "executionRoleArn",
            "match",
        ),
        (
            MODEL[0],
            {"executionRoleArn": ROLE_ARN, "primaryContainer": {"environment": {"A": "b"}}},
            "primaryContainer",
            "neither an image",
        ),
        (
            MODEL[0],
            {"executionRoleArn": ROLE_ARN, "containers": [{"image": IMAGE, "modelPackageName": "churn"}]},
            "containers[0].image",
            "conflicts",
        ),
        (
            MODEL[0],
            {"executionRoleArn": ROLE_ARN, "containers": [{"image": IMAGE, "modelDataUrl": "model.tgz"}]},
            "containers[0].modelDataUrl",
            "s3://",
        ),
        (CONFIGURATION[0], configuration(), "productionVariants", "1 to 10"),
        (CONFIGURATION[0], configuration({}), "productionVariants[0]", "serverlessConfig"),
        (
            CONFIGURATION[0],
            configuration({**INSTANCES, **SERVERLESS}),
            "productionVariants[0].instanceType",
            "conflicts",
        ),
        (
            CONFIGURATION[0],
            configuration({"instanceType": "ml.m7i.large"}),
            "productionVariants[0].initialInstanceCount",
            "missing",
        ),
        (
            CONFIGURATION[0],
            configuration({"instanceType": "m7i.large", "initialInstanceCount": 1}),
            "productionVariants[0].instanceType",
            "use one of",
        ),
        (
            CONFIGURATION[0],
            configuration({"serverlessConfig": {"maxConcurrency": 5, "memorySizeInMb": 2000}}),
            "productionVariants[0].serverlessConfig.memorySizeInMb",
            "2048",
        ),
        (
            CONFIGURATION[0],
            configuration({"serverlessConfig": {"maxConcurrency": 900, "memorySizeInMb": 2048}}),
            "productionVariants[0].serverlessConfig.maxConcurrency",
            "200",
        ),
        (CONFIGURATION[0], configuration(SERVERLESS, SERVERLESS), "productionVariants", "one variant"),
        (
            CONFIGURATION[0],
            configuration(SERVERLESS, dataCaptureConfig=CAPTURE),
            "dataCaptureConfig",
            "instances",
        ),
        (
            CONFIGURATION[0],
            configuration(INSTANCES, dataCaptureConfig={**CAPTURE, "destinationS3Uri": "/tmp/c"}),
            "dataCaptureConfig.destinationS3Uri",
            "s3://",
        ),
        (
            CONFIGURATION[0],
            configuration({"instanceType": "ml.g5.xlarge", "initialInstanceCount": 1}, kmsKeyArn=KEY_ARN),
            "kmsKeyArn",
            "disks of its own",
        ),
        (
            "aws:sagemaker/mlflowApp:MlflowApp",
            {"artifactStoreUri": "file:///runs", "roleArn": ROLE_ARN},
            "artifactStoreUri",
            "S3",
        ),
        (
            "aws:sagemaker/monitoringSchedule:MonitoringSchedule",
            schedule("rate(1 hour)"),
            "monitoringScheduleConfig.scheduleConfig.scheduleExpression",
            "cron(0 * ? * * *)",
        ),
        (
            "aws:sagemaker/modelPackageGroup:ModelPackageGroup",
            {"modelPackageGroupName": "under_score"},
            "modelPackageGroupName",
            "match",
        ),
    ],
)
def test_what_sagemaker_would_refuse_is_refused(
    plugin: Plugin, token: str, inputs: dict, path: str, said: str
) -> None:
    failures = plugin.check(token, inputs).failures
    assert said in failures.get(path, ""), failures


def test_several_entries_where_the_api_has_one_are_refused(plugin: Plugin) -> None:
    strategies = [{"routingStrategy": "RANDOM"}, {"routingStrategy": "RANDOM"}]
    failures = plugin.check(
        CONFIGURATION[0], configuration({**INSTANCES, "routingConfigs": strategies})
    ).failures
    assert "give one" in failures["productionVariants[0].routingConfigs"]


def test_an_endpoint_changes_over_and_refuses_what_is_not_there(plugin: Plugin) -> None:
    made: dict[str, Resource] = {}
    for name, (token, inputs) in {"r": ROLE, "m": MODEL, "c": CONFIGURATION, "d": CONFIGURATION}.items():
        made[name] = plugin.make(token, values(inputs, made), name=name)
    endpoint = plugin.make(ENDPOINT, {"endpointConfigName": made["c"].id}, name="e")
    changed = plugin.update(endpoint, {**endpoint.inputs, "endpointConfigName": made["d"].id})
    assert changed.state["endpointConfigName"] == made["d"].id
    with pytest.raises(grpc.RpcError) as refused:
        plugin.update(changed, {**endpoint.inputs, "endpointConfigName": "nothing"})
    assert "Could not find endpoint configuration" in str(refused.value.details())
    assert plugin.read(changed).state == changed.state


def test_a_name_taken_is_told(plugin: Plugin) -> None:
    token = "aws:sagemaker/modelPackageGroup:ModelPackageGroup"
    plugin.make(token, {"modelPackageGroupName": "taken"})
    with pytest.raises(grpc.RpcError) as refused:
        plugin.make(token, {"modelPackageGroupName": "taken"}, name="other")
    assert "already exists" in str(refused.value.details())
