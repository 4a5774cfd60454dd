"""Sends requests at a constant rate, open loop, and notes what became of each.

A request is sent when it is due, whether or not earlier ones have been answered, and its latency counts from
when it was due: a server that stands still for a second is seen by every request of that second, as its users
would see it, and not only by the one that happened to wait (no "coordinated omission", G. Tene, "How NOT to
measure latency", 2013).
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from cli.load.plan import LoadPlan

JSON: Final = {"Content-Type": "application/json"}
ANSWER_SECONDS: Final = 10.0
"""A request that is not answered by then is lost."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request."""

    due: float
    """Seconds from the start."""
    latency_ms: float
    """From when it was due to its answer, or to when it was given up."""
    step: str | None
    """The step of the ladder that answered; None: it was lost."""
    problem: str | None = None
    """Why it was lost."""
    late_ms: float = 0.0
    """How much later than due this machine got round to sending it; part of the latency."""

    @property
    def lost(self) -> bool:
        """Whether there was no answer."""
        return self.step is None


Bodies = Sequence[bytes]


async def run_load(
    url: str,
    bodies: Bodies,
    plan: LoadPlan,
    progress: Callable[[int], None] = lambda _sent: None,
) -> list[Outcome]:
    """Sends the plan's requests, in the order of `bodies` over and over; outcomes in the order of sending.

    Args:
        url: Where predictions are asked for.
        bodies: Requests; at least one.
        plan: How many, how fast.
        progress: Is told how many have been sent, some times a second.
    """
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    tasks: list[asyncio.Task[Outcome]] = []
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        start = time.perf_counter()
        for number in range(plan.requests):
            due = plan.due(number)
            wait = start + due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(_send(http, url, bodies[number % len(bodies)], start, due)))
            if number % 20 == 0:
                progress(number)
        outcomes = list(await asyncio.gather(*tasks))
    progress(plan.requests)
    return outcomes


async def _send(http: aiohttp.ClientSession, url: str, body: bytes, start: float, due: float) -> Outcome:
    late = (time.perf_counter() - start - due) * 1000
    step: str | None = None
    problem: str | None = None
    try:
        async with http.post(url, data=body, headers=JSON) as answer:
            told = await answer.read()
            if answer.status == 200:
                step = _step(told)
            problem = None if step else f"status {answer.status}"
    except TimeoutError:
        problem = f"no answer within {ANSWER_SECONDS:g} s"
    except (aiohttp.ClientError, OSError) as error:
        problem = type(error).__name__
    latency = (time.perf_counter() - start - due) * 1000
    return Outcome(due, latency, step, problem, late)


def _step(body: bytes) -> str | None:
    try:
        told: Any = json.loads(body)
    except ValueError:
        return None
    step = told.get("step") if isinstance(told, dict) and told.get("prediction") is not None else None
    return step if isinstance(step, str) else None
