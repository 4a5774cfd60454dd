"""Models to serve, and groups of registered versions."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.diff import is_zero
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.sagemaker.common import SageMakerResource, check_s3
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

_MOST_CONTAINERS: Final = 15
_SOURCES: Final = ("modelDataSource", "modelDataUrl")


class ModelPackageGroup(SageMakerResource):
    """A group of versions; its id is its name."""

    token = "aws:sagemaker/modelPackageGroup:ModelPackageGroup"
    create_call, read_call = "CreateModelPackageGroup", "DescribeModelPackageGroup"
    delete_call = "DeleteModelPackageGroup"
    key: ClassVar[Mapping[str, str]] = {"ModelPackageGroupName": "modelPackageGroupName"}
    id_property = "modelPackageGroupName"
    rename: ClassVar[Mapping[str, str]] = {"arn": "ModelPackageGroupArn"}
    status = "ModelPackageGroupStatus"


class Model(SageMakerResource):
    """Containers with what they need to predict; its id is its name. Nothing but tags can be changed."""

    token = "aws:sagemaker/model:Model"
    auto_name = AutoName(max_length=63)
    create_call, read_call, delete_call = "CreateModel", "DescribeModel", "DeleteModel"
    key: ClassVar[Mapping[str, str]] = {"ModelName": "name"}
    rename: ClassVar[Mapping[str, str]] = {"arn": "ModelArn", "name": "ModelName"}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One container, or several; each with an image or a registered version."""
        primary, several = inputs.get("primaryContainer"), inputs.get("containers")
        if primary is None and several is None:
            problems.add("containers", "there is no container", "give containers or primaryContainer")
        if primary is not None and several is not None:
            problems.add("primaryContainer", "conflicts with containers", "give one of the two")
        if isinstance(primary, dict):
            _check_container(primary, "primaryContainer", problems)
        entries = several if isinstance(several, list) else []
        if several == [] or len(entries) > _MOST_CONTAINERS:
            problems.add("containers", f"there are {len(entries)}", f"give 1 to {_MOST_CONTAINERS}")
        for place, container in enumerate(entries):
            if isinstance(container, dict):
                _check_container(container, f"containers[{place}]", problems)
        if inputs.get("inferenceExecutionConfig") is not None and several is None:
            problems.add("inferenceExecutionConfig", "is for several containers", "leave it out")


def _check_container(container: Mapping[str, Any], path: str, problems: Problems) -> None:
    given = {name for name, value in container.items() if not is_zero(value)}
    if not given & {"image", "modelPackageName"}:
        problems.add(path, "has neither an image nor a modelPackageName", "give one of the two")
    if {"image", "modelPackageName"} <= given:
        problems.add(
            f"{path}.image", "conflicts with modelPackageName", "the version names its image: leave it out"
        )
    if set(_SOURCES) <= given:
        problems.add(f"{path}.modelDataUrl", "conflicts with modelDataSource", "give one of the two")
    url = container.get("modelDataUrl")
    if url is not UNKNOWN and isinstance(url, str) and not url.startswith("https://"):
        found = Problems()
        check_s3(container, "modelDataUrl", found)
        for name, text in found:
            problems.add(f"{path}.{name}", text)
