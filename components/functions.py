"""A Lambda function with a role, a log group and a place for the events that it fails on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components import iam, naming
from components.context import Cloud, Tags, scope
from components.logs import log_group

RUNTIME: Final = "python3.13"
"""The newest that Lambda has with boto3 of this year; the code needs nothing else."""
LOG_DAYS: Final = 30
CONCURRENCY: Final = 2
"""Invocations at once, of the account's own concurrency: what is on no user's way needs few."""


@dataclass(frozen=True)
class PlatformImage:
    """The platform's image, by the URI of its ECR repository: Lambda knows no other registry."""

    uri: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class FunctionSpec:
    """What a function is and may do."""

    description: str
    code: pulumi.Input[pulumi.Archive] | PlatformImage
    """The platform's code, or its image where the code needs libraries."""
    handler: str
    """`module.function`."""
    policy: pulumi.Input[str]
    """Document of what it may do, beside writing its log and its dead letters."""
    policy_arns: Sequence[pulumi.Input[str]] = ()
    """Policies of others that it needs as well."""
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    timeout_seconds: int = 60
    memory_mib: int = 256
    concurrency: int = CONCURRENCY


def python_function(
    parent: pulumi.Resource,
    name: str,
    spec: FunctionSpec,
    *,
    cloud: Cloud,
    kms_key_arn: pulumi.Input[str],
    dead_letters: aws.sqs.Queue,
    tags: Tags,
) -> aws.lambda_.Function:
    """A function of the platform's own code, by a name that its log group can be made for before it."""
    options = pulumi.ResourceOptions(parent=parent)
    physical = naming.physical_name(scope(), name)
    logs = log_group(
        parent,
        f"{name}-logs",
        f"/aws/lambda/{physical}",
        kms_key_arn=kms_key_arn,
        retention_days=LOG_DAYS,
        tags=tags,
    )
    role = aws.iam.Role(
        f"{name}-role",
        description=f"What the function {name} may do",
        assume_role_policy=iam.function_trust(),
        tags=tags,
        opts=options,
    )
    own = aws.iam.RolePolicy(
        f"{name}-own-policy",
        role=role.id,
        policy=pulumi.Output.all(logs=logs.arn, queue=dead_letters.arn, key=kms_key_arn).apply(
            lambda known: iam.document(
                iam.allow(["logs:CreateLogStream", "logs:PutLogEvents"], [f"{known['logs']}:*"]),
                iam.allow(["sqs:SendMessage"], [known["queue"]]),
                iam.key_access(known["key"]),
            )
        ),
        opts=options,
    )
    rights = aws.iam.RolePolicy(f"{name}-policy", role=role.id, policy=spec.policy, opts=options)
    for place, arn in enumerate(spec.policy_arns):
        aws.iam.RolePolicyAttachment(f"{name}-policy-{place}", role=role.name, policy_arn=arn, opts=options)
    return aws.lambda_.Function(
        f"{name}-function",
        name=physical,
        description=spec.description,
        **_program(spec),
        role=role.arn,
        timeout=spec.timeout_seconds,
        memory_size=spec.memory_mib,
        reserved_concurrent_executions=spec.concurrency,
        kms_key_arn=kms_key_arn,
        environment=aws.lambda_.FunctionEnvironmentArgs(variables=dict(sorted(spec.environment.items()))),
        dead_letter_config=aws.lambda_.FunctionDeadLetterConfigArgs(target_arn=dead_letters.arn),
        tracing_config=aws.lambda_.FunctionTracingConfigArgs(mode="PassThrough"),
        tags=tags,
        # Lambda refuses a dead-letter queue that the role may not write to yet.
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[own, rights, logs]),
    )


def _program(spec: FunctionSpec) -> dict[str, Any]:
    """What the function runs, and on what."""
    if isinstance(spec.code, PlatformImage):
        return {
            "package_type": "Image",
            "image_uri": spec.code.uri,
            # The endpoints' image, which SageMaker runs on x86.
            "architectures": ["x86_64"],
            "image_config": aws.lambda_.FunctionImageConfigArgs(
                entry_points=["python", "-m", "platform_jobs", "lambda"], commands=[spec.handler]
            ),
        }
    return {
        "runtime": RUNTIME,
        "architectures": ["arm64"],
        "handler": spec.handler,
        "code": spec.code,
    }


def invoked_by_rule(
    parent: pulumi.Resource,
    name: str,
    *,
    rule: aws.cloudwatch.EventRule,
    function: aws.lambda_.Function,
    dead_letters: aws.sqs.Queue,
) -> None:
    """Has a rule's events reach a function; those that never do go to the dead letters."""
    options = pulumi.ResourceOptions(parent=parent)
    permission = aws.lambda_.Permission(
        f"{name}-permission",
        function=function.name,
        action="lambda:InvokeFunction",
        principal="events.amazonaws.com",
        source_arn=rule.arn,
        opts=options,
    )
    aws.cloudwatch.EventTarget(
        f"{name}-target",
        rule=rule.name,
        arn=function.arn,
        dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(arn=dead_letters.arn),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[permission]),
    )
