"""What kinds of models there are, and what can be measured of each."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from stacks.settings import FeatureField

Task = Literal["binary", "multiclass", "regression"]

_OF_CLASSES: Final = ("accuracy", "auc", "f1", "precision", "recall")
MEASURES: Final[Mapping[Task, tuple[str, ...]]] = {
    "binary": _OF_CLASSES,
    "multiclass": _OF_CLASSES,
    "regression": ("mae", "r2", "rmse"),
}
"""What the `accuracy` job tells of a task's models."""


def task_of(label: "FeatureField") -> Task:
    """A yes or no, one of several, or an amount."""
    if label.type == "bool" or (label.allowed is not None and len(label.allowed) == 2):
        return "binary"
    return "multiclass" if label.allowed is not None or label.type == "string" else "regression"
