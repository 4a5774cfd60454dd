"""BatchTrainingPool: machines for jobs that are there while a job runs, spot first."""

from typing import Any, Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import batch_job, iam, naming, user_data
from components.batch_job import JobSpec
from components.checks import NAME, NAME_REMEDY, Problems
from components.context import by_name, current_cloud, declared_outputs
from components.encryption import data_key
from components.logs import RETENTION_DAYS, log_group
from components.network import Network

CPU_INSTANCE_TYPES: Final = ("m6a.xlarge", "m6i.xlarge", "m7i.xlarge")
"""Types of one size from several families, so that spot has somewhere to go."""

DEFAULT_MAX_VCPUS: Final = 32
DEFAULT_CHECKPOINT_MINUTES: Final = 15
DEFAULT_GRACE_SECONDS: Final = 110
"""AWS reclaims a spot host two minutes after it says so."""
DEFAULT_LOG_DAYS: Final = 30
DEFAULT_SCRATCH_GIB: Final = 100
SPOT_MINIMUM_TYPES: Final = 3
_CAPACITY: Final = {"spot": "SPOT", "on-demand": "EC2"}


class PoolNetwork(TypedDict):
    """A network that is there already."""

    vpc_id: pulumi.Input[str]
    """Id of the VPC."""
    subnet_ids: pulumi.Input[list[str]]
    """Ids of private subnets that reach ECR, ECS, CloudWatch Logs and S3."""


class PoolJob(TypedDict):
    """One job that runs in the pool."""

    name: str
    """Name of the job: lower case letters, digits and single hyphens."""
    image_uri: pulumi.Input[str]
    """Image to run."""
    command: list[str]
    """Arguments to the image's entrypoint; at least one."""
    environment: NotRequired[dict[str, pulumi.Input[str]]]
    """Environment variables, beside the pool's own (the spot contract). Default: none."""
    policy_arns: NotRequired[list[pulumi.Input[str]]]
    """Policies of the job's role. Default: none; the job may do nothing."""
    vcpus: NotRequired[int]
    """vCPUs; from 1 to 192. Default: 2."""
    memory_mib: NotRequired[int]
    """Memory in MiB. Default: 3500."""
    gpus: NotRequired[int]
    """GPUs; from 0 to 16. Default: 0."""
    checkpoint_minutes: NotRequired[int]
    """Minutes between checkpoints; from 1 to 240. Default: the pool's."""
    timeout_minutes: NotRequired[int]
    """Minutes after which a run is ended; from 1 to 20160. Default: 240."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of what is this job's, beside the component's."""


