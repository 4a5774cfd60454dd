"""Endpoint: a model's live version, answering."""

import re
from typing import Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import iam, naming
from components.checks import NAME, NAME_REMEDY, Problems
from components.context import current_cloud, declared_outputs, scope
from components.encryption import data_key
from components.endpoint_scaling import EndpointScaling, check_scaling, scale
from components.logs import RETENTION_DAYS, log_group

VARIANT: Final = "live"
MEMORY_STEPS: Final = (1024, 2048, 3072, 4096, 5120, 6144)
"""Memory sizes that serverless endpoints come in, MiB."""
DEFAULT_MEMORY_MIB: Final = 2048
DEFAULT_MAX_CONCURRENCY: Final = 5
DEFAULT_INSTANCE_COUNT: Final = 2
DEFAULT_LOG_DAYS: Final = 30
_PACKAGE_ARN: Final = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:model-package/.+")
_INSTANCE: Final = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")


class InstanceHosting(TypedDict):
    """Machines of its own for an endpoint, which bill by the hour."""

    instance_type: str
    """SageMaker instance type, such as `ml.m6i.large`."""
    instance_count: NotRequired[int]
    """Machines; from 1 to 100. Default: 2, so that one may fail."""


class DataCapture(TypedDict):
    """Requests and answers, kept for monitors. Only on instances: serverless endpoints have none of it."""

    uri: pulumi.Input[str]
    """`s3://` prefix to write to, in the artifacts bucket."""
    sampling_percent: NotRequired[int]
    """Share of requests; from 1 to 100. Default: 10."""


class EndpointAlarms(TypedDict):
    """When to tell people that the endpoint is not well: plain limits, for an endpoint without Monitoring.

    Monitoring watches what was promised instead; give one or the other, or people hear of everything twice.
    """

    topic_arn: pulumi.Input[str]
    """Topic to tell."""
    runbook_url: str
    """What to do then; every alarm names it."""
    slo: NotRequired[str]
    """Promise that its failures count against, as the alarms tell it. Default: none is told."""
    errors_per_5_minutes: NotRequired[int]
    """Failed answers (5xx) in five minutes that are too many; from 1. Default: 5."""
    latency_p95_ms: NotRequired[int]
    """95th percentile of the model's latency that is too slow, in ms. Default: 1000."""


