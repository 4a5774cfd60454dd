"""How models are asked: in `serve`'s words about an entity's features, or in a language model's."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final, Protocol

from platform_jobs.gateway.model import BackendError, ModelAnswer, Question

SERVE: Final = "serve"
COMPLETIONS: Final = "completions"
DIALECTS: Final = (COMPLETIONS, SERVE)


class Dialect(Protocol):
    """The words of one kind of model server."""

    @property
    def longest_text(self) -> int:
        """Letters that a feature may have."""

    def body(self, question: Question) -> bytes:
        """What is sent to the server's `/invocations`."""

    def answer(self, body: bytes) -> ModelAnswer:
        """What the server said. Raises BackendError (`malformed`): it is nothing that a well one says."""

    def remembered_by(self, question: Question) -> str:
        """What a last good answer is kept under: of which questions it is one."""


def dialect_of(speaks: str, model: str) -> Dialect:
    """The dialect called so, for a model of that name."""
    return Completions(model) if speaks == COMPLETIONS else Serve()


class Serve:
    """`platform_jobs serve`: one instance, one prediction."""

    longest_text = 1_024

    def body(self, question: Question) -> bytes:
        """One instance: the features."""
        return json.dumps({"instances": [question.features]}).encode()

    def answer(self, body: bytes) -> ModelAnswer:
        """`serve`'s answer to one instance."""
        value = object_in(body)
        predictions = value.get("predictions")
        if not isinstance(predictions, list) or len(predictions) != 1 or not isinstance(predictions[0], dict):
            raise BackendError("malformed", "the answer has no one prediction in it")
        item = predictions[0]
        prediction, probability = item.get("prediction"), item.get("probability")
        if not _plain(prediction) or not (probability is None or _probability(probability)):
            raise BackendError("malformed", "the answer's prediction or probability is no value")
        version = value.get("model_version")
        return ModelAnswer(
            prediction=prediction,
            probability=probability,
            version=version if isinstance(version, str) else None,
        )

    def remembered_by(self, question: Question) -> str:
        """By the entity: what was true of it a while ago is better than nothing."""
        return question.entity_key


class Completions:
    """OpenAI's completions, as vLLM takes them at `/invocations` too: a prompt, and how to go on from it."""

    longest_text = 100_000

    def __init__(self, model: str) -> None:
        self._model = model

    def body(self, question: Question) -> bytes:
        """The features are the request: `prompt`, `max_tokens`, `temperature` and so on."""
        # Whole answers only: the ladder cannot go down from the middle of one.
        return json.dumps({**question.features, "model": self._model, "n": 1, "stream": False}).encode()

    def answer(self, body: bytes) -> ModelAnswer:
        """The one choice's text."""
        choices = object_in(body).get("choices")
        if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
            raise BackendError("malformed", "the answer has no one choice in it")
        text = choices[0].get("text")
        if not isinstance(text, str):
            raise BackendError("malformed", "the answer's choice has no text")
        return ModelAnswer(prediction=text)

    def remembered_by(self, question: Question) -> str:
        """By all of the question: the answer to one prompt is none to another."""
        asked = json.dumps(question.features, sort_keys=True)
        return hashlib.sha256(f"{question.entity_key}\n{asked}".encode()).hexdigest()


def object_in(body: bytes) -> Mapping[str, Any]:
    """The JSON object that a server sent; an empty one if it is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _plain(value: Any) -> bool:
    """A class or a number; NaN is neither."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _probability(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