class BatchTrainingPoolArgs(TypedDict):
    """Inputs of BatchTrainingPool."""

    jobs: list[PoolJob]
    """Jobs that run in the pool; at least one."""
    checkpoint_uri: pulumi.Input[str]
    """`s3://` prefix for checkpoints, ending in `/`; each job has `<job>/` under it."""
    instance_types: NotRequired[list[str]]
    """Instance types or families; at least three for spot. Default: m6a.xlarge, m6i.xlarge, m7i.xlarge."""
    spot: NotRequired[bool]
    """Whether spot comes first, with on-demand after it. Default: true."""
    max_vcpus: NotRequired[int]
    """The most vCPUs at once, spot's where there is spot; from 1 to 10000. Default: 32."""
    fallback_vcpus: NotRequired[int]
    """The most on-demand vCPUs at once beside spot; from 1 to 10000. Default: as many as `max_vcpus`."""
    checkpoint_minutes: NotRequired[int]
    """Minutes between checkpoints; from 1 to 240. Default: 15."""
    grace_seconds: NotRequired[int]
    """Seconds a job has to stop in, also when its host is reclaimed; from 10 to 115. Default: 110."""
    scratch_gib: NotRequired[int]
    """Size of a machine's encrypted volume in GiB; from 30 to 16384. Default: 100."""
    repository_arns: NotRequired[list[pulumi.Input[str]]]
    """ECR repositories that machines pull from. Default: the account's own."""
    network: NotRequired[PoolNetwork]
    """Where machines run. Default: a Network is made."""
    log_retention_days: NotRequired[int]
    """Days that logs are kept; one of CloudWatch's own steps. Default: 30."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key for logs, also the checkpoints' bucket's. Default: a key is made, rotated yearly."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take a key it made along. Default: false."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class BatchTrainingPool(pulumi.ComponentResource):
    """An AWS Batch queue over spot and then on-demand machines, from none to as many as its jobs need.

    A job whose host is reclaimed starts again, up to five times, and goes on from its checkpoint.
    """

    queue_arn: pulumi.Output[str]
    """ARN of the queue to submit jobs to."""
    job_definition_arns: pulumi.Output[dict[str, str]]
    """Job → ARN of its definition."""
    job_role_arns: pulumi.Output[dict[str, str]]
    """Job → ARN of its role."""
    log_group: pulumi.Output[str]
    """Name of the jobs' log group."""
    subnet_ids: pulumi.Output[list[str]]
    """Ids of the subnets that machines run in."""
    security_group_id: pulumi.Output[str]
    """Id of the machines' security group: HTTPS out, nothing in."""

    def __init__(
        self, name: str, args: BatchTrainingPoolArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stagecraft:index:BatchTrainingPool", name, args, opts)
        _check(name, args)
        self._name = name
        self._args = args
        self._tags = args.get("tags", {})
        self._options = pulumi.ResourceOptions(parent=self)
        self._cloud = current_cloud(self)
        self._key = data_key(self, name, args, self._cloud, purpose="Logs")
        vpc_id, self.subnet_ids = self._network()
        self.security_group_id = self._security_group(vpc_id)
        self.log_group = log_group(
            self,
            f"{name}-logs",
            naming.log_group_name(pulumi.get_stack(), name),
            kms_key_arn=self._key,
            retention_days=int(args.get("log_retention_days", DEFAULT_LOG_DAYS)),
            tags=self._tags,
        ).name
        self.queue_arn = self._queue()
        jobs = {job["name"]: self._job(job) for job in args["jobs"]}
        self.job_definition_arns = by_name({job: arns[0] for job, arns in jobs.items()})
        self.job_role_arns = by_name({job: arns[1] for job, arns in jobs.items()})
        self.register_outputs(declared_outputs(self))

    def _network(self) -> tuple[pulumi.Output[str], pulumi.Output[list[str]]]:
        if "network" in self._args:
            given = self._args["network"]
            return pulumi.Output.from_input(given["vpc_id"]), pulumi.Output.from_input(given["subnet_ids"])
        network = Network(
            f"{self._name}-network", {"kms_key_arn": self._key, "tags": self._tags}, self._options
        )
        return network.vpc_id, network.subnet_ids

    def _security_group(self, vpc_id: pulumi.Output[str]) -> pulumi.Output[str]:
        group = aws.ec2.SecurityGroup(
            f"{self._name}-machines",
            description=f"Machines of {self._name}: HTTPS out, nothing in",
            vpc_id=vpc_id,
            tags={**self._tags, "Name": f"{self._name}-machines"},
            opts=self._options,
        )
        anywhere: dict[str, Any] = {"ipv4": {"cidr_ipv4": "0.0.0.0/0"}, "ipv6": {"cidr_ipv6": "::/0"}}
        for family, block in anywhere.items():
            aws.vpc.SecurityGroupEgressRule(
                f"{self._name}-https-{family}",
                security_group_id=group.id,
                description="HTTPS to AWS and package indexes",
                ip_protocol="tcp",
                from_port=443,
                to_port=443,
                tags=self._tags,
                opts=self._options,
                **block,
            )
        return group.id

    def _instance_profile(self) -> aws.iam.InstanceProfile:
        role = aws.iam.Role(
            f"{self._name}-machine-role",
            description=f"What the machines of {self._name} may do: run containers, write their logs",
            assume_role_policy=iam.instance_trust(),
            tags=self._tags,
            opts=self._options,
        )
        repositories = self._args.get("repository_arns", [self._cloud.arn("ecr", "repository/*")])
        policy = aws.iam.RolePolicy(
            f"{self._name}-machine-policy",
            role=role.id,
            policy=pulumi.Output.all(
                clusters=self._cloud.arn("ecs", "cluster/*"),
                instances=self._cloud.arn("ecs", "container-instance/*"),
                tasks=self._cloud.arn("ecs", "task/*"),
                repositories=repositories,
                logs=self._cloud.arn("logs", "log-group:/stagecraft/*"),
            ).apply(lambda known: machine_policy(**known)),
            opts=self._options,
        )
        return aws.iam.InstanceProfile(
            f"{self._name}-machines",
            role=role.name,
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )

    def _launch_template(self) -> aws.ec2.LaunchTemplate:
        grace = int(self._args.get("grace_seconds", DEFAULT_GRACE_SECONDS))
        return aws.ec2.LaunchTemplate(
            f"{self._name}-machines",
            description=f"Machines of {self._name}",
            update_default_version=True,
            user_data=user_data.encoded(user_data.spot_contract(grace)),
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
                        volume_size=int(self._args.get("scratch_gib", DEFAULT_SCRATCH_GIB)),
                        volume_type="gp3",
                    ),
                )
            ],
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=self._tags)
                for kind in ("instance", "volume")
            ],
            tags=self._tags,
            opts=self._options,
        )

    def _queue(self) -> pulumi.Output[str]:
        profile = self._instance_profile()
        template = self._launch_template()
        kinds = ["spot", "on-demand"] if self._args.get("spot", True) else ["on-demand"]
        environments = [self._compute_environment(kind, profile, template) for kind in kinds]
        return aws.batch.JobQueue(
            f"{self._name}-queue",
            priority=1,
            state="ENABLED",
            compute_environment_orders=[
                aws.batch.JobQueueComputeEnvironmentOrderArgs(
                    order=order, compute_environment=environment.arn
                )
                for order, environment in enumerate(environments, start=1)
            ],
            tags=self._tags,
            opts=self._options,
        ).arn

    def _compute_environment(
        self, kind: str, profile: aws.iam.InstanceProfile, template: aws.ec2.LaunchTemplate
    ) -> aws.batch.ComputeEnvironment:
        gpu = any(int(job.get("gpus", 0)) for job in self._args["jobs"])
        spot = kind == "spot"
        return aws.batch.ComputeEnvironment(
            f"{self._name}-{kind}",
            type="MANAGED",
            state="ENABLED",
            compute_resources=aws.batch.ComputeEnvironmentComputeResourcesArgs(
                type=_CAPACITY[kind],
                allocation_strategy="SPOT_PRICE_CAPACITY_OPTIMIZED" if spot else "BEST_FIT_PROGRESSIVE",
                min_vcpus=0,
                max_vcpus=self._most(kind),
                instance_role=profile.arn,
                instance_types=list(self._args.get("instance_types", CPU_INSTANCE_TYPES)),
                ec2_configurations=[
                    aws.batch.ComputeEnvironmentComputeResourcesEc2ConfigurationArgs(
                        image_type="ECS_AL2023_NVIDIA" if gpu else "ECS_AL2023"
                    )
                ],
                launch_template=aws.batch.ComputeEnvironmentComputeResourcesLaunchTemplateArgs(
                    launch_template_id=template.id, version=template.latest_version.apply(str)
                ),
                security_group_ids=[self.security_group_id],
                subnets=self.subnet_ids,
                tags=self._tags,
            ),
            tags=self._tags,
            opts=self._options,
        )

    def _most(self, kind: str) -> int:
        most = int(self._args.get("max_vcpus", DEFAULT_MAX_VCPUS))
        fallback = kind == "on-demand" and self._args.get("spot", True)
        return int(self._args.get("fallback_vcpus", most)) if fallback else most

    def _job(self, job: PoolJob) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        return batch_job.batch_job(
            self,
            f"{self._name}-{job['name']}",
            JobSpec(
                image_uri=job["image_uri"],
                command=job["command"],
                log_group=self.log_group,
                environment={**self._contract(job), **job.get("environment", {})},
                vcpus=int(job.get("vcpus", batch_job.DEFAULT_VCPUS)),
                memory_mib=int(job.get("memory_mib", batch_job.DEFAULT_MEMORY_MIB)),
                gpus=int(job.get("gpus", 0)),
                timeout_minutes=int(job.get("timeout_minutes", batch_job.DEFAULT_TIMEOUT_MINUTES)),
            ),
            cloud=self._cloud,
            policies={
                "checkpoints": self._checkpoint_policy(job),
                **{f"policy-{index}": arn for index, arn in enumerate(job.get("policy_arns", []))},
            },
            tags={**self._tags, **job.get("tags", {})},
        )

    def _checkpoint_policy(self, job: PoolJob) -> pulumi.Output[str]:
        return aws.iam.Policy(
            f"{self._name}-{job['name']}-checkpoints",
            description=f"Where {job['name']} keeps its checkpoints",
            policy=pulumi.Output.all(
                partition=self._cloud.partition, uri=self._args["checkpoint_uri"], key=self._key
            ).apply(lambda known: checkpoint_policy(job=job["name"], **known)),
            tags={**self._tags, **job.get("tags", {})},
            opts=self._options,
        ).arn

    def _contract(self, job: PoolJob) -> dict[str, pulumi.Input[str]]:
        minutes = job.get(
            "checkpoint_minutes", self._args.get("checkpoint_minutes", DEFAULT_CHECKPOINT_MINUTES)
        )
        return {
            "AWS_USE_DUALSTACK_ENDPOINT": "true",
            "STAGECRAFT_CHECKPOINT_MINUTES": str(int(minutes)),
            "STAGECRAFT_CHECKPOINT_URI": pulumi.Output.concat(self._args["checkpoint_uri"], job["name"], "/"),
            "STAGECRAFT_GRACE_SECONDS": str(int(self._args.get("grace_seconds", DEFAULT_GRACE_SECONDS))),
        }


def checkpoint_policy(*, partition: str, uri: str, job: str, key: str) -> str:
    """A job reads, writes and clears its own checkpoints."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    own = [f"{prefix}{job}/"]
    return iam.document(
        *iam.bucket_access(f"arn:{partition}:s3:::{bucket}", read=own, write=own, delete=own),
        iam.key_access(key),
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


def _check(name: str, args: BatchTrainingPoolArgs) -> None:
    problems = Problems("BatchTrainingPool", name)
    if problems.shape(args, BatchTrainingPoolArgs):
        problems.between("maxVcpus", args.get("max_vcpus"), 1, 10000)
        problems.between("fallbackVcpus", args.get("fallback_vcpus"), 1, 10000)
        problems.between("checkpointMinutes", args.get("checkpoint_minutes"), 1, 240, "minutes")
        problems.between("graceSeconds", args.get("grace_seconds"), 10, 115, "seconds")
        problems.between("scratchGib", args.get("scratch_gib"), 30, 16384, "GiB")
        days = args.get("log_retention_days")
        if days is not None and days not in RETENTION_DAYS:
            problems.add("logRetentionDays", days, f"must be one of {', '.join(map(str, RETENTION_DAYS))}")
        uri = args["checkpoint_uri"]
        if isinstance(uri, str) and not (uri.startswith("s3://") and uri.endswith("/")):
            problems.add("checkpointUri", uri, "must be an s3:// prefix that ends in '/'")
        types = args.get("instance_types", list(CPU_INSTANCE_TYPES))
        if args.get("spot", True) and len(types) < SPOT_MINIMUM_TYPES:
            problems.add("instanceTypes", types, "spot needs at least three types, or it has nowhere to go")
        problems.distinct("instanceTypes", types)
        _check_jobs(problems, args["jobs"])
    problems.raise_if_any()


def _check_jobs(problems: Problems, jobs: list[PoolJob]) -> None:
    if not jobs:
        problems.add("jobs", [], "must hold at least one job")
    problems.distinct("jobs", [job["name"] for job in jobs])
    for index, job in enumerate(jobs):
        path = f"jobs[{index}]"
        problems.matches(
            f"{path}.name",
            job["name"],
            NAME,
            NAME_REMEDY,
        )
        if not job["command"]:
            problems.add(f"{path}.command", [], "must hold at least one argument")
        problems.between(f"{path}.vcpus", job.get("vcpus"), 1, 192)
        problems.between(f"{path}.memoryMib", job.get("memory_mib"), 128, 3145728, "MiB")
        problems.between(f"{path}.gpus", job.get("gpus"), 0, 16)
        problems.between(f"{path}.checkpointMinutes", job.get("checkpoint_minutes"), 1, 240, "minutes")
        problems.between(f"{path}.timeoutMinutes", job.get("timeout_minutes"), 1, 20160, "minutes")
