"""A Batch queue, and the machines behind it: there while a job runs, spot first, on-demand after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

import pulumi
import pulumi_aws as aws

from components import iam, user_data
from components.checks import Problems
from components.context import Cloud, Tags
from components.network import Network

CPU_INSTANCE_TYPES: Final = ("m6a.xlarge", "m6i.xlarge", "m7i.xlarge")
"""Types of one size from several families, so that spot has somewhere to go."""
DEFAULT_MAX_VCPUS: Final = 32
DEFAULT_SCRATCH_GIB: Final = 100
SPOT_MINIMUM_TYPES: Final = 3
_CAPACITY: Final = {"spot": "SPOT", "on-demand": "EC2"}


class PoolNetwork(TypedDict):
    """A network that is there already."""

    vpc_id: pulumi.Input[str]
    """Id of the VPC."""
    subnet_ids: pulumi.Input[list[str]]
    """Ids of private subnets that reach ECR, ECS, CloudWatch Logs and S3."""


@dataclass(frozen=True)
class QueueSpec:
    """Which machines, and how many."""

    instance_types: Sequence[str]
    spot: bool
    max_vcpus: int
    fallback_vcpus: int
    """The most on-demand vCPUs beside spot."""
    grace_seconds: int
    """What a job has to stop in when its host is reclaimed."""
    scratch_gib: int
    gpus: bool = False
    network: PoolNetwork | None = None
    """Default: a Network is made."""
    repository_arns: Sequence[pulumi.Input[str]] | None = None
    """What machines pull from. Default: the account's repositories."""


@dataclass(frozen=True)
class BatchQueue:
    """What was made."""

    arn: pulumi.Output[str]
    subnet_ids: pulumi.Output[list[str]]
    security_group_id: pulumi.Output[str]


def batch_queue(
    parent: pulumi.Resource,
    name: str,
    spec: QueueSpec,
    *,
    cloud: Cloud,
    kms_key_arn: pulumi.Output[str],
    tags: Tags,
) -> BatchQueue:
    """A queue whose machines reach HTTPS and are reached by nothing."""
    return _Maker(parent, name, spec, cloud, kms_key_arn, tags).make()


def check_machines(problems: Problems, path: str, types: list[str], *, spot: bool) -> None:
    """What is wrong with a choice of machines."""
    if spot and len(types) < SPOT_MINIMUM_TYPES:
        problems.add(path, types, "spot needs at least three types, or it has nowhere to go")
    problems.distinct(path, types)


