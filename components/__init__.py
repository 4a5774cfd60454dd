"""Pulumi component classes, each usable alone."""

from components.batch_training_pool import BatchTrainingPool, BatchTrainingPoolArgs
from components.cost_guard import CostGuard, CostGuardArgs
from components.data_lake import DataLake, DataLakeArgs
from components.endpoint import Endpoint, EndpointArgs
from components.feature_store import FeatureStore, FeatureStoreArgs
from components.image_repository import ImageRepository, ImageRepositoryArgs
from components.model_registry import ModelRegistry, ModelRegistryArgs
from components.monitoring import Monitoring, MonitoringArgs
from components.network import Network, NetworkArgs

COMPONENTS = (
    BatchTrainingPool,
    CostGuard,
    DataLake,
    Endpoint,
    FeatureStore,
    ImageRepository,
    ModelRegistry,
    Monitoring,
    Network,
)
"""Every component of the package, by name."""

__all__ = [
    "COMPONENTS",
    "BatchTrainingPool",
    "BatchTrainingPoolArgs",
    "CostGuard",
    "CostGuardArgs",
    "DataLake",
    "DataLakeArgs",
    "Endpoint",
    "EndpointArgs",
    "FeatureStore",
    "FeatureStoreArgs",
    "ImageRepository",
    "ImageRepositoryArgs",
    "ModelRegistry",
    "ModelRegistryArgs",
    "Monitoring",
    "MonitoringArgs",
    "Network",
    "NetworkArgs",
]
