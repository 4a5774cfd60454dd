"""Tables, streams, queues, topics, logs and secrets: with what they are encrypted, and who reaches them."""

import re
from typing import Final

from policies.catalogue import About, Findings, joined_rule
from policies.iam_documents import Statement, base_operator, statements
from policies.keys import key_owner
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import for_each

TABLE: Final = "aws:dynamodb:Table"
STREAM: Final = "aws:kinesis:Stream"
TOPIC: Final = "aws:sns:Topic"
TOPIC_POLICY: Final = "aws:sns:TopicPolicy"
QUEUE: Final = "aws:sqs:Queue"
QUEUE_POLICY: Final = "aws:sqs:QueuePolicy"
LOG_GROUP: Final = "aws:cloudwatch:LogGroup"
SECRET: Final = "aws:secretsmanager:Secret"


@joined_rule(
    About(
        id="S27",
        name="table-encrypted",
        title="DynamoDB tables are encrypted with a key of yours",
        remedy="Set serverSideEncryption with enabled true and kmsKeyArn.",
        references=("CKV_AWS_119",),
    ),
    types=(TABLE,),
)
def table_encrypted(table: Resource, stack: Stack, _settings: Settings) -> Findings:
    """DynamoDB uses a key of AWS's otherwise."""
    encryption = table.props.block("serverSideEncryption")
    owner = key_owner(table, stack, "serverSideEncryption", encryption, "kmsKeyArn")
    if not encryption.flag("enabled") or owner != "customer":
        yield "it is not encrypted with a key of yours"


@joined_rule(
    About(
        id="S28",
        name="stream-encrypted",
        title="Kinesis streams are encrypted with a key of yours",
        remedy="Set encryptionType to KMS and kmsKeyId to your key.",
        references=("CKV_AWS_185",),
    ),
    types=(STREAM,),
)
def stream_encrypted(stream: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Kinesis does not encrypt unless told to."""
    off = stream.props.text("encryptionType").upper() == "NONE"
    if off or key_owner(stream, stack, "kmsKeyId", stream.props, "kmsKeyId") != "customer":
        yield "it is not encrypted with a key of yours"


@joined_rule(
    About(
        id="S29",
        name="messages-encrypted-and-private",
        title="Topics and queues are encrypted and not public",
        remedy="Set kmsMasterKeyId (or a queue's sqsManagedSseEnabled), and name the policy's principals.",
        references=("CKV_AWS_26", "CKV_AWS_27", "CKV_AWS_168", "CKV_AWS_169"),
        severity="high",
    ),
    types=(TOPIC, TOPIC_POLICY, QUEUE, QUEUE_POLICY),
)
def messages_encrypted_and_private(resource: Resource, _stack: Stack, _settings: Settings) -> Findings:
    """Any key will do; what counts is that there is one."""
    if resource.type == TOPIC and not resource.props.stated("kmsMasterKeyId"):
        yield "its messages are not encrypted at rest"
    if resource.type == QUEUE and not (
        resource.props.stated("kmsMasterKeyId") or resource.props.flag("sqsManagedSseEnabled")
    ):
        yield "nothing says that its messages are encrypted at rest"
    yield from for_each(statements(resource.props.raw_get("policy"), "policy"), _public)


_NARROWING: Final = {
    "aws:sourcearn": "arn",
    "aws:principalarn": "arn",
    "aws:sourceowner": "account",
    "aws:sourceaccount": "account",
    "aws:principalaccount": "account",
    "kms:calleraccount": "account",
    "aws:principalorgid": "organisation",
    "aws:principalorgpaths": "organisation",
    "aws:userid": "user",
    "aws:sourceip": "addresses",
    "aws:sourcevpc": "account",
    "aws:sourcevpce": "account",
    "saml:aud": "account",
}
_NARROWING_OPERATORS: Final = frozenset(
    {"arnequals", "arnlike", "stringequals", "stringlike", "stringequalsignorecase", "ipaddress"}
)
_ARN: Final = re.compile(r"^arn:[^:]*:([^:]*):[^:]*:([^:]*):")


def _public(statement: Statement) -> Findings:
    if not statement.allows:
        return
    limits = [
        (_NARROWING[key], value)
        for operator, keys in statement.conditions.items()
        if base_operator(operator) in _NARROWING_OPERATORS
        for key, values in keys.items()
        if key in _NARROWING
        for value in values
    ]
    everyone = statement.everyone or any(
        _anyones_arn(name) for names in statement.principals.values() for name in names
    )
    if any(_no_limit(kind, value) for kind, value in limits) or (everyone and not limits):
        yield f"{statement.label} lets anyone {', '.join(statement.actions[:3]) or 'do almost anything'}"


def _no_limit(kind: str, value: str) -> bool:
    """Whether a condition's value takes everyone in after all."""
    if kind == "arn":
        return _anyones_arn(value)
    if kind == "addresses":
        return value.endswith("/0")
    if kind == "organisation":
        return "o-*" in value
    if kind == "user":
        return "*" in value[:-1] or value == "*"
    return "*" in value


def _anyones_arn(name: str) -> bool:
    if name == "*":
        return True
    match = _ARN.match(name)
    if match is None:
        return False
    service, account = match.groups()
    return service != "s3" and (account == "*" or not (service or account))


@joined_rule(
    About(
        id="S35",
        name="log-group-encrypted",
        title="Log groups are encrypted with a key of yours",
        remedy="Set kmsKeyId.",
        references=("CKV_AWS_158",),
        severity="low",
    ),
    types=(LOG_GROUP,),
)
def log_group_encrypted(group: Resource, _stack: Stack, _settings: Settings) -> Findings:
    """CloudWatch takes no key but a customer's own."""
    if not group.props.stated("kmsKeyId"):
        yield "it is not encrypted with a key of yours"


@joined_rule(
    About(
        id="S36",
        name="secret-rotates",
        title="Secrets rotate",
        remedy="Add a secretsmanager.SecretRotation for the secret.",
        references=("CKV2_AWS_57",),
        level="advisory",
        mandatory_from="govern",
    ),
    types=(SECRET,),
)
def secret_rotates(secret: Resource, stack: Stack, _settings: Settings) -> Findings:
    """As a resource of its own, or inline where the provider still has it."""
    inline = secret.props.stated("rotationLambdaArn", "rotationRules")
    if not inline and not stack.referrers(secret, "aws:secretsmanager:SecretRotation", "secretId"):
        yield "its value stays the same for ever"
