"""Pulumi component classes, each usable alone."""

from components.batch_training_pool import BatchTrainingPool, BatchTrainingPoolArgs
from components.cluster import Cluster, ClusterArgs
from components.cost_guard import CostGuard, CostGuardArgs
from components.data_lake import DataLake, DataLakeArgs
from components.delivery_roles import DeliveryRoles, DeliveryRolesArgs
from components.endpoint import Endpoint, EndpointArgs
from components.event_stream import EventStream, EventStreamArgs
from components.feature_store import FeatureStore, FeatureStoreArgs
from components.gateway import Gateway, GatewayArgs
from components.image_repository import ImageRepository, ImageRepositoryArgs
from components.model_loop import ModelLoop, ModelLoopArgs
from components.model_registry import ModelRegistry, ModelRegistryArgs
from components.monitoring import Monitoring, MonitoringArgs
from components.network import Network, NetworkArgs
from components.serving_cluster import ServingCluster, ServingClusterArgs
from components.training_pool import TrainingPool, TrainingPoolArgs

COMPONENTS = (
    BatchTrainingPool,
    Cluster,
    CostGuard,
    DataLake,
    DeliveryRoles,
    Endpoint,
    EventStream,
    FeatureStore,
    Gateway,
    ImageRepository,
    ModelLoop,
    ModelRegistry,
    Monitoring,
    Network,
    ServingCluster,
    TrainingPool,
)
"""Every component of the package, by name."""

__all__ = [
    "COMPONENTS",
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
