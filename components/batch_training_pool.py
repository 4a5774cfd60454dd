"""BatchTrainingPool: machines for jobs that are there while a job runs, spot first."""

from typing import Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import batch_job, naming
from components.batch_job import JobSpec
from components.batch_queue import (
    CPU_INSTANCE_TYPES,
    DEFAULT_MAX_VCPUS,
    DEFAULT_SCRATCH_GIB,
    BatchQueue,
    PoolNetwork,
    QueueSpec,
    batch_queue,
    check_machines,
)
from components.checkpoints import (
    DEFAULT_CHECKPOINT_MINUTES,
    DEFAULT_GRACE_SECONDS,
    checkpoint_policy,
    contract_variables,
)
from components.checks import NAME, NAME_REMEDY, Problems
from components.context import by_name, current_cloud, declared_outputs
from components.encryption import data_key
from components.logs import RETENTION_DAYS, log_group

DEFAULT_LOG_DAYS: Final = 30


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
        queue = self._queue()
        self.queue_arn = queue.arn
        self.subnet_ids = queue.subnet_ids
        self.security_group_id = queue.security_group_id
        self.log_group = log_group(
            self,
            f"{name}-logs",
            naming.log_group_name(pulumi.get_stack(), name),
            kms_key_arn=self._key,
            retention_days=int(args.get("log_retention_days", DEFAULT_LOG_DAYS)),
            tags=self._tags,
        ).name
        jobs = {job["name"]: self._job(job) for job in args["jobs"]}
        self.job_definition_arns = by_name({job: arns[0] for job, arns in jobs.items()})
        self.job_role_arns = by_name({job: arns[1] for job, arns in jobs.items()})
        self.register_outputs(declared_outputs(self))

    def _queue(self) -> BatchQueue:
        args, most = self._args, int(self._args.get("max_vcpus", DEFAULT_MAX_VCPUS))
        return batch_queue(
            self,
            self._name,
            QueueSpec(
                instance_types=args.get("instance_types", list(CPU_INSTANCE_TYPES)),
                spot=args.get("spot", True),
                max_vcpus=most,
                fallback_vcpus=int(args.get("fallback_vcpus", most)),
                grace_seconds=int(args.get("grace_seconds", DEFAULT_GRACE_SECONDS)),
                scratch_gib=int(args.get("scratch_gib", DEFAULT_SCRATCH_GIB)),
                gpus=any(int(job.get("gpus", 0)) for job in args["jobs"]),
                network=args.get("network"),
                repository_arns=args.get("repository_arns"),
            ),
            cloud=self._cloud,
            kms_key_arn=self._key,
            tags=self._tags,
        )

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
            **contract_variables(
                self._args["checkpoint_uri"],
                job["name"],
                minutes=int(minutes),
                grace_seconds=int(self._args.get("grace_seconds", DEFAULT_GRACE_SECONDS)),
            ),
        }


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
        check_machines(problems, "instanceTypes", types, spot=args.get("spot", True))
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
