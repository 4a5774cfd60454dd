"""S3: fields of lifecycle and notification that moto drops, and bucket configurations that it lacks."""

from functools import partial
from typing import Any, Final

from twin.aws.cloud.gaps.context import Context
from twin.aws.cloud.gaps.lossy import Lossy
from twin.aws.cloud.gaps.moto_objects import backend
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.protocol import AwsError

_KEPT: Final = {
    "IntelligentTiering": ("IntelligentTieringConfiguration", True),
    "Metrics": ("MetricsConfiguration", True),
    "Analytics": ("AnalyticsConfiguration", True),
    "RequestPayment": ("RequestPaymentConfiguration", False),
}
"""Configurations by the noun of their operations: the member they travel in, whether a bucket has many."""
_ABSENT: Final = {"RequestPayment": {"Payer": "BucketOwner"}}


def fill(registry: GapRegistry) -> None:
    """Registers S3's gap fillers."""
    registry.lossy(LIFECYCLE)
    registry.lossy(NOTIFICATION)
    for noun, (_, many) in _KEPT.items():
        operations = {"Put": _put, "Get": _get}
        if many:
            operations |= {"Delete": _delete}
            registry.answer("s3", f"ListBucket{noun}Configurations", partial(_list, noun))
        for verb, answer in operations.items():
            suffix = "Configuration" if many else ""
            registry.answer("s3", f"{verb}Bucket{noun}{suffix}", partial(answer, noun))


def _bucket(parameters: dict[str, Any]) -> str:
    return str(parameters["Bucket"])


def _made_at(context: Context) -> str:
    """When the bucket was made: one that was deleted and made anew has forgotten everything."""
    bucket = backend(context, "s3").buckets.get(_bucket(context.parameters))
    return str(bucket.creation_date) if bucket is not None else ""


LIFECYCLE: Final = Lossy(
    service="s3",
    family="lifecycle",
    name=_bucket,
    identity=_made_at,
    writes=("PutBucketLifecycleConfiguration",),
    reads=("GetBucketLifecycleConfiguration",),
    deletes=("DeleteBucketLifecycle",),
    replaces=True,
    noted=lambda parameters: {"Rules": parameters["LifecycleConfiguration"]["Rules"]},
)
NOTIFICATION: Final = Lossy(
    service="s3",
    family="notification",
    name=_bucket,
    identity=_made_at,
    writes=("PutBucketNotificationConfiguration",),
    reads=("GetBucketNotificationConfiguration",),
    replaces=True,
    noted=lambda parameters: {
        key: value
        for key, value in parameters["NotificationConfiguration"].items()
        if key == "EventBridgeConfiguration"
    },
)


def _configurations(noun: str, context: Context) -> dict[str, Any]:
    """The bucket's configurations of that kind by id, kept on moto's bucket so that they go with it."""
    name = context.required("Bucket")
    bucket = backend(context, "s3").buckets.get(name)
    if bucket is None:
        raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
    kept: dict[str, dict[str, Any]] = vars(bucket).setdefault("stagecraft_configurations", {})
    return kept.setdefault(noun, {})


def _put(noun: str, context: Context) -> None:
    member, many = _KEPT[noun]
    key = context.required("Id") if many else ""
    _configurations(noun, context)[key] = context.required(member)


def _get(noun: str, context: Context) -> dict[str, Any]:
    member, many = _KEPT[noun]
    kept = _configurations(noun, context)
    if not many:
        return dict(kept.get("", _ABSENT[noun]))
    found = kept.get(context.required("Id"))
    if found is None:
        raise AwsError("NoSuchConfiguration", "The specified configuration does not exist.", 404)
    return {member: found}


def _list(noun: str, context: Context) -> dict[str, Any]:
    member, _ = _KEPT[noun]
    return {f"{member}List": list(_configurations(noun, context).values()), "IsTruncated": False}


def _delete(noun: str, context: Context) -> None:
    kept = _configurations(noun, context)
    if kept.pop(context.required("Id"), None) is None:
        raise AwsError("NoSuchConfiguration", "The specified configuration does not exist.", 404)
