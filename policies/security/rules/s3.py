"""Buckets: who reaches them, and with what they are encrypted."""

import re
from typing import Final

from policies.buckets import (
    BUCKET,
    ENCRYPTION,
    LOGGING,
    POLICY,
    PUBLIC_ACCESS,
    attached,
    default_encryption,
)
from policies.catalogue import About, Findings, joined_rule
from policies.iam_documents import Statement, base_operator, statements
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import any_of, for_each

_SWITCHES: Final = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_ACCOUNT_BLOCK: Final = "aws:s3:AccountPublicAccessBlock"

_NARROWING_KEYS: Final = frozenset(
    {
        "aws:sourcevpce",
        "aws:sourcevpc",
        "aws:vpceaccount",
        "aws:principalorgpaths",
        "aws:userid",
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principalorgid",
        "aws:ec2instancesourcevpc",
        "ec2:sourceinstancearn",
        "lambda:sourcefunctionarn",
        "ssm:sourceinstancearn",
    }
)
"""Condition keys that narrow `*` down to callers one can name; source IPs and the like do not."""

_ANY_ARN: Final = re.compile(r"^(\*|arn:aws[a-z-]*:[a-z0-9-]+::\*.*)$")


@joined_rule(
    About(
        id="S1",
        name="bucket-blocks-public-access",
        title="Buckets block public access",
        remedy=f"Add a BucketPublicAccessBlock for the bucket with {', '.join(_SWITCHES)} set to true.",
        references=("CKV2_AWS_6", "CKV_AWS_53", "CKV_AWS_54", "CKV_AWS_55", "CKV_AWS_56"),
        severity="critical",
    ),
    types=(BUCKET, PUBLIC_ACCESS),
)
def bucket_blocks_public_access(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """All four switches, on the bucket or on the account."""
    if resource.type == PUBLIC_ACCESS:
        off = _switched_off(resource)
        if off:
            yield f"{', '.join(off)} not set to true"
        return
    if attached(stack, resource, PUBLIC_ACCESS):
        return  # judged where it is written
    if not any_of(stack.of(_ACCOUNT_BLOCK), lambda block: not _switched_off(block)):
        yield "nothing blocks public access to the bucket"


def _switched_off(block: Resource) -> list[str]:
    return [name for name in _SWITCHES if not block.props.flag(name)]


@joined_rule(
    About(
        id="S2",
        name="bucket-encrypted-with-kms",
        title="Buckets are encrypted with a KMS key",
        remedy="Set the bucket's default encryption to sseAlgorithm aws:kms, with a key of your own.",
        references=("CKV_AWS_145",),
        severity="high",
    ),
    types=(BUCKET, ENCRYPTION),
)
def bucket_encrypted_with_kms(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Without a default encryption S3 uses keys of its own (AES256)."""
    if resource.type == ENCRYPTION:
        if stack.targets(resource, "bucket", (BUCKET,)):
            return  # judged with its bucket
        blocks = [
            rule.block("applyServerSideEncryptionByDefault")
            for rule in resource.props.blocks("rules", "rule")
        ]
    else:
        blocks = list(default_encryption(stack, resource))
    if not any_of(blocks, lambda block: block.text("sseAlgorithm").startswith("aws:kms")):
        yield "new objects are not encrypted with a KMS key"
    elif any(
        not block.unknown("kmsMasterKeyId") and block.text("kmsMasterKeyId").endswith("alias/aws/s3")
        for block in blocks
    ):
        yield "new objects are encrypted with AWS's key (alias/aws/s3), which no policy of yours governs"


@joined_rule(
    About(
        id="S3",
        name="bucket-requires-tls",
        title="Buckets refuse requests without TLS",
        remedy='Deny `s3:*` to `*` on the bucket and its objects where aws:SecureTransport is "false".',
        references=("S3.5",),
        severity="high",
    ),
    types=(BUCKET,),
)
def bucket_requires_tls(bucket: Resource, stack: Stack, _settings: Settings) -> Findings:
    """S3 answers plain HTTP unless a policy denies it."""
    documents = [bucket, *attached(stack, bucket, POLICY)]
    if not any_of(
        documents,
        lambda owner: any(_denies_http(item) for item in statements(owner.props.raw_get("policy"), "policy")),
    ):
        yield "its policy does not deny requests without TLS"


def _denies_http(statement: Statement) -> bool:
    if not statement.denies or not statement.everyone:
        return False
    insecure = any(
        base_operator(operator) == "bool" and "false" in [value.lower() for value in values]
        for operator, keys in statement.conditions.items()
        for key, values in keys.items()
        if key == "aws:securetransport"
    )
    covers = statement.covers_action("s3:GetObject") and statement.covers_action("s3:PutObject")
    return insecure and covers and any(item.endswith("*") for item in statement.resources)


@joined_rule(
    About(
        id="S4",
        name="bucket-policy-names-principals",
        title="Bucket policies allow nobody in general",
        remedy="Name the principals, or hold `*` to an organisation, account or VPC by a condition.",
        references=("CKV_AWS_70",),
        severity="critical",
    ),
    types=(BUCKET, POLICY),
)
def bucket_policy_names_principals(resource: Resource, _stack: Stack, _settings: Settings) -> Findings:
    """A `*` principal is anyone on the internet, unless a condition narrows it down."""
    yield from for_each(statements(resource.props.raw_get("policy"), "policy"), _open_to_anyone)


def _open_to_anyone(statement: Statement) -> Findings:
    if statement.allows and statement.everyone and not _narrowed(statement):
        what = ", ".join(statement.actions[:3]) or "all but some actions"
        yield f"{statement.label} allows anyone {what}"


def _narrowed(statement: Statement) -> bool:
    """Whether a condition holds a `*` principal to callers one can name."""
    for operator, keys in statement.conditions.items():
        name = base_operator(operator)
        if name in ("arnnotequals", "arnnotlike"):
            return True
        if name in ("arnequals", "arnlike"):
            arns = [*keys.get("aws:principalarn", ()), *keys.get("aws:sourcearn", ())]
            if not any(_ANY_ARN.match(arn) for arn in arns):
                return True
        if name in ("stringequals", "stringequalsignorecase", "stringlike") and _NARROWING_KEYS & set(keys):
            return True
    return False


@joined_rule(
    About(
        id="S5",
        name="bucket-logs-access",
        title="Buckets log access",
        remedy="Add a BucketLogging for the bucket that writes to a log bucket.",
        references=("CKV_AWS_18",),
        severity="low",
        level="advisory",
        mandatory_from="govern",
    ),
    types=(BUCKET,),
)
def bucket_logs_access(bucket: Resource, stack: Stack, _settings: Settings) -> Findings:
    """A bucket that others log to need not log itself: that would never end."""
    if bucket.props.stated("logging", "loggings") or attached(stack, bucket, LOGGING):
        return
    if bucket.urn not in stack.remember("log buckets", lambda: _written_to(stack)):
        yield "nobody can tell who read it: access is not logged"


def _written_to(stack: Stack) -> set[str]:
    writers = [*stack.of(LOGGING), *(other for other in stack.of(BUCKET) if other.props.stated("logging"))]
    return {target.urn for writer in writers for target in _log_buckets(writer, stack)}


def _log_buckets(writer: Resource, stack: Stack) -> list[Resource]:
    if writer.type == LOGGING:
        return stack.targets(writer, "targetBucket", (BUCKET,))
    block = writer.props.block("logging")
    value = None if block.unknown("targetBucket") else block.text("targetBucket")
    return stack.targets(writer, "logging", (BUCKET,), value)
