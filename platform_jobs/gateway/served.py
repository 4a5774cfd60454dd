"""A served model, and what its callers are told: the same words, whatever carries them."""

import datetime
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from platform_jobs import metrics
from platform_jobs.gateway.declaration import ModelDeclaration
from platform_jobs.gateway.dialects import dialect_of
from platform_jobs.gateway.ladder import Answer, Ladder, NoAnswerError
from platform_jobs.gateway.model import ModelAnswer, Question, WrongQuestionError
from platform_jobs.gateway.prediction_writer import PredictionWriter
from platform_jobs.gateway.requests import read_question
from platform_jobs.gateway.shadow import Shadower
from platform_jobs.gateway.telemetry import Telemetry
from platform_jobs.log import ERROR, event
from platform_jobs.prediction_log import SHADOW, Record


class ServedModel:
    """One model: its ladder, its shadow, and the log of its answers."""

    def __init__(
        self,
        declared: ModelDeclaration,
        ladder: Ladder,
        telemetry: Telemetry,
        writer: PredictionWriter | None,
    ) -> None:
        self.declared = declared
        self.ladder = ladder
        self.shadower: Shadower | None = None
        self._telemetry = telemetry
        self._writer = writer
        for metric in (metrics.REQUESTS, metrics.ERRORS, metrics.SLOW_REQUESTS, metrics.WAITING):
            telemetry.touch(metric, model=declared.name)

    async def answer(self, question: Question) -> Answer:
        """The ladder's answer, counted and logged. Raises what the ladder raises."""
        model = self.declared.name
        at, start = datetime.datetime.now(datetime.UTC), time.perf_counter()
        self._telemetry.count(metrics.REQUESTS, model=model)
        try:
            with self._telemetry.waiting(model=model):
                answer = await self.ladder.answer(question)
        except WrongQuestionError:
            raise
        except Exception:
            self._telemetry.count(metrics.ERRORS, model=model)
            raise
        finally:
            took = (time.perf_counter() - start) * 1000
            self._telemetry.took(metrics.LATENCY, took, model=model)
        if took > self.declared.slow_ms:
            self._telemetry.count(metrics.SLOW_REQUESTS, model=model)
        self._log(question, answer.said, at, took, variant=answer.variant, step=answer.step)
        if self.shadower is not None:
            self.shadower.follow(question)
        return answer

    def heard_shadow(self, question: Question, said: ModelAnswer, took: float) -> None:
        """A shadow has answered; nobody but the log is told."""
        now = datetime.datetime.now(datetime.UTC)
        self._log(question, said, now, took, variant=SHADOW, step=metrics.LIVE_STEP)

    def _log(
        self,
        question: Question,
        said: ModelAnswer,
        at: datetime.datetime,
        took: float,
        *,
        variant: str,
        step: str,
    ) -> None:
        if self._writer is None:
            return
        self._writer.add(
            Record(
                id=prediction_id(question),
                at=at,
                model=self.declared.name,
                variant=variant,
                step=step,
                version=said.version,
                entity=question.entity,
                features=question.features,
                prediction=said.prediction,
                probability=said.probability,
                latency_ms=round(took, 3),
            )
        )


def prediction_id(question: Question) -> str:
    """What a prediction is known by in the log and in feedback; one question makes one prediction."""
    return f"{question.id}/0"


@dataclass(frozen=True)
class Reply:
    """What a caller is told."""

    status: int
    """As HTTP has it: 200, 400, 404, 500 or 503."""
    body: dict[str, Any]
    request_id: str | None = None
    """By which the log knows the request; none where it was not understood."""


async def reply(models: Mapping[str, ServedModel], model: str, body: bytes, request_id: str | None) -> Reply:
    """A prediction by the model of that name, or what stood in its way; raises nothing but cancellation."""
    served = models.get(model)
    if served is None:
        known = ", ".join(sorted(models))
        return Reply(404, error_body(f"there is no model of that name; there are {known}"))
    try:
        longest = dialect_of(served.declared.speaks, model).longest_text
        question = read_question(body, served.declared.keys, request_id, longest)
        answer = await served.answer(question)
    except Exception as error:
        return failure(error)
    told = {
        "id": prediction_id(question),
        "model": model,
        "prediction": answer.said.prediction,
        "probability": answer.said.probability,
        "model_version": answer.said.version,
        "variant": answer.variant,
        "step": answer.step,
    }
    return Reply(200, told, question.id)


def failure(error: Exception) -> Reply:
    """What an error is to the caller; of one that is ours, no trace of the request."""
    if isinstance(error, WrongQuestionError):
        return Reply(400, error_body(str(error), problems=error.problems))
    if isinstance(error, NoAnswerError):
        return Reply(503, error_body("no step of the ladder has an answer", steps=error.reasons))
    event("gateway", "failed", ERROR, reason=type(error).__name__)
    return Reply(500, error_body("the gateway failed"))


def error_body(message: str, **details: Any) -> dict[str, Any]:
    """An error, as callers get it."""
    return {"error": {"message": message, **details}}
