"""The gateway's own metrics, second by second: what an on-call person's dashboard would show of the load."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

EVERY_SECONDS: Final = 0.5
_ANSWERS: Final = "stagecraft_answers_total"
_ERRORS: Final = "stagecraft_errors_total"


@dataclass(frozen=True)
class Reading:
    """The counters at one moment."""

    at: float
    """Seconds from the start of the load."""
    answers: Mapping[str, float]
    """Step → answers since the gateway started."""
    errors: float


def parse_reading(text: str, model: str, at: float) -> Reading:
    """A model's counters in Prometheus's text."""
    answers: dict[str, float] = {}
    errors = 0.0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get("model") != model:
                continue
            if sample.name == _ANSWERS:
                answers[sample.labels["step"]] = sample.value
            elif sample.name == _ERRORS:
                errors = sample.value
    return Reading(at, answers, errors)


def together(readings: Sequence[Reading]) -> Reading:
    """What all processes of a gateway have counted at one moment."""
    answers: Counter[str] = Counter()
    for reading in readings:
        answers.update(reading.answers)
    return Reading(readings[0].at, dict(answers), sum(reading.errors for reading in readings))


async def _text(http: aiohttp.ClientSession, address: str) -> str:
    async with http.get(f"{address}/metrics") as answer:
        return await answer.text()


class Watch:
    """Reads the metrics of one model until it is told to stop."""

    def __init__(self, addresses: Callable[[], Sequence[str]], model: str) -> None:
        """One model's counters.

        Args:
            addresses: Where each process of the gateway is, at the moment.
            model: Which model.
        """
        self._addresses = addresses
        self._model = model
        self.readings: list[Reading] = []
        self.started = asyncio.Event()
        """The first reading has been taken: what is counted from then on is the load's."""

    async def run(self, done: asyncio.Event) -> None:
        """Reads now, then twice a second, and once at the end."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            number = 0
            while True:
                ended = done.is_set()
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                    # A gap in the picture, as a scraper would have.
                    texts = [await _text(http, address) for address in self._addresses()]
                    at = loop.time() - start
                    self.readings.append(together([parse_reading(text, self._model, at) for text in texts]))
                self.started.set()
                if ended:
                    return
                number += 1
                wait = start + number * EVERY_SECONDS - loop.time()
                try:
                    await asyncio.wait_for(done.wait(), max(wait, 0.01))
                except TimeoutError:
                    continue
