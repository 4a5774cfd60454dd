"""Gateway: answers while the model has none, in a cloud without a cluster."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import iam
from components.checks import NAME, NAME_REMEDY, Problems
from components.context import current_cloud, declared_outputs
from components.dead_letters import dead_letter_queue
from components.encryption import data_key
from components.functions import FunctionSpec, PlatformImage, python_function
from components.watch.metrics import PLATFORM

HANDLER: Final = "platform_jobs.gateway.function.handler"
DEFAULT_CONCURRENCY: Final = 20
DEFAULT_MEMORY_MIB: Final = 1024
DEFAULT_TIMEOUT_SECONDS: Final = 30
LARGEST_DECLARATION: Final = 3_500
"""Bytes: Lambda takes 4 KiB of variables in all."""


class GatewayArgs(TypedDict):
    """Inputs of Gateway."""

    image_uri: pulumi.Input[str]
    """The platform's image in ECR."""
    models: dict[str, Any]
    """Model → what the gateway is told of it (`STAGECRAFT_GATEWAY_MODELS`, docs/serving.md); at least one."""
    artifacts_bucket: pulumi.Input[str]
    """Name of the bucket that the prediction log is written to, under `predictions/<model>/`."""
    policy_arns: NotRequired[list[pulumi.Input[str]]]
    """Further policies, for models that are not SageMaker endpoints. Default: none."""
    max_concurrency: NotRequired[int]
    """Questions that are answered at once; from 1 to 1000. Lambda refuses those beyond. Default: 20."""
    memory_mib: NotRequired[int]
    """Memory in MiB, and with it the processor; from 512 to 10240. Default: 1024."""
    timeout_seconds: NotRequired[int]
    """Seconds that a question may take, over all steps; from 3 to 900. Default: 30."""
    environment: NotRequired[dict[str, pulumi.Input[str]]]
    """Further environment variables. Default: none."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key for variables, logs and dead letters, also the bucket's. Default: one is made, rotated yearly."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take a key it made along. Default: false."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class Gateway(pulumi.ComponentResource):
    """The serving gateway as a Lambda function: each model's ladder of answers, free while nobody asks.

    It has no address of its own: who may ask is who has the invoke policy.
    """

    function_name: pulumi.Output[str]
    """Name to invoke it by."""
    function_arn: pulumi.Output[str]
    """ARN of the function."""
    invoke_policy_arn: pulumi.Output[str]
    """Attach to any role that asks for predictions."""
    dead_letter_queue_url: pulumi.Output[str]
    """URL of the queue with asynchronous questions that it failed on."""

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stagecraft:index:Gateway", name, args, opts)
        _check(name, args)
        self._name = name
        self._args = args
        self._tags = args.get("tags", {})
        self._cloud = current_cloud(self)
        self._key = data_key(self, name, args, self._cloud, purpose="Variables, logs and dead letters")
        queue = dead_letter_queue(
            self, f"{name}-dead-letters", cloud=self._cloud, kms_key_arn=self._key, tags=self._tags
        )
        function = self._function(queue)
        self.function_name = function.name
        self.function_arn = function.arn
        self.invoke_policy_arn = self._invoke_policy(function)
        self.dead_letter_queue_url = queue.url
        self.register_outputs(declared_outputs(self))

    def _function(self, queue: aws.sqs.Queue) -> aws.lambda_.Function:
        args = self._args
        return python_function(
            self,
            self._name,
            FunctionSpec(
                description="The serving gateway: the model's answer, or its fallback",
                code=PlatformImage(args["image_uri"]),
                handler=HANDLER,
                policy=self._rights(),
                policy_arns=args.get("policy_arns", []),
                environment={
                    "STAGECRAFT_STACK": pulumi.get_stack(),
                    "STAGECRAFT_ARTIFACTS_BUCKET": args["artifacts_bucket"],
                    "STAGECRAFT_GATEWAY_METRICS": "cloudwatch",
                    "STAGECRAFT_GATEWAY_MODELS": pulumi.Output.from_input(args["models"]).apply(declaration),
                    **args.get("environment", {}),
                },
                timeout_seconds=int(args.get("timeout_seconds", DEFAULT_TIMEOUT_SECONDS)),
                memory_mib=int(args.get("memory_mib", DEFAULT_MEMORY_MIB)),
                concurrency=int(args.get("max_concurrency", DEFAULT_CONCURRENCY)),
            ),
            cloud=self._cloud,
            kms_key_arn=self._key,
            dead_letters=queue,
            tags=self._tags,
        )

    def _rights(self) -> pulumi.Output[str]:
        return pulumi.Output.all(
            models=self._args["models"],
            endpoints=self._cloud.arn("sagemaker", "endpoint/"),
            bucket=self._cloud.bucket_arn(self._args["artifacts_bucket"]),
            key=self._key,
        ).apply(lambda known: gateway_rights(**known))

    def _invoke_policy(self, function: aws.lambda_.Function) -> pulumi.Output[str]:
        return aws.iam.Policy(
            f"{self._name}-invoke",
            description=f"May ask {self._name} for predictions",
            policy=function.arn.apply(lambda arn: iam.document(iam.allow(["lambda:InvokeFunction"], [arn]))),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        ).arn


def declaration(models: Mapping[str, Any]) -> str:
    """The models as the function's variable has them.

    Raises:
        ValueError: they are too many for Lambda's variables.
    """
    text = json.dumps(_whole(models), sort_keys=True, separators=(",", ":"))
    if len(text.encode()) > LARGEST_DECLARATION:
        raise ValueError(
            f"the declarations of {len(models)} models are {len(text.encode())} bytes, and Lambda has room "
            f"for {LARGEST_DECLARATION}: divide the models between two Gateways"
        )
    return text


def _whole(value: Any) -> Any:
    """Whole numbers as such: other languages hand every number over as a float."""
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def gateway_rights(*, models: Mapping[str, Any], endpoints: str, bucket: str, key: str) -> str:
    """To ask the endpoints that the declarations name, and to write down what was answered."""
    statements = [
        *iam.bucket_access(bucket, write=[f"predictions/{model}/" for model in models]),
        iam.key_access(key),
        iam.put_metrics(PLATFORM),
    ]
    named = sorted(set(_endpoints(models)))
    if named:
        statements.insert(
            0, iam.allow(["sagemaker:InvokeEndpoint"], [f"{endpoints}{endpoint}" for endpoint in named])
        )
    return iam.document(*statements)


def _endpoints(models: Mapping[str, Any]) -> Iterator[str]:
    """Every endpoint that a declaration names: of variants, the version before, the shadow."""
    for model in models.values():
        targets = [*model.get("variants", ()), model.get("previous"), model.get("shadow")]
        yield from (target["endpoint"] for target in targets if target and "endpoint" in target)


def _check(name: str, args: GatewayArgs) -> None:
    problems = Problems("Gateway", name)
    if problems.shape(args, GatewayArgs):
        if not args["models"]:
            problems.add("models", args["models"], "needs at least one model that has a live version")
        for model, told in args["models"].items():
            problems.matches(f"models.{model}", model, NAME, NAME_REMEDY)
            if isinstance(told, Mapping) and not told.get("variants"):
                problems.add(
                    f"models.{model}.variants", None, "needs at least one endpoint or URL that answers"
                )
        problems.between("maxConcurrency", args.get("max_concurrency"), 1, 1000)
        problems.between("memoryMib", args.get("memory_mib"), 512, 10240)
        problems.between("timeoutSeconds", args.get("timeout_seconds"), 3, 900)
    problems.raise_if_any()
