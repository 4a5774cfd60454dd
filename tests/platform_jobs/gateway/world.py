"""A gateway with real model servers on loopback, whose moods a test sets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from platform_jobs.aws import Clients
from platform_jobs.gateway.server import Gateway, GatewaySettings, open_gateway
from platform_jobs.settings import load

CUSTOMER = {"entity": {"customer_id": "c1"}, "features": {"age": 3}}


@dataclass
class Model:
    """One model server; it answers with its own name."""

    name: str
    mood: str = "well"
    asked: list[dict[str, Any]] = field(default_factory=list)
    server: TestServer = field(init=False)

    def __post_init__(self) -> None:
        app = web.Application()
        app.router.add_post("/invocations", self._answer)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        match self.mood:
            case "hanging":
                await asyncio.sleep(30)
            case "slow":
                await asyncio.sleep(0.5)
            case "failing":
                return web.json_response({"error": {"message": "no"}}, status=500)
            case "refusing":
                problems = [{"instance": 0, "field": "age", "problem": "age must be a number"}]
                told = {"error": {"message": "the instances do not fit the model", "problems": problems}}
                return web.json_response(told, status=400)
            case "completing":
                prompt = self.asked[-1]["prompt"]
                return web.json_response({"choices": [{"text": f"{self.name} on {prompt}"}], "model": "m"})
            case "talking nonsense":
                return web.Response(text="[1, 2")
            case "not sure":
                return web.Response(text='{"predictions": [{"prediction": NaN}]}')
        said = {"prediction": self.name, "probability": 0.9}
        return web.json_response({"predictions": [said], "model_version": f"{self.name}-1"})


@dataclass
class World:
    """A gateway of one model, `churn`, and what it stands on."""

    gateway: Gateway
    client: "TestClient[web.Request, web.Application]"
    models: dict[str, Model]

    async def ask(self, customer: str = "c1", **more: Any) -> tuple[int, dict[str, Any]]:
        body = {**CUSTOMER, "entity": {"customer_id": customer}, **more}
        response = await self.client.post("/v1/models/churn/predict", json=body)
        return response.status, await response.json()

    async def counts(self, name: str, label: str) -> dict[str, float]:
        """Label value → count, of a counter at /metrics."""
        text = await (await self.client.get("/metrics")).text()
        found = {}
        for line in text.splitlines():
            if line.startswith(f"stagecraft_{name}_total{{"):
                found[line.partition(f'{label}="')[2].partition('"')[0]] = float(line.rpartition(" ")[2])
        return found


@asynccontextmanager
async def world(
    *names: str, clients: Clients | None = None, environ: dict[str, str] | None = None, **declared: Any
) -> AsyncIterator[World]:
    """Model servers of these names, and a gateway; `live` answers users unless `variants` says otherwise.

    Texts `@name` in the declaration become the server's URL.
    """
    models = {name: Model(name) for name in names}
    for model in models.values():
        await model.server.start_server()
    try:
        told: dict[str, Any] = {"keys": ["customer_id"], "variants": [{"url": "@live"}], "timeoutMs": 1000}
        text = json.dumps({**told, **declared})
        for name, model in models.items():
            text = text.replace(f"@{name}", model.url)
        config = load(
            GatewaySettings,
            {
                "STAGECRAFT_GATEWAY_MODELS": f'{{"churn": {text}}}',
                "STAGECRAFT_STACK": "test",
                **(environ or {}),
            },
        )
        async with (
            open_gateway(config, clients) as gateway,
            TestClient(TestServer(gateway.application())) as client,
        ):
            yield World(gateway, client, models)
    finally:
        for model in models.values():
            await model.server.close()
