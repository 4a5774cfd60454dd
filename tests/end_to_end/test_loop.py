"""The model loop for real: a deployed stack, a training, a person's decision, a new version that answers."""

import contextlib
import datetime
import gzip
import hashlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from cli.looping import Execution, Loop, executions
from platform_jobs import demo_data, layout, outcomes, prediction_log, registry, times
from platform_jobs.aws import Clients
from platform_jobs.outcomes import LABEL, Outcome
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
        "stagecraft:monthlyBudgetUsd": 1500,
    }
    model = stack["config"]["stagecraft:models"][0]
    # On machines of its own, so that both versions answer side by side; they differ by much in little time.
    model["serving"] |= {"mode": "realtime", "minReplicas": 2}
    model["training"]["feedbackRows"] = 400
    model["release"] = {"canaryPercent": [50, 100], "gate": {"excessBurn": 8, "qualityMargin": 0.25}}
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


def _release(command: Stagecraft, *, wrong: float = 0, refused: int = 0) -> Execution:
    """A loop from new data to its end: an approved version, half of the traffic, and what came true of it.

    Args:
        command: The stack's command.
        wrong: Share of the version's answers that turn out wrong; the live version's are right.
        refused: Questions that the version refuses.
    """
    _bring_data(command)
    command.run("loop", "start", "--bake-seconds", "1", "--bake-limit-seconds", "180")
    assert _until(command, "Review").status == "RUNNING"
    command.run("loop", "approve", "--reason", "good on held-out data")
    waiting = _until(command, "Wait at 50 %")
    assert waiting.status == "RUNNING"  # nobody has asked it anything yet
    shown = command.run("loop", "status").out
    assert waiting.result in " ".join(shown.split())
    assert "stagecraft load" in shown
    began = datetime.datetime.now(datetime.UTC)
    command.run("load", "--rps", "80", "--for", "12s", "--log-predictions", "--json")
    endpoint = command.run("outputs", "models", "--json").object["screening"]["endpoint"]
    for number in range(refused):
        with pytest.raises(ClientError) as caught:
            _client(command, "sagemaker-runtime").invoke_endpoint(
                EndpointName=endpoint,
                TargetVariant="candidate",
                ContentType="application/json",
                Body=b'{"instances": [{"mean_radius": "wide"}]}',
            )
        if "Variant candidate not found" in str(caught.value):
            assert number > 10  # the gate has seen enough of them, and it is gone
            break
        assert "ModelError" in str(caught.value)
    _come_true(command, began, wrong)
    return _until(command, "Released")


def _bring_data(command: Stagecraft) -> None:
    """Samples that no version has learnt from yet: a new version differs from the live one."""
    chance = random.Random(str(time.time_ns()))  # noqa: S311  (any will do)
    now = datetime.datetime.now(datetime.UTC)
    rows = [
        {**row, demo_data.KEY: f"n{now:%H%M%S}{number:03d}"}
        for number, row in enumerate(chance.sample(demo_data.samples(now.date()), 60))
    ]
    body = demo_data.to_csv(rows).encode()
    key = layout.raw_key(demo_data.VIEW, now.date(), hashlib.sha256(body).hexdigest(), "more.csv")
    buckets = command.run("outputs", "buckets", "--json").object
    _client(command, "s3").put_object(Bucket=buckets["raw"], Key=key, Body=body)


def _come_true(command: Stagecraft, since: datetime.datetime, wrong: float) -> None:
    """Labels of every answer since then: the live version's are right, of the newest's a share is wrong."""
    aws = session(ensure_cloud(command.home / "local" / "cloud").endpoint, "us-east-1")
    outputs = command.run("outputs", "--json").object
    artifacts = Clients(session=aws).bucket(outputs["buckets"]["artifacts"])
    answers = [
        json.loads(line)
        for item in artifacts.list(prediction_log.prefix("screening"))
        for line in (artifacts.get(item.key) or b"").splitlines()
    ]
    answers = [each for each in answers if each["at"] >= times.iso(since) and each["step"] == "live"]
    group = outputs["models"]["screening"]["packageGroup"]
    newest = registry.latest(Clients(session=aws), group)
    assert newest is not None
    canary = registry.describe(Clients(session=aws), newest).properties["model_digest"]
    shares = Counter(each["version"] == canary for each in answers)
    assert min(shares.values()) > 300, shares  # SageMaker's own split, seen from where callers stand
    found = [
        Outcome(
            at=datetime.datetime.now(datetime.UTC),
            kind=LABEL,
            prediction=each["id"],
            label=str(
                1 - each["prediction"]
                if each["version"] == canary and number % 100 < 100 * wrong
                else each["prediction"]
            ),
        )
        for number, each in enumerate(answers)
    ]
    outcomes.write(artifacts, "screening", found)


def _gates(command: Stagecraft) -> list[dict[str, Any]]:
    """What the lineage of the newest version tells of its gate."""
    aws = session(ensure_cloud(command.home / "local" / "cloud").endpoint, "us-east-1")
    outputs = command.run("outputs", "--json").object
    clients = Clients(session=aws)
    newest = registry.latest(clients, outputs["models"]["screening"]["packageGroup"])
    assert newest is not None
    known = registry.lineage(clients, outputs["lineageTable"], newest)
    assert known is not None
    found: list[dict[str, Any]] = known["gates"]
    return found


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


def test_a_good_version_goes_live_and_the_next_deployment_takes_it_over(deployed: Stagecraft) -> None:
    before = _live(deployed)
    ended = _release(deployed)
    assert (ended.status, ended.state) == ("SUCCEEDED", "Released"), ended
    live = _live(deployed)
    assert (before.rpartition("/")[2], live.rpartition("/")[2]) == ("1", "2")

    gates = [(each["percent"], each["decision"]) for each in _gates(deployed)]
    assert gates == [(50, "promote"), (100, "promote")]

    models = deployed.run("outputs", "models", "--json").object
    endpoint = models["screening"]["endpoint"]
    assert _served(deployed, endpoint) == live
    again = deployed.run("up", "--yes", "--json").object
    # What is created stands beside the endpoint: the version before it, for the gateway to fall back to.
    assert {op for op, count in again["changes"].items() if count} == {"create", "replace", "same", "update"}
    assert _served(deployed, endpoint) == live
    settled = deployed.run("up", "--yes", "--json").object
    assert {op for op, count in settled["changes"].items() if count} == {"same"}


@pytest.mark.parametrize(
    ("bad", "said"),
    [({"wrong": 0.7}, "more wrong answers"), ({"refused": 150}, "more refused questions")],
    ids=["accuracy at equal errors", "errors"],
)
def test_a_bad_version_is_rolled_back_by_what_it_did(
    deployed: Stagecraft, bad: dict[str, Any], said: str
) -> None:
    before = _live(deployed)
    ended = _release(deployed, **bad)
    assert (ended.status, ended.state) == ("FAILED", "Rolled back"), ended
    assert said in ended.result
    (gate,) = _gates(deployed)
    assert (gate["decision"], gate["percent"]) == ("roll-back", 50)
    worse = [each["measure"] for each in gate["findings"] if each["standing"] == "worse"]
    assert worse == [said.removeprefix("more ")]
    assert _live(deployed) == before
    models = deployed.run("outputs", "models", "--json").object
    assert _served(deployed, models["screening"]["endpoint"]) == before


def test_enough_feedback_starts_the_loop_once(deployed: Stagecraft) -> None:
    """What came true of the releases before has not been learnt from: it is more than is declared."""
    states, machine = _client(deployed, "stepfunctions"), _machine(deployed.home)

    def by_alarm() -> list[str]:
        listed = states.list_executions(stateMachineArn=machine)["executions"]
        arns = [each["executionArn"] for each in listed]
        inputs = {arn: states.describe_execution(executionArn=arn)["input"] for arn in arns}
        return [arn for arn in arns if json.loads(inputs[arn]) == {"trigger": "alarm"}]

    assert by_alarm() == []
    _watch(deployed)
    assert _alarm_is(deployed, "screening-feedback", "ALARM")
    deadline = time.monotonic() + 60
    while not by_alarm():
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert _until(deployed, "Review").status == "RUNNING"
    deployed.run("loop", "reject", "--reason", "only to see that it came")
    assert _until(deployed, "Rejected").status == "SUCCEEDED"
    # The version that was trained has learnt from them, whatever became of it.
    _watch(deployed)
    assert _alarm_is(deployed, "screening-feedback", "OK")
    assert len(by_alarm()) == 1


def _watch(command: Stagecraft) -> None:
    """The jobs that watch the live model, as their schedule would run them."""
    outputs, batch = command.run("outputs", "--json").object, _client(command, "batch")
    job = batch.submit_job(
        jobName="watch",
        jobDefinition=outputs["jobs"]["watch-screening"],
        jobQueue=outputs["jobQueues"]["watch-screening"],
    )["jobId"]
    deadline = time.monotonic() + 180
    while (status := batch.describe_jobs(jobs=[job])["jobs"][0]["status"]) != "SUCCEEDED":
        assert status != "FAILED"
        assert time.monotonic() < deadline
        time.sleep(0.5)


def _alarm_is(command: Stagecraft, alarm: str, state: str) -> bool:
    """Whether an alarm comes into a state within a minute."""
    name = command.run("outputs", "alarms", "--json").object[alarm]
    watch, deadline = _client(command, "cloudwatch"), time.monotonic() + 60
    while time.monotonic() < deadline:
        (found,) = watch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        if found["StateValue"] == state:
            return True
        time.sleep(0.5)
    return False


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
    began = times.iso(datetime.datetime.now(datetime.UTC))

    def ask() -> dict[str, Any]:
        answer = _client(deployed, "lambda").invoke(
            FunctionName=function, Payload=json.dumps(question).encode()
        )
        assert "FunctionError" not in answer
        told: dict[str, Any] = json.loads(answer["Payload"].read())
        assert told["status"] == 200, told
        return told

    def steps() -> list[str]:
        """Of the answers in the prediction log since the test began."""
        s3, bucket = _client(deployed, "s3"), outputs["buckets"]["artifacts"]
        listed = s3.list_objects_v2(Bucket=bucket, Prefix="predictions/screening/").get("Contents", [])
        objects = [s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in listed]
        records = [json.loads(line) for text in objects for line in text.splitlines()]
        return sorted(each["step"] for each in records if each["at"] >= began)

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
    cloudwatch = _client(deployed, "cloudwatch")
    assert cloudwatch.list_metrics(Namespace="Stagecraft", MetricName="CapturedPredictions")["Metrics"]
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
