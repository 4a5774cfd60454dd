"""The gateway as a function: one loop, one ladder, from one invocation to the next."""

import asyncio
import datetime
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from moto import mock_aws

from platform_jobs.aws import Clients
from platform_jobs.gateway.function import Front, handler
from platform_jobs.gateway.server import GatewaySettings
from platform_jobs.lambda_runtime import Invocation
from platform_jobs.settings import load
from tests.platform_jobs.gateway.world import CUSTOMER, Model

QUESTION = {"model": "churn", **CUSTOMER}


@dataclass
class Answering:
    """A function's environment, and the model that it asks."""

    front: Front
    model: Model
    clients: Clients

    def ask(self, **more: Any) -> dict[str, Any]:
        return self.front.answer({**QUESTION, **more}, "r-1")

    def logged(self) -> list[dict[str, Any]]:
        bucket = self.clients.bucket("artifacts")
        return [
            json.loads(line)
            for item in bucket.list("predictions/churn/")
            for line in (bucket.get(item.key) or b"").splitlines()
        ]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """The model server has a loop of its own: the function's stands still between invocations."""
    loop, model = asyncio.new_event_loop(), Model("live")
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(model.server.start_server(), loop).result(10)
    told = {
        "keys": ["customer_id"],
        "variants": [{"url": model.url}],
        "ladder": ["live", "last-good", "default-answer"],
        "defaultAnswer": "none",
        "timeoutMs": 2000,
    }
    with mock_aws():
        clients = Clients(region="us-east-1")
        clients.s3.create_bucket(Bucket="artifacts")
        config = load(
            GatewaySettings,
            {
                "STAGECRAFT_STACK": "test",
                "STAGECRAFT_GATEWAY_MODELS": json.dumps({"churn": told}),
                "STAGECRAFT_ARTIFACTS_BUCKET": "artifacts",
                "STAGECRAFT_GATEWAY_METRICS": "cloudwatch",
            },
        )
        front = Front(config, clients)
        try:
            yield Answering(front, model, clients)
        finally:
            front.close()
            asyncio.run_coroutine_threadsafe(model.server.close(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()


def test_it_answers_in_the_words_of_the_http_gateway(answering: Answering) -> None:
    assert answering.ask(id="q-7") == {
        "status": 200,
        "id": "q-7/0",
        "model": "churn",
        "prediction": "live",
        "probability": 0.9,
        "model_version": "live-1",
        "variant": "live",
        "step": "live",
    }
    assert answering.ask()["id"] == "r-1/0"
    assert answering.model.asked[-1] == {"instances": [CUSTOMER["features"]]}


def test_the_ladder_is_kept_from_one_invocation_to_the_next(answering: Answering) -> None:
    assert answering.ask()["step"] == "live"
    answering.model.mood = "failing"
    assert (answering.ask()["step"], answering.ask()["prediction"]) == ("last-good", "live")
    stranger = {"entity": {"customer_id": "c2"}}
    assert (answering.ask(**stranger)["step"], answering.ask(**stranger)["prediction"]) == (
        "default-answer",
        "none",
    )
    for _ in range(4):
        answering.ask()
    asked = len(answering.model.asked)
    answering.ask()
    assert len(answering.model.asked) == asked, "the breaker is open"


@pytest.mark.parametrize(
    ("event", "status", "says"),
    [
        ([], 400, "there are churn"),
        ({"entity": {}}, 400, "there are churn"),
        ({**QUESTION, "model": "nobody"}, 404, "there are churn"),
        ({"model": "churn", "features": {"age": 1}}, 400, "cannot be answered"),
        ({**QUESTION, "features": {"age": float("nan")}}, 400, "is not JSON"),
        ({**QUESTION, "features": {"text": "x" * 300_000}}, 413, "larger than"),
    ],
)
def test_a_callers_mistake_is_an_answer(answering: Answering, event: Any, status: int, says: str) -> None:
    told = answering.front.answer(event, "r-1")
    assert told["status"] == status
    assert says in told["error"]["message"]
    assert answering.model.asked == []


def test_what_was_answered_is_written_when_it_settles(answering: Answering) -> None:
    answering.ask()
    assert answering.logged() == []
    answering.front.settle()
    assert [(line["id"], line["step"]) for line in answering.logged()] == [("r-1/0", "live")]
    answering.model.mood = "failing"
    answering.ask()
    answering.front.settle()
    answering.front.settle()
    assert [line["step"] for line in answering.logged()].count("last-good") == 1
    assert published(answering.clients, "Requests") == 2
    assert published(answering.clients, "Errors") == 0


def published(clients: Clients, name: str) -> float:
    now, hour = datetime.datetime.now(datetime.UTC), datetime.timedelta(hours=1)
    points = clients.cloudwatch.get_metric_statistics(
        Namespace="Stagecraft",
        MetricName=name,
        Dimensions=[{"Name": "Stack", "Value": "test"}, {"Name": "Model", "Value": "churn"}],
        StartTime=now - hour,
        EndTime=now + hour,
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points)


def test_an_invocation_has_the_answer_before_anything_is_written(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform_jobs.gateway.function._front", lambda: answering.front)
    invocation = Invocation("r-9", deadline=0)
    assert handler(dict(QUESTION), invocation)["id"] == "r-9/0"
    assert answering.logged() == []
    invocation.finish()
    assert [line["id"] for line in answering.logged()] == ["r-9/0"]
