"""The gateway over HTTP, in front of real model servers: who answers, what is counted and what is logged."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from platform_jobs.aws import Clients
from platform_jobs.gateway.telemetry import CloudWatchPublisher
from tests.platform_jobs.gateway.world import CUSTOMER, Model, world

LADDER = {
    "ladder": ["live", "previous", "last-good", "default-answer"],
    "previous": {"url": "@previous"},
    "defaultAnswer": "unknown",
}


def test_each_step_answers_when_those_above_cannot_and_is_counted():
    async def run() -> None:
        async with world("live", "previous", **LADDER) as here:
            live, previous = here.models["live"], here.models["previous"]
            status, told = await here.ask()
            assert status == 200
            assert (told["prediction"], told["step"], told["variant"]) == ("live", "live", "live")
            assert (told["probability"], told["model_version"]) == (0.9, "live-1")
            assert live.asked == [{"instances": [{"age": 3}]}]
            live.mood = "failing"
            _, told = await here.ask()
            assert (told["prediction"], told["step"]) == ("previous", "previous")
            live.mood, previous.mood = "talking nonsense", "not sure"
            _, told = await here.ask()
            assert (told["prediction"], told["step"]) == ("previous", "last-good"), "the last that was good"
            _, told = await here.ask("somebody new")
            assert (told["prediction"], told["step"], told["model_version"]) == (
                "unknown",
                "default-answer",
                None,
            )
            assert await here.counts("answers", "step") == {
                "live": 1,
                "previous": 1,
                "last-good": 1,
                "default-answer": 1,
            }
            assert await here.counts("step_failures", "step") == {
                "live": 3,
                "previous": 2,
                "last-good": 1,
                "default-answer": 0,
            }
            assert await here.counts("variant_errors", "variant") == {"live": 3}
            assert await here.counts("errors", "model") == {"churn": 0}

    asyncio.run(run())


class Closing:
    """A model server that answers once on each connection, and closes it when it is used again."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        for asked in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            await reader.readexactly(length)
            if asked or not self.answers:
                break
            body = json.dumps({"predictions": [{"prediction": "well"}]}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
        writer.close()


@pytest.mark.parametrize(("answers", "connections"), [(True, 3), (False, 3)])
def test_a_kept_connection_that_is_closed_when_it_is_used_costs_no_answer(answers, connections):
    async def run() -> None:
        model = Closing(answers=answers)
        server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, world(variants=[{"url": f"http://127.0.0.1:{port}"}]) as here:
            statuses = [(await here.ask())[0] for _ in range(3)]
        # A server that closes new connections is not well, and is not asked again and again.
        assert statuses == [200 if answers else 503] * 3
        assert model.connections == connections

    asyncio.run(run())


def test_a_language_model_is_asked_in_its_own_words():
    async def run() -> None:
        async with world("live", ladder=["live", "last-good"], speaks="completions") as here:
            live = here.models["live"]
            live.mood = "completing"
            features = {"prompt": "Once", "max_tokens": 5, "stream": True}
            status, told = await here.ask(features=features)
            assert (status, told["prediction"], told["step"]) == (200, "live on Once", "live")
            sent = {"model": "churn", "prompt": "Once", "max_tokens": 5, "n": 1, "stream": False}
            assert live.asked == [sent], "a ladder can go down from whole answers only"
            live.mood = "failing"
            _, told = await here.ask(features=features)
            assert (told["prediction"], told["step"]) == ("live on Once", "last-good")
            status, _ = await here.ask(features={**features, "prompt": "Twice"})
            assert status == 503, "the answer to one prompt is none to another"

    asyncio.run(run())


def test_a_language_models_prompt_may_be_long_and_its_nonsense_is_no_answer():
    async def run() -> None:
        async with world("live", speaks="completions") as here:
            live = here.models["live"]
            live.mood = "completing"
            long = "a" * 50_000
            assert (await here.ask(features={"prompt": long}))[1]["prediction"] == f"live on {long}"
            for mood in ("well", "talking nonsense"):  # `serve`'s words are none of its
                live.mood = mood
                assert (await here.ask(features={"prompt": "b"}))[0] == 503
        async with world("live") as here:
            status, told = await here.ask(features={"age": long})
            assert status == 400
            assert "1024 letters" in told["error"]["problems"][0]["problem"]

    asyncio.run(run())


def test_without_a_lower_step_a_failure_is_an_error_that_says_why():
    async def run() -> None:
        async with world("live") as here:
            here.models["live"].mood = "failing"
            status, told = await here.ask()
            assert status == 503
            assert told["error"]["steps"] == {"live": "status-5xx"}
            assert await here.counts("errors", "model") == {"churn": 1}

    asyncio.run(run())


def test_a_model_that_hangs_costs_its_time_limit_once_and_is_then_left_alone():
    async def run() -> None:
        async with world("live", "previous", **LADDER) as here:
            here.models["live"].mood = "hanging"
            start = time.perf_counter()
            first = await asyncio.gather(*(here.ask() for _ in range(10)))
            assert {told["step"] for _, told in first} == {"previous"}
            assert time.perf_counter() - start >= 1.0
            assert (await (await here.client.get("/v1/models")).json())["churn"]["breakers"] == {
                "live": "open",
                "previous": "closed",
            }
            asked = len(here.models["live"].asked)
            for _ in range(10):
                await here.ask()
            assert len(here.models["live"].asked) == asked, "the breaker is open"
            here.models["live"].mood = "well"
            deadline = time.monotonic() + 30
            while (await here.ask())[1]["step"] != "live":
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)

    asyncio.run(run())


