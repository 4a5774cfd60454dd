"""Batch jobs by the clock: the role that submits them, and when each is submitted."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components import iam
from components.context import Cloud, Tags

_SUBMIT: Final = "arn:{0}:scheduler:::aws-sdk:batch:submitJob"
_REVISION: Final = re.compile(r":\d+$")
_WINDOW_MINUTES: Final = 15
"""Nobody waits for such a job: AWS may spread it over a quarter of an hour."""
_PATIENCE_SECONDS: Final = 3600
_TRIES: Final = 5


@dataclass(frozen=True, kw_only=True)
class ScheduledJob:
    """A job, and when it runs."""

    name: str
    """What its runs are called."""
    description: str
    expression: str
    """`rate(…)` or `cron(…)`, UTC."""
    definition_arn: pulumi.Input[str]
    queue_arn: pulumi.Input[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """What it is told beside its definition."""


def submitter(
    parent: pulumi.Resource,
    name: str,
    *,
    definition_arns: Sequence[pulumi.Input[str]],
    queue_arn: pulumi.Input[str],
    cloud: Cloud,
    tags: Tags,
    dead_letters: aws.sqs.Queue | None = None,
    kms_key_arn: pulumi.Input[str] | None = None,
) -> pulumi.Output[str]:
    """The ARN of a role that submits these jobs to their queue, and does nothing else.

    With dead letters, whose key is needed then, it also writes down what it could not submit.
    """
    options = pulumi.ResourceOptions(parent=parent)
    role = aws.iam.Role(
        name,
        description=f"Submits the jobs of {name}",
        assume_role_policy=cloud.account.apply(
            lambda account: iam.service_trust("scheduler.amazonaws.com", account)
        ),
        tags=tags,
        opts=options,
    )
    aws.iam.RolePolicy(
        f"{name}-policy",
        role=role.id,
        policy=pulumi.Output.all(
            definitions=list(definition_arns),
            queue=queue_arn,
            letters=None if dead_letters is None else dead_letters.arn,
            key=kms_key_arn,
        ).apply(lambda known: submitter_document(**known)),
        opts=options,
    )
    return role.arn


def submitter_document(
    *, definitions: Iterable[str], queue: str, letters: str | None, key: str | None
) -> str:
    """What a submitter may do."""
    statements = [submit_access(definitions, queue)]
    if letters is not None and key is not None:
        statements += [iam.allow(["sqs:SendMessage"], [letters]), iam.key_access(key)]
    return iam.document(*statements)


def submit_access(definitions: Iterable[str], queue: str) -> iam.Statement:
    """Submits jobs of these definitions to a queue."""
    return iam.allow(["batch:SubmitJob"], [*(any_revision(arn) for arn in definitions), queue])


def any_revision(definition_arn: str) -> str:
    """A definition's ARN for all its revisions: a deployment makes a new one, the role stays."""
    return f"{_REVISION.sub('', definition_arn)}:*"


def schedule(
    parent: pulumi.Resource,
    name: str,
    job: ScheduledJob,
    *,
    role_arn: pulumi.Input[str],
    cloud: Cloud,
    kms_key_arn: pulumi.Input[str],
    dead_letters: aws.sqs.Queue | None = None,
) -> None:
    """Submits a job by the clock; what cannot be submitted within an hour is a dead letter."""
    more: dict[str, Any] = {}
    if job.environment:
        told = [{"Name": key, "Value": value} for key, value in sorted(job.environment.items())]
        more["ContainerOverrides"] = {"Environment": told}
    kept: dict[str, Any] = {}
    if dead_letters is not None:
        kept = {
            "dead_letter_config": aws.scheduler.ScheduleTargetDeadLetterConfigArgs(arn=dead_letters.arn),
            "retry_policy": aws.scheduler.ScheduleTargetRetryPolicyArgs(
                maximum_event_age_in_seconds=_PATIENCE_SECONDS, maximum_retry_attempts=_TRIES
            ),
        }
    aws.scheduler.Schedule(
        name,
        description=job.description,
        schedule_expression=job.expression,
        schedule_expression_timezone="UTC",
        flexible_time_window=aws.scheduler.ScheduleFlexibleTimeWindowArgs(
            mode="FLEXIBLE", maximum_window_in_minutes=_WINDOW_MINUTES
        ),
        kms_key_arn=kms_key_arn,
        target=aws.scheduler.ScheduleTargetArgs(
            arn=cloud.partition.apply(_SUBMIT.format),
            role_arn=role_arn,
            input=pulumi.Output.json_dumps(
                {
                    "JobName": job.name,
                    "JobDefinition": job.definition_arn,
                    "JobQueue": job.queue_arn,
                    **more,
                }
            ),
            **kept,
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )
