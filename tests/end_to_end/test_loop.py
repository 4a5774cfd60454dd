"""The model loop for real: a deployed stack, a training, a person's decision, a new version that answers."""

import contextlib
import gzip
import json
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.looping import Execution, Loop, executions
from platform_jobs import demo_data
from tests.cli_driver import CHECKOUT, Stagecraft
from twin.aws.cloud.client import ensure_cloud, kill_endpoint, session

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CAPABILITIES = (
    "delivery-roles",
    "event-stream",
    "fallback",
    "monitors",
    "progressive-release",
    "quality-gates",
    "reaper",
    "retraining",
    "zone-failover",
)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stagecraft]:
    """Our own program with what `stabilise` and the reaper add, and a version live."""
    folder = tmp_path_factory.mktemp("loop")
    stack = yaml.safe_load((CHECKOUT / "stacks" / "Pulumi.local.yaml").read_text())
    stack["config"] |= {
        "stagecraft:capabilities": dict.fromkeys(CAPABILITIES, True),
        "stagecraft:delivery": {"repository": "acme/product"},
        "stagecraft:monthlyBudgetUsd": 400,
    }
    (folder / "Pulumi.yaml").write_text(f'name: stagecraft\nruntime: python\nmain: "{CHECKOUT}/stacks"\n')
    (folder / "Pulumi.local.yaml").write_text(yaml.safe_dump(stack))
    command = Stagecraft(folder / "home", project=folder)
    try:
        assert command.run("up", "--yes", "--json").object["ok"]
        command.run("demo")
        yield command
    finally:
        command.close()


def _client(command: Stagecraft, service: str) -> Any:
    return session(ensure_cloud(command.home / "local" / "cloud").endpoint, "us-east-1").client(service)


def _until(command: Stagecraft, state: str, seconds: float = 240) -> Execution:
    """The newest execution, once it is in a state, or ended."""
    aws = session(ensure_cloud(command.home / "local" / "cloud").endpoint, "us-east-1")
    loop = Loop("screening", _machine(command.home), "", "", aws)
    deadline = time.monotonic() + seconds
    while True:
        newest = next(executions(loop))
        if newest.state == state or newest.status != "RUNNING":
            return newest
        assert time.monotonic() < deadline, newest
        time.sleep(0.5)


@cache
def _machine(home: Path) -> str:
    """The loop's state machine; the stack is read once."""
    loops: dict[str, str] = Stagecraft(home, project=home.parent).run("outputs", "loops", "--json").object
    return loops["screening"]


def _live(command: Stagecraft) -> str:
    pointer = command.run("outputs", "models", "--json").object["screening"]["livePointer"]
    return str(_client(command, "ssm").get_parameter(Name=pointer)["Parameter"]["Value"])


@contextlib.contextmanager
def _kept_down(cloud: str, endpoint: str) -> Iterator[None]:
    """An endpoint whose machines fail as soon as they are there: the twin brings them up again in seconds."""
    assert kill_endpoint(cloud, "us-east-1", endpoint)
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.05):
            kill_endpoint(cloud, "us-east-1", endpoint)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()


def test_an_approved_version_goes_live_and_the_next_deployment_takes_it_over(deployed: Stagecraft) -> None:
    before = _live(deployed)
    deployed.run("loop", "start", "--bake-seconds", "1")
    assert _until(deployed, "Review").status == "RUNNING"
    assert _live(deployed) == before  # nothing goes live unseen
    assert "is Approved" in deployed.run("loop", "approve", "--reason", "better recall").out
    ended = _until(deployed, "Released")
    assert ended.status == "SUCCEEDED", ended
    live = _live(deployed)
    assert (before.rpartition("/")[2], live.rpartition("/")[2]) == ("1", "2")

    models = deployed.run("outputs", "models", "--json").object
    endpoint = models["screening"]["endpoint"]
    assert _served(deployed, endpoint) == live
    again = deployed.run("up", "--yes", "--json").object
    # What is created stands beside the endpoint: the version before it, for the gateway to fall back to.
    assert {op for op, count in again["changes"].items() if count} == {"create", "replace", "same", "update"}
    assert _served(deployed, endpoint) == live
    settled = deployed.run("up", "--yes", "--json").object
    assert {op for op, count in settled["changes"].items() if count} == {"same"}


def test_a_rejected_version_ends_the_loop_and_what_is_live_stays(deployed: Stagecraft) -> None:
    before = _live(deployed)
    deployed.run("loop", "start", "--bake-seconds", "1")
    assert _until(deployed, "Review").status == "RUNNING"
    deployed.run("loop", "reject", "--reason", "biased")
    ended = _until(deployed, "Rejected")
    assert (ended.status, ended.state) == ("SUCCEEDED", "Rejected")
    assert _live(deployed) == before
    assert "already" in deployed.run("loop", "approve", "--reason", "after all", code=1).all


def test_a_loop_that_cannot_train_fails_and_says_so(deployed: Stagecraft) -> None:
    batch = _client(deployed, "batch")
    (definition,) = (
        each
        for each in batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
        if each["jobDefinitionName"].startswith("pool-train")
    )
    batch.deregister_job_definition(jobDefinition=definition["jobDefinitionArn"])
    deployed.run("loop", "start")
    ended = _until(deployed, "Failed")
    assert ended.status == "FAILED"
    assert "Batch" in ended.result


def test_events_land_by_type_and_day_and_bad_ones_are_told_of(deployed: Stagecraft) -> None:
    where = deployed.run("outputs", "events", "--json").object
    good = {
        "event_id": "1",
        "user_id": "u-1",
        "type": "purchase_completed",
        "occurred_at": "2026-03-01T09:30:00+00:00",
        "schema_version": 1,
        "outcome": {"tag": "revenue", "value": 12.5, "prediction_id": "p/0"},
    }
    records = [good, {**good, "type": "purchase_dreamt_of"}]
    _client(deployed, "kinesis").put_records(
        StreamName=where["stream"],
        Records=[{"Data": json.dumps(each).encode(), "PartitionKey": each["user_id"]} for each in records],
    )
    s3, (bucket, prefix) = _client(deployed, "s3"), where["uri"].removeprefix("s3://").split("/", 1)
    deadline = time.monotonic() + 60
    while not (found := s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert found[0]["Key"].startswith("events/type=purchase_completed/dt=2026-03-01/")
    assert (
        json.loads(gzip.decompress(s3.get_object(Bucket=bucket, Key=found[0]["Key"])["Body"].read())) == good
    )
    (letter,) = _client(deployed, "sqs").receive_message(QueueUrl=where["deadLetters"], WaitTimeSeconds=10)[
        "Messages"
    ]
    assert json.loads(letter["Body"])["problems"][0].startswith("type: must be one of")
    assert s3.list_objects_v2(Bucket=bucket, Prefix="_event-errors/processing-failed/")["KeyCount"] == 1


def test_the_gateway_answers_in_the_models_place_when_it_is_gone(deployed: Stagecraft) -> None:
    outputs = deployed.run("outputs", "--json").object
    function, endpoint = outputs["gatewayFunction"], outputs["models"]["screening"]["endpoint"]
    row = demo_data.samples()[0]
    question = {
        "model": "screening",
        "entity": {demo_data.KEY: row[demo_data.KEY]},
        "features": {name: row[name] for name in demo_data.columns()},
    }

    def ask() -> dict[str, Any]:
        answer = _client(deployed, "lambda").invoke(
            FunctionName=function, Payload=json.dumps(question).encode()
        )
        assert "FunctionError" not in answer
        told: dict[str, Any] = json.loads(answer["Payload"].read())
        assert told["status"] == 200, told
        return told

    def steps() -> list[str]:
        """Of the answers in the prediction log."""
        s3, bucket = _client(deployed, "s3"), outputs["buckets"]["artifacts"]
        listed = s3.list_objects_v2(Bucket=bucket, Prefix="predictions/screening/").get("Contents", [])
        objects = [s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in listed]
        return sorted(json.loads(line)["step"] for text in objects for line in text.splitlines())

    def await_steps(*expected: str) -> None:
        """Answers are written down when they are given, before the environment answers again."""
        deadline = time.monotonic() + 60
        while steps() != sorted(expected):
            assert time.monotonic() < deadline, steps()
            time.sleep(0.2)

    well = ask()
    assert (well["step"], well["prediction"]) == ("live", row[demo_data.LABEL])
    await_steps("live")
    cloud = ensure_cloud(deployed.home / "local" / "cloud").endpoint
    previous = outputs["gateway"]["screening"]["previous"]["endpoint"]
    with _kept_down(cloud, endpoint):
        fallen = ask()
        await_steps("live", "previous")
        with _kept_down(cloud, previous):
            recalled = ask()
    assert [each["step"] for each in (fallen, recalled)] == ["previous", "last-good"]
    assert fallen["prediction"] == recalled["prediction"] == well["prediction"]
    await_steps("live", "previous", "last-good")


def test_what_runs_by_the_clock_can_be_run_now(deployed: Stagecraft) -> None:
    listed = deployed.run("schedule", "list", "--json").object
    found = {item["name"].rpartition("-")[0]: item["when"] for item in listed}
    assert found["monitoring-watch-screening"] == "rate(24 hours)"
    assert found["loop-screening-train-schedule"].startswith("cron(")
    assert deployed.run("schedule", "run", "watch-screening").out.endswith("done\n")
    metrics = _client(deployed, "cloudwatch").list_metrics(Namespace="Stagecraft")["Metrics"]
    assert "CapturedPredictions" in {metric["MetricName"] for metric in metrics}
    assert ": done" in deployed.run("schedule", "run", "reaper").out
    for name in ("screening", "nothing of that name"):
        refused = deployed.run("schedule", "run", name, code=2)
        assert "monitoring-watch-screening" in refused.all


def test_all_of_it_goes_away_again(deployed: Stagecraft) -> None:
    assert deployed.run("destroy", "--yes", "--json").object["ok"]
    assert deployed.inventory("local") == []


def _served(command: Stagecraft, endpoint: str) -> str:
    """ARN of the version behind an endpoint, which must answer."""
    sagemaker = _client(command, "sagemaker")
    configuration = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    (variant,) = sagemaker.describe_endpoint_config(EndpointConfigName=configuration)["ProductionVariants"]
    assert variant["VariantName"] == "live"  # what alarms and scaling look at
    model = sagemaker.describe_model(ModelName=variant["ModelName"])
    fields = next(iter(_views(command)))["fields"]
    instance = {field["name"]: field.get("min", 0) for field in fields if not field.get("label")}
    answer = _client(command, "sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint,
        ContentType="application/json",
        Body=json.dumps({"instances": [instance]}),
    )
    assert json.loads(answer["Body"].read())["predictions"][0]["prediction"] in (0, 1)
    return str(model["Containers"][0]["ModelPackageName"])


def _views(command: Stagecraft) -> list[dict[str, Any]]:
    stack = yaml.safe_load((command.project / "Pulumi.local.yaml").read_text())
    views: list[dict[str, Any]] = stack["config"]["stagecraft:featureViews"]
    return views
