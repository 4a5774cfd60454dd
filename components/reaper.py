"""The reaper: a function on a schedule that takes down what has expired, and finds what idles."""

from typing import Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import iam
from components.context import Cloud, Tags
from components.dead_letters import dead_letter_queue
from components.functions import FunctionSpec, python_function

DEFAULT_SCHEDULE: Final = "rate(1 hour)"
DEFAULT_IDLE_HOURS: Final = 24


class Reaper(TypedDict):
    """Takes down what carries the stack's tag and has expired (tag `expires`), every hour."""

    code: pulumi.Input[pulumi.Archive]
    """The platform's code, with `platform_jobs` at its root."""
    schedule: NotRequired[str]
    """When it looks, `rate(1 hour)` or `cron(…)`, UTC. Default: every hour."""
    idle_hours: NotRequired[int]
    """Hours without a request after which an endpoint on machines of its own idles; 1 to 720. Default: 24."""
    stop_idle: NotRequired[bool]
    """Whether idle endpoints are taken down, or only told of. Default: false."""


def reaper(
    parent: pulumi.Resource,
    name: str,
    args: Reaper,
    *,
    tag: tuple[str, str],
    topic_arn: pulumi.Input[str],
    cloud: Cloud,
    kms_key_arn: pulumi.Input[str],
    tags: Tags,
) -> None:
    """The function, its schedule and the queue of calls that failed."""
    options = pulumi.ResourceOptions(parent=parent)
    queue = dead_letter_queue(parent, f"{name}-dead-letters", cloud=cloud, kms_key_arn=kms_key_arn, tags=tags)
    function = python_function(
        parent,
        name,
        FunctionSpec(
            description="Takes down what has expired, and finds what idles",
            code=args["code"],
            handler="platform_jobs.reaper.handler",
            policy=pulumi.Output.all(
                partition=cloud.partition,
                region=cloud.region,
                account=cloud.account,
                topic=topic_arn,
                key=kms_key_arn,
            ).apply(lambda known: reaper_rights(tag=tag, **known)),
            environment={
                "STAGECRAFT_REAPER_TAG": "=".join(tag),
                "STAGECRAFT_REAPER_TOPIC": topic_arn,
                "STAGECRAFT_REAPER_IDLE_HOURS": str(int(args.get("idle_hours", DEFAULT_IDLE_HOURS))),
                "STAGECRAFT_REAPER_STOP_IDLE": "yes" if args.get("stop_idle", False) else "no",
            },
            timeout_seconds=300,
        ),
        cloud=cloud,
        kms_key_arn=kms_key_arn,
        dead_letters=queue,
        tags=tags,
    )
    role = aws.iam.Role(
        f"{name}-schedule-role",
        description=f"What the schedule of {name} may do",
        assume_role_policy=cloud.account.apply(
            lambda account: iam.service_trust("scheduler.amazonaws.com", account)
        ),
        tags=tags,
        opts=options,
    )
    aws.iam.RolePolicy(
        f"{name}-schedule-policy",
        role=role.id,
        policy=function.arn.apply(lambda arn: iam.document(iam.allow(["lambda:InvokeFunction"], [arn]))),
        opts=options,
    )
    aws.scheduler.Schedule(
        f"{name}-schedule",
        description="Looks for what has expired or idles",
        schedule_expression=args.get("schedule", DEFAULT_SCHEDULE),
        schedule_expression_timezone="UTC",
        flexible_time_window=aws.scheduler.ScheduleFlexibleTimeWindowArgs(
            mode="FLEXIBLE", maximum_window_in_minutes=15
        ),
        kms_key_arn=kms_key_arn,
        target=aws.scheduler.ScheduleTargetArgs(arn=function.arn, role_arn=role.arn),
        opts=options,
    )


def reaper_rights(
    *, partition: str, region: str, account: str, topic: str, key: str, tag: tuple[str, str]
) -> str:
    """Lists what stands; takes down only what carries the stack's tag."""

    def arn(service: str, resource: str) -> str:
        return f"arn:{partition}:{service}:{region}:{account}:{resource}"

    tagged = {"StringEquals": {f"aws:ResourceTag/{tag[0]}": tag[1]}}
    endpoints, notebooks = arn("sagemaker", "endpoint/*"), arn("sagemaker", "notebook-instance/*")
    return iam.document(
        iam.allow(
            ["ec2:DescribeInstances", "sagemaker:ListEndpoints", "sagemaker:ListNotebookInstances"], ["*"]
        ),
        iam.allow(["sagemaker:DescribeEndpoint", "sagemaker:ListTags"], [endpoints]),
        iam.allow(["sagemaker:DescribeEndpointConfig"], [arn("sagemaker", "endpoint-config/*")]),
        iam.allow(["sagemaker:ListTags"], [notebooks]),
        iam.allow(["sagemaker:DeleteEndpoint"], [endpoints], conditions=tagged),
        iam.allow(["sagemaker:StopNotebookInstance"], [notebooks], conditions=tagged),
        iam.allow(["ec2:TerminateInstances"], [arn("ec2", "instance/*")], conditions=tagged),
        iam.allow(["cloudwatch:GetMetricStatistics"], ["*"]),
        iam.allow(["sns:Publish"], [topic]),
        iam.key_access(key),
    )
