"""Pulumi component classes, each usable alone.

A component is loaded when it is first asked for: each brings its part of the AWS SDK along, and few programs
need them all.
"""

import importlib
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pulumi

    from components.batch_inference import BatchInference, BatchInferenceArgs
    from components.batch_training_pool import BatchTrainingPool, BatchTrainingPoolArgs
    from components.cluster import Cluster, ClusterArgs
    from components.cost_guard import CostGuard, CostGuardArgs
    from components.data_lake import DataLake, DataLakeArgs
    from components.delivery_roles import DeliveryRoles, DeliveryRolesArgs
    from components.endpoint import Endpoint, EndpointArgs
    from components.event_stream import EventStream, EventStreamArgs
    from components.feature_store import FeatureStore, FeatureStoreArgs
    from components.gateway import Gateway, GatewayArgs
    from components.gpu_telemetry import GpuTelemetry, GpuTelemetryArgs
    from components.image_repository import ImageRepository, ImageRepositoryArgs
    from components.model_loop import ModelLoop, ModelLoopArgs
    from components.model_registry import ModelRegistry, ModelRegistryArgs
    from components.monitoring import Monitoring, MonitoringArgs
    from components.network import Network, NetworkArgs
    from components.serving_cluster import ServingCluster, ServingClusterArgs
    from components.training_pool import TrainingPool, TrainingPoolArgs

    COMPONENTS: tuple[type[pulumi.ComponentResource], ...]
    """Every component of the package, by name."""

__all__ = [
    "COMPONENTS",
    "BatchInference",
    "BatchInferenceArgs",
    "BatchTrainingPool",
    "BatchTrainingPoolArgs",
    "Cluster",
    "ClusterArgs",
    "CostGuard",
    "CostGuardArgs",
    "DataLake",
    "DataLakeArgs",
    "DeliveryRoles",
    "DeliveryRolesArgs",
    "Endpoint",
    "EndpointArgs",
    "EventStream",
    "EventStreamArgs",
    "FeatureStore",
    "FeatureStoreArgs",
    "Gateway",
    "GatewayArgs",
    "GpuTelemetry",
    "GpuTelemetryArgs",
    "ImageRepository",
    "ImageRepositoryArgs",
    "ModelLoop",
    "ModelLoopArgs",
    "ModelRegistry",
    "ModelRegistryArgs",
    "Monitoring",
    "MonitoringArgs",
    "Network",
    "NetworkArgs",
    "ServingCluster",
    "ServingClusterArgs",
    "TrainingPool",
    "TrainingPoolArgs",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "COMPONENTS":
        others = (each for each in __all__ if each != name and not each.endswith("Args"))
        value: Any = tuple(__getattr__(each) for each in others)
    else:
        value = getattr(importlib.import_module(f"{__name__}.{_module_of(name)}"), name)
    globals()[name] = value
    return value


def _module_of(name: str) -> str:
    """`DataLakeArgs` → `data_lake`: a component and its inputs are in a module of its name."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name.removesuffix("Args")).lower()
