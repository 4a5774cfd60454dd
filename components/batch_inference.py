"""BatchInference: a model's live version scores everyone at once, by the clock or when asked."""

import json
import re
from typing import Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import batch_job, iam, job_schedules, naming
from components.batch_job import JobSpec
from components.batch_queue import (
    CPU_INSTANCE_TYPES,
    DEFAULT_SCRATCH_GIB,
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
from components.checks import COLUMN, NAME, NAME_REMEDY, Problems
from components.context import current_cloud, declared_outputs
from components.dead_letters import dead_letter_queue
from components.encryption import data_key
from components.job_schedules import ScheduledJob
from components.logs import RETENTION_DAYS, log_group
from components.money import dollars
from components.watch.metrics import PLATFORM

COMMAND: Final = "predict-batch"
DEFAULT_CHUNK_ROWS: Final = 50_000
DEFAULT_MAX_BAD_FRACTION: Final = 0.05
DEFAULT_MAX_VCPUS: Final = 8
DEFAULT_LOG_DAYS: Final = 30
_URI: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(?:.*/)?")
_URI_REMEDY: Final = "must be an s3:// prefix that ends in '/'"


class BatchMachines(TypedDict):
    """Machines of its own, which are there while a run lasts."""

    instance_types: NotRequired[list[str]]
    """Instance types or families; at least three for spot. Default: m6a.xlarge, m6i.xlarge, m7i.xlarge."""
    spot: NotRequired[bool]
    """Whether spot comes first, with on-demand after it. Default: true."""
    max_vcpus: NotRequired[int]
    """The most vCPUs at once, of spot and of on-demand each; from 1 to 10000. Default: 8."""
    scratch_gib: NotRequired[int]
    """Size of a machine's encrypted volume in GiB; from 30 to 16384. Default: 100."""
    repository_arns: NotRequired[list[pulumi.Input[str]]]
    """ECR repositories that machines pull from. Default: the account's own."""
    network: NotRequired[PoolNetwork]
    """Where machines run. Default: a Network is made."""


class BatchAlarm(TypedDict):
    """Whom to tell that a run failed, or could not be started."""

    topic_arn: pulumi.Input[str]
    """Topic to tell."""
    runbook_url: str
    """What to do then; the alarm names it."""


class BatchInferenceArgs(TypedDict):
    """Inputs of BatchInference."""

    model: str
    """Name of the model whose live version scores."""
    feature_views: list[str]
    """The model's feature views; at least one."""
    image_uri: pulumi.Input[str]
    """The platform's image; it knows the command `predict-batch`."""
    artifacts_bucket: pulumi.Input[str]
    """Bucket with the models; predictions go to `batch/<model>/`, their log to `predictions/<model>/`."""
    features_bucket: pulumi.Input[str]
    """Bucket with the offline features."""
    views_uri: pulumi.Input[str]
    """`s3://` prefix of the views' declarations, ending in `/`."""
    pointer_prefix: pulumi.Input[str]
    """Where the pointers to live versions are, in SSM."""
    checkpoint_uri: pulumi.Input[str]
    """`s3://` prefix for checkpoints, ending in `/`; the job has `predict-<model>/` under it."""
    policy_arns: list[pulumi.Input[str]]
    """Policies that let the job read features and models."""
    schedule: NotRequired[str]
    """When everyone is scored, `rate(1 day)` or `cron(0 5 * * ? *)`, UTC. Default: when a run is started."""
    entities_uri: NotRequired[pulumi.Input[str]]
    """`s3://` prefix of files that name whom to score, ending in `/`. Default: all with fresh features."""
    rows_uri: NotRequired[pulumi.Input[str]]
    """`s3://` prefix of rows to score by their own features, ending in `/`. Default: the store's."""
    chunk_rows: NotRequired[int]
    """Rows that are in memory, and in a file of predictions; from 100 to 5000000. Default: 50000."""
    max_bad_fraction: NotRequired[float]
    """Share of rows that may be unfit before none is scored; from 0 to 1. Default: 0.05."""
    hourly_cost_usd: NotRequired[float]
    """What the job's machine costs an hour, for the cost of 1,000 predictions. Default: none is told."""
    environment: NotRequired[dict[str, pulumi.Input[str]]]
    """Further environment variables. Default: none."""
    vcpus: NotRequired[int]
    """vCPUs; from 1 to 192. Default: 2."""
    memory_mib: NotRequired[int]
    """Memory in MiB; from 1024 to 3145728. Default: 3500."""
    timeout_minutes: NotRequired[int]
    """Minutes after which an attempt is ended; from 1 to 20160. Default: 240."""
    queue_arn: NotRequired[pulumi.Input[str]]
    """Batch queue to run in. Default: one is made, over machines of its own."""
    machines: NotRequired[BatchMachines]
    """Those machines, where no queue is given. Default: as they are by default."""
    alarm: NotRequired[BatchAlarm]
    """Whom to tell of failed runs. Default: nobody; they wait in the dead-letter queue all the same."""
    log_retention_days: NotRequired[int]
    """Days that logs are kept; one of CloudWatch's own steps. Default: 30."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key for logs and dead letters, also the buckets'. Default: a key is made, rotated yearly."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take a key it made along. Default: false."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class BatchInference(pulumi.ComponentResource):
    """A Batch job on spot that scores with a model's live version, resumes, and scores nobody twice.

    A run whose host is reclaimed starts again, up to five times, and goes on where it was. One that fails,
    or that the clock could not start, waits in the dead-letter queue, and an alarm tells of it.
    """

    job_definition_arn: pulumi.Output[str]
    """ARN of the job's definition."""
    job_role_arn: pulumi.Output[str]
    """ARN of the job's role."""
    queue_arn: pulumi.Output[str]
    """ARN of the queue that runs are submitted to."""
    output_uri: pulumi.Output[str]
    """`s3://` prefix of the predictions: `version=…/run=…/*.parquet`, and `_runs/<run>.json` of each run."""
    read_policy_arn: pulumi.Output[str]
    """Attach to any role that uses the predictions."""
    start_policy_arn: pulumi.Output[str]
    """Attach to any role that starts runs."""
    dead_letter_queue_url: pulumi.Output[str]
    """URL of the queue with runs that failed, and schedules that could not start one."""
    log_group: pulumi.Output[str]
    """Name of the job's log group."""

    def __init__(
        self, name: str, args: BatchInferenceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stagecraft:index:BatchInference", name, args, opts)
        _check(name, args)
        self._name = name
        self._args = args
        self._job_name = f"predict-{args['model']}"
        self._tags = args.get("tags", {})
        self._options = pulumi.ResourceOptions(parent=self)
        self._cloud = current_cloud(self)
        self._key = data_key(self, name, args, self._cloud, purpose="Logs and dead letters")
        self.queue_arn = self._queue()
        self.log_group = self._logs()
        self.job_definition_arn, self.job_role_arn = self._job()
        self._dead_letters = self._failures()
        self.dead_letter_queue_url = self._dead_letters.url
        self._schedule()
        self._alarm()
        self.output_uri = pulumi.Output.format(
            "s3://{0}/batch/{1}/", self._args["artifacts_bucket"], args["model"]
        )
        self.read_policy_arn = self._read_policy()
        self.start_policy_arn = self._start_policy()
        self.register_outputs(declared_outputs(self))

    def _queue(self) -> pulumi.Output[str]:
        if "queue_arn" in self._args:
            return pulumi.Output.from_input(self._args["queue_arn"])
        machines = self._args.get("machines", {})
        most = int(machines.get("max_vcpus", DEFAULT_MAX_VCPUS))
        return batch_queue(
            self,
            self._name,
            QueueSpec(
                instance_types=machines.get("instance_types", list(CPU_INSTANCE_TYPES)),
                spot=machines.get("spot", True),
                max_vcpus=most,
                fallback_vcpus=most,
                grace_seconds=DEFAULT_GRACE_SECONDS,
                scratch_gib=int(machines.get("scratch_gib", DEFAULT_SCRATCH_GIB)),
                network=machines.get("network"),
                repository_arns=machines.get("repository_arns"),
            ),
            cloud=self._cloud,
            kms_key_arn=self._key,
            tags=self._tags,
        ).arn

    def _logs(self) -> pulumi.Output[str]:
        return log_group(
            self,
            f"{self._name}-logs",
            naming.log_group_name(pulumi.get_stack(), self._name),
            kms_key_arn=self._key,
            retention_days=int(self._args.get("log_retention_days", DEFAULT_LOG_DAYS)),
            tags=self._tags,
        ).name

    def _job(self) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        args = self._args
        return batch_job.batch_job(
            self,
            self._name,
            JobSpec(
                image_uri=args["image_uri"],
                command=[COMMAND],
                log_group=self.log_group,
                environment={
                    "AWS_USE_DUALSTACK_ENDPOINT": "true",
                    "STAGECRAFT_STACK": pulumi.get_stack(),
                    **self._told(),
                    **args.get("environment", {}),
                },
                vcpus=int(args.get("vcpus", batch_job.DEFAULT_VCPUS)),
                memory_mib=int(args.get("memory_mib", batch_job.DEFAULT_MEMORY_MIB)),
                timeout_minutes=int(args.get("timeout_minutes", batch_job.DEFAULT_TIMEOUT_MINUTES)),
            ),
            cloud=self._cloud,
            policies={
                "checkpoints": self._checkpoint_policy(),
                "rights": self._rights(),
                **{f"policy-{place}": arn for place, arn in enumerate(args["policy_arns"])},
            },
            tags=self._tags,
        )

    def _told(self) -> dict[str, pulumi.Input[str]]:
        args = self._args
        told: dict[str, pulumi.Input[str]] = {
            "STAGECRAFT_MODEL": args["model"],
            "STAGECRAFT_MODEL_VIEWS": json.dumps(args["feature_views"]),
            "STAGECRAFT_ARTIFACTS_BUCKET": args["artifacts_bucket"],
            "STAGECRAFT_FEATURES_BUCKET": args["features_bucket"],
            "STAGECRAFT_VIEWS_PREFIX": args["views_uri"],
            "STAGECRAFT_POINTER_PREFIX": args["pointer_prefix"],
            "STAGECRAFT_CHUNK_ROWS": str(int(args.get("chunk_rows", DEFAULT_CHUNK_ROWS))),
            "STAGECRAFT_MAX_BAD_FRACTION": f"{args.get('max_bad_fraction', DEFAULT_MAX_BAD_FRACTION):g}",
            **contract_variables(
                args["checkpoint_uri"],
                self._job_name,
                minutes=DEFAULT_CHECKPOINT_MINUTES,
                grace_seconds=DEFAULT_GRACE_SECONDS,
            ),
        }
        if "entities_uri" in args:
            told["STAGECRAFT_ENTITIES_URI"] = args["entities_uri"]
        if "rows_uri" in args:
            told["STAGECRAFT_ROWS_URI"] = args["rows_uri"]
        if "hourly_cost_usd" in args:
            told["STAGECRAFT_BATCH_HOURLY_COST_USD"] = dollars(args["hourly_cost_usd"])
        return told

    def _checkpoint_policy(self) -> pulumi.Output[str]:
        return self._policy(
            "checkpoints",
            f"Where {self._job_name} keeps what it has done",
            pulumi.Output.all(
                partition=self._cloud.partition, uri=self._args["checkpoint_uri"], key=self._key
            ).apply(lambda known: checkpoint_policy(job=self._job_name, **known)),
        )

    def _rights(self) -> pulumi.Output[str]:
        given = [self._args[name] for name in ("entities_uri", "rows_uri") if name in self._args]
        return self._policy(
            "rights",
            f"What {self._job_name} reads, and where it writes predictions",
            pulumi.Output.all(
                partition=self._cloud.partition,
                bucket=self._cloud.bucket_arn(self._args["artifacts_bucket"]),
                given=given,
                key=self._key,
            ).apply(lambda known: rights_document(model=self._args["model"], **known)),
        )

    def _read_policy(self) -> pulumi.Output[str]:
        return self._policy(
            "read",
            f"May read the predictions of {self._name}",
            pulumi.Output.all(self._cloud.bucket_arn(self._args["artifacts_bucket"]), self._key).apply(
                lambda known: iam.document(
                    *iam.bucket_access(known[0], read=[f"batch/{self._args['model']}/"]),
                    iam.key_access(known[1]),
                )
            ),
        )

    def _start_policy(self) -> pulumi.Output[str]:
        return self._policy(
            "start",
            f"May start runs of {self._name}",
            pulumi.Output.all(self.job_definition_arn, self.queue_arn).apply(
                lambda known: iam.document(job_schedules.submit_access([known[0]], known[1]))
            ),
        )

    def _policy(self, role: str, description: str, document: pulumi.Output[str]) -> pulumi.Output[str]:
        return aws.iam.Policy(
            f"{self._name}-{role}",
            description=description,
            policy=document,
            tags=self._tags,
            opts=self._options,
        ).arn

    def _failures(self) -> aws.sqs.Queue:
        """A queue of runs that failed for good, beside those that could not be started."""
        queue = dead_letter_queue(
            self,
            f"{self._name}-dead-letters",
            cloud=self._cloud,
            kms_key_arn=self._key,
            tags=self._tags,
            services=["events.amazonaws.com"],
        )
        rule = aws.cloudwatch.EventRule(
            f"{self._name}-failed",
            description=f"A run of {self._job_name} failed, after all its attempts",
            event_pattern=self.job_definition_arn.apply(failed_pattern),
            tags=self._tags,
            opts=self._options,
        )
        aws.cloudwatch.EventTarget(
            f"{self._name}-failed-target", rule=rule.name, arn=queue.arn, opts=self._options
        )
        return queue

    def _schedule(self) -> None:
        if "schedule" not in self._args:
            return
        role_arn = job_schedules.submitter(
            self,
            f"{self._name}-schedule-role",
            definition_arns=[self.job_definition_arn],
            queue_arn=self.queue_arn,
            cloud=self._cloud,
            tags=self._tags,
            dead_letters=self._dead_letters,
            kms_key_arn=self._key,
        )
        job_schedules.schedule(
            self,
            f"{self._name}-schedule",
            ScheduledJob(
                name=self._job_name,
                description=f"Scores everyone with model {self._args['model']}",
                expression=self._args["schedule"],
                definition_arn=self.job_definition_arn,
                queue_arn=self.queue_arn,
            ),
            role_arn=role_arn,
            cloud=self._cloud,
            kms_key_arn=self._key,
            dead_letters=self._dead_letters,
        )

    def _alarm(self) -> None:
        if "alarm" not in self._args:
            return
        alarm = self._args["alarm"]
        aws.cloudwatch.MetricAlarm(
            f"{self._name}-failed-runs",
            alarm_description=(
                f"Batch predictions of {self._args['model']} failed, or could not be started. "
                f"Runbook: {alarm['runbook_url']}"
            ),
            namespace="AWS/SQS",
            metric_name="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": self._dead_letters.name},
            statistic="Maximum",
            period=300,
            evaluation_periods=1,
            comparison_operator="GreaterThanThreshold",
            threshold=0,
            treat_missing_data="notBreaching",
            alarm_actions=[alarm["topic_arn"]],
            tags=self._tags,
            opts=self._options,
        )


def failed_pattern(definition_arn: str) -> str:
    """The event that a run of any revision of a definition has failed for good."""
    return json.dumps(
        {
            "source": ["aws.batch"],
            "detail-type": ["Batch Job State Change"],
            "detail": {
                "status": ["FAILED"],
                "jobDefinition": [{"prefix": job_schedules.any_revision(definition_arn).removesuffix("*")}],
            },
        },
        sort_keys=True,
    )


def rights_document(*, partition: str, bucket: str, given: list[str], key: str, model: str) -> str:
    """The model and the handed-in rows to read; predictions and their log to write; metrics to put."""
    statements = iam.bucket_access(
        bucket,
        read=[f"models/{model}/", f"batch/{model}/"],
        write=[f"batch/{model}/", f"predictions/{model}/"],
    )
    for uri in sorted(set(given)):
        source, _, prefix = uri.removeprefix("s3://").partition("/")
        statements += iam.bucket_access(f"arn:{partition}:s3:::{source}", read=[prefix])
    return iam.document(*statements, iam.put_metrics(PLATFORM), iam.key_access(key))


def _check(name: str, args: BatchInferenceArgs) -> None:
    problems = Problems("BatchInference", name)
    if problems.shape(args, BatchInferenceArgs):
        problems.matches("model", args["model"], NAME, NAME_REMEDY)
        if not args["feature_views"]:
            problems.add("featureViews", [], "must name at least one feature view")
        for place, view in enumerate(args["feature_views"]):
            problems.matches(f"featureViews[{place}]", view, COLUMN, "must be a feature view's name")
        problems.distinct("featureViews", args["feature_views"])
        for path, value in (
            ("viewsUri", args["views_uri"]),
            ("checkpointUri", args["checkpoint_uri"]),
            ("entitiesUri", args.get("entities_uri")),
            ("rowsUri", args.get("rows_uri")),
        ):
            problems.matches(path, value, _URI, _URI_REMEDY)
        if "entities_uri" in args and "rows_uri" in args:
            problems.add("rowsUri", args["rows_uri"], "goes without entitiesUri: rows say who they are about")
        problems.between("chunkRows", args.get("chunk_rows"), 100, 5_000_000, "rows")
        problems.between("maxBadFraction", args.get("max_bad_fraction"), 0, 1)
        problems.between("hourlyCostUsd", args.get("hourly_cost_usd"), 0, 10_000, "USD")
        problems.between("vcpus", args.get("vcpus"), 1, 192)
        problems.between("memoryMib", args.get("memory_mib"), 1024, 3145728, "MiB")
        problems.between("timeoutMinutes", args.get("timeout_minutes"), 1, 20160, "minutes")
        days = args.get("log_retention_days")
        if days is not None and days not in RETENTION_DAYS:
            problems.add("logRetentionDays", days, f"must be one of {', '.join(map(str, RETENTION_DAYS))}")
        _check_machines(problems, args)
    problems.raise_if_any()


def _check_machines(problems: Problems, args: BatchInferenceArgs) -> None:
    if "machines" not in args:
        return
    machines = args["machines"]
    if "queue_arn" in args:
        problems.add("machines", dict(machines), "goes without queueArn: a queue has its machines")
    problems.between("machines.maxVcpus", machines.get("max_vcpus"), 1, 10000)
    problems.between("machines.scratchGib", machines.get("scratch_gib"), 30, 16384, "GiB")
    types = machines.get("instance_types", list(CPU_INSTANCE_TYPES))
    check_machines(problems, "machines.instanceTypes", types, spot=machines.get("spot", True))
