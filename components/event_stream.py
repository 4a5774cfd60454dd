"""EventStream: the product's events, judged by one schema on their way into the lake."""

import re
from collections.abc import Callable
from typing import Any, Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import iam, naming
from components.checks import Problems
from components.context import current_cloud, declared_outputs, scope
from components.dead_letters import dead_letter_queue
from components.encryption import data_key
from components.event_schema import EVENT_TYPES, OUTCOME_TAGS, event_schema
from components.functions import FunctionSpec, python_function
from components.logs import log_group

EVENTS_PREFIX: Final = "events/"
ERRORS_PREFIX: Final = "_event-errors/"
DEFAULT_RETENTION_HOURS: Final = 168
DEFAULT_SHARDS: Final = 1
LOG_DAYS: Final = 30
BUFFER_MIB: Final = 64
"""The least that Firehose takes where it sorts records by their content."""
BUFFER_SECONDS: Final = 300
MODES: Final = ("provisioned", "on-demand")
_WORD: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class EventStreamArgs(TypedDict):
    """Inputs of EventStream."""

    raw_bucket: pulumi.Input[str]
    """Name of the bucket that events land in, under `events/`."""
    code: pulumi.Input[pulumi.Archive]
    """The platform's code, with `platform_jobs` at its root: what judges the events."""
    event_types: NotRequired[list[str]]
    """The taxonomy: what kinds of events there are, in snake case. Default: those of most products."""
    outcome_tags: NotRequired[list[str]]
    """What an event may stand for in the business. Default: activation, churn, conversion, and so on."""
    mode: NotRequired[str]
    """`provisioned`: by the shard, cheaper while little happens. `on-demand`: scales by itself, and costs
    about $29 a month at rest. Default: provisioned."""
    shards: NotRequired[int]
    """Shards, 1,000 events or 1 MB a second each; from 1 to 200. Default: 1."""
    retention_hours: NotRequired[int]
    """Hours that the stream itself keeps events, to be read again; from 24 to 8760. Default: 168."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key for the stream, also the bucket's. Default: a key is made, rotated yearly."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take a key it made along. Default: false."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class EventStream(pulumi.ComponentResource):
    """Kinesis, a judge that knows the schema, Firehose into the raw bucket, a queue for what was refused.

    Bills by the hour while it stands: a shard with a week's retention about $26 a month.
    """

    stream_name: pulumi.Output[str]
    """Name of the Kinesis stream to put events into; the partition key is the user id."""
    stream_arn: pulumi.Output[str]
    """Its ARN."""
    schema_arn: pulumi.Output[str]
    """ARN of the events' schema in the Glue Schema Registry."""
    events_uri: pulumi.Output[str]
    """`s3://` prefix of the events: `type=<type>/dt=<day>/` below it, lines of JSON, compressed."""
    dead_letter_queue_url: pulumi.Output[str]
    """Queue that tells what was wrong with refused events, and where in the stream they are."""
    put_policy_arn: pulumi.Output[str]
    """Attach to any role that puts events."""
    consume_policy_arn: pulumi.Output[str]
    """Attach to any role that reads events from the stream."""

    def __init__(self, name: str, args: EventStreamArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stagecraft:index:EventStream", name, args, opts)
        _check(name, args)
        self._name = name
        self._args = args
        self._tags = args.get("tags", {})
        self._options = pulumi.ResourceOptions(parent=self)
        self._cloud = current_cloud(self)
        self._key = data_key(self, name, args, self._cloud, purpose="Events")
        stream = self._stream()
        self.schema_arn = self._schema()
        queue = dead_letter_queue(
            self, f"{name}-dead-letters", cloud=self._cloud, kms_key_arn=self._key, tags=self._tags
        )
        self._delivery(stream, self._judge(queue))
        self.stream_name = stream.name
        self.stream_arn = stream.arn
        self.events_uri = pulumi.Output.format("s3://{0}/{1}", args["raw_bucket"], EVENTS_PREFIX)
        self.dead_letter_queue_url = queue.url
        self.put_policy_arn = self._policy("put", stream, ["kinesis:PutRecord", "kinesis:PutRecords"])
        self.consume_policy_arn = self._policy("consume", stream, READ_ACTIONS)
        self.register_outputs(declared_outputs(self))

    def _stream(self) -> aws.kinesis.Stream:
        provisioned = self._args.get("mode", "provisioned") == "provisioned"
        return aws.kinesis.Stream(
            f"{self._name}-stream",
            stream_mode_details=aws.kinesis.StreamStreamModeDetailsArgs(
                stream_mode="PROVISIONED" if provisioned else "ON_DEMAND"
            ),
            shard_count=int(self._args.get("shards", DEFAULT_SHARDS)) if provisioned else None,
            retention_period=int(self._args.get("retention_hours", DEFAULT_RETENTION_HOURS)),
            encryption_type="KMS",
            kms_key_id=self._key,
            enforce_consumer_deletion=True,
            tags=self._tags,
            opts=self._options,
        )

    def _schema(self) -> pulumi.Output[str]:
        registry = aws.glue.Registry(
            f"{self._name}-registry",
            registry_name=naming.physical_name(scope(), self._name, max_length=255),
            description=f"Schemas of {self._name}",
            tags=self._tags,
            opts=self._options,
        )
        return aws.glue.Schema(
            f"{self._name}-schema",
            registry_arn=registry.arn,
            schema_name="event",
            description="One event of the product, whatever its type",
            data_format="JSON",
            # Who reads events of yesterday with the schema of today still can.
            compatibility="BACKWARD",
            schema_definition=event_schema(
                self._args.get("event_types", EVENT_TYPES), self._args.get("outcome_tags", OUTCOME_TAGS)
            ),
            tags=self._tags,
            opts=self._options,
        ).arn

    def _judge(self, queue: aws.sqs.Queue) -> aws.lambda_.Function:
        registry = self._cloud.arn(
            "glue", f"registry/{naming.physical_name(scope(), self._name, max_length=255)}"
        )
        return python_function(
            self,
            f"{self._name}-judge",
            FunctionSpec(
                description=f"Judges the events of {self._name} by their schema",
                code=self._args["code"],
                handler="platform_jobs.events.handler",
                policy=pulumi.Output.all(registry, self.schema_arn, queue.arn, self._key).apply(
                    lambda known: iam.document(
                        iam.allow(["glue:GetSchemaVersion"], [known[0], known[1]]),
                        iam.allow(["sqs:SendMessage"], [known[2]]),
                        iam.key_access(known[3]),
                    )
                ),
                environment={
                    "STAGECRAFT_EVENT_SCHEMA_ARN": self.schema_arn,
                    "STAGECRAFT_DEAD_LETTER_QUEUE_URL": queue.url,
                },
                timeout_seconds=60,
            ),
            cloud=self._cloud,
            kms_key_arn=self._key,
            dead_letters=queue,
            tags=self._tags,
        )

    def _delivery(self, stream: aws.kinesis.Stream, judge: aws.lambda_.Function) -> None:
        physical = naming.physical_name(scope(), self._name, max_length=64)
        logs = log_group(
            self,
            f"{self._name}-logs",
            f"/aws/kinesisfirehose/{physical}",
            kms_key_arn=self._key,
            retention_days=LOG_DAYS,
            tags=self._tags,
        )
        log_stream = aws.cloudwatch.LogStream(
            f"{self._name}-log", name="delivery", log_group_name=logs.name, opts=self._options
        )
        role = aws.iam.Role(
            f"{self._name}-delivery-role",
            description=f"What the delivery of {self._name} may do: read, have judged, store",
            assume_role_policy=self._cloud.account.apply(
                lambda account: iam.service_trust("firehose.amazonaws.com", account)
            ),
            tags=self._tags,
            opts=self._options,
        )
        bucket_arn = self._cloud.bucket_arn(self._args["raw_bucket"])
        rights = aws.iam.RolePolicy(
            f"{self._name}-delivery-policy",
            role=role.id,
            policy=pulumi.Output.all(
                stream=stream.arn, bucket=bucket_arn, judge=judge.arn, logs=logs.arn, key=self._key
            ).apply(lambda known: delivery_rights(**known)),
            opts=self._options,
        )
        aws.kinesis.FirehoseDeliveryStream(
            f"{self._name}-delivery",
            name=physical,
            destination="extended_s3",
            kinesis_source_configuration=aws.kinesis.FirehoseDeliveryStreamKinesisSourceConfigurationArgs(
                kinesis_stream_arn=stream.arn, role_arn=role.arn
            ),
            extended_s3_configuration=_destination(
                bucket_arn=bucket_arn,
                role_arn=role.arn,
                key_arn=self._key,
                judge_arn=judge.arn,
                log_group=logs.name,
                log_stream=log_stream.name,
            ),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[rights]),
        )

    def _policy(self, role: str, stream: aws.kinesis.Stream, actions: list[str]) -> pulumi.Output[str]:
        return aws.iam.Policy(
            f"{self._name}-{role}",
            description=f"May {role} events of {self._name}",
            policy=pulumi.Output.all(stream.arn, self._key).apply(
                lambda known: iam.document(iam.allow(actions, [known[0]]), iam.key_access(known[1]))
            ),
            tags=self._tags,
            opts=self._options,
        ).arn


