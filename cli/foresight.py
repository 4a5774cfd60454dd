"""What a planned stack will find in its account: approved versions of its models, so that all is planned."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from components.naming import pointer_prefix


def foresee_versions(settings: Mapping[str, Any], stack: str, cloud: str, region: str) -> None:
    """Has the scratch cloud take for given two versions a model, live and previous, and those that are named.

    Without, a model that is not live yet would be planned without its endpoint, and one that is declared
    beside the live one could not be planned at all.

    Args:
        settings: The stack's configuration; what is wrong in it, the program will say.
        stack: Its name.
        cloud: Endpoint of the scratch cloud.
        region: Where the stack is.
    """
    from stacks.settings import PACKAGE_ARN
    from twin.aws.cloud.client import ACCOUNT, foresee

    models = settings.get("stagecraft:models")
    pointers = {
        f"{pointer_prefix(stack)}{model['name']}/{role}": (
            f"arn:aws:sagemaker:{region}:{ACCOUNT}:model-package/{model['name']}/{number}"
        )
        for model in (models if isinstance(models, list) else [])
        if isinstance(model, Mapping) and isinstance(model.get("name"), str)
        for number, role in enumerate(("previous", "live"), start=1)
    }
    named = {text for text in _texts(models) if re.fullmatch(PACKAGE_ARN, text)}
    foresee(cloud, region, parameters=pointers, versions=sorted({*pointers.values(), *named}))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
