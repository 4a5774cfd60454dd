"""The model registry: versions in SageMaker, and their lineage."""

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from platform_jobs.aws import Clients, error_code
from platform_jobs.errors import JobError
from platform_jobs.log import event

if TYPE_CHECKING:
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker.type_defs import ModelPackageSummaryTypeDef

PENDING: Final = "PendingManualApproval"
APPROVED: Final = "Approved"
REJECTED: Final = "Rejected"
LINEAGE_KEY: Final = "model_package_arn"
MODEL_DIGEST: Final = "STAGECRAFT_MODEL_DIGEST"
"""The container variable by which a server knows which model it must have."""
_METRIC: Final = "metric."
_FLOOR: Final = "floor."
_RUN: Final = "run"
_NOT_ALLOWED: Final = re.compile(r"[^\w\s.:/=+\-@]")
_RECENT: Final = 10


@dataclass(frozen=True)
class Version:
    """What is registered about a trained model."""

    group: str
    model: str
    task: str
    label: str
    run: str
    """The training run; registering the same run again finds its version."""
    artifact_uri: str
    artifact_sha256: str
    model_digest: str
    image: str
    data_version: str
    code_version: str
    views: Mapping[str, str]
    """Feature view → version of its declaration."""
    metrics: Mapping[str, float]
    floors: Mapping[str, float]
    quality_report: tuple[str, str]
    """S3 URI and SHA-256 of the evaluation."""
    bias_report: tuple[str, str] | None
    facts: Mapping[str, str]
    """What else is worth knowing: rows, candidate, seed."""


@dataclass(frozen=True)
class Registered:
    """A version as the registry has it."""

    arn: str
    group: str
    number: int
    status: str
    metrics: dict[str, float]
    floors: dict[str, float]
    properties: dict[str, str]
    created: datetime.datetime
    description: str
    artifact_uri: str
    """Where its archive is; empty if it names none."""


def register(clients: Clients, version: Version, lineage_table: str) -> str:
    """Registers a version that waits for approval, with its lineage; returns its ARN.

    A run that died between the two and is tried again registers no second version.
    """
    arn = _find_run(clients, version.group, version.run) or _create(clients, version)
    clients.dynamodb.put_item(
        TableName=lineage_table,
        Item=_to_item(
            {
                LINEAGE_KEY: arn,
                "model": version.model,
                "group": version.group,
                "registered_at": _now(),
                "run": version.run,
                "task": version.task,
                "label": version.label,
                "artifact": {"uri": version.artifact_uri, "sha256": version.artifact_sha256},
                "image": version.image,
                "data_version": version.data_version,
                "code_version": version.code_version,
                "feature_views": dict(version.views),
                "metrics": dict(version.metrics),
                "facts": dict(version.facts),
                "decisions": [],
            }
        ),
    )
    return arn


def _create(clients: Clients, version: Version) -> str:
    metrics: Any = {"ModelQuality": {"Statistics": _metrics_source(*version.quality_report)}}
    if version.bias_report:
        metrics["Bias"] = {"Report": _metrics_source(*version.bias_report)}
    answer = clients.sagemaker.create_model_package(
        ModelPackageGroupName=version.group,
        ModelPackageDescription=f"{version.model}: {version.task} model of {version.label}",
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [
                {
                    "Image": version.image,
                    "ModelDataUrl": version.artifact_uri,
                    "Environment": {MODEL_DIGEST: version.model_digest},
                }
            ],
            "SupportedContentTypes": ["application/json", "text/csv"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        ModelMetrics=metrics,
        CustomerMetadataProperties=_properties(version),
    )
    return answer["ModelPackageArn"]


def _metrics_source(uri: str, digest: str) -> dict[str, str]:
    return {"ContentType": "application/json", "S3Uri": uri, "ContentDigest": f"sha256:{digest}"}


def _properties(version: Version) -> dict[str, str]:
    views = " ".join(f"{name}={view}" for name, view in sorted(version.views.items()))
    properties = {
        "model": version.model,
        _RUN: version.run,
        "task": version.task,
        "label": version.label,
        "artifact_sha256": version.artifact_sha256,
        "model_digest": version.model_digest,
        "data_version": version.data_version,
        "code_version": version.code_version,
        "feature_views": views,
        **version.facts,
        **{f"{_METRIC}{name}": f"{value:.6g}" for name, value in sorted(version.metrics.items())},
        **{f"{_FLOOR}{name}": f"{value:.6g}" for name, value in sorted(version.floors.items())},
    }
    return {name: property_text(value) for name, value in properties.items()}


def property_text(text: str) -> str:
    """A text within what SageMaker takes as a property's value."""
    return _NOT_ALLOWED.sub(" ", text).strip()[:256] or "none"


def versions(sagemaker: "SageMakerClient", group: str) -> "list[ModelPackageSummaryTypeDef]":
    """The versions of a group, the newest first; an unknown group has none."""
    found: list[ModelPackageSummaryTypeDef] = []
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, SortBy="CreationTime", SortOrder="Descending"
    )
    for page in pages:
        found.extend(page["ModelPackageSummaryList"])
    return sorted(found, key=lambda item: item.get("ModelPackageVersion", 0), reverse=True)


