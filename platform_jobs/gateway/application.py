"""The gateway's HTTP application: predictions, health, metrics.

`POST /v1/models/{model}/predict` · `GET /v1/models` · `GET /livez` · `GET /readyz` · `GET /metrics`
"""

import datetime
import time
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from platform_jobs import metrics
from platform_jobs.gateway.declaration import ModelDeclaration
from platform_jobs.gateway.ladder import Answer, Ladder, NoAnswerError
from platform_jobs.gateway.model import ModelAnswer, Question, WrongQuestionError
from platform_jobs.gateway.prediction_writer import PredictionWriter
from platform_jobs.gateway.requests import LARGEST_BODY, read_question
from platform_jobs.gateway.shadow import Shadower
from platform_jobs.gateway.telemetry import Telemetry
from platform_jobs.log import ERROR, event
from platform_jobs.prediction_log import SHADOW, Record

_ID_HEADER: Final = "X-Request-Id"
_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class ServedModel:
    """One model: its ladder, its shadow, and the log of its answers."""

    def __init__(
        self,
        declared: ModelDeclaration,
        ladder: Ladder,
        telemetry: Telemetry,
        writer: PredictionWriter | None,
    ) -> None:
        self.declared = declared
        self.ladder = ladder
        self.shadower: Shadower | None = None
        self._telemetry = telemetry
        self._writer = writer
        for metric in (metrics.REQUESTS, metrics.ERRORS, metrics.SLOW_REQUESTS, metrics.WAITING):
            telemetry.touch(metric, model=declared.name)

    async def answer(self, question: Question) -> Answer:
        """The ladder's answer, counted and logged. Raises what the ladder raises."""
        model = self.declared.name
        at, start = datetime.datetime.now(datetime.UTC), time.perf_counter()
        self._telemetry.count(metrics.REQUESTS, model=model)
        try:
            with self._telemetry.waiting(model=model):
                answer = await self.ladder.answer(question)
        except WrongQuestionError:
            raise
        except Exception:
            self._telemetry.count(metrics.ERRORS, model=model)
            raise
        finally:
            took = (time.perf_counter() - start) * 1000
            self._telemetry.took(metrics.LATENCY, took, model=model)
        if took > self.declared.slow_ms:
            self._telemetry.count(metrics.SLOW_REQUESTS, model=model)
        self._log(question, answer.said, at, took, variant=answer.variant, step=answer.step)
        if self.shadower is not None:
            self.shadower.follow(question)
        return answer

    def heard_shadow(self, question: Question, said: ModelAnswer, took: float) -> None:
        """A shadow has answered; nobody but the log is told."""
        now = datetime.datetime.now(datetime.UTC)
        self._log(question, said, now, took, variant=SHADOW, step=metrics.LIVE_STEP)

    def _log(
        self,
        question: Question,
        said: ModelAnswer,
        at: datetime.datetime,
        took: float,
        *,
        variant: str,
        step: str,
    ) -> None:
        if self._writer is None:
            return
        self._writer.add(
            Record(
                id=prediction_id(question),
                at=at,
                model=self.declared.name,
                variant=variant,
                step=step,
                version=said.version,
                entity=question.entity,
                features=question.features,
                prediction=said.prediction,
                probability=said.probability,
                latency_ms=round(took, 3),
            )
        )


def prediction_id(question: Question) -> str:
    """What a prediction is known by in the log and in feedback; one question makes one prediction."""
    return f"{question.id}/0"


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
        name = request.match_info["model"]
        served = self._models.get(name)
        if served is None:
            return _error(404, f"there is no model of that name; there are {', '.join(sorted(self._models))}")
        question = read_question(await request.read(), served.declared.keys, request.headers.get(_ID_HEADER))
        answer = await served.answer(question)
        told = {
            "id": prediction_id(question),
            "model": name,
            "prediction": answer.said.prediction,
            "probability": answer.said.probability,
            "model_version": answer.said.version,
            "variant": answer.variant,
            "step": answer.step,
        }
        return web.json_response(told, headers={_ID_HEADER: question.id})

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
        except WrongQuestionError as error:
            response = _error(400, str(error), problems=error.problems)
        except NoAnswerError as error:
            response = _error(503, "no step of the ladder has an answer", steps=error.reasons)
        except web.HTTPException as error:
            response = _error(error.status, error.reason)
        except Exception as error:  # and no trace of the request in it
            event("gateway", "failed", ERROR, reason=type(error).__name__)
            response = _error(500, "the gateway failed")
        if self._health.draining:
            response.force_close()
        return response


def _error(status: int, message: str, **details: Any) -> web.Response:
    return web.json_response({"error": {"message": message, **details}}, status=status)
