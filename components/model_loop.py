"""ModelLoop: from new data to a live version, on a schedule or when a model gets worse, or back."""

import itertools
from collections.abc import Mapping
from typing import Any, Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import iam, naming
from components.checks import NAME, NAME_REMEDY, Problems
from components.context import current_cloud, declared_outputs, scope
from components.dead_letters import dead_letter_queue
from components.encryption import data_key
from components.functions import FunctionSpec, invoked_by_rule, python_function
from components.logs import RETENTION_DAYS, log_group
from components.model_loop_gate import LabelCount, LoopGate, check_gate, gate_environment, label_job
from components.model_loop_rights import DECISIONS, STEPS, machine_rights
from components.model_loop_states import LoopParts, LoopPlan, definition
from components.topic import alert_topic

JOBS: Final = ("quality", "materialise", "train")
APPROVALS: Final = ("human", "automatic")
DEFAULT_BAKE_MINUTES: Final = 15
DEFAULT_BAKE_LIMIT_MINUTES: Final = 24 * 60
MOST_BAKE_LIMIT_MINUTES: Final = 7 * 24 * 60
DEFAULT_REVIEW_DAYS: Final = 14
DEFAULT_LOG_DAYS: Final = 30
_DAY_SECONDS: Final = 24 * 3600


class LoopJob(TypedDict):
    """A Batch job that the loop runs."""

    job_definition_arn: pulumi.Input[str]
    """ARN of the job definition."""
    queue_arn: pulumi.Input[str]
    """ARN of the queue that it goes to."""


