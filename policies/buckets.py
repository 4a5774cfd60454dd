"""A bucket with everything that belongs to it, inline or as resources of their own."""

import re
from collections.abc import Iterator
from typing import Final

from policies.resources import Resource, Stack
from policies.values import CannotJudge, Props, any_of

BUCKET: Final = "aws:s3:Bucket"
LIFECYCLE: Final = "aws:s3:BucketLifecycleConfiguration"
ENCRYPTION: Final = "aws:s3:BucketServerSideEncryptionConfiguration"
VERSIONING: Final = "aws:s3:BucketVersioning"
LOGGING: Final = "aws:s3:BucketLogging"
PUBLIC_ACCESS: Final = "aws:s3:BucketPublicAccessBlock"
POLICY: Final = "aws:s3:BucketPolicy"
ACL: Final = "aws:s3:BucketAcl"
REPLICATION: Final = "aws:s3:BucketReplicationConfig"
OWNERSHIP: Final = "aws:s3:BucketOwnershipControls"

_S3_URI: Final = re.compile(r"^s3a?://([^/]+)(?:/(.*))?$")


def attached(stack: Stack, bucket: Resource, kind: str) -> list[Resource]:
    """The resources of a type that set up this bucket."""
    return stack.referrers(bucket, kind, "bucket")


def inline_lifecycle(bucket: Resource) -> list[Props]:
    """Lifecycle rules written into the bucket itself."""
    return bucket.props.blocks("lifecycleRules", "lifecycleRule")


def separate_lifecycle(configuration: Resource) -> list[Props]:
    """Lifecycle rules of a configuration resource."""
    return configuration.props.blocks("rules", "rule")


def lifecycle_rules(stack: Stack, bucket: Resource) -> list[Props]:
    """All lifecycle rules of a bucket, in either spelling."""
    separate = [rule for item in attached(stack, bucket, LIFECYCLE) for rule in separate_lifecycle(item)]
    return inline_lifecycle(bucket) + separate


def is_enabled(rule: Props) -> bool:
    """Whether a lifecycle rule is in force: `status` (separate) or `enabled` (inline)."""
    if rule.stated("status"):
        return rule.text("status").lower() == "enabled"
    return rule.flag("enabled", default=True)


def rule_prefix(rule: Props) -> str:
    """The part of the bucket a lifecycle rule is for; empty for all of it."""
    chosen = rule.block("filter")
    return chosen.text("prefix") or chosen.block("and").text("prefix") or rule.text("prefix")


def is_partial(rule: Props) -> bool:
    """Whether a lifecycle rule leaves some objects out: by prefix, tag or size."""
    names = ("prefix", "tag", "tags", "objectSizeGreaterThan", "objectSizeLessThan")
    chosen = rule.block("filter")
    return any(part.given(name) for part in (chosen, chosen.block("and")) for name in names) or any(
        rule.given(name) for name in ("prefix", "tags")
    )


def expires(stack: Stack, bucket: Resource, prefix: str) -> bool:
    """Whether objects under a prefix are deleted some day."""

    def covers(rule: Props) -> bool:
        return (
            is_enabled(rule)
            and prefix.startswith(rule_prefix(rule))
            and rule.block("expiration").given("days", "date")
        )

    return any_of(lifecycle_rules(stack, bucket), covers)


def bucket_of_uri(stack: Stack, user: Resource, prop: str, uri: str) -> tuple[Resource | None, str]:
    """The bucket of this stack that an `s3://` address points into, and the prefix in it.

    Args:
        stack: Where to look.
        user: The resource that holds the address.
        prop: Its property at the top level that the address is in.
        uri: The address.
    """
    match = _S3_URI.match(uri)
    if match is None:
        raise CannotJudge(f"{uri!r} is no s3:// address")
    name, prefix = match.group(1), match.group(2) or ""
    found = stack.targets(user, prop, (BUCKET,), name)
    return (found[0] if found else None), prefix


def default_encryption(stack: Stack, bucket: Resource) -> Iterator[Props]:
    """What the bucket encrypts new objects with, in either spelling: blocks with `sseAlgorithm` and a key."""
    sources = [
        rule
        for block in bucket.props.blocks(
            "serverSideEncryptionConfiguration", "serverSideEncryptionConfigurations"
        )
        for rule in block.blocks("rule", "rules")
    ]
    for item in attached(stack, bucket, ENCRYPTION):
        sources += item.props.blocks("rules", "rule")
    for source in sources:
        yield source.block("applyServerSideEncryptionByDefault", "applyServerSideEncryptionByDefaults")
