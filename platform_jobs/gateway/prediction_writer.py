"""Writes the prediction log beside the requests: no answer waits for it, and none fails with it."""

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from platform_jobs import prediction_log
from platform_jobs.log import WARNING, event
from platform_jobs.prediction_log import Record

if TYPE_CHECKING:
    from platform_jobs.aws import Bucket

FLUSH_SECONDS: Final = 10.0
MOST_WAITING: Final = 50_000
"""Records kept while the bucket cannot be written; beyond it they are lost, and counted."""


class PredictionWriter:
    """Collects records and writes them, some seconds' worth an object."""

    def __init__(
        self,
        bucket: "Bucket",
        lost: Callable[[str], None],
        every_seconds: float = FLUSH_SECONDS,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """`lost` is told the model of each record that is dropped."""
        self._bucket = bucket
        self._lost = lost
        self._every = every_seconds
        self._most = most_waiting
        self._waiting: list[Record] = []
        self._names = (f"{uuid.uuid4().hex}-{number:06}" for number in itertools.count())

    def add(self, record: Record) -> None:
        """Takes a record; returns at once."""
        if len(self._waiting) >= self._most:
            self._lost(record.model)
            return
        self._waiting.append(record)

    async def run(self) -> None:
        """Writes until it is cancelled, and then what is left."""
        try:
            while True:
                await asyncio.sleep(self._every)
                await self.flush()
        finally:
            with contextlib.suppress(Exception):
                await asyncio.shield(self.flush())

    async def flush(self) -> None:
        """Writes what waits; what cannot be written waits on."""
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        try:
            await asyncio.to_thread(prediction_log.write, self._bucket, batch, next(self._names))
        except Exception as error:  # kept, and tried again
            event("gateway", "log-not-written", WARNING, reason=type(error).__name__, records=len(batch))
            self._waiting = [*batch, *self._waiting]
