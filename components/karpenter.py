"""Karpenter's place in AWS: what it may do, what its nodes are, and how it hears of interruptions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components import iam
from components.context import Cloud, Tags

SERVICE_ACCOUNT: Final = "karpenter"
NODE_POLICIES: Final = ("AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodePolicy")
_NODEPOOL_TAG: Final = "karpenter.sh/nodepool"
_DESCRIBE: Final = (
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeCapacityReservations",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceStatus",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribePlacementGroups",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSpotPriceHistory",
    "ec2:DescribeSubnets",
    "iam:ListInstanceProfiles",
    "pricing:GetProducts",
)
"""None of them takes a resource."""
_LAUNCHED: Final = (
    "fleet",
    "instance",
    "launch-template",
    "network-interface",
    "spot-instances-request",
    "volume",
)

EVENTS: Final[Mapping[str, tuple[str, str]]] = {
    "health": ("aws.health", "AWS Health Event"),
    "interruption": ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
    "rebalance": ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
    "state-change": ("aws.ec2", "EC2 Instance State-change Notification"),
}
"""What Karpenter drains a node for before AWS takes it: rule → source and kind."""


@dataclass(frozen=True)
class Nodes:
    """What machines that Karpenter starts are."""

    role_arn: pulumi.Output[str]
    instance_profile: pulumi.Output[str]


@dataclass(frozen=True)
class Queue:
    """Where interruptions are told."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]


def nodes(parent: pulumi.Resource, name: str, *, cloud: Cloud, tags: Tags) -> Nodes:
    """Role and instance profile of the machines: join the cluster, pull images, nothing else."""
    options = pulumi.ResourceOptions(parent=parent)
    role = node_role(parent, f"{name}-node", f"What nodes of {name} may do", cloud=cloud, tags=tags)
    profile = aws.iam.InstanceProfile(f"{name}-nodes", role=role.name, tags=tags, opts=options)
    return Nodes(role.arn, profile.name)


def node_role(
    parent: pulumi.Resource, name: str, description: str, *, cloud: Cloud, tags: Tags
) -> aws.iam.Role:
    """A node's role. The pod network's rights are not in it: its agent has them by Pod Identity."""
    options = pulumi.ResourceOptions(parent=parent)
    role = aws.iam.Role(
        f"{name}-role",
        description=description,
        assume_role_policy=iam.instance_trust(),
        tags=tags,
        opts=options,
    )
    for policy in NODE_POLICIES:
        aws.iam.RolePolicyAttachment(
            f"{name}-{policy}",
            role=role.name,
            policy_arn=pulumi.Output.format("arn:{0}:iam::aws:policy/{1}", cloud.partition, policy),
            opts=options,
        )
    return role


def interruption_queue(
    parent: pulumi.Resource, name: str, *, cloud: Cloud, kms_key_arn: pulumi.Input[str], tags: Tags
) -> Queue:
    """A queue that AWS's warnings reach; a message that nobody took in five minutes is of no use."""
    options = pulumi.ResourceOptions(parent=parent)
    queue = aws.sqs.Queue(
        f"{name}-interruptions",
        message_retention_seconds=300,
        kms_master_key_id=kms_key_arn,
        tags=tags,
        opts=options,
    )
    rules = [_rule(parent, f"{name}-{role}", event, queue, tags) for role, event in sorted(EVENTS.items())]
    aws.sqs.QueuePolicy(
        f"{name}-interruptions-policy",
        queue_url=queue.url,
        policy=pulumi.Output.all(queue.arn, pulumi.Output.all(*rules)).apply(
            lambda known: queue_policy(known[0], known[1])
        ),
        opts=options,
    )
    return Queue(queue.name, queue.arn)


def _rule(
    parent: pulumi.Resource, name: str, event: tuple[str, str], queue: aws.sqs.Queue, tags: Tags
) -> pulumi.Output[str]:
    options = pulumi.ResourceOptions(parent=parent)
    source, kind = event
    rule = aws.cloudwatch.EventRule(
        name,
        description=f"{kind}, for Karpenter to drain the node",
        event_pattern=pulumi.Output.json_dumps({"detail-type": [kind], "source": [source]}, sort_keys=True),
        tags=tags,
        opts=options,
    )
    aws.cloudwatch.EventTarget(f"{name}-target", rule=rule.name, arn=queue.arn, opts=options)
    return rule.arn


def queue_policy(queue_arn: str, rule_arns: list[str]) -> str:
    """TLS only; the rules may send, and nobody else."""
    return iam.document(
        iam.tls_only("sqs:*", [queue_arn]),
        iam.resource_statement(
            {"Service": "events.amazonaws.com"},
            ["sqs:SendMessage"],
            [queue_arn],
            sid="Events",
            conditions={"ArnEquals": {"aws:SourceArn": sorted(rule_arns)}},
        ),
    )


