"""Counts each node pool's machines every five minutes, so that an alarm can tell time on the fall-back."""

from typing import Final

import pulumi
import pulumi_aws as aws

from components import iam
from components.context import Cloud, Tags
from components.dead_letters import dead_letter_queue
from components.function_code import source
from components.functions import FunctionSpec, invoked_by_rule, python_function
from components.watch.metrics import PLATFORM

METRIC: Final = "PoolNodes"
PERIOD_SECONDS: Final = 300


def node_watch(
    parent: pulumi.Resource,
    name: str,
    *,
    cloud: Cloud,
    cluster: pulumi.Output[str],
    kms_key_arn: pulumi.Input[str],
    tags: Tags,
) -> None:
    """A small function on a schedule."""
    failures = dead_letter_queue(
        parent,
        f"{name}-failures",
        cloud=cloud,
        kms_key_arn=kms_key_arn,
        tags=tags,
        services=["events.amazonaws.com"],
    )
    function = python_function(
        parent,
        name,
        FunctionSpec(
            description="Publishes how many machines each node pool has",
            code=pulumi.AssetArchive({"node_watch.py": pulumi.StringAsset(source("node_watch"))}),
            handler="node_watch.handler",
            policy=counting_rights(),
            environment={
                "STAGECRAFT_CLUSTER": cluster,
                "STAGECRAFT_METRIC_NAMESPACE": PLATFORM,
            },
            memory_mib=128,
        ),
        cloud=cloud,
        kms_key_arn=kms_key_arn,
        dead_letters=failures,
        tags=tags,
    )
    schedule = aws.cloudwatch.EventRule(
        f"{name}-schedule",
        description=f"Runs {name}",
        schedule_expression=f"rate({PERIOD_SECONDS // 60} minutes)",
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    invoked_by_rule(parent, name, rule=schedule, function=function, dead_letters=failures)


def counting_rights() -> str:
    """Neither counting nor publishing takes a resource."""
    return iam.document(
        iam.allow(["ec2:DescribeInstances"], ["*"]),
        iam.put_metrics(PLATFORM),
    )
