"""The gateway's own metrics, second by second: what an on-call person's dashboard would show of the load."""

import asyncio
from collections.abc import Mapping
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


class Watch:
    """Reads the metrics of one model until it is told to stop."""

    def __init__(self, address: str, model: str) -> None:
        self._url = f"{address}/metrics"
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
                try:
                    async with http.get(self._url) as answer:
                        text = await answer.text()
                    self.readings.append(parse_reading(text, self._model, loop.time() - start))
                except (aiohttp.ClientError, TimeoutError, OSError):
                    pass  # a gap in the picture, as a scraper would have
                self.started.set()
                if ended:
                    return
                number += 1
                wait = start + number * EVERY_SECONDS - loop.time()
                try:
                    await asyncio.wait_for(done.wait(), max(wait, 0.01))
                except TimeoutError:
                    continue
