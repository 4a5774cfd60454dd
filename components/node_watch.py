"""Counts each node pool's machines every five minutes, so that an alarm can tell time on the fall-back."""

from typing import Final

import pulumi
import pulumi_aws as aws

from components import iam, naming
from components.context import Cloud, Tags
from components.functions import source
from components.logs import log_group

METRIC_NAMESPACE: Final = "Stagecraft"
METRIC: Final = "PoolNodes"
PERIOD_SECONDS: Final = 300
_RUNTIME: Final = "python3.13"


def node_watch(
    parent: pulumi.Resource,
    name: str,
    *,
    cloud: Cloud,
    cluster: pulumi.Output[str],
    kms_key_arn: pulumi.Input[str],
    log_retention_days: int,
    tags: Tags,
) -> None:
    """A small function on a schedule."""
    options = pulumi.ResourceOptions(parent=parent)
    group = log_group(
        parent,
        f"{name}-logs",
        naming.log_group_name(pulumi.get_stack(), name),
        kms_key_arn=kms_key_arn,
        retention_days=log_retention_days,
        tags=tags,
    )
    failures = aws.sqs.Queue(
        f"{name}-failures",
        kms_master_key_id=kms_key_arn,
        message_retention_seconds=1209600,
        tags=tags,
        opts=options,
    )
    aws.sqs.QueuePolicy(
        f"{name}-failures-policy",
        queue_url=failures.url,
        policy=failures.arn.apply(lambda arn: iam.document(iam.tls_only("sqs:*", [arn]))),
        opts=options,
    )
    role = aws.iam.Role(
        f"{name}-role",
        description=f"What the function {name} may do: count machines, publish the count",
        assume_role_policy=cloud.account.apply(
            lambda account: iam.service_trust("lambda.amazonaws.com", account)
        ),
        tags=tags,
        opts=options,
    )
    policy = aws.iam.RolePolicy(
        f"{name}-policy",
        role=role.id,
        policy=pulumi.Output.all(logs=group.arn, failures=failures.arn, key=kms_key_arn).apply(
            lambda known: function_policy(**known)
        ),
        opts=options,
    )
    function = aws.lambda_.Function(
        name,
        description="Publishes how many machines each node pool has",
        runtime=_RUNTIME,
        handler="node_watch.handler",
        architectures=["arm64"],
        code=pulumi.AssetArchive({"node_watch.py": pulumi.StringAsset(source("node_watch"))}),
        role=role.arn,
        timeout=60,
        memory_size=128,
        reserved_concurrent_executions=1,
        kms_key_arn=kms_key_arn,
        environment=aws.lambda_.FunctionEnvironmentArgs(
            variables={
                "STAGECRAFT_CLUSTER": cluster,
                "STAGECRAFT_METRIC_NAMESPACE": METRIC_NAMESPACE,
            }
        ),
        dead_letter_config=aws.lambda_.FunctionDeadLetterConfigArgs(target_arn=failures.arn),
        logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=group.name),
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[policy]),
    )
    schedule = aws.cloudwatch.EventRule(
        f"{name}-schedule",
        description=f"Runs {name}",
        schedule_expression=f"rate({PERIOD_SECONDS // 60} minutes)",
        tags=tags,
        opts=options,
    )
    allowed = aws.lambda_.Permission(
        f"{name}-allowed",
        action="lambda:InvokeFunction",
        function=function.name,
        principal="events.amazonaws.com",
        source_arn=schedule.arn,
        opts=options,
    )
    aws.cloudwatch.EventTarget(
        f"{name}-target",
        rule=schedule.name,
        arn=function.arn,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[allowed]),
    )


def function_policy(*, logs: str, failures: str, key: str) -> str:
    """What the function needs; counting and publishing take no resource."""
    return iam.document(
        iam.allow(["ec2:DescribeInstances"], ["*"]),
        iam.allow(
            ["cloudwatch:PutMetricData"],
            ["*"],
            conditions={"StringEquals": {"cloudwatch:namespace": METRIC_NAMESPACE}},
        ),
        iam.allow(["logs:CreateLogStream", "logs:PutLogEvents"], [f"{logs}:*"]),
        iam.allow(["sqs:SendMessage"], [failures]),
        iam.allow(["kms:Decrypt", "kms:GenerateDataKey"], [key]),
    )
