"""What the stack's models share: data, image, features, registry."""

from dataclasses import dataclass
from typing import Any

import pulumi

from components import DataLake, FeatureStore, ImageRepository, ModelRegistry
from components.data_lake import RetentionRule
from components.feature_view import EVENT_DATE
from components.feature_view import FeatureView as ViewArgs
from components.naming import dual_stack_image
from stacks.parts.plan import Outputs, Plan
from stacks.settings import FeatureView


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
    """What the other parts stand on."""

    lake: DataLake
    image: Image
    features: FeatureStore
    registry: ModelRegistry


def base_of(plan: Plan) -> Base:
    """Registers it."""
    lake = _lake(plan)
    image = _image(plan, lake)
    return Base(lake, image, _features(plan, lake, image), _registry(plan, lake))


def base_outputs(plan: Plan, base: Base) -> Outputs:
    """Where data, features and versions lie, and which policies let one at them."""
    lake, features, registry = base.lake, base.features, base.registry
    return {
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
        "views": {view.name: _view_output(view.name, base) for view in plan.settings.feature_views},
        "jobs": {"materialise": features.materialise_job_arn},
        "pointerPrefix": registry.pointer_prefix,
        "lineageTable": registry.lineage_table,
        "policies": {
            "ingest": lake.ingest_policy_arn,
            "readFeatures": features.read_policy_arn,
            "writeFeatures": features.write_policy_arn,
            "readModels": registry.read_policy_arn,
            "registerModels": registry.register_policy_arns,
            "approveModels": registry.approve_policy_arn,
        },
        "topics": {"approvals": registry.approval_topic_arn},
        "image": base.image.uri,
        "jobImage": base.image.job_uri,
        "feast": features.feast_uri,
    }


def _lake(plan: Plan) -> DataLake:
    return DataLake(
        "lake",
        {
            "retention": [*_view_retention(plan), *_prediction_retention(plan)],
            "allow_data_loss": plan.settings.may_lose_data("lake"),
            "tags": plan.tags,
        },
    )


def _view_retention(plan: Plan) -> list[RetentionRule]:
    return [
        {"bucket": "features", "prefix": f"{view.name}/{EVENT_DATE}=", "days": view.retention_days}
        for view in plan.settings.feature_views
    ]


def _prediction_retention(plan: Plan) -> list[RetentionRule]:
    return [
        {"bucket": "artifacts", "prefix": f"batch/{model.name}/", "days": model.batch.retention_days}
        for model in plan.settings.models
        if model.batch is not None
    ]


def _image(plan: Plan, lake: DataLake) -> Image:
    version = plan.settings.image
    if "/" in version:
        uri = pulumi.Output.from_input(version)
        return Image(uri, uri.apply(dual_stack_image), [])
    repository = ImageRepository(
        "images",
        {
            "version": version,
            "kms_key_arn": lake.kms_key_arn,
            "allow_data_loss": plan.settings.may_lose_data("images"),
            "tags": plan.tags,
        },
    )
    return Image(
        repository.image_uri.apply(str), repository.job_image_uri.apply(str), [repository.repository_arn]
    )


def _features(plan: Plan, lake: DataLake, image: Image) -> FeatureStore:
    return FeatureStore(
        "features",
        {
            "views": [view_args(view) for view in plan.settings.feature_views],
            "features_bucket": lake.features_bucket,
            "catalog_database": lake.catalog_database,
            "athena_workgroup": lake.athena_workgroup,
            "kms_key_arn": lake.kms_key_arn,
            "materialisation": {
                "image_uri": image.job_uri,
                "source_bucket": lake.curated_bucket,
                "environment": {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
            },
            "allow_data_loss": plan.settings.may_lose_data("features"),
            "tags": plan.tags,
        },
    )


def _registry(plan: Plan, lake: DataLake) -> ModelRegistry:
    return ModelRegistry(
        "registry",
        {
            "models": [
                {
                    "name": model.name,
                    "description": model.description or f"Versions of {model.name}",
                    "tags": plan.tags_of(model),
                }
                for model in plan.settings.models
            ],
            "artifacts_bucket": lake.artifacts_bucket,
            "kms_key_arn": lake.kms_key_arn,
            "approval_emails": plan.settings.notify,
            "mlflow": plan.has("experiment-tracking"),
            "allow_data_loss": plan.settings.may_lose_data("registry"),
            "tags": plan.tags,
        },
    )


def _view_output(view: str, base: Base) -> Outputs:
    features = base.features
    return {
        "table": features.tables[view],
        "catalogTable": features.catalog_tables[view],
        "offlineUri": features.offline_uris[view],
        "declarationUri": pulumi.Output.concat(features.views_uri, view, ".json"),
    }


def view_args(view: FeatureView) -> ViewArgs:
    """A view of the settings as the component takes it; what is not said stays unsaid."""
    plain: Any = view.model_dump(exclude_none=True, exclude={"watch"})
    plain["fields"] = [field.model_dump(exclude_none=True, exclude_defaults=True) for field in view.fields]
    return plain  # type: ignore[no-any-return]  # both are made of the same names
