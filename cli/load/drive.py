"""A load from beginning to end: the gateway comes up, is warm, is asked, loses its live model, ends."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from cli.load.fronts import Front, Opener
from cli.load.gateway_process import GatewayError
from cli.load.generator import JSON, Bodies, run_load
from cli.load.plan import LoadPlan
from cli.load.report import LIVE, Fault, LoadReport
from cli.load.watch import Watch

_WARM_SECONDS: Final = 60.0
_WARM_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is put under load."""

    front: Opener
    """The gateway, and what a fault kills."""
    model: str
    bodies: Bodies


def drive(target: Target, plan: LoadPlan, progress: Callable[[int], None] = lambda _sent: None) -> LoadReport:
    """Puts the load on the target, and reports.

    Raises:
        GatewayError: the gateway does not come up, or the live version does not answer to begin with.
        CloudError: the twin's cloud refuses the fault.
    """
    with target.front.open() as front:
        asyncio.run(_warm_up(front, target))
        return asyncio.run(_load(front, target, plan, progress))


async def _warm_up(front: Front, target: Target) -> None:
    """Until the live model answers: a container that has to start first is no news."""
    deadline = time.monotonic() + _WARM_SECONDS
    words = "nothing was heard of it"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
        while time.monotonic() < deadline:
            try:
                async with http.post(_url(front, target), data=target.bodies[0], headers=JSON) as answer:
                    status, said = answer.status, await answer.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                words = f"the gateway does not: {type(error).__name__}"
            else:
                if status == 200 and json.loads(said)["step"] == LIVE:
                    return
                words = said[:300].decode(errors="replace")
            await asyncio.sleep(_WARM_POLL_SECONDS)
    raise GatewayError(f"the live version of {target.model} does not answer: {words}")


async def _load(front: Front, target: Target, plan: LoadPlan, progress: Callable[[int], None]) -> LoadReport:
    watch, done = Watch(front.counters, target.model), asyncio.Event()
    watching = asyncio.create_task(watch.run(done))
    await watch.started.wait()
    fault = None if plan.kill_after is None else asyncio.create_task(_kill(front, plan.kill_after))
    try:
        outcomes = await run_load(_url(front, target), target.bodies, plan, progress)
    finally:
        done.set()
        await watching
    return LoadReport(
        model=target.model,
        plan=plan,
        outcomes=outcomes,
        readings=watch.readings,
        fault=None if fault is None else await fault,
    )


def _url(front: Front, target: Target) -> str:
    return f"{front.address}/v1/models/{target.model}/predict"


async def _kill(front: Front, seconds: float) -> Fault:
    start = time.perf_counter()
    await asyncio.sleep(seconds)
    at = time.perf_counter() - start
    killed = await asyncio.to_thread(front.kill_live)
    return Fault(at=at, processes=tuple(killed))
