"""Labels of a stack as the tags of its resources."""

from typing import TYPE_CHECKING, Final

import pulumi

if TYPE_CHECKING:
    from stacks.settings import Settings

Tags = dict[str, pulumi.Input[str]]

MODEL_TAG: Final = "model"
STACK_TAG: Final = "stack"
PROJECT: Final = "stagecraft"


def tags_of(settings: "Settings", stack: str) -> Tags:
    """What every resource of the stack carries."""
    labels = settings.labels
    return {
        "costCentre": labels.cost_centre,
        "dataClassification": labels.data_classification,
        "environment": settings.environment,
        "managedBy": PROJECT,
        "owner": labels.owner,
        STACK_TAG: stack_value(stack),
    }


def model_tags(settings: "Settings", stack: str, model: str) -> Tags:
    """What a model's own resources carry beside, and in place of, the stack's tags."""
    declared = next(item for item in settings.models if item.name == model)
    tags: Tags = {MODEL_TAG: model_value(stack, model)}
    return tags if declared.owner is None else {**tags, "owner": declared.owner}


def model_value(stack: str, model: str) -> str:
    """A model's name as the value that budgets count by; unique within an account."""
    return f"{stack_value(stack)}/{model}"


def stack_value(stack: str) -> str:
    """A stack's name as the value that budgets count by; unique within an account."""
    return f"{PROJECT}-{stack}"