class ModelLoopArgs(TypedDict):
    """Inputs of ModelLoop."""

    model: str
    """Name of the model: lower case letters, digits and single hyphens."""
    views: list[str]
    """Feature views that the model learns from; at least one."""
    quality: LoopJob
    """Judges new raw data; told the view by `STAGECRAFT_VIEW`."""
    materialise: LoopJob
    """Brings what passed into the features; told the view by `STAGECRAFT_VIEW`."""
    train: LoopJob
    """Trains and registers a version of the model."""
    package_group: pulumi.Input[str]
    """Name of the model package group that `train` registers in."""
    lineage_table: pulumi.Input[str]
    """Name of the table with the versions' lineage; hash key `model_package_arn`."""
    pointer_prefix: pulumi.Input[str]
    """What the names of the models' release pointers start with, `/stagecraft/<stack>/models/`."""
    endpoint_name: pulumi.Input[str]
    """Name of the SageMaker endpoint that versions go live on."""
    endpoint_role_arn: pulumi.Input[str]
    """Role that the endpoint's containers run with; the loop hands it to the models it makes."""
    code: pulumi.Input[pulumi.Archive]
    """The platform's code, with `platform_jobs` at its root: what the loop's own steps run."""
    approval: NotRequired[str]
    """`human`: a person approves each version in the registry. `automatic`: what reaches its floors goes on.
    Default: human."""
    review_days: NotRequired[int]
    """Days that an execution waits for a person; from 1 to 364. Default: 14."""
    canary_percent: NotRequired[list[int]]
    """Shares of the traffic that a version gets one after the other, rising to 100. Default: [100]."""
    bake_minutes: NotRequired[int]
    """Minutes that each share is watched for, at least; from 1 to 1440. Default: 15."""
    bake_limit_minutes: NotRequired[int]
    """Minutes that a share may wait for enough to be known; from `bake_minutes` to 10080. Default: 1440."""
    gate: NotRequired[LoopGate]
    """What a version must be, surely, to get more of the traffic. Default: the defaults of each."""
    labels: NotRequired[LabelCount]
    """Counts wrong answers of both versions, by their log and what came true. Default: nobody does."""
    gate_alarm_names: NotRequired[pulumi.Input[list[str]]]
    """Alarms that roll a release back at once. Default: none."""
    schedule: NotRequired[str]
    """When the loop runs by itself, `rate(7 days)` or `cron(0 3 ? * MON *)`, UTC. Default: never."""
    retrain_alarm_names: NotRequired[pulumi.Input[list[str]]]
    """Alarms that start the loop: drift, accuracy, feedback volume; at least one. Default: none."""
    topic_arn: NotRequired[pulumi.Input[str]]
    """Topic that is told how an execution ended. Default: a topic is made."""
    emails: NotRequired[list[str]]
    """Addresses that the made topic tells, at most ten. Default: none."""
    log_retention_days: NotRequired[int]
    """Days that the executions' log is kept; one of CloudWatch's own steps. Default: 30."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key for states, logs and messages, the lineage and labels. Default: one is made, rotated yearly."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take a key it made along. Default: false."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class ModelLoop(pulumi.ComponentResource):
    """A state machine: data through its gate, training, judgement, review, a canary, and back if need be.

    Nothing in it bills while nothing runs but a key, if it makes one.
    """

    state_machine_arn: pulumi.Output[str]
    """ARN of the state machine; start it with `{}`, or with `bakeSeconds`, `bakeLimitSeconds`."""
    topic_arn: pulumi.Output[str]
    """Topic that is told how an execution ended."""
    dead_letter_queue_url: pulumi.Output[str]
    """Queue of the events that did not reach the loop."""
    start_policy_arn: pulumi.Output[str]
    """Attach to any role that starts the loop and looks at how it goes."""

    def __init__(self, name: str, args: ModelLoopArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stagecraft:index:ModelLoop", name, args, opts)
        _check(name, args)
        self._name = name
        self._args = args
        self._tags = args.get("tags", {})
        self._options = pulumi.ResourceOptions(parent=self)
        self._cloud = current_cloud(self)
        self._key = data_key(self, name, args, self._cloud, purpose="Executions")
        self._dead_letters = dead_letter_queue(
            self,
            f"{name}-dead-letters",
            cloud=self._cloud,
            kms_key_arn=self._key,
            tags=self._tags,
            services=["events.amazonaws.com"],
        )
        self._human = args.get("approval", "human") == "human"
        self.topic_arn = self._topic()
        machine = self._machine(self._function("steps", STEPS, self._step_environment()))
        if self._human:
            self._hear_decisions()
        self._triggers(machine)
        self.state_machine_arn = machine.arn
        self.dead_letter_queue_url = self._dead_letters.url
        self.start_policy_arn = self._start_policy(machine)
        self.register_outputs(declared_outputs(self))

    def _topic(self) -> pulumi.Output[str]:
        if "topic_arn" in self._args:
            return pulumi.Output.from_input(self._args["topic_arn"])
        return alert_topic(
            self,
            f"{self._name}-ends",
            cloud=self._cloud,
            kms_key_arn=self._key,
            services=[],
            emails=self._args.get("emails", []),
            tags=self._tags,
        )

    def _known(self) -> pulumi.Output[dict[str, Any]]:
        """What the rights are held to."""
        return pulumi.Output.all(
            key=self._key,
            account=self._cloud.account,
            partition=self._cloud.partition,
            region=self._cloud.region,
            group=self._args["package_group"],
            lineage=self._args["lineage_table"],
            pointers=pulumi.Output.concat(self._args["pointer_prefix"], self._args["model"]),
            endpoint=self._args["endpoint_name"],
            endpoint_role=self._args["endpoint_role_arn"],
            machine=self._physical,
            model=self._args["model"],
            artifacts=self._cloud.bucket_arn(self._args["labels"]["artifacts_bucket"])
            if "labels" in self._args
            else None,
        )

    @property
    def _physical(self) -> str:
        # The machine's own role and functions are held to its name before it is there.
        return naming.physical_name(scope(), self._name, max_length=80)

    def _step_environment(self) -> dict[str, pulumi.Input[str]]:
        environment: dict[str, pulumi.Input[str]] = {
            "STAGECRAFT_MODEL": self._args["model"],
            "STAGECRAFT_MODEL_PACKAGE_GROUP": self._args["package_group"],
            "STAGECRAFT_LINEAGE_TABLE": self._args["lineage_table"],
            "STAGECRAFT_POINTER_PREFIX": self._args["pointer_prefix"],
            "STAGECRAFT_ENDPOINT": self._args["endpoint_name"],
            **gate_environment(self._args.get("gate", {}), counted="labels" in self._args),
        }
        if "labels" in self._args:
            environment["STAGECRAFT_ARTIFACTS_BUCKET"] = self._args["labels"]["artifacts_bucket"]
        if "gate_alarm_names" in self._args:
            environment["STAGECRAFT_GATE_ALARMS"] = pulumi.Output.json_dumps(self._args["gate_alarm_names"])
        return environment

    def _function(
        self, role: str, rights: Any, environment: Mapping[str, pulumi.Input[str]]
    ) -> aws.lambda_.Function:
        return python_function(
            self,
            f"{self._name}-{role}",
            FunctionSpec(
                description=f"{rights.description} of {self._args['model']}",
                code=self._args["code"],
                handler=rights.handler,
                policy=self._known().apply(lambda known: rights.document(known, automatic=not self._human)),
                environment=environment,
                timeout_seconds=120,
            ),
            cloud=self._cloud,
            kms_key_arn=self._key,
            dead_letters=self._dead_letters,
            tags=self._tags,
        )

    def _machine(self, steps: aws.lambda_.Function) -> aws.sfn.StateMachine:
        logs = log_group(
            self,
            f"{self._name}-logs",
            f"/aws/vendedlogs/states/{self._physical}",
            kms_key_arn=self._key,
            retention_days=int(self._args.get("log_retention_days", DEFAULT_LOG_DAYS)),
            tags=self._tags,
        )
        parts = pulumi.Output.all(
            steps=steps.arn,
            topic=self.topic_arn,
            jobs={job: [each["job_definition_arn"], each["queue_arn"]] for job, each in self._jobs().items()},
        )
        role = self._service_role("machine", "states.amazonaws.com")
        rights = aws.iam.RolePolicy(
            f"{self._name}-machine-policy",
            role=role.id,
            policy=pulumi.Output.all(self._known(), parts).apply(lambda both: machine_rights(*both)),
            opts=self._options,
        )
        plan = self._plan()
        return aws.sfn.StateMachine(
            f"{self._name}-machine",
            name=self._physical,
            definition=parts.apply(lambda known: definition(plan, _parts(known))),
            role_arn=role.arn,
            logging_configuration=aws.sfn.StateMachineLoggingConfigurationArgs(
                level="ERROR",
                include_execution_data=False,
                log_destination=pulumi.Output.concat(logs.arn, ":*"),
            ),
            encryption_configuration=aws.sfn.StateMachineEncryptionConfigurationArgs(
                type="CUSTOMER_MANAGED_KMS_KEY", kms_key_id=self._key, kms_data_key_reuse_period_seconds=300
            ),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[rights]),
        )

    def _jobs(self) -> dict[str, LoopJob]:
        given: Any = self._args
        jobs: dict[str, LoopJob] = {job: given[job] for job in JOBS}
        if "labels" in self._args:
            labels = self._args["labels"]
            definition_arn = label_job(
                self,
                self._name,
                labels,
                model=self._args["model"],
                pointer_prefix=self._args["pointer_prefix"],
                cloud=self._cloud,
                key=self._key,
                tags=self._tags,
            )
            jobs["labels"] = {"job_definition_arn": definition_arn, "queue_arn": labels["queue_arn"]}
        return jobs

    def _plan(self) -> LoopPlan:
        args = self._args
        return LoopPlan(
            model=args["model"],
            views=args["views"],
            human=self._human,
            canary_percent=[int(percent) for percent in args.get("canary_percent", [100])],
            bake_seconds=_bake_minutes(args) * 60,
            bake_limit_seconds=int(args.get("bake_limit_minutes", DEFAULT_BAKE_LIMIT_MINUTES)) * 60,
            review_seconds=int(args.get("review_days", DEFAULT_REVIEW_DAYS)) * _DAY_SECONDS,
        )

    def _service_role(self, role: str, service: str) -> aws.iam.Role:
        return aws.iam.Role(
            f"{self._name}-{role}-role",
            description=f"What {service.partition('.')[0]} may do for {self._name}",
            assume_role_policy=self._cloud.account.apply(lambda account: iam.service_trust(service, account)),
            tags=self._tags,
            opts=self._options,
        )

    def _hear_decisions(self) -> None:
        """A version that is approved or rejected, by whatever tool, lets its execution go on."""
        rule = aws.cloudwatch.EventRule(
            f"{self._name}-decisions",
            description=f"A version of {self._args['model']} was approved or rejected",
            event_pattern=pulumi.Output.json_dumps(
                {
                    "source": ["aws.sagemaker"],
                    "detail-type": ["SageMaker Model Package State Change"],
                    "detail": {
                        "ModelPackageGroupName": [self._args["package_group"]],
                        "ModelApprovalStatus": ["Approved", "Rejected"],
                    },
                }
            ),
            tags=self._tags,
            opts=self._options,
        )
        environment = {"STAGECRAFT_LINEAGE_TABLE": self._args["lineage_table"]}
        invoked_by_rule(
            self,
            f"{self._name}-decisions",
            rule=rule,
            function=self._function("decisions", DECISIONS, environment),
            dead_letters=self._dead_letters,
        )

    def _triggers(self, machine: aws.sfn.StateMachine) -> None:
        if "schedule" in self._args:
            self._schedule(machine, self._args["schedule"])
        if "retrain_alarm_names" in self._args:
            self._retrain_on_alarm(machine)

    def _starter(self, role: str, service: str, machine: aws.sfn.StateMachine) -> aws.iam.Role:
        starter = self._service_role(role, service)
        aws.iam.RolePolicy(
            f"{self._name}-{role}-policy",
            role=starter.id,
            policy=pulumi.Output.all(machine.arn, self._dead_letters.arn, self._key).apply(
                lambda known: iam.document(
                    iam.allow(["states:StartExecution"], [known[0]]),
                    iam.allow(["sqs:SendMessage"], [known[1]]),
                    iam.key_access(known[2]),
                )
            ),
            opts=self._options,
        )
        return starter

    def _schedule(self, machine: aws.sfn.StateMachine, expression: str) -> None:
        role = self._starter("schedule", "scheduler.amazonaws.com", machine)
        aws.scheduler.Schedule(
            f"{self._name}-train-schedule",
            description=f"Trains model {self._args['model']} anew",
            schedule_expression=expression,
            schedule_expression_timezone="UTC",
            flexible_time_window=aws.scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF"),
            kms_key_arn=self._key,
            target=aws.scheduler.ScheduleTargetArgs(
                arn=machine.arn,
                role_arn=role.arn,
                input='{"trigger": "schedule"}',
                dead_letter_config=aws.scheduler.ScheduleTargetDeadLetterConfigArgs(
                    arn=self._dead_letters.arn
                ),
                retry_policy=aws.scheduler.ScheduleTargetRetryPolicyArgs(
                    maximum_event_age_in_seconds=3600, maximum_retry_attempts=5
                ),
            ),
            opts=self._options,
        )

    def _retrain_on_alarm(self, machine: aws.sfn.StateMachine) -> None:
        role = self._starter("alarms", "events.amazonaws.com", machine)
        rule = aws.cloudwatch.EventRule(
            f"{self._name}-retrain-alarms",
            description=f"Model {self._args['model']} got worse: train it anew",
            event_pattern=pulumi.Output.json_dumps(
                {
                    "source": ["aws.cloudwatch"],
                    "detail-type": ["CloudWatch Alarm State Change"],
                    "detail": {
                        "alarmName": self._args.get("retrain_alarm_names", []),
                        "state": {"value": ["ALARM"]},
                    },
                }
            ),
            tags=self._tags,
            opts=self._options,
        )
        aws.cloudwatch.EventTarget(
            f"{self._name}-retrain-alarms-target",
            rule=rule.name,
            arn=machine.arn,
            role_arn=role.arn,
            input='{"trigger": "alarm"}',
            dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(arn=self._dead_letters.arn),
            opts=self._options,
        )

    def _start_policy(self, machine: aws.sfn.StateMachine) -> pulumi.Output[str]:
        executions = self._cloud.arn("states", f"execution:{self._physical}:*")
        return aws.iam.Policy(
            f"{self._name}-start",
            description=f"May start {self._name} and see how it goes",
            policy=pulumi.Output.all(machine.arn, executions).apply(
                lambda known: iam.document(
                    iam.allow(
                        ["states:DescribeStateMachine", "states:ListExecutions", "states:StartExecution"],
                        [known[0]],
                    ),
                    iam.allow(
                        ["states:DescribeExecution", "states:GetExecutionHistory", "states:StopExecution"],
                        [known[1]],
                    ),
                )
            ),
            tags=self._tags,
            opts=self._options,
        ).arn


def _bake_minutes(args: ModelLoopArgs) -> int:
    return int(args.get("bake_minutes", DEFAULT_BAKE_MINUTES))


def _parts(known: dict[str, Any]) -> LoopParts:
    jobs = {job: (arns[0], arns[1]) for job, arns in known["jobs"].items()}
    return LoopParts(steps=known["steps"], topic=known["topic"], jobs=jobs)


def _check(name: str, args: ModelLoopArgs) -> None:
    problems = Problems("ModelLoop", name)
    if problems.shape(args, ModelLoopArgs):
        problems.matches("model", args["model"], NAME, NAME_REMEDY)
        if not args["views"]:
            problems.add("views", [], "must hold at least one view")
        problems.distinct("views", args["views"])
        problems.one_of("approval", args.get("approval"), APPROVALS)
        problems.between("reviewDays", args.get("review_days"), 1, 364, "days")
        problems.between("bakeMinutes", args.get("bake_minutes"), 1, 1440, "minutes")
        least = min(max(_bake_minutes(args), 1), 1440)
        limit = args.get("bake_limit_minutes", DEFAULT_BAKE_LIMIT_MINUTES)
        problems.between("bakeLimitMinutes", limit, least, MOST_BAKE_LIMIT_MINUTES, "minutes")
        check_gate(problems, args.get("gate", {}), counted="labels" in args)
        days = args.get("log_retention_days")
        if days is not None and days not in RETENTION_DAYS:
            problems.add("logRetentionDays", days, f"must be one of {', '.join(map(str, RETENTION_DAYS))}")
        steps = args.get("canary_percent", [100])
        rising = all(low < high for low, high in itertools.pairwise(steps))
        if not steps or not rising or steps[0] < 1 or steps[-1] != 100:
            problems.add("canaryPercent", steps, "must rise from at least 1 and end with 100")
        if "emails" in args and "topic_arn" in args:
            problems.add("emails", args["emails"], "are for the topic that is made; leave one of the two out")
    problems.raise_if_any()
