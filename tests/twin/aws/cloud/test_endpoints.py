"""SageMaker endpoints answer with the registered model's own words."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.twin.aws.cloud.conftest import Cloud, is_alive, model_archive, wait_for
from twin.aws.cloud.client import stop_cloud

ROLE = "arn:aws:iam::123456789012:role/any"


def register(cloud: Cloud, text: str, *, group: str = "churn", status: str = "Approved") -> str:
    s3, sagemaker = cloud.client("s3"), cloud.client("sagemaker")
    s3.create_bucket(Bucket="artifacts")
    key = f"{text}/model.tar.gz"
    s3.put_object(Bucket="artifacts", Key=key, Body=model_archive(text))
    if not sagemaker.list_model_package_groups(NameContains=group)["ModelPackageGroupSummaryList"]:
        sagemaker.create_model_package_group(ModelPackageGroupName=group)
    arn: str = sagemaker.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus=status,
        InferenceSpecification={
            "Containers": [{"Image": "platform", "ModelDataUrl": f"s3://artifacts/{key}"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    return arn


def configure(cloud: Cloud, name: str, weights: dict[str, float]) -> None:
    """A configuration with one variant a text."""
    sagemaker = cloud.client("sagemaker")
    for text in weights:
        arn = register(cloud, text)
        sagemaker.create_model(
            ModelName=f"{name}-{text}", ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": arn}
        )
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": text,
                "ModelName": f"{name}-{text}",
                "InitialVariantWeight": weight,
                "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5},
            }
            for text, weight in weights.items()
        ],
    )


def status_of(cloud: Cloud, name: str = "live") -> str:
    status: str = cloud.client("sagemaker").describe_endpoint(EndpointName=name)["EndpointStatus"]
    return status


def ask(cloud: Cloud, body: bytes = b"1,2", **more: Any) -> tuple[str, str]:
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="live", Body=body, ContentType="text/csv", Accept="text/plain", **more
    )
    return answer["Body"].read().decode(), answer["InvokedProductionVariant"]


def deploy(cloud: Cloud, weights: dict[str, float], name: str = "first") -> None:
    configure(cloud, name, weights)
    cloud.client("sagemaker").create_endpoint(EndpointName="live", EndpointConfigName=name)


def test_an_endpoint_answers_with_its_model(cloud: Cloud) -> None:
    deploy(cloud, {"alpha": 1.0})
    assert status_of(cloud) == "Creating"
    wait_for(lambda: status_of(cloud), "InService")
    assert ask(cloud) == ("alpha(1,2) for text/plain", "alpha")


def test_an_update_replaces_the_model_and_ends_the_old_process(cloud: Cloud) -> None:
    deploy(cloud, {"alpha": 1.0})
    wait_for(lambda: status_of(cloud), "InService")
    (old,) = cloud.processes()
    configure(cloud, "second", {"beta": 1.0})
    cloud.client("sagemaker").update_endpoint(EndpointName="live", EndpointConfigName="second")
    wait_for(lambda: status_of(cloud), "InService")
    assert ask(cloud) == ("beta(1,2) for text/plain", "beta")
    wait_for(lambda: is_alive(old), False)
    cloud.client("sagemaker").delete_endpoint(EndpointName="live")
    wait_for(cloud.processes, [])


def test_weights_split_the_requests_and_a_variant_can_be_asked_for(cloud: Cloud) -> None:
    deploy(cloud, {"alpha": 3.0, "beta": 1.0})
    wait_for(lambda: status_of(cloud), "InService")
    answers = [ask(cloud)[1] for _ in range(40)]
    assert 28 <= answers.count("alpha") <= 32
    assert ask(cloud, TargetVariant="beta")[1] == "beta"
    cloud.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName="live",
        DesiredWeightsAndCapacities=[
            {"VariantName": "alpha", "DesiredWeight": 0.0},
            {"VariantName": "beta", "DesiredWeight": 1.0},
        ],
    )
    assert {ask(cloud)[1] for _ in range(5)} == {"beta"}


def test_a_model_that_cannot_start_fails_the_endpoint(cloud: Cloud) -> None:
    deploy(cloud, {"broken": 1.0})
    wait_for(lambda: status_of(cloud), "Failed")
    reason = cloud.client("sagemaker").describe_endpoint(EndpointName="live")["FailureReason"]
    assert "exit code 7" in reason
    assert "this model can't be loaded" in reason
    with pytest.raises(ClientError, match="ModelError"):
        ask(cloud)


@pytest.mark.slow
def test_a_failed_update_leaves_the_old_model_in_service(cloud: Cloud) -> None:
    deploy(cloud, {"alpha": 1.0})
    wait_for(lambda: status_of(cloud), "InService")
    configure(cloud, "second", {"broken": 1.0})
    cloud.client("sagemaker").update_endpoint(EndpointName="live", EndpointConfigName="second")
    wait_for(lambda: status_of(cloud), "InService")
    told = cloud.client("sagemaker").describe_endpoint(EndpointName="live")
    assert told["EndpointConfigName"] == "first"
    assert "exit code 7" in told["FailureReason"]
    assert ask(cloud)[1] == "alpha"


def test_a_dead_model_is_restarted_and_its_errors_are_told(cloud: Cloud) -> None:
    deploy(cloud, {"alpha": 1.0})
    wait_for(lambda: status_of(cloud), "InService")
    with pytest.raises(ClientError, match="ModelError"):
        ask(cloud, b"die")
    assert ask(cloud)[1] == "alpha"
    with pytest.raises(ClientError, match="no such feature") as refused:
        ask(cloud, b"bad")
    assert refused.value.response["OriginalStatusCode"] == 400


def test_missing_model_data_fails_the_endpoint(cloud: Cloud) -> None:
    configure(cloud, "first", {"alpha": 1.0})
    cloud.client("s3").delete_object(Bucket="artifacts", Key="alpha/model.tar.gz")
    cloud.client("sagemaker").create_endpoint(EndpointName="live", EndpointConfigName="first")
    wait_for(lambda: status_of(cloud), "Failed")
    told = cloud.client("sagemaker").describe_endpoint(EndpointName="live")
    assert "Failed to download model data from s3://artifacts/alpha/model.tar.gz" in told["FailureReason"]


def test_a_planning_cloud_runs_nothing(new_cloud: Callable[..., Cloud]) -> None:
    cloud = new_cloud(live=False)
    configure(cloud, "first", {"broken": 1.0})
    cloud.client("sagemaker").create_endpoint(EndpointName="live", EndpointConfigName="first")
    assert status_of(cloud) == "InService"
    with pytest.raises(ClientError, match="planning"):
        ask(cloud)


@pytest.mark.slow
def test_endpoints_answer_again_after_a_restart(cloud: Cloud) -> None:
    deploy(cloud, {"alpha": 1.0})
    wait_for(lambda: status_of(cloud), "InService")
    (old,) = cloud.processes()
    stop_cloud(cloud.directory)
    assert not is_alive(old)
    assert ask(cloud) == ("alpha(1,2) for text/plain", "alpha")
