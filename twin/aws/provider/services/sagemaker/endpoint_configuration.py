"""What endpoints serve, on what, and what of it is captured."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import State
from twin.aws.provider.diff import is_zero
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.sagemaker.common import SageMakerResource, check_s3
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

_MEMORY_STEPS: Final = (1024, 2048, 3072, 4096, 5120, 6144)
_MOST_VARIANTS: Final = 10
_VARIANTS: Final = ("productionVariants", "shadowProductionVariants")
_FOR_INSTANCES: Final = (
    "acceleratorType",
    "containerStartupHealthCheckTimeoutInSeconds",
    "initialInstanceCount",
    "managedInstanceScaling",
    "modelDataDownloadTimeoutInSeconds",
    "volumeSizeInGb",
)
_LOCAL_STORAGE: Final = re.compile(
    r"^ml\.([a-z]+\d+[a-z]*d[a-z]*|g4dn|g5|g6e?|gr6|p3dn|p4de?|p5\w*|trn1n?)\."
)
"""Instances with disks of their own, which SageMaker encrypts itself."""


class EndpointConfiguration(SageMakerResource):
    """A configuration; its id is its name. Nothing but tags can be changed."""

    token = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
    auto_name = AutoName(max_length=63)
    create_call, read_call = "CreateEndpointConfig", "DescribeEndpointConfig"
    delete_call = "DeleteEndpointConfig"
    key: ClassVar[Mapping[str, str]] = {"EndpointConfigName": "name"}
    rename: ClassVar[Mapping[str, str]] = {
        "arn": "EndpointConfigArn",
        "kmsKeyArn": "KmsKeyId",
        "name": "EndpointConfigName",
    }

    def complete(self, op: Operation, inputs: State) -> None:
        """Variants without a name get one, and a weight."""
        for name in _VARIANTS:
            variants = inputs.get(name)
            if isinstance(variants, list):
                inputs[name] = [
                    {"variantName": f"variant-{place}", "initialVariantWeight": 1, **variant}
                    if isinstance(variant, dict)
                    else variant
                    for place, variant in enumerate(variants, start=1)
                ]

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Instances or serverless, and what goes with each."""
        names: list[Any] = []
        for name in _VARIANTS:
            variants = inputs.get(name)
            for place, variant in enumerate(variants if isinstance(variants, list) else []):
                if isinstance(variant, dict):
                    path = f"{name}[{place}]"
                    _check_variant(variant, path, inputs, problems)
                    if variant.get("variantName") in names and variant.get("variantName") is not UNKNOWN:
                        said = f"{variant['variantName']!r} is used twice"
                        problems.add(f"{path}.variantName", said, "give each variant a name of its own")
                    names.append(variant.get("variantName"))
        production, shadow = (inputs.get(name) for name in _VARIANTS)
        if isinstance(production, list):
            if not 1 <= len(production) <= _MOST_VARIANTS:
                said = f"there are {len(production)}"
                problems.add("productionVariants", said, f"give 1 to {_MOST_VARIANTS}")
            if shadow and len(production) > 1:
                problems.add("shadowProductionVariants", "needs a single production variant", "give one")
            _check_serverless(production, inputs, problems)
        _check_capture(inputs, problems)


def _check_variant(
    variant: Mapping[str, Any], path: str, inputs: Mapping[str, Any], problems: Problems
) -> None:
    given = {name for name, value in variant.items() if not is_zero(value)}
    if not given & {"modelName"} and inputs.get("executionRoleArn") is None:
        problems.add(f"{path}.modelName", "is missing", "name the model, or give executionRoleArn")
    if not given & {"instanceType", "serverlessConfig"}:
        problems.add(path, "says neither instanceType nor serverlessConfig", "give one of the two")
    if {"instanceType", "serverlessConfig"} <= given:
        problems.add(f"{path}.instanceType", "conflicts with serverlessConfig", "give one of the two")
    if "serverlessConfig" in given:
        for name in sorted(given & set(_FOR_INSTANCES)):
            problems.add(f"{path}.{name}", "is not for serverless variants", "leave it out")
        serverless = variant["serverlessConfig"]
        if isinstance(serverless, dict):
            _check_sizes(serverless, f"{path}.serverlessConfig", problems)
    elif "instanceType" in given and not given & {"initialInstanceCount", "managedInstanceScaling"}:
        problems.add(f"{path}.initialInstanceCount", "is missing", "say how many instances")
    kind = variant.get("instanceType")
    if isinstance(kind, str) and _LOCAL_STORAGE.match(kind) and not is_zero(inputs.get("kmsKeyArn")):
        problems.add("kmsKeyArn", f"{kind} has disks of its own, which no key is for", "leave it out")


def _check_sizes(serverless: Mapping[str, Any], path: str, problems: Problems) -> None:
    memory, most = serverless.get("memorySizeInMb"), serverless.get("maxConcurrency")
    if isinstance(memory, int) and memory not in _MEMORY_STEPS:
        steps = ", ".join(map(str, _MEMORY_STEPS))
        problems.add(f"{path}.memorySizeInMb", f"{memory} is not allowed", f"use one of: {steps}")
    provisioned = serverless.get("provisionedConcurrency")
    if isinstance(provisioned, int) and isinstance(most, int) and provisioned > most:
        said = f"{provisioned} is above maxConcurrency ({most})"
        problems.add(f"{path}.provisionedConcurrency", said, "give at most as many")


def _check_serverless(production: list[Any], inputs: Mapping[str, Any], problems: Problems) -> None:
    """What SageMaker does not do for serverless endpoints."""
    serverless = [each for each in production if isinstance(each, dict) and each.get("serverlessConfig")]
    if not serverless:
        return
    if len(production) > 1:
        problems.add("productionVariants", "a serverless endpoint has one variant", "give one")
    for name in ("asyncInferenceConfig", "dataCaptureConfig", "shadowProductionVariants"):
        if not is_zero(inputs.get(name)):
            problems.add(name, "is not for serverless endpoints", "leave it out, or use instances")


def _check_capture(inputs: Mapping[str, Any], problems: Problems) -> None:
    capture = inputs.get("dataCaptureConfig")
    if not isinstance(capture, dict):
        return
    check_s3(inputs, "dataCaptureConfig.destinationS3Uri", problems)
    options = capture.get("captureOptions")
    if isinstance(options, list):
        modes = [each.get("captureMode") for each in options if isinstance(each, dict)]
        known = [mode for mode in modes if isinstance(mode, str)]
        if not options or len(set(known)) < len(known):
            problems.add(
                "dataCaptureConfig.captureOptions", f"{known}", "give Input, Output or both, once each"
            )