READ_ACTIONS: Final = [
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
]


def delivery_rights(*, stream: str, bucket: str, judge: str, logs: str, key: str) -> str:
    """Reads the stream, has the judge look, writes below two prefixes."""
    return iam.document(
        iam.allow(READ_ACTIONS, [stream]),
        *iam.bucket_access(bucket, write=[ERRORS_PREFIX, EVENTS_PREFIX]),
        iam.allow(["lambda:GetFunctionConfiguration", "lambda:InvokeFunction"], [judge, f"{judge}:*"]),
        iam.allow(["logs:PutLogEvents"], [f"{logs}:*"]),
        iam.key_access(key),
    )


def _destination(
    *,
    bucket_arn: pulumi.Input[str],
    role_arn: pulumi.Input[str],
    key_arn: pulumi.Input[str],
    judge_arn: pulumi.Input[str],
    log_group: pulumi.Input[str],
    log_stream: pulumi.Input[str],
) -> aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationArgs:
    parameter: Callable[..., Any] = (
        aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationProcessorParameterArgs
    )
    processor = aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationProcessorArgs(
        type="Lambda",
        parameters=[
            parameter(
                parameter_name="LambdaArn",
                parameter_value=pulumi.Output.concat(judge_arn, ":$LATEST"),
            ),
            parameter(parameter_name="BufferSizeInMBs", parameter_value="1"),
            parameter(parameter_name="BufferIntervalInSeconds", parameter_value="60"),
        ],
    )
    return aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationArgs(
        bucket_arn=bucket_arn,
        role_arn=role_arn,
        kms_key_arn=key_arn,
        prefix=f"{EVENTS_PREFIX}type=!{{partitionKeyFromLambda:type}}/dt=!{{partitionKeyFromLambda:date}}/",
        error_output_prefix=f"{ERRORS_PREFIX}!{{firehose:error-output-type}}/dt=!{{timestamp:yyyy-MM-dd}}/",
        file_extension=".jsonl.gz",
        compression_format="GZIP",
        buffering_size=BUFFER_MIB,
        buffering_interval=BUFFER_SECONDS,
        dynamic_partitioning_configuration=aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationDynamicPartitioningConfigurationArgs(
            enabled=True, retry_duration=300
        ),
        processing_configuration=aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationProcessingConfigurationArgs(
            enabled=True, processors=[processor]
        ),
        cloudwatch_logging_options=aws.kinesis.FirehoseDeliveryStreamExtendedS3ConfigurationCloudwatchLoggingOptionsArgs(
            enabled=True, log_group_name=log_group, log_stream_name=log_stream
        ),
    )


def _check(name: str, args: EventStreamArgs) -> None:
    problems = Problems("EventStream", name)
    if problems.shape(args, EventStreamArgs):
        problems.one_of("mode", args.get("mode"), MODES)
        problems.between("shards", args.get("shards"), 1, 200)
        problems.between("retentionHours", args.get("retention_hours"), 24, 8760, "hours")
        if args.get("mode") == "on-demand" and "shards" in args:
            problems.add("shards", args["shards"], "are for mode provisioned; leave them out")
        for path, words in (
            ("eventTypes", args.get("event_types")),
            ("outcomeTags", args.get("outcome_tags")),
        ):
            if words is not None and not words:
                problems.add(path, [], "must hold at least one name")
            for index, word in enumerate(words or []):
                problems.matches(f"{path}[{index}]", word, _WORD, "must be snake case, such as item_added")
            problems.distinct(path, words or [])
    problems.raise_if_any()
