"""What buckets cost once nobody looks any more."""

from policies.buckets import (
    BUCKET,
    LIFECYCLE,
    attached,
    inline_lifecycle,
    is_enabled,
    is_partial,
    separate_lifecycle,
)
from policies.catalogue import About, Findings, joined_rule
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import Props, any_of


@joined_rule(
    About(
        id="C11",
        name="bucket-has-lifecycle",
        title="Buckets have a lifecycle",
        remedy="Add a BucketLifecycleConfiguration with an enabled rule that expires or tiers objects.",
        references=("CKV2_AWS_61",),
    ),
    types=(BUCKET,),
)
def bucket_has_lifecycle(bucket: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Inline rules and the separate resource count alike."""
    rules = inline_lifecycle(bucket)
    for configuration in attached(stack, bucket, LIFECYCLE):
        rules += separate_lifecycle(configuration)
    if not any_of(rules, is_enabled):
        yield "objects are kept for ever: the bucket has no lifecycle rule" + (
            " that is enabled" if rules else ""
        )


@joined_rule(
    About(
        id="C12",
        name="bucket-aborts-incomplete-uploads",
        title="Buckets abort incomplete multipart uploads",
        remedy="Add an enabled lifecycle rule for the whole bucket with abortIncompleteMultipartUpload.",
        references=("CKV_AWS_300",),
    ),
    types=(BUCKET, LIFECYCLE),
)
def bucket_aborts_incomplete_uploads(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """S3 keeps the parts of an upload that nobody finished, and bills them, until a rule aborts it."""
    if resource.type == LIFECYCLE:
        rules = separate_lifecycle(resource)
    elif attached(stack, resource, LIFECYCLE):
        return  # judged where it is written
    else:
        rules = inline_lifecycle(resource)
    if not any_of(rules, _aborts_uploads):
        yield "no enabled lifecycle rule for the whole bucket aborts incomplete multipart uploads"


def _aborts_uploads(rule: Props) -> bool:
    return is_enabled(rule) and not is_partial(rule) and _abort_days(rule)


def _abort_days(rule: Props) -> bool:
    return rule.stated("abortIncompleteMultipartUpload", "abortIncompleteMultipartUploadDays")
