"""Amazon S3: buckets, their settings (a resource each), objects."""

from twin.aws.provider.services.s3.bucket import Bucket, BucketV2
from twin.aws.provider.services.s3.notification import BucketNotification
from twin.aws.provider.services.s3.objects import BucketObject, BucketObjectv2
from twin.aws.provider.services.s3.settings import (
    BucketAccelerateConfiguration,
    BucketCorsConfiguration,
    BucketLifecycleConfiguration,
    BucketLogging,
    BucketObjectLockConfiguration,
    BucketOwnershipControls,
    BucketPolicy,
    BucketPublicAccessBlock,
    BucketReplicationConfig,
    BucketServerSideEncryptionConfiguration,
    BucketVersioning,
)

__all__ = [
    "Bucket",
    "BucketAccelerateConfiguration",
    "BucketCorsConfiguration",
    "BucketLifecycleConfiguration",
    "BucketLogging",
    "BucketNotification",
    "BucketObject",
    "BucketObjectLockConfiguration",
    "BucketObjectv2",
    "BucketOwnershipControls",
    "BucketPolicy",
    "BucketPublicAccessBlock",
    "BucketReplicationConfig",
    "BucketServerSideEncryptionConfiguration",
    "BucketV2",
    "BucketVersioning",
]