def test_a_server_that_is_gone_is_no_error_either():
    async def run() -> None:
        async with world("live", "previous", **LADDER) as here:
            await here.models["live"].server.close()
            assert (await here.ask())[1]["step"] == "previous"

    asyncio.run(run())


def test_a_wrong_question_is_the_callers_and_goes_down_no_ladder():
    async def run() -> None:
        async with world("live", "previous", **LADDER) as here:
            here.models["live"].mood = "refusing"
            for _ in range(10):
                status, told = await here.ask()
                assert status == 400
            assert told["error"]["problems"][0]["field"] == "age"
            assert here.models["previous"].asked == []
            assert await here.counts("variant_errors", "variant") == {"live": 0}
            status, told = await here.ask(features={})
            assert (status, told["error"]["problems"][0]["field"]) == (400, "features")
            assert (await here.client.post("/v1/models/ranking/predict", json=CUSTOMER)).status == 404
            assert (await here.client.get("/v1/models/churn/predict")).status == 405
            assert (await here.client.post("/v1/models/churn/predict", data=b"x" * 300_000)).status == 413

    asyncio.run(run())


AB = [{"name": "live", "url": "@live", "weight": 70}, {"name": "canary", "url": "@canary", "weight": 30}]


def test_users_keep_their_variant_and_a_failing_canary_costs_nobody_an_answer():
    async def run() -> None:
        # What is tested is who answers, not how soon on a busy machine.
        async with world("live", "canary", variants=AB, timeoutMs=10_000) as here:
            first = {str(n): (await here.ask(str(n)))[1]["variant"] for n in range(120)}
            assert {str(n): (await here.ask(str(n)))[1]["variant"] for n in range(120)} == first
            shares = Counter(first.values())
            assert 20 <= shares["canary"] <= 55
            same = [(await here.ask(str(n), user="u1"))[1]["variant"] for n in range(10)]
            assert len(set(same)) == 1
            here.models["canary"].mood = "failing"
            told = [(await here.ask(str(n)))[1] for n in range(120)]
            assert {(each["variant"], each["step"]) for each in told} == {("live", "live")}
            failed = await here.counts("variant_errors", "variant")
            assert failed == {"live": 0, "canary": shares["canary"]}

    asyncio.run(run())


@pytest.mark.parametrize("mood", ["well", "failing", "hanging", "refusing", "talking nonsense"])
def test_a_shadow_never_changes_an_answer(mood: str):
    async def run() -> None:
        async with world("live", "new", shadow={"url": "@new", "percent": 100}) as here:
            here.models["new"].mood = mood
            start = time.perf_counter()
            told = [(await here.ask(str(n)))[1] for n in range(10)]
            took = time.perf_counter() - start
            assert {(each["prediction"], each["variant"]) for each in told} == {("live", "live")}
            assert took < 4, "nobody waits for it"
            served = here.gateway.models["churn"]
            assert served.shadower is not None
            await served.shadower.drain()
            assert len(here.models["new"].asked) >= 1
            counted = await here.counts("variant_requests", "variant")
            assert counted == {"live": 10, "shadow": 10}
            wrong = await here.counts("variant_errors", "variant")
            assert wrong == {"live": 0, "shadow": 0 if mood == "well" else 10}

    asyncio.run(run())


def test_part_of_the_users_is_shadowed():
    async def run() -> None:
        async with world("live", "new", shadow={"url": "@new", "percent": 20}) as here:
            for number in range(100):
                await here.ask(str(number))
            served = here.gateway.models["churn"]
            assert served.shadower is not None
            await served.shadower.drain()
            assert 5 <= len(here.models["new"].asked) <= 40

    asyncio.run(run())


@mock_aws
def test_every_answer_is_logged_and_every_count_reaches_cloudwatch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    clients = Clients(region="us-east-1")
    clients.s3.create_bucket(Bucket="artifacts")

    async def run() -> None:
        settings = {"STAGECRAFT_ARTIFACTS_BUCKET": "artifacts", "STAGECRAFT_GATEWAY_FLUSH_SECONDS": "60"}
        declared: dict[str, Any] = {**LADDER, "shadow": {"url": "@new"}}
        declared |= {"timeoutMs": 5000, "slowMs": 400}
        names = ("live", "previous", "new")
        async with world(*names, clients=clients, environ=settings, **declared) as here:
            for number in range(5):
                await here.ask(str(number))
            here.models["live"].mood = "failing"
            await here.ask("5")
            here.models["previous"].mood = "slow"
            await here.ask("6")
            publisher = CloudWatchPublisher(clients, here.gateway.telemetry)
            publisher.publish()
            await here.ask("7")
            publisher.publish()

    asyncio.run(run())
    lines = [
        json.loads(line)
        for item in clients.bucket("artifacts").list("predictions/churn/")
        for line in (clients.bucket("artifacts").get(item.key) or b"").splitlines()
    ]
    seen = Counter((line["variant"], line["step"]) for line in lines)
    assert seen == {("live", "live"): 5, ("live", "previous"): 3, ("shadow", "live"): 8}
    first = next(line for line in lines if line["entity"] == {"customer_id": "0"})
    assert first["features"] == {"age": 3}
    assert first["latency_ms"] > 0
    ids = Counter(line["id"] for line in lines if line["variant"] != "shadow")
    assert set(ids.values()) == {1}

    def total(name: str, **dimensions: str) -> float:
        wanted = {"Stack": "test", "Model": "churn", **dimensions}
        now = time.time()
        points = boto3.client("cloudwatch", region_name="us-east-1").get_metric_statistics(
            Namespace="Stagecraft",
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in wanted.items()],
            StartTime=now - 600,
            EndTime=now + 600,
            Period=60,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    assert total("Requests") == 8
    assert total("Answers", Step="live") == 5
    assert total("Answers", Step="previous") == 3
    assert total("SlowRequests") == 2
    assert total("Errors") == 0
    assert total("VariantErrors", Variant="live") == 3
    assert total("VariantRequests", Variant="shadow") == 8
    assert total("Latency") > 0


def test_what_cannot_be_logged_for_long_is_counted():
    async def run() -> None:
        async with world("live") as here:
            from platform_jobs.gateway.prediction_writer import PredictionWriter

            lost: list[str] = []
            broken = PredictionWriter(Clients(region="us-east-1").bucket("b"), lost.append, most_waiting=3)
            here.gateway.models["churn"]._writer = broken
            for number in range(5):
                assert (await here.ask(str(number)))[0] == 200
            assert lost == ["churn", "churn"]

    asyncio.run(run())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def get(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


def start(port: int, models: str, **more: str) -> subprocess.Popen[str]:
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "STAGECRAFT_GATEWAY_MODELS": models,
        "STAGECRAFT_STACK": "test",
        "STAGECRAFT_GATEWAY_PORT": str(port),
        **more,
    }
    command = [sys.executable, "-m", "platform_jobs", "gateway"]
    return subprocess.Popen(
        command, env=environ, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    )


def test_the_command_drains_before_it_ends():
    """Load balancers hear of it first; what is under way is answered; then it ends, with code 0."""

    async def run() -> None:
        model = Model("live", mood="slow")
        await model.server.start_server()
        port = free_port()
        declared = {"keys": ["customer_id"], "variants": [{"url": model.url}], "timeoutMs": 5000}
        told = json.dumps({"churn": declared})
        process = start(port, told, STAGECRAFT_DRAIN_SECONDS="1.5")
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    assert await asyncio.to_thread(get, port, "/readyz") == 200
                    break
                except OSError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 10
            while await asyncio.to_thread(get, port, "/readyz") == 200:
                assert time.monotonic() < deadline
            assert await asyncio.to_thread(get, port, "/livez") == 200, "it still answers"
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/models/churn/predict",
                json.dumps(CUSTOMER).encode(),
                {"Content-Type": "application/json"},
            )
            with await asyncio.to_thread(urllib.request.urlopen, request) as answer:
                assert answer.headers["Connection"] == "close"
                assert json.load(answer)["prediction"] == "live"
            assert await asyncio.to_thread(process.wait, 20) == 0
            assert process.stderr is not None
            lines = [json.loads(line) for line in process.stderr.read().splitlines()]
            assert [line["event"] for line in lines] == ["ready", "draining", "ended"]
        finally:
            process.kill()
            process.communicate()
            await model.server.close()

    asyncio.run(run())


def test_wrong_settings_are_all_told_and_nothing_starts():
    process = start(free_port(), '{"churn": {"variants": []}}', STAGECRAFT_DRAIN_SECONDS="soon")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    problems = [json.loads(line)["problem"] for line in errors.splitlines()]
    assert len(problems) == 2
    assert "churn.keys" in problems[0]
    assert "STAGECRAFT_DRAIN_SECONDS" in problems[1]