class EndpointArgs(TypedDict):
    """Inputs of Endpoint."""

    model: str
    """Name of the model; its artifacts lie under `models/<model>/`."""
    artifacts_bucket: pulumi.Input[str]
    """Name of the bucket with the artifacts."""
    model_package_arn: NotRequired[pulumi.Input[str]]
    """Registered, approved version to serve. Default: none; all is made but the endpoint itself."""
    memory_mib: NotRequired[int]
    """Memory of the serverless endpoint, in steps of 1024 up to 6144. Default: 2048."""
    max_concurrency: NotRequired[int]
    """Requests that the serverless endpoint answers at once; from 1 to 200. Default: 5."""
    instances: NotRequired[InstanceHosting]
    """Machines of its own. Default: none; the endpoint is serverless and costs nothing while idle."""
    scaling: NotRequired[EndpointScaling]
    """How its machines follow requests. Default: they do not; needs `instances`. Serverless scales itself."""
    capture: NotRequired[DataCapture]
    """Keeps requests and answers. Default: not; needs `instances`."""
    environment: NotRequired[dict[str, pulumi.Input[str]]]
    """Environment variables of the container. Default: none."""
    alarms: NotRequired[EndpointAlarms]
    """Alarms on errors and latency. Default: none."""
    repository_arns: NotRequired[list[pulumi.Input[str]]]
    """ECR repositories that the container is pulled from. Default: the account's own."""
    log_retention_days: NotRequired[int]
    """Days that logs are kept; one of CloudWatch's own steps. Default: 30."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key for image, volumes and logs, also the artifacts bucket's. Default: one is made, rotated yearly."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take a key it made along. Default: false."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class Endpoint(pulumi.ComponentResource):
    """A SageMaker endpoint, serverless unless it is given instances, of one registered model version.

    Serverless endpoints know no network isolation and no data capture (see docs/adr/0003); on instances the
    container is isolated from the network.
    """

    endpoint_name: pulumi.Output[str]
    """Name to invoke it by; the same from the first deployment on, whether or not a version is live."""
    endpoint_arn: pulumi.Output[str | None]
    """ARN of the endpoint; nothing without a version."""
    role_arn: pulumi.Output[str]
    """ARN of the role that the container runs with."""
    invoke_policy_arn: pulumi.Output[str]
    """Attach to any role that asks for predictions."""
    log_group: pulumi.Output[str]
    """Name of the container's log group."""

    def __init__(self, name: str, args: EndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stagecraft:index:Endpoint", name, args, opts)
        _check(name, args)
        self._name = name
        self._args = args
        self._tags = args.get("tags", {})
        self._options = pulumi.ResourceOptions(parent=self)
        self._cloud = current_cloud(self)
        self._key = data_key(self, name, args, self._cloud, purpose="Image, volumes and logs")
        # Whoever invokes it needs a name that outlives versions; SageMaker's log group follows from it.
        self._physical = naming.physical_name(scope(), name)
        logs = log_group(
            self,
            f"{name}-logs",
            f"/aws/sagemaker/Endpoints/{self._physical}",
            kms_key_arn=self._key,
            retention_days=int(args.get("log_retention_days", DEFAULT_LOG_DAYS)),
            tags=self._tags,
        )
        role, policy = self._role(logs)
        self.log_group = logs.name
        self.role_arn = role.arn
        self.endpoint_name = pulumi.Output.from_input(self._physical)
        self.endpoint_arn = self._endpoint(role, policy)
        self.invoke_policy_arn = self._invoke_policy()
        self._alarms()
        self.register_outputs(declared_outputs(self))

    def _role(self, logs: aws.cloudwatch.LogGroup) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
        role = aws.iam.Role(
            f"{self._name}-role",
            description=f"What the container of {self._name} may do: read its model, write its logs",
            assume_role_policy=self._cloud.account.apply(
                lambda account: iam.service_trust("sagemaker.amazonaws.com", account)
            ),
            tags=self._tags,
            opts=self._options,
        )
        capture = self._args.get("capture")
        policy = aws.iam.RolePolicy(
            f"{self._name}-policy",
            role=role.id,
            policy=pulumi.Output.all(
                bucket=self._cloud.bucket_arn(self._args["artifacts_bucket"]),
                prefix=f"models/{self._args['model']}/",
                key=self._key,
                logs=logs.arn,
                repositories=self._args.get("repository_arns", [self._cloud.arn("ecr", "repository/*")]),
                capture=None if capture is None else capture["uri"],
            ).apply(lambda known: execution_policy(**known)),
            opts=self._options,
        )
        return role, policy

    def _endpoint(self, role: aws.iam.Role, policy: aws.iam.RolePolicy) -> pulumi.Output[str | None]:
        if "model_package_arn" not in self._args:
            return pulumi.Output.from_input(None)
        model = self._model(self._args["model_package_arn"], role, policy)
        configuration = aws.sagemaker.EndpointConfiguration(
            f"{self._name}-configuration",
            kms_key_arn=self._key,
            production_variants=[self._variant(model)],
            data_capture_config=self._capture(),
            tags=self._tags,
            opts=self._options,
        )
        endpoint = aws.sagemaker.Endpoint(
            f"{self._name}-endpoint",
            name=self._physical,
            endpoint_config_name=configuration.name,
            tags=self._tags,
            opts=self._options,
        )
        self._scale(endpoint.name)
        return endpoint.arn.apply(lambda arn: arn)

    def _model(
        self, version: pulumi.Input[str], role: aws.iam.Role, policy: aws.iam.RolePolicy
    ) -> aws.sagemaker.Model:
        return aws.sagemaker.Model(
            f"{self._name}-model",
            execution_role_arn=role.arn,
            enable_network_isolation="instances" in self._args,
            containers=[
                aws.sagemaker.ModelContainerArgs(
                    model_package_name=version, environment=self._args.get("environment", {})
                )
            ],
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )

    def _least(self) -> int:
        return int(self._args["instances"].get("instance_count", DEFAULT_INSTANCE_COUNT))

    def _scale(self, endpoint: pulumi.Output[str]) -> None:
        if "scaling" not in self._args:
            return
        scale(
            self,
            self._name,
            self._args["scaling"],
            endpoint=endpoint,
            variant=VARIANT,
            least=self._least(),
            tags=self._tags,
        )

    def _variant(
        self, model: aws.sagemaker.Model
    ) -> aws.sagemaker.EndpointConfigurationProductionVariantArgs:
        if "instances" in self._args:
            instances = self._args["instances"]
            return aws.sagemaker.EndpointConfigurationProductionVariantArgs(
                variant_name=VARIANT,
                model_name=model.name,
                instance_type=instances["instance_type"],
                initial_instance_count=self._least(),
                initial_variant_weight=1,
            )
        return aws.sagemaker.EndpointConfigurationProductionVariantArgs(
            variant_name=VARIANT,
            model_name=model.name,
            serverless_config=aws.sagemaker.EndpointConfigurationProductionVariantServerlessConfigArgs(
                memory_size_in_mb=int(self._args.get("memory_mib", DEFAULT_MEMORY_MIB)),
                max_concurrency=int(self._args.get("max_concurrency", DEFAULT_MAX_CONCURRENCY)),
            ),
        )

    def _capture(self) -> aws.sagemaker.EndpointConfigurationDataCaptureConfigArgs | None:
        if "capture" not in self._args:
            return None
        capture = self._args["capture"]
        return aws.sagemaker.EndpointConfigurationDataCaptureConfigArgs(
            enable_capture=True,
            destination_s3_uri=capture["uri"],
            initial_sampling_percentage=int(capture.get("sampling_percent", 10)),
            kms_key_id=self._key,
            capture_options=[
                aws.sagemaker.EndpointConfigurationDataCaptureConfigCaptureOptionArgs(capture_mode=mode)
                for mode in ("Input", "Output")
            ],
        )

    def _invoke_policy(self) -> pulumi.Output[str]:
        return aws.iam.Policy(
            f"{self._name}-invoke",
            description=f"May ask {self._name} for predictions",
            policy=self._cloud.arn("sagemaker", f"endpoint/{self._physical}").apply(
                lambda arn: iam.document(iam.allow(["sagemaker:InvokeEndpoint"], [arn]))
            ),
            tags=self._tags,
            opts=self._options,
        ).arn

    def _alarms(self) -> None:
        if "alarms" not in self._args or "model_package_arn" not in self._args:
            return
        alarms = self._args["alarms"]
        promise = f", which counts against the SLO of {alarms['slo']}" if "slo" in alarms else ""
        dimensions = {"EndpointName": self._physical, "VariantName": VARIANT}
        aws.cloudwatch.MetricAlarm(
            f"{self._name}-errors",
            alarm_description=f"{self._name} fails to answer{promise}. Runbook: {alarms['runbook_url']}",
            namespace="AWS/SageMaker",
            metric_name="Invocation5XXErrors",
            dimensions=dimensions,
            statistic="Sum",
            period=300,
            evaluation_periods=1,
            threshold=float(alarms.get("errors_per_5_minutes", 5)),
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",
            actions_enabled=True,
            alarm_actions=[alarms["topic_arn"]],
            tags=self._tags,
            opts=self._options,
        )
        aws.cloudwatch.MetricAlarm(
            f"{self._name}-latency",
            alarm_description=f"{self._name} answers slowly{promise}. Runbook: {alarms['runbook_url']}",
            namespace="AWS/SageMaker",
            metric_name="ModelLatency",
            dimensions=dimensions,
            extended_statistic="p95",
            period=300,
            evaluation_periods=3,
            # SageMaker counts latency in microseconds.
            threshold=float(alarms.get("latency_p95_ms", 1000)) * 1000,
            comparison_operator="GreaterThanThreshold",
            treat_missing_data="notBreaching",
            actions_enabled=True,
            alarm_actions=[alarms["topic_arn"]],
            tags=self._tags,
            opts=self._options,
        )


def execution_policy(
    *, bucket: str, prefix: str, key: str, logs: str, repositories: list[str], capture: str | None
) -> str:
    """What SageMaker and the container need of this account, and no more."""
    writes = [] if capture is None else [capture.removeprefix("s3://").partition("/")[2]]
    return iam.document(
        *iam.bucket_access(bucket, read=[prefix], write=writes),
        iam.key_access(key),
        # Volumes and the image's copy are encrypted by grants that SageMaker makes for itself.
        iam.allow(["kms:CreateGrant"], [key], conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}}),
        iam.allow(
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            repositories,
        ),
        # Neither takes a resource.
        iam.allow(["ecr:GetAuthorizationToken"], ["*"]),
        iam.put_metrics("/aws/sagemaker/Endpoints"),
        iam.allow(["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], [f"{logs}:*"]),
    )


def _check(name: str, args: EndpointArgs) -> None:
    problems = Problems("Endpoint", name)
    if problems.shape(args, EndpointArgs):
        problems.matches(
            "model",
            args["model"],
            NAME,
            NAME_REMEDY,
        )
        problems.matches(
            "modelPackageArn",
            args.get("model_package_arn"),
            _PACKAGE_ARN,
            "must be the ARN of a model package; leave it out while no version is live",
        )
        if args.get("memory_mib", DEFAULT_MEMORY_MIB) not in MEMORY_STEPS:
            problems.add(
                "memoryMib", args.get("memory_mib"), f"must be one of {', '.join(map(str, MEMORY_STEPS))}"
            )
        problems.between("maxConcurrency", args.get("max_concurrency"), 1, 200)
        days = args.get("log_retention_days")
        if days is not None and days not in RETENTION_DAYS:
            problems.add("logRetentionDays", days, f"must be one of {', '.join(map(str, RETENTION_DAYS))}")
        if "instances" in args:
            instances = args["instances"]
            problems.matches(
                "instances.instanceType", instances["instance_type"], _INSTANCE, "must be like ml.m6i.large"
            )
            problems.between("instances.instanceCount", instances.get("instance_count"), 1, 100)
            if "scaling" in args:
                least = int(instances.get("instance_count", DEFAULT_INSTANCE_COUNT))
                check_scaling(problems, args["scaling"], least=least)
        if "scaling" in args and "instances" not in args:
            problems.add("scaling", "set", "serverless endpoints scale themselves; give instances")
        if "capture" in args:
            problems.between("capture.samplingPercent", args["capture"].get("sampling_percent"), 1, 100, "%")
            if "instances" not in args:
                problems.add(
                    "capture", "set", "serverless endpoints capture no data; give instances, or leave it out"
                )
    problems.raise_if_any()
