"""Shadow traffic: a version that is asked along. Its answers are logged and counted, and reach nobody."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from platform_jobs import metrics
from platform_jobs.gateway.guarded import Guarded
from platform_jobs.gateway.model import BackendError, ModelAnswer, Question, WrongQuestionError
from platform_jobs.gateway.split import sampled
from platform_jobs.gateway.telemetry import Telemetry
from platform_jobs.prediction_log import SHADOW

MOST_AT_ONCE: Final = 32
"""Beyond it a question is not shadowed: the copy must never take room from the original."""


class Shadower:
    """Asks one model's shadow, beside the requests."""

    def __init__(
        self,
        model: str,
        guarded: Guarded,
        percent: float,
        telemetry: Telemetry,
        heard: Callable[[Question, ModelAnswer, float], None],
    ) -> None:
        """`heard` is told each answer with the milliseconds it took."""
        self._model = model
        self._guarded = guarded
        self._percent = percent
        self._telemetry = telemetry
        self._heard = heard
        self._running: set[asyncio.Task[None]] = set()
        for metric in (metrics.VARIANT_REQUESTS, metrics.VARIANT_ERRORS):
            telemetry.touch(metric, model=model, variant=SHADOW)

    def follow(self, question: Question) -> None:
        """Has the shadow asked too, if the user is among the sample; returns at once."""
        if len(self._running) >= MOST_AT_ONCE:
            return
        if sampled(self._percent, question.user, salt=f"{self._model}/{SHADOW}"):
            task = asyncio.create_task(self._ask(question))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def drain(self) -> None:
        """Waits for what is under way; every call has its time limit."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _ask(self, question: Question) -> None:
        self._count(metrics.VARIANT_REQUESTS)
        start = time.perf_counter()
        try:
            said = await self._guarded.ask(question)
        except (BackendError, WrongQuestionError):
            # What only the shadow refuses is the shadow's fault: callers ask as the live one wants.
            self._count(metrics.VARIANT_ERRORS)
            return
        took = (time.perf_counter() - start) * 1000
        self._telemetry.took(metrics.VARIANT_LATENCY, took, model=self._model, variant=SHADOW)
        self._heard(question, said, took)

    def _count(self, metric: metrics.Metric) -> None:
        self._telemetry.count(metric, model=self._model, variant=SHADOW)