def latest(clients: Clients, group: str) -> str | None:
    """ARN of the newest version of a group."""
    found = versions(clients.sagemaker, group)
    return found[0]["ModelPackageArn"] if found else None


def describe(clients: Clients, arn: str) -> Registered:
    """A version by its ARN.

    Raises:
        JobError: reason `no-version`.
    """
    try:
        package = clients.sagemaker.describe_model_package(ModelPackageName=arn)
    except ClientError as error:
        if error_code(error) in {"ValidationException", "ValidationError", "ResourceNotFound"}:
            raise JobError("no-version", f"there is no model version {arn}") from None
        raise
    properties = dict(package.get("CustomerMetadataProperties") or {})
    return Registered(
        arn=package["ModelPackageArn"],
        group=package.get("ModelPackageGroupName", ""),
        number=package.get("ModelPackageVersion", 0),
        status=package.get("ModelApprovalStatus", PENDING),
        metrics=_numbers(properties, _METRIC),
        floors=_numbers(properties, _FLOOR),
        properties=properties,
        created=package["CreationTime"],
        description=package.get("ApprovalDescription", ""),
        artifact_uri=_artifact_uri(package),
    )


def _artifact_uri(package: Mapping[str, Any]) -> str:
    containers = (package.get("InferenceSpecification") or {}).get("Containers") or [{}]
    return str(containers[0].get("ModelDataUrl") or "")


def _numbers(properties: Mapping[str, str], prefix: str) -> dict[str, float]:
    return {
        name.removeprefix(prefix): float(value)
        for name, value in properties.items()
        if name.startswith(prefix)
    }


def version_of_run(clients: Clients, group: str, run: str) -> Registered | None:
    """The version that a training run registered, if it is among the newest."""
    for summary in versions(clients.sagemaker, group)[:_RECENT]:
        known = describe(clients, summary["ModelPackageArn"])
        if known.properties.get(_RUN) == property_text(run):
            return known
    return None


def _find_run(clients: Clients, group: str, run: str) -> str | None:
    known = version_of_run(clients, group, run)
    if known is None:
        return None
    event("train", "already-registered", version=known.arn)
    return known.arn


def record_decision(clients: Clients, lineage_table: str, arn: str, decision: Mapping[str, Any]) -> None:
    """Adds a reviewer's decision to a version's lineage; nothing is ever taken away from it."""
    _append(clients, lineage_table, arn, "decisions", decision)


def record_gate(clients: Clients, lineage_table: str, arn: str, verdict: Mapping[str, Any]) -> None:
    """Adds to a version's lineage what its canary's gate said at a share, and by what evidence."""
    _append(clients, lineage_table, arn, "gates", verdict)


def _append(clients: Clients, lineage_table: str, arn: str, to: str, entry: Mapping[str, Any]) -> None:
    clients.dynamodb.update_item(
        TableName=lineage_table,
        Key=_to_item({LINEAGE_KEY: arn}),
        UpdateExpression="SET #to = list_append(if_not_exists(#to, :none), :new)",
        ExpressionAttributeNames={"#to": to},
        ExpressionAttributeValues=_to_item({":none": [], ":new": [{**entry, "at": _now()}]}),
    )


def lineage(clients: Clients, lineage_table: str, arn: str) -> dict[str, Any] | None:
    """What is known of a version's origin and of the decisions about it."""
    answer = clients.dynamodb.get_item(
        TableName=lineage_table, Key=_to_item({LINEAGE_KEY: arn}), ConsistentRead=True
    )
    if "Item" not in answer:
        return None
    reader = TypeDeserializer()
    return {name: _plain(reader.deserialize(value)) for name, value in answer["Item"].items()}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _to_item(value: Mapping[str, Any]) -> dict[str, Any]:
    writer = TypeSerializer()
    # Through JSON, so that floats become decimals of the same text.
    plain = json.loads(json.dumps(value), parse_float=Decimal)
    return {name: writer.serialize(item) for name, item in plain.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
