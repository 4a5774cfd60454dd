"""The degradation ladder of one model: the best answer that can be had now, and which step gave it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from platform_jobs import metrics
from platform_jobs.gateway.declaration import ModelDeclaration
from platform_jobs.gateway.dialects import dialect_of
from platform_jobs.gateway.guarded import Guarded
from platform_jobs.gateway.last_good import LastGood
from platform_jobs.gateway.model import BackendError, ModelAnswer, Question
from platform_jobs.gateway.split import assigned
from platform_jobs.gateway.telemetry import Telemetry
from platform_jobs.metrics import DEFAULT_STEP, LAST_GOOD_STEP, LIVE_STEP, PREVIOUS_STEP


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a caller gets."""

    said: ModelAnswer
    step: str
    """The step of the ladder that answered."""
    variant: str
    """The variant that answered; where none did, the one that the user has."""


class NoAnswerError(Exception):
    """No step had an answer. `reasons` says of each step why."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{step}: {reason}" for step, reason in reasons.items()))
        self.reasons = dict(reasons)


class Ladder:
    """Answers one model's questions. Keeps nothing but the last good answers."""

    def __init__(
        self,
        declared: ModelDeclaration,
        variants: Mapping[str, Guarded],
        previous: Guarded | None,
        telemetry: Telemetry,
    ) -> None:
        self.declared = declared
        self._variants = variants
        self._previous = previous
        self._telemetry = telemetry
        self._weights = {variant.name: variant.weight for variant in declared.variants}
        self._dialect = dialect_of(declared.speaks, declared.name)
        self._last_good: LastGood[ModelAnswer] = LastGood(declared.last_good_seconds)
        self._steps = {
            LIVE_STEP: self._live,
            PREVIOUS_STEP: self._before,
            LAST_GOOD_STEP: self._recalled,
            DEFAULT_STEP: self._default,
        }
        self._show_zeros()

    def states(self) -> dict[str, str]:
        """Backend → state of its breaker."""
        found = {name: guarded.state.value for name, guarded in self._variants.items()}
        if self._previous is not None:
            found[PREVIOUS_STEP] = self._previous.state.value
        return found

    async def answer(self, question: Question) -> Answer:
        """The best answer that can be had.

        Raises:
            NoAnswerError: no step has one.
            WrongQuestionError: a model refuses the question.
        """
        variant = assigned(self._weights, question.user, salt=self.declared.name)
        reasons: dict[str, str] = {}
        for step in self.declared.ladder:
            try:
                answer = await self._steps[step](question, variant)
            except BackendError as error:
                reasons[step] = error.reason
                self._count(metrics.STEP_FAILURES, step=step)
                continue
            if step in (LIVE_STEP, PREVIOUS_STEP):
                self._last_good.keep(self._dialect.remembered_by(question), answer.said)
            self._count(metrics.ANSWERS, step=step)
            return answer
        raise NoAnswerError(reasons)

    async def _live(self, question: Question, variant: str) -> Answer:
        """The user's variant; if it is one on trial and fails, what most users have."""
        try:
            return await self._ask(question, variant)
        except BackendError:
            stable = self.declared.stable
            if variant == stable:
                raise
            return await self._ask(question, stable)

    async def _ask(self, question: Question, variant: str) -> Answer:
        self._count(metrics.VARIANT_REQUESTS, variant=variant)
        start = time.perf_counter()
        try:
            said = await self._variants[variant].ask(question)
        except BackendError:
            self._count(metrics.VARIANT_ERRORS, variant=variant)
            raise
        took = (time.perf_counter() - start) * 1000
        model = self.declared.name
        self._telemetry.took(metrics.VARIANT_LATENCY, took, model=model, variant=variant)
        if took > self.declared.slow_ms:
            self._count(metrics.VARIANT_SLOW_REQUESTS, variant=variant)
        return Answer(said=said, step=LIVE_STEP, variant=variant)

    async def _before(self, question: Question, variant: str) -> Answer:
        if self._previous is None:
            raise BackendError("absent")
        said = await self._previous.ask(question)
        return Answer(said=said, step=PREVIOUS_STEP, variant=variant)

    async def _recalled(self, question: Question, variant: str) -> Answer:
        said = self._last_good.recall(self._dialect.remembered_by(question))
        if said is None:
            raise BackendError("absent")
        return Answer(said=said, step=LAST_GOOD_STEP, variant=variant)

    async def _default(self, _question: Question, variant: str) -> Answer:
        said = ModelAnswer(prediction=self.declared.default_answer)
        return Answer(said=said, step=DEFAULT_STEP, variant=variant)

    def _count(self, metric: metrics.Metric, **dimensions: str) -> None:
        self._telemetry.count(metric, model=self.declared.name, **dimensions)

    def _show_zeros(self) -> None:
        model = self.declared.name
        for step in self.declared.ladder:
            for metric in (metrics.ANSWERS, metrics.STEP_FAILURES):
                self._telemetry.touch(metric, model=model, step=step)
        for variant in self._variants:
            for metric in (metrics.VARIANT_REQUESTS, metrics.VARIANT_ERRORS, metrics.VARIANT_SLOW_REQUESTS):
                self._telemetry.touch(metric, model=model, variant=variant)
