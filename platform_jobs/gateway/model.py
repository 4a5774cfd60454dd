"""The words that the gateway's parts share: a question, a model's answer, and how a model can fail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Question:
    """One prediction that somebody wants."""

    id: str
    entity: Mapping[str, str]
    """Join key → value."""
    features: Mapping[str, Any]
    user: str
    """By whom variants are assigned: always the same one for the same user."""

    @property
    def entity_key(self) -> str:
        """The entity as one text, whatever the order of its keys."""
        return "\n".join(f"{name}={value}" for name, value in sorted(self.entity.items()))


@dataclass(frozen=True, kw_only=True)
class ModelAnswer:
    """What a model says."""

    prediction: Any
    probability: float | None = None
    """How sure the model is of it; None for regression and for answers of no model."""
    version: str | None = None
    """Digest of the model; None where no model answered."""


class BackendError(Exception):
    """A model did not answer as it should. `reason` is one of a few words: it becomes a label of metrics."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason


class WrongQuestionError(Exception):
    """The model understood the question and refuses it: the caller's mistake, which no step below mends."""

    def __init__(self, message: str, problems: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.problems = list(problems)
