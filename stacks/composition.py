"""What a stack is made of: the components, joined by what each hands to the next."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components import (
    BatchTrainingPool,
    CostGuard,
    DataLake,
    Endpoint,
    FeatureStore,
    ImageRepository,
    ModelRegistry,
    Network,
)
from components.batch_training_pool import BatchTrainingPoolArgs, PoolJob
from components.endpoint import EndpointArgs
from components.feature_view import EVENT_DATE
from components.feature_view import FeatureView as ViewArgs
from components.model_registry import NO_VERSION
from components.naming import dual_stack_image, pointer_prefix
from stacks.cross_checks import ERROR_METRICS
from stacks.labels import MODEL_TAG, STACK_TAG, Tags, model_tags, model_value, stack_value, tags_of
from stacks.machines import ACCELERATORS
from stacks.settings import FeatureView, Model, Settings

ANOMALY_SHARE: Final = 0.1
"""The share of the monthly budget that a single anomaly may cost before people are told."""

Outputs = dict[str, Any]


@dataclass(frozen=True)
class Image:
    """The platform's container image."""

    uri: pulumi.Output[str]
    """As SageMaker takes it."""
    job_uri: pulumi.Output[str]
    """As the training machines pull it."""
    repository_arns: list[pulumi.Output[str]]
    """Where it lies, if that is the stack's to say."""


@dataclass(frozen=True)
class Base:
    """What the stack's models share."""

    lake: DataLake
    image: Image
    features: FeatureStore
    registry: ModelRegistry


