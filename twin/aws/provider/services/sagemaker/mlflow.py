"""Experiment tracking with MLflow: serverless apps, and servers."""

from collections.abc import Mapping
from typing import Any, ClassVar

from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.sagemaker.common import SageMakerResource, check_s3
from twin.providers.problems import Problems


class MlflowApp(SageMakerResource):
    """A serverless app; its id is its ARN."""

    token = "aws:sagemaker/mlflowApp:MlflowApp"
    auto_name = AutoName(max_length=256)
    create_call, read_call, delete_call = "CreateMlflowApp", "DescribeMlflowApp", "DeleteMlflowApp"
    update_call = "UpdateMlflowApp"
    key: ClassVar[Mapping[str, str]] = {"Arn": "arn"}
    id_property = "arn"
    local = frozenset({"timeouts"})
    defaults: ClassVar[Mapping[str, Any]] = {"modelRegistrationMode": "AutoModelRegistrationDisabled"}
    status = "Status"

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Artifacts lie in S3."""
        check_s3(inputs, "artifactStoreUri", problems)


class MlflowTrackingServer(SageMakerResource):
    """A server that bills by the hour; its id is its name."""

    token = "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer"
    create_call, read_call = "CreateMlflowTrackingServer", "DescribeMlflowTrackingServer"
    update_call, delete_call = "UpdateMlflowTrackingServer", "DeleteMlflowTrackingServer"
    key: ClassVar[Mapping[str, str]] = {"TrackingServerName": "trackingServerName"}
    id_property = "trackingServerName"
    rename: ClassVar[Mapping[str, str]] = {"arn": "TrackingServerArn"}
    defaults: ClassVar[Mapping[str, Any]] = {
        "automaticModelRegistration": False,
        "trackingServerSize": "Small",
    }
    status = "TrackingServerStatus"

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Artifacts lie in S3."""
        check_s3(inputs, "artifactStoreUri", problems)
