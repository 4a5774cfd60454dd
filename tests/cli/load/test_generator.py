"""The generator asks on time whatever it is answered, and tells latency as users see it."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.test_utils import TestServer

from cli.load.generator import Outcome, run_load
from cli.load.plan import LoadPlan
from cli.load.report import LoadReport


def load(
    plan: LoadPlan, handler: Callable[[web.Request], Awaitable[web.Response]], bodies: list[bytes]
) -> list[Outcome]:
    async def run() -> list[Outcome]:
        app = web.Application()
        app.router.add_post("/predict", handler)
        async with TestServer(app) as server:
            return await run_load(str(server.make_url("/predict")), bodies, plan)

    return asyncio.run(run())


def answered() -> web.Response:
    return web.json_response({"prediction": 0, "step": "live"})


def test_requests_go_out_at_their_rate_in_order():
    seen: list[tuple[float, bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((time.perf_counter(), await request.read()))
        return answered()

    outcomes = load(LoadPlan(rps=50, seconds=1), handler, [b"a", b"b", b"c"])
    assert [outcome.step for outcome in outcomes] == ["live"] * 50
    assert [round(outcome.due, 2) for outcome in outcomes[:3]] == [0, 0.02, 0.04]
    assert sorted(body for _, body in seen) == sorted(([b"a", b"b", b"c"] * 17)[:50])
    assert seen[-1][0] - seen[0][0] > 0.9


def test_a_server_that_stands_still_is_seen_by_every_request_of_that_time():
    """A closed loop would send one request into the pause, and report one slow answer of many."""
    start = time.perf_counter()

    async def handler(_request: web.Request) -> web.Response:
        now = time.perf_counter() - start
        if 0.4 < now < 1.0:
            await asyncio.sleep(1.0 - now)
        return answered()

    plan = LoadPlan(rps=100, seconds=1.4)
    outcomes = load(plan, handler, [b"{}"])
    report = LoadReport(model="m", plan=plan, outcomes=outcomes, readings=())
    slow = [outcome for outcome in outcomes if outcome.latency_ms > 100]
    assert len(slow) > 30
    assert report.latency_ms(95) > 300
    assert report.lost == 0


def test_what_is_not_answered_is_lost_with_its_reason():
    turn = 0

    async def handler(_request: web.Request) -> web.Response:
        nonlocal turn
        turn += 1
        if turn % 3 == 0:
            return web.Response(status=503)
        return answered() if turn % 3 == 1 else web.Response(text='{"prediction": null}')

    outcomes = load(LoadPlan(rps=60, seconds=0.5), handler, [b"{}"])
    report = LoadReport(model="m", plan=LoadPlan(rps=60, seconds=0.5), outcomes=outcomes, readings=())
    assert (report.lost, report.problems) == (20, {"status 200": 10, "status 503": 10})
    assert report.answers == {"live": 10}