class Composition:
    """One stack's components."""

    def __init__(self, settings: Settings, stack: str) -> None:
        self._settings = settings
        self._stack = stack
        self._tags = tags_of(settings, stack)

    def deploy(self) -> Outputs:
        """Registers everything; returns the stack's outputs (docs/components.md)."""
        live = live_versions(self._stack)
        base = self._base()
        pools = self._pools(base)
        endpoints = {model.name: self._endpoint(model, base, live) for model in self._settings.models}
        costs = self._costs(base)
        return self._outputs(base, pools, endpoints, live, costs)

    def _base(self) -> Base:
        settings = self._settings
        lake = DataLake(
            "lake",
            {
                "retention": [
                    {
                        "bucket": "features",
                        "prefix": f"{view.name}/{EVENT_DATE}=",
                        "days": view.retention_days,
                    }
                    for view in settings.feature_views
                ],
                "allow_data_loss": settings.may_lose_data("lake"),
                "tags": self._tags,
            },
        )
        image = self._image(lake)
        features = FeatureStore(
            "features",
            {
                "views": [view_args(view) for view in settings.feature_views],
                "features_bucket": lake.features_bucket,
                "catalog_database": lake.catalog_database,
                "athena_workgroup": lake.athena_workgroup,
                "kms_key_arn": lake.kms_key_arn,
                "materialisation": {
                    "image_uri": image.job_uri,
                    "source_bucket": lake.curated_bucket,
                    "environment": {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
                },
                "allow_data_loss": settings.may_lose_data("features"),
                "tags": self._tags,
            },
        )
        registry = ModelRegistry(
            "registry",
            {
                "models": [
                    {
                        "name": model.name,
                        "description": model.description or f"Versions of {model.name}",
                        "tags": self._of(model),
                    }
                    for model in settings.models
                ],
                "artifacts_bucket": lake.artifacts_bucket,
                "kms_key_arn": lake.kms_key_arn,
                "approval_emails": settings.notify,
                "mlflow": "experiment-tracking" in settings.enabled,
                "allow_data_loss": settings.may_lose_data("registry"),
                "tags": self._tags,
            },
        )
        return Base(lake, image, features, registry)

    def _image(self, lake: DataLake) -> Image:
        version = self._settings.image
        if "/" in version:
            uri = pulumi.Output.from_input(version)
            return Image(uri, uri.apply(dual_stack_image), [])
        repository = ImageRepository(
            "images",
            {
                "version": version,
                "kms_key_arn": lake.kms_key_arn,
                "allow_data_loss": self._settings.may_lose_data("images"),
                "tags": self._tags,
            },
        )
        return Image(
            repository.image_uri.apply(str), repository.job_image_uri.apply(str), [repository.repository_arn]
        )

    def _pools(self, base: Base) -> dict[str, BatchTrainingPool]:
        """Job → the pool it runs in. Models with the same machines share a pool."""
        network = Network("network", {"kms_key_arn": base.lake.kms_key_arn, "tags": self._tags})
        quality = self._quality_job(base)
        jobs: dict[str, list[PoolJob]] = {"pool": [quality]}
        machines: dict[str, tuple[list[str], bool]] = {
            "pool": (list(ACCELERATORS["none"].instance_types), True)
        }
        for model in self._settings.models:
            name, types = pool_of(model)
            jobs.setdefault(name, []).append(self._train_job(model, base))
            machines.setdefault(name, (types, model.training.spot))
        made: dict[str, BatchTrainingPool] = {}
        for name, pool_jobs in jobs.items():
            args: BatchTrainingPoolArgs = {
                "jobs": pool_jobs,
                "checkpoint_uri": pulumi.Output.format("s3://{0}/checkpoints/", base.lake.artifacts_bucket),
                "instance_types": machines[name][0],
                "spot": machines[name][1],
                "max_vcpus": self._settings.max_vcpus,
                "network": {"vpc_id": network.vpc_id, "subnet_ids": network.subnet_ids},
                "kms_key_arn": base.lake.kms_key_arn,
                "tags": self._tags,
            }
            if base.image.repository_arns:
                args["repository_arns"] = list(base.image.repository_arns)
            pool = BatchTrainingPool(name, args)
            made.update({job["name"]: pool for job in pool_jobs})
        return made

    def _quality_job(self, base: Base) -> PoolJob:
        return {
            "name": "quality",
            "image_uri": base.image.job_uri,
            "command": ["quality"],
            "environment": {
                "STAGECRAFT_STACK": self._stack,
                "STAGECRAFT_RAW_BUCKET": base.lake.raw_bucket,
                "STAGECRAFT_CURATED_BUCKET": base.lake.curated_bucket,
                "STAGECRAFT_FEATURES_BUCKET": base.lake.features_bucket,
                "STAGECRAFT_VIEWS_PREFIX": base.features.views_uri,
            },
            "policy_arns": [base.lake.curate_policy_arn],
        }

    def _train_job(self, model: Model, base: Base) -> PoolJob:
        training = model.training
        default = ACCELERATORS[training.accelerator]
        label, task = self._settings.outcome_of(model)
        return {
            "name": f"train-{model.name}",
            "image_uri": base.image.job_uri,
            "command": ["train"],
            "environment": {
                "STAGECRAFT_STACK": self._stack,
                "STAGECRAFT_FEATURES_BUCKET": base.lake.features_bucket,
                "STAGECRAFT_ARTIFACTS_BUCKET": base.lake.artifacts_bucket,
                "STAGECRAFT_VIEWS_PREFIX": base.features.views_uri,
                "STAGECRAFT_MODEL": model.name,
                "STAGECRAFT_MODEL_VIEWS": json.dumps(model.features),
                "STAGECRAFT_MODEL_LABEL": label,
                "STAGECRAFT_MODEL_TASK": task,
                "STAGECRAFT_MODEL_PACKAGE_GROUP": base.registry.package_groups[model.name],
                "STAGECRAFT_LINEAGE_TABLE": base.registry.lineage_table,
                "STAGECRAFT_POINTER_PREFIX": base.registry.pointer_prefix,
                "STAGECRAFT_IMAGE_URI": base.image.uri,
                **evaluation_of(model),
            },
            "policy_arns": [
                base.features.read_policy_arn,
                base.registry.register_policy_arns[model.name],
            ],
            "vcpus": training.vcpus or default.vcpus,
            "memory_mib": training.memory_mib or default.memory_mib,
            "gpus": 0 if training.accelerator == "none" else training.gpus,
            "checkpoint_minutes": training.checkpoint_minutes,
            "timeout_minutes": training.timeout_minutes,
            "tags": self._of(model),
        }

    def _endpoint(self, model: Model, base: Base, live: Mapping[str, str]) -> Endpoint:
        serving = model.serving
        args: EndpointArgs = {
            "model": model.name,
            "artifacts_bucket": base.lake.artifacts_bucket,
            "kms_key_arn": base.lake.kms_key_arn,
            "tags": {**self._tags, **self._of(model)},
        }
        if base.image.repository_arns:
            args["repository_arns"] = list(base.image.repository_arns)
        if model.name in live:
            args["model_package_arn"] = live[model.name]
        if serving.mode == "realtime":
            args["instances"] = {
                "instance_type": serving.instance_type,
                "instance_count": serving.min_replicas,
            }
            args["capture"] = {
                "uri": pulumi.Output.format("s3://{0}/captured/{1}/", base.lake.artifacts_bucket, model.name)
            }
        else:
            args["memory_mib"] = serving.memory_mib
            args["max_concurrency"] = serving.max_concurrency
        return Endpoint(f"endpoint-{model.name}", args)

    def _costs(self, base: Base) -> CostGuard | None:
        settings = self._settings
        if "budgets" not in settings.enabled:
            return None
        guard: Any = {
            "monthly_limit_usd": settings.monthly_budget_usd,
            "tag_filter": {STACK_TAG: stack_value(self._stack)},
            "models": [
                {
                    "name": model.name,
                    "monthly_limit_usd": model.monthly_budget_usd,
                    "tag_filter": {MODEL_TAG: model_value(self._stack, model.name)},
                }
                for model in settings.models
                if model.monthly_budget_usd is not None
            ],
            "emails": settings.notify,
            "kms_key_arn": base.lake.kms_key_arn,
            "tags": self._tags,
        }
        if "anomaly-monitors" in settings.enabled:
            guard["anomaly_usd"] = settings.monthly_budget_usd * ANOMALY_SHARE
        return CostGuard("costs", guard)

    def _outputs(
        self,
        base: Base,
        pools: Mapping[str, BatchTrainingPool],
        endpoints: Mapping[str, Endpoint],
        live: Mapping[str, str],
        costs: CostGuard | None,
    ) -> Outputs:
        lake, features, registry = base.lake, base.features, base.registry
        jobs = {job: pool.job_definition_arns[job] for job, pool in pools.items()}
        queues = {job: pool.queue_arn for job, pool in pools.items()}
        return {
            "stack": self._stack,
            "stage": self._settings.stage,
            "environment": self._settings.environment,
            "region": aws.get_region_output().region,
            "buckets": {
                "raw": lake.raw_bucket,
                "curated": lake.curated_bucket,
                "features": lake.features_bucket,
                "artifacts": lake.artifacts_bucket,
                "accessLogs": lake.access_logs_bucket,
            },
            "keyArn": lake.kms_key_arn,
            "catalogDatabase": lake.catalog_database,
            "athenaWorkgroup": lake.athena_workgroup,
            "views": {view.name: self._view_output(view.name, base) for view in self._settings.feature_views},
            "jobs": {**jobs, "materialise": features.materialise_job_arn},
            "jobQueues": {**queues, "materialise": pools["quality"].queue_arn},
            "models": {
                name: {
                    "packageGroup": registry.package_groups[name],
                    "endpoint": endpoint.endpoint_name if name in live else NO_VERSION,
                    "endpointRole": endpoint.role_arn,
                    "livePointer": registry.live_pointers[name],
                    "previousPointer": registry.previous_pointers[name],
                    "artifactUri": registry.artifact_uris[name],
                }
                for name, endpoint in endpoints.items()
            },
            "pointerPrefix": registry.pointer_prefix,
            "lineageTable": registry.lineage_table,
            "policies": {
                "ingest": lake.ingest_policy_arn,
                "readFeatures": features.read_policy_arn,
                "writeFeatures": features.write_policy_arn,
                "readModels": registry.read_policy_arn,
                "registerModels": registry.register_policy_arns,
                "approveModels": registry.approve_policy_arn,
                "invoke": {name: endpoint.invoke_policy_arn for name, endpoint in endpoints.items()},
            },
            "topics": {
                "approvals": registry.approval_topic_arn,
                "costs": NO_VERSION if costs is None else costs.topic_arn,
            },
            "image": base.image.uri,
            "jobImage": base.image.job_uri,
            "feast": features.feast_uri,
        }

    def _view_output(self, view: str, base: Base) -> Outputs:
        features = base.features
        return {
            "table": features.tables[view],
            "catalogTable": features.catalog_tables[view],
            "offlineUri": features.offline_uris[view],
            "declarationUri": pulumi.Output.concat(features.views_uri, view, ".json"),
        }

    def _of(self, model: Model) -> Tags:
        return model_tags(self._settings, self._stack, model.name)


def live_versions(stack: str) -> dict[str, str]:
    """Model → ARN of its live version; models without one are left out."""
    found = aws.ssm.get_parameters_by_path(path=pointer_prefix(stack).rstrip("/"), recursive=True)
    pointers = dict(zip(found.names, found.values, strict=True))
    return {
        name.split("/")[-2]: value
        for name, value in sorted(pointers.items())
        if name.endswith("/live") and value != NO_VERSION
    }


def evaluation_of(model: Model) -> dict[str, str]:
    """What a version must reach to be approved, and whom its report tells apart; as `train` is told."""
    told: dict[str, str] = {}
    accuracy, bias = model.monitor.accuracy, model.monitor.bias
    if accuracy and accuracy.metric not in ERROR_METRICS:
        told["STAGECRAFT_METRIC_FLOORS"] = json.dumps({accuracy.metric: accuracy.floor})
    if bias:
        told["STAGECRAFT_MODEL_GROUP_BY"] = bias.attribute
    return told


def pool_of(model: Model) -> tuple[str, list[str]]:
    """The name and instance types of the pool that a model trains in."""
    training = model.training
    if training.instance_types is not None or not training.spot:
        types = training.instance_types or list(ACCELERATORS[training.accelerator].instance_types)
        return f"pool-{model.name}", types
    name = "pool" if training.accelerator == "none" else f"pool-{training.accelerator}"
    return name, list(ACCELERATORS[training.accelerator].instance_types)


def view_args(view: FeatureView) -> ViewArgs:
    """A view of the settings as the component takes it; what is not said stays unsaid."""
    plain: Any = view.model_dump(exclude_none=True)
    plain["fields"] = [field.model_dump(exclude_none=True, exclude_defaults=True) for field in view.fields]
    return plain  # type: ignore[no-any-return]  # both are made of the same names
