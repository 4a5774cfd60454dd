"""What a plan's cloud takes for given: it begins empty, and the account that is planned for will not be.

Foreseen parameters are only read, by path; a stack that makes one of that name makes it anew.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from twin.aws.cloud.gaps.context import Context, utc_now
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.gaps.services import sagemaker
from twin.aws.cloud.gaps.store import RecordStore
from twin.aws.cloud.http import HttpResponse

_PARAMETER: Final = ("ssm", "foreseen")


def fill(registry: GapRegistry) -> None:
    """Registers the gap filler."""
    registry.raw("ssm", "GetParametersByPath", _parameters_by_path)


def foresee(store: RecordStore, region: str, parameters: Mapping[str, str], versions: Sequence[str]) -> None:
    """Takes for given what will be there before the stack is.

    Args:
        store: The cloud's records.
        region: Where the parameters are.
        parameters: SSM parameters: name → value.
        versions: ARNs of approved model packages, each there in its own region.
    """
    for name, value in parameters.items():
        store.notes[(*_PARAMETER, region, name)] = value
    for arn in versions:
        sagemaker.foresee_version(store, arn)


def _parameters_by_path(context: Context) -> HttpResponse:
    response = context.forward()
    path = str(context.parameters["Path"]).rstrip("/") + "/"
    below = {
        key[-1]: value
        for key, value in context.store.notes.items()
        if key[:-1] == (*_PARAMETER, context.region) and key[-1].startswith(path)
    }
    if not below or response.status >= 300:
        return response
    result = context.operation.result_of(response)
    made: list[dict[str, Any]] = result.setdefault("Parameters", [])
    known = {parameter["Name"] for parameter in made}
    deep = bool(context.parameters.get("Recursive"))
    made += [
        _shown(context, name, value)
        for name, value in sorted(below.items())
        if name not in known and (deep or "/" not in name.removeprefix(path))
    ]
    return context.operation.answer(result)


def _shown(context: Context, name: str, value: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Type": "String",
        "Value": value,
        "Version": 1,
        "LastModifiedDate": utc_now(),
        "ARN": f"arn:aws:ssm:{context.region}:{context.account}:parameter{name}",
        "DataType": "text",
    }
