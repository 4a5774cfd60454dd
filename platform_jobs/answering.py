"""A model's answers to encoded rows, whoever asks: a server for a few, a batch for all.

Needs numpy only: a server must not wait for pandas.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from platform_jobs.artifact import LoadedModel


@dataclass(frozen=True)
class Answers:
    """Answers to rows, in their order."""

    predictions: Sequence[Any]
    """A class's value, or a number."""
    confidences: Sequence[float | None]
    """Probability of the predicted class; None for regression."""
    probabilities: Any | None
    """Rows x classes, in the model's order of classes; None for regression."""


def answer(model: LoadedModel, inputs: Any) -> Answers:
    """What the model says of rows that `encoding` encoded."""
    if model.task == "regression":
        numbers = model.estimator.predict(inputs).tolist()
        return Answers(numbers, [None] * len(numbers), None)
    probabilities = model.estimator.predict_proba(inputs)
    chosen = probabilities.argmax(axis=1).tolist()
    return Answers(
        [model.classes[place] for place in chosen],
        [row[place] for row, place in zip(probabilities.tolist(), chosen, strict=True)],
        probabilities,
    )


def class_names(model: LoadedModel) -> list[str]:
    """The classes as texts, as answers with all probabilities name them."""
    return [str(value) for value in model.classes]
