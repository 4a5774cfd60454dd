"""The gateway's HTTP application: predictions, health, metrics.

`POST /v1/models/{model}/predict` · `GET /v1/models` · `GET /livez` · `GET /readyz` · `GET /metrics`
"""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from platform_jobs.gateway.requests import LARGEST_BODY
from platform_jobs.gateway.served import ServedModel, error_body, failure, reply
from platform_jobs.gateway.telemetry import Telemetry

_ID_HEADER: Final = "X-Request-Id"
_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """Whether the gateway wants requests. No model needs to be well for that: there is the ladder."""

    def __init__(self) -> None:
        self.draining = False


def make_application(
    models: Mapping[str, ServedModel], telemetry: Telemetry, health: Health
) -> web.Application:
    """The application; nothing of it outlives the event loop."""
    routes = _Routes(models, telemetry, health)
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[routes.guarded])
    app.add_routes(
        [
            web.post("/v1/models/{model}/predict", routes.predict),
            web.get("/v1/models", routes.describe),
            web.get("/livez", routes.livez),
            web.get("/readyz", routes.readyz),
            web.get("/metrics", routes.metrics),
        ]
    )
    return app


class _Routes:
    """The handlers."""

    def __init__(self, models: Mapping[str, ServedModel], telemetry: Telemetry, health: Health) -> None:
        self._models = models
        self._telemetry = telemetry
        self._health = health

    async def predict(self, request: web.Request) -> web.Response:
        """A prediction about one entity."""
        told = await reply(
            self._models,
            request.match_info["model"],
            await request.read(),
            request.headers.get(_ID_HEADER),
        )
        headers = {} if told.request_id is None else {_ID_HEADER: told.request_id}
        return web.json_response(told.body, status=told.status, headers=headers)

    async def describe(self, _request: web.Request) -> web.Response:
        """What is served, and how each backend is."""
        return web.json_response(
            {
                name: {
                    "ladder": list(served.declared.ladder),
                    "weights": {each.name: each.weight for each in served.declared.variants},
                    "breakers": served.ladder.states(),
                }
                for name, served in sorted(self._models.items())
            }
        )

    async def livez(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return web.json_response({"status": "alive"})

    async def readyz(self, _request: web.Request) -> web.Response:
        """It wants requests; while it drains, it does not."""
        if self._health.draining:
            return web.json_response({"status": "draining"}, status=503)
        return web.json_response({"status": "ready"})

    async def metrics(self, _request: web.Request) -> web.Response:
        """For Prometheus."""
        return web.Response(body=self._telemetry.exposition(), headers={"Content-Type": _METRICS_TYPE})

    @web.middleware
    async def guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """An answer in any case, as JSON; clients are sent elsewhere while draining."""
        response: web.StreamResponse
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = web.json_response(error_body(error.reason), status=error.status)
        except Exception as error:
            told = failure(error)
            response = web.json_response(told.body, status=told.status)
        if self._health.draining:
            response.force_close()
        return response
