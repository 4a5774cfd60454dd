"""One bucket as the platform wants every bucket: CMK, TLS only, not public, versioned, with a lifecycle."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components import iam
from components.context import Cloud, Tags, data_options

NONCURRENT_DAYS: Final = 30
"""How long an overwritten or deleted version can be brought back."""

ABORT_UPLOAD_DAYS: Final = 7
"""When a multipart upload that nobody finished stops costing."""

TIERS: Final = ((30, "STANDARD_IA"), (90, "GLACIER_IR"))
"""Days after which objects move to a cheaper class; both classes still answer in milliseconds."""

MINIMUM_STAY_DAYS: Final = 30
"""The least that S3 bills for in these classes; moving for less costs more than it saves."""


@dataclass(frozen=True)
class BucketSettings:
    """What differs from bucket to bucket."""

    retention_days: Mapping[str, int]
    """Prefix → days after which its objects expire; `""` is the whole bucket."""
    tiered: bool = True
    """Whether old objects move to cheaper classes."""


def lifecycle_rules(settings: BucketSettings) -> list[aws.s3.BucketLifecycleConfigurationRuleArgs]:
    """The rules of a bucket: tidying, then the whole bucket's tiers and expiry, then expiry by prefix."""
    rules = [
        aws.s3.BucketLifecycleConfigurationRuleArgs(
            id="tidy",
            status="Enabled",
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=ABORT_UPLOAD_DAYS
            ),
            noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                noncurrent_days=NONCURRENT_DAYS
            ),
        )
    ]
    whole = settings.retention_days.get("")
    if settings.tiered or whole is not None:
        rules.append(_rule("whole", "", whole, _transitions(whole) if settings.tiered else []))
    rules.extend(
        _rule(f"expire-{prefix}", prefix, days, [])
        for prefix, days in sorted(settings.retention_days.items())
        if prefix
    )
    return rules


@dataclass(frozen=True)
class SecureBucket:
    """A bucket, and the policy that must be in force before others rely on it."""

    bucket: aws.s3.Bucket
    policy: aws.s3.BucketPolicy


def secure_bucket(
    parent: pulumi.Resource,
    name: str,
    settings: BucketSettings,
    *,
    cloud: Cloud,
    kms_key_arn: pulumi.Input[str],
    tags: Tags,
    allow_data_loss: bool,
    log_target: SecureBucket | None = None,
) -> SecureBucket:
    """A bucket with all that keeps it safe; one without a `log_target` is where access logs go to."""
    options = pulumi.ResourceOptions(parent=parent)
    bucket = aws.s3.Bucket(
        name, force_destroy=allow_data_loss, tags=tags, opts=data_options(parent, allow_data_loss)
    )
    versioning = aws.s3.BucketVersioning(
        f"{name}-versioning",
        bucket=bucket.id,
        versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
        opts=options,
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        f"{name}-encryption",
        bucket=bucket.id,
        rules=[
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                    sse_algorithm="aws:kms", kms_master_key_id=kms_key_arn
                ),
                bucket_key_enabled=True,
            )
        ],
        opts=options,
    )
    aws.s3.BucketPublicAccessBlock(
        f"{name}-public-access",
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=options,
    )
    aws.s3.BucketOwnershipControls(
        f"{name}-ownership",
        bucket=bucket.id,
        rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
        opts=options,
    )
    policy = aws.s3.BucketPolicy(
        f"{name}-policy",
        bucket=bucket.id,
        policy=pulumi.Output.all(bucket.arn, cloud.account).apply(
            lambda known: iam.bucket_policy(
                known[0], *([iam.access_log_delivery(*known)] if log_target is None else [])
            )
        ),
        opts=options,
    )
    # S3 takes rules on noncurrent versions only once the bucket keeps versions.
    aws.s3.BucketLifecycleConfiguration(
        f"{name}-lifecycle",
        bucket=bucket.id,
        rules=lifecycle_rules(settings),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[versioning]),
    )
    if log_target is not None:
        # S3 takes a target only once that bucket's policy lets it write there.
        aws.s3.BucketLogging(
            f"{name}-logging",
            bucket=bucket.id,
            target_bucket=log_target.bucket.id,
            target_prefix=f"{name}/",
            target_object_key_format=aws.s3.BucketLoggingTargetObjectKeyFormatArgs(
                partitioned_prefix=aws.s3.BucketLoggingTargetObjectKeyFormatPartitionedPrefixArgs(
                    partition_date_source="EventTime"
                )
            ),
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[log_target.policy]),
        )
    return SecureBucket(bucket, policy)


def _transitions(retention: int | None) -> list[aws.s3.BucketLifecycleConfigurationRuleTransitionArgs]:
    return [
        aws.s3.BucketLifecycleConfigurationRuleTransitionArgs(days=days, storage_class=storage_class)
        for days, storage_class in TIERS
        if retention is None or days + MINIMUM_STAY_DAYS <= retention
    ]


def _rule(
    rule_id: str,
    prefix: str,
    expiry_days: int | None,
    transitions: list[aws.s3.BucketLifecycleConfigurationRuleTransitionArgs],
) -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id=rule_id,
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=prefix),
        transitions=transitions or None,
        expiration=None
        if expiry_days is None
        else aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=expiry_days),
    )
