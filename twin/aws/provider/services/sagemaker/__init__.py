"""Amazon SageMaker: the model registry, hosting, monitoring, experiment tracking."""

from twin.aws.provider.services.sagemaker.endpoint import Endpoint
from twin.aws.provider.services.sagemaker.endpoint_configuration import EndpointConfiguration
from twin.aws.provider.services.sagemaker.mlflow import MlflowApp, MlflowTrackingServer
from twin.aws.provider.services.sagemaker.model import Model, ModelPackageGroup
from twin.aws.provider.services.sagemaker.monitoring import DataQualityJobDefinition, MonitoringSchedule

__all__ = [
    "DataQualityJobDefinition",
    "Endpoint",
    "EndpointConfiguration",
    "MlflowApp",
    "MlflowTrackingServer",
    "Model",
    "ModelPackageGroup",
    "MonitoringSchedule",
]