def controller_role(
    parent: pulumi.Resource,
    name: str,
    *,
    cloud: Cloud,
    cluster: pulumi.Output[str],
    cluster_arn: pulumi.Output[str],
    made: Nodes,
    queue: Queue,
    kms_key_arn: pulumi.Input[str],
    tags: Tags,
) -> aws.iam.Role:
    """The controller's role; it starts and ends machines that carry the cluster's tags, and no others."""
    options = pulumi.ResourceOptions(parent=parent)
    role = aws.iam.Role(
        f"{name}-karpenter-role",
        description=f"What Karpenter may do for {name}",
        assume_role_policy=cloud.account.apply(iam.pod_trust),
        tags=tags,
        opts=options,
    )
    aws.iam.RolePolicy(
        f"{name}-karpenter-policy",
        role=role.id,
        policy=pulumi.Output.all(
            partition=cloud.partition,
            region=cloud.region,
            account=cloud.account,
            cluster=cluster,
            cluster_arn=cluster_arn,
            node_role=made.role_arn,
            profile=made.instance_profile,
            queue=queue.arn,
            key=kms_key_arn,
        ).apply(lambda known: controller_policy(**known)),
        opts=options,
    )
    return role


def controller_policy(
    *,
    partition: str,
    region: str,
    account: str,
    cluster: str,
    cluster_arn: str,
    node_role: str,
    profile: str,
    queue: str,
    key: str,
) -> str:
    """Least privilege by tag: what Karpenter makes carries the cluster's tag, and only that may it touch."""
    owned = f"kubernetes.io/cluster/{cluster}"

    def ec2(*kinds: str) -> list[str]:
        return [f"arn:{partition}:ec2:{region}:{account}:{kind}/*" for kind in kinds]

    def tagged(context: str) -> dict[str, dict[str, str | list[str]]]:
        return {
            "StringEquals": {f"aws:{context}/{owned}": "owned"},
            "StringLike": {f"aws:{context}/{_NODEPOOL_TAG}": "*"},
        }

    start = ["ec2:CreateFleet", "ec2:RunInstances"]
    return iam.document(
        iam.allow(
            start,
            [
                *ec2("capacity-reservation", "placement-group", "security-group", "subnet"),
                # Images and snapshots belong to whoever published them.
                f"arn:{partition}:ec2:{region}::image/*",
                f"arn:{partition}:ec2:{region}::snapshot/*",
            ],
            sid="StartFrom",
        ),
        iam.allow(start, ec2("launch-template"), sid="StartFromOwn", conditions=tagged("ResourceTag")),
        iam.allow(
            [*start, "ec2:CreateLaunchTemplate"],
            ec2(*_LAUNCHED),
            sid="StartTagged",
            conditions=tagged("RequestTag"),
        ),
        iam.allow(
            ["ec2:CreateTags"],
            ec2(*_LAUNCHED),
            sid="TagWhatIsStarted",
            conditions={
                "StringEquals": {
                    f"aws:RequestTag/{owned}": "owned",
                    "ec2:CreateAction": ["CreateFleet", "CreateLaunchTemplate", "RunInstances"],
                }
            },
        ),
        iam.allow(
            ["ec2:CreateTags"],
            ec2("instance"),
            sid="NameOwn",
            conditions={
                **tagged("ResourceTag"),
                "ForAllValues:StringEquals": {
                    "aws:TagKeys": ["Name", "eks:eks-cluster-name", "karpenter.sh/nodeclaim"]
                },
            },
        ),
        iam.allow(
            ["ec2:DeleteLaunchTemplate", "ec2:TerminateInstances"],
            ec2("instance", "launch-template"),
            sid="EndOwn",
            conditions=tagged("ResourceTag"),
        ),
        iam.allow(
            _DESCRIBE,
            ["*"],
            sid="Look",
            conditions={"StringEquals": {"aws:RequestedRegion": [region, "us-east-1"]}},
        ),
        iam.allow(
            ["ssm:GetParameter"],
            [f"arn:{partition}:ssm:{region}::parameter/aws/service/*"],
            sid="FindImages",
        ),
        iam.allow(
            ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"], [queue], sid="HearOfInterruptions"
        ),
        iam.allow(["kms:Decrypt"], [key], sid="ReadInterruptions"),
        iam.allow(
            ["iam:PassRole"],
            [node_role],
            sid="GiveNodesTheirRole",
            conditions={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
        iam.allow(
            ["iam:GetInstanceProfile"],
            [f"arn:{partition}:iam::{account}:instance-profile/{profile}"],
            sid="SeeTheirProfile",
        ),
        iam.allow(["eks:DescribeCluster"], [cluster_arn], sid="FindTheCluster"),
    )


def chart_values(*, cluster: pulumi.Input[str], queue: pulumi.Input[str]) -> dict[str, Any]:
    """Two controllers on the system nodes; a node that fails its checks is replaced."""
    return {
        "serviceAccount": {"name": SERVICE_ACCOUNT},
        "settings": {"clusterName": cluster, "interruptionQueue": queue},
        "replicas": 2,
        "controller": {
            "resources": {
                "requests": {"cpu": "250m", "memory": "512Mi"},
                "limits": {"cpu": "1", "memory": "512Mi"},
            }
        },
        "nodeSelector": {"kubernetes.io/os": "linux", "stagecraft.dev/nodes": "system"},
    }