@dataclass(frozen=True)
class _Maker:
    """Registers a queue's parts."""

    parent: pulumi.Resource
    name: str
    spec: QueueSpec
    cloud: Cloud
    key: pulumi.Output[str]
    tags: Tags

    @property
    def options(self) -> pulumi.ResourceOptions:
        """Options of all of them."""
        return pulumi.ResourceOptions(parent=self.parent)

    def make(self) -> BatchQueue:
        """All of it."""
        vpc_id, subnet_ids = self._network()
        group = self._security_group(vpc_id)
        profile, template = self._instance_profile(), self._launch_template()
        kinds = ["spot", "on-demand"] if self.spec.spot else ["on-demand"]
        environments = [
            self._compute_environment(kind, profile, template, subnet_ids, group) for kind in kinds
        ]
        queue = aws.batch.JobQueue(
            f"{self.name}-queue",
            priority=1,
            state="ENABLED",
            compute_environment_orders=[
                aws.batch.JobQueueComputeEnvironmentOrderArgs(
                    order=order, compute_environment=environment.arn
                )
                for order, environment in enumerate(environments, start=1)
            ],
            tags=self.tags,
            opts=self.options,
        )
        return BatchQueue(queue.arn, subnet_ids, group)

    def _network(self) -> tuple[pulumi.Output[str], pulumi.Output[list[str]]]:
        given = self.spec.network
        if given is not None:
            return pulumi.Output.from_input(given["vpc_id"]), pulumi.Output.from_input(given["subnet_ids"])
        network = Network(
            f"{self.name}-network", {"kms_key_arn": self.key, "tags": dict(self.tags)}, self.options
        )
        return network.vpc_id, network.subnet_ids

    def _security_group(self, vpc_id: pulumi.Output[str]) -> pulumi.Output[str]:
        group = aws.ec2.SecurityGroup(
            f"{self.name}-machines",
            description=f"Machines of {self.name}: HTTPS out, nothing in",
            vpc_id=vpc_id,
            tags={**self.tags, "Name": f"{self.name}-machines"},
            opts=self.options,
        )
        anywhere: dict[str, Any] = {"ipv4": {"cidr_ipv4": "0.0.0.0/0"}, "ipv6": {"cidr_ipv6": "::/0"}}
        for family, block in anywhere.items():
            aws.vpc.SecurityGroupEgressRule(
                f"{self.name}-https-{family}",
                security_group_id=group.id,
                description="HTTPS to AWS and package indexes",
                ip_protocol="tcp",
                from_port=443,
                to_port=443,
                tags=self.tags,
                opts=self.options,
                **block,
            )
        return group.id

    def _instance_profile(self) -> aws.iam.InstanceProfile:
        role = aws.iam.Role(
            f"{self.name}-machine-role",
            description=f"What the machines of {self.name} may do: run containers, write their logs",
            assume_role_policy=iam.instance_trust(),
            tags=self.tags,
            opts=self.options,
        )
        repositories = self.spec.repository_arns
        policy = aws.iam.RolePolicy(
            f"{self.name}-machine-policy",
            role=role.id,
            policy=pulumi.Output.all(
                clusters=self.cloud.arn("ecs", "cluster/*"),
                instances=self.cloud.arn("ecs", "container-instance/*"),
                tasks=self.cloud.arn("ecs", "task/*"),
                repositories=[self.cloud.arn("ecr", "repository/*")]
                if repositories is None
                else list(repositories),
                logs=self.cloud.arn("logs", "log-group:/stagecraft/*"),
            ).apply(lambda known: machine_policy(**known)),
            opts=self.options,
        )
        return aws.iam.InstanceProfile(
            f"{self.name}-machines",
            role=role.name,
            tags=self.tags,
            opts=pulumi.ResourceOptions(parent=self.parent, depends_on=[policy]),
        )

    def _launch_template(self) -> aws.ec2.LaunchTemplate:
        return aws.ec2.LaunchTemplate(
            f"{self.name}-machines",
            description=f"Machines of {self.name}",
            update_default_version=True,
            user_data=user_data.encoded(user_data.spot_contract(self.spec.grace_seconds)),
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled",
                http_protocol_ipv6="enabled",
                http_put_response_hop_limit=1,
                http_tokens="required",
            ),
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name="/dev/xvda",
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        delete_on_termination="true",
                        encrypted="true",
                        volume_size=self.spec.scratch_gib,
                        volume_type="gp3",
                    ),
                )
            ],
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=self.tags)
                for kind in ("instance", "volume")
            ],
            tags=self.tags,
            opts=self.options,
        )

    def _compute_environment(
        self,
        kind: str,
        profile: aws.iam.InstanceProfile,
        template: aws.ec2.LaunchTemplate,
        subnet_ids: pulumi.Output[list[str]],
        group: pulumi.Output[str],
    ) -> aws.batch.ComputeEnvironment:
        spot = kind == "spot"
        return aws.batch.ComputeEnvironment(
            f"{self.name}-{kind}",
            type="MANAGED",
            state="ENABLED",
            compute_resources=aws.batch.ComputeEnvironmentComputeResourcesArgs(
                type=_CAPACITY[kind],
                allocation_strategy="SPOT_PRICE_CAPACITY_OPTIMIZED" if spot else "BEST_FIT_PROGRESSIVE",
                min_vcpus=0,
                max_vcpus=self.spec.fallback_vcpus if self.spec.spot and not spot else self.spec.max_vcpus,
                instance_role=profile.arn,
                instance_types=list(self.spec.instance_types),
                ec2_configurations=[
                    aws.batch.ComputeEnvironmentComputeResourcesEc2ConfigurationArgs(
                        image_type="ECS_AL2023_NVIDIA" if self.spec.gpus else "ECS_AL2023"
                    )
                ],
                launch_template=aws.batch.ComputeEnvironmentComputeResourcesLaunchTemplateArgs(
                    launch_template_id=template.id, version=template.latest_version.apply(str)
                ),
                security_group_ids=[group],
                subnets=subnet_ids,
                tags=self.tags,
            ),
            tags=self.tags,
            opts=self.options,
        )


def machine_policy(*, clusters: str, instances: str, tasks: str, repositories: list[str], logs: str) -> str:
    """What the container agent on a machine needs, and no more."""
    return iam.document(
        # Neither takes a resource.
        iam.allow(["ecr:GetAuthorizationToken", "ecs:DiscoverPollEndpoint"], ["*"]),
        iam.allow(
            [
                "ecs:DeregisterContainerInstance",
                "ecs:RegisterContainerInstance",
                "ecs:SubmitAttachmentStateChanges",
                "ecs:SubmitContainerStateChange",
                "ecs:SubmitTaskStateChange",
            ],
            [clusters],
        ),
        iam.allow(
            [
                "ecs:Poll",
                "ecs:StartTelemetrySession",
                "ecs:TagResource",
                "ecs:UpdateContainerInstancesState",
            ],
            [instances, tasks],
        ),
        iam.allow(
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            repositories,
        ),
        iam.allow(["logs:CreateLogStream", "logs:PutLogEvents"], [f"{logs}:*"]),
    )
