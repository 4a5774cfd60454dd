"""A load from beginning to end: the gateway comes up, is warm, is asked, loses its live model, ends."""

import asyncio
import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cli.load.gateway_process import GatewayError, RunningGateway, running_gateway
from cli.load.generator import Bodies, run_load
from cli.load.plan import LoadPlan
from cli.load.report import LIVE, Fault, LoadReport
from cli.load.watch import Watch

_WARM_SECONDS: Final = 60.0
_WARM_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is put under load."""

    cloud: str
    """The twin's cloud."""
    region: str
    stack: str
    model: str
    endpoint: str
    """The live version's endpoint: what a fault kills."""
    declaration: Mapping[str, Any]
    """The model's entry of `STAGECRAFT_GATEWAY_MODELS`."""
    bodies: Bodies
    told: Mapping[str, str] = field(default_factory=dict)
    """More of the gateway's environment."""


def drive(target: Target, plan: LoadPlan, progress: Callable[[int], None] = lambda _sent: None) -> LoadReport:
    """Puts the load on the target, and reports.

    Raises:
        GatewayError: the gateway does not come up, or the live version does not answer to begin with.
        CloudError: the twin's cloud refuses the fault.
    """
    declared = {target.model: target.declaration}
    with running_gateway(target.cloud, target.region, target.stack, declared, target.told) as gateway:
        _warm_up(gateway, target)
        return asyncio.run(_load(gateway, target, plan, progress))


def _warm_up(gateway: RunningGateway, target: Target) -> None:
    """Until the live model answers: a container that has to start first is no news."""
    deadline = time.monotonic() + _WARM_SECONDS
    words = "nothing was heard of it"
    while time.monotonic() < deadline:
        try:
            status, said = gateway.ask("POST", f"/v1/models/{target.model}/predict", target.bodies[0])
        except (OSError, http.client.HTTPException) as error:
            words = f"the gateway does not: {type(error).__name__}"
        else:
            if status == 200 and json.loads(said)["step"] == LIVE:
                return
            words = said[:300].decode(errors="replace")
        time.sleep(_WARM_POLL_SECONDS)
    raise GatewayError(f"the live version of {target.model} does not answer: {words}")


async def _load(
    gateway: RunningGateway, target: Target, plan: LoadPlan, progress: Callable[[int], None]
) -> LoadReport:
    watch, done = Watch(gateway.address, target.model), asyncio.Event()
    watching = asyncio.create_task(watch.run(done))
    await watch.started.wait()
    fault = None if plan.kill_after is None else asyncio.create_task(_kill(target, plan.kill_after))
    try:
        url = f"{gateway.address}/v1/models/{target.model}/predict"
        outcomes = await run_load(url, target.bodies, plan, progress)
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


async def _kill(target: Target, seconds: float) -> Fault:
    from twin.aws.cloud.client import kill_endpoint

    start = time.perf_counter()
    await asyncio.sleep(seconds)
    at = time.perf_counter() - start
    killed = await asyncio.to_thread(kill_endpoint, target.cloud, target.region, target.endpoint)
    return Fault(at=at, processes=tuple(killed))
