"""The loop's own steps, against a cloud that settles endpoints at once and runs no models."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest

from platform_jobs import registry
from platform_jobs.aws import Clients
from platform_jobs.errors import JobError
from platform_jobs.loop import asking, gate, judging, rollout, steps
from platform_jobs.loop.asking import Decision
from platform_jobs.loop.rollout import NotYetError, Rollout
from twin.aws.cloud.client import ensure_cloud, session, stop_cloud

GROUP, LINEAGE, ENDPOINT = "churn", "lineage", "stagecraft-test-endpoint-churn"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/platform:1"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
TAGS = [{"Key": "model", "Value": "stagecraft-test/churn"}]


@dataclass
class World:
    """A deployed endpoint on two machines, and versions to put on it."""

    clients: Clients
    role: str

    def version(self, *, f1: float = 0.9, run: str = "run", status: str = registry.PENDING) -> str:
        """A version with one metric, its floor 0.8."""
        sagemaker: Any = self.clients.sagemaker
        arn: str = sagemaker.create_model_package(
            ModelPackageGroupName=GROUP,
            ModelApprovalStatus=status,
            InferenceSpecification={
                "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://artifacts/model.tar.gz"}],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            CustomerMetadataProperties={"run": run, "metric.f1": str(f1), "floor.f1": "0.8"},
        )["ModelPackageArn"]
        self.clients.dynamodb.put_item(TableName=LINEAGE, Item={registry.LINEAGE_KEY: {"S": arn}})
        return arn

    def deploy(self, *, serverless: bool = False) -> None:
        """What the components make of an endpoint."""
        sagemaker: Any = self.clients.sagemaker
        sagemaker.create_model(
            ModelName="deployed",
            ExecutionRoleArn=self.role,
            EnableNetworkIsolation=True,
            Containers=[{"ModelPackageName": self.version(run="first", status=registry.APPROVED)}],
            Tags=TAGS,
        )
        hosting: dict[str, Any] = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 4}
        if serverless:
            hosting = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
        sagemaker.create_endpoint_config(
            EndpointConfigName="deployed",
            ProductionVariants=[{"VariantName": "live", "ModelName": "deployed", **hosting}],
            Tags=TAGS,
        )
        sagemaker.create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="deployed", Tags=TAGS)

    def serving(self) -> dict[str, tuple[str, float, int]]:
        """Variant → model, share of the traffic in percent, machines."""
        described: Any = self.clients.sagemaker.describe_endpoint(EndpointName=ENDPOINT)
        configured: Any = self.clients.sagemaker.describe_endpoint_config(
            EndpointConfigName=described["EndpointConfigName"]
        )
        models = {each["VariantName"]: each["ModelName"] for each in configured["ProductionVariants"]}
        variants = described["ProductionVariants"]
        total = sum(each["CurrentWeight"] for each in variants)
        return {
            each["VariantName"]: (
                models[each["VariantName"]],
                round(100 * each["CurrentWeight"] / total, 3),
                each.get("CurrentInstanceCount", 0),
            )
            for each in variants
        }

    def made(self) -> list[str]:
        """Everything of SageMaker's that endpoints stand on."""
        sagemaker = self.clients.sagemaker
        return sorted(
            [each["EndpointConfigName"] for each in sagemaker.list_endpoint_configs()["EndpointConfigs"]]
            + [each["ModelName"] for each in sagemaker.list_models()["Models"]]
        )


@pytest.fixture(scope="module")
def endpoint_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One cloud for all of them: each has a region of its own in it."""
    folder = tmp_path_factory.mktemp("loop") / "cloud"
    try:
        yield ensure_cloud(folder, live=False).endpoint
    finally:
        stop_cloud(folder)


REGIONS = itertools.cycle(boto3.Session().get_available_regions("sagemaker"))


@pytest.fixture
def world(endpoint_url: str) -> World:
    region = next(REGIONS)
    aws = session(endpoint_url, region)
    role = aws.client("iam").create_role(RoleName=f"serving-{region}", AssumeRolePolicyDocument=TRUST)
    aws.client("sagemaker").create_model_package_group(ModelPackageGroupName=GROUP)
    aws.client("dynamodb").create_table(
        TableName=LINEAGE,
        KeySchema=[{"AttributeName": registry.LINEAGE_KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": registry.LINEAGE_KEY, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return World(Clients(session=aws), role["Role"]["Arn"])


def begin(world: World) -> Rollout:
    state = rollout.begin(world.clients, ENDPOINT, world.version(status=registry.APPROVED), 2)
    assert state is not None
    return state


def advance(world: World, state: Rollout, percent: int) -> Rollout:
    return rollout.settled(world.clients, rollout.shift(world.clients, state, percent, 25))


def test_traffic_moves_in_the_declared_steps_and_back_in_one(world: World) -> None:
    world.deploy()
    state = begin(world)
    candidate = f"{ENDPOINT[:44]}-loop-2"
    assert world.serving() == {"live": ("deployed", 100.0, 4)}
    for percent in (5, 25):
        state = advance(world, state, percent)
        # Machines for the largest share, from the start: 25 % of four.
        assert world.serving() == {
            "live": ("deployed", 100.0 - percent, 4),
            "candidate": (candidate, float(percent), 1),
        }
        assert advance(world, state, percent) == state  # a step that is tried again changes nothing
    state = advance(world, state, 100)
    assert world.serving() == {"live": (candidate, 100.0, 4)}
    back = rollout.settled(world.clients, rollout.undo(world.clients, state))
    assert world.serving() == {"live": ("deployed", 100.0, 4)}
    assert rollout.undo(world.clients, back) == back
    rollout.tidy(world.clients, ENDPOINT)
    assert world.made() == ["deployed", "deployed"]


def test_what_serves_is_not_tidied_away_and_carries_the_labels(world: World) -> None:
    world.deploy()
    state = advance(world, begin(world), 5)
    advance(world, state, 100)
    rollout.tidy(world.clients, ENDPOINT)
    name = f"{ENDPOINT[:44]}-loop-2"
    assert world.made() == sorted(["deployed", "deployed", name, name])
    described: Any = world.clients.sagemaker.describe_model(ModelName=name)
    assert described["EnableNetworkIsolation"] is True
    assert world.clients.sagemaker.list_tags(ResourceArn=described["ModelArn"])["Tags"] == TAGS
    assert rollout.remove(world.clients.sagemaker, ENDPOINT) == [name, name]


def test_a_serverless_endpoint_takes_a_version_whole(world: World) -> None:
    world.deploy(serverless=True)
    state = begin(world)
    assert not state.splits
    assert advance(world, state, 5) == state
    assert world.serving()["live"][0] == "deployed"
    advance(world, state, 100)
    assert world.serving()["live"][0] == state.model


def test_a_first_version_has_no_endpoint_yet(world: World) -> None:
    assert rollout.begin(world.clients, ENDPOINT, world.version(), 1) is None


def test_an_update_that_sagemaker_took_back_is_an_error(world: World) -> None:
    world.deploy()
    state = begin(world)
    with pytest.raises(JobError, match="stayed with deployed") as caught:
        rollout.settled(world.clients, replace(state, expected="another"))
    assert caught.value.reason == "update-failed"


def test_an_alarm_or_a_lost_configuration_closes_the_gate(world: World) -> None:
    world.deploy()
    state = begin(world)
    cloudwatch = world.clients.cloudwatch
    for name in ("burn", "calm"):
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            MetricName="m",
            Namespace="n",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            Statistic="Sum",
        )
    assert gate.check(world.clients, state, ["burn", "calm"]).healthy
    cloudwatch.set_alarm_state(AlarmName="burn", StateValue="ALARM", StateReason="test")
    shut = gate.check(world.clients, state, ["burn", "calm"])
    assert (shut.healthy, shut.reason) == (False, "in alarm: burn")
    assert gate.check(world.clients, state, ["calm"]).healthy
    assert gate.check(world.clients, state, []).healthy


def test_a_run_is_judged_by_its_floors(world: World) -> None:
    good, poor = world.version(run="good"), world.version(run="poor", f1=0.7)
    verdict = judging.judge(world.clients, GROUP, "good")
    assert (verdict.version, verdict.good) == (good, True)
    assert verdict.reason == "every floor is met: f1 0.9"
    verdict = judging.judge(world.clients, GROUP, "poor")
    assert (verdict.version, verdict.good) == (poor, False)
    assert verdict.reason == "f1 is 0.7, its floor is 0.8"
    with pytest.raises(JobError, match="registered no version"):
        judging.judge(world.clients, GROUP, "nothing")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What executions were told."""
    heard: list[dict[str, str]] = []

    class States:
        def send_task_success(self, **said: str) -> None:
            heard.append(said)

    monkeypatch.setattr(Clients, "states", States())
    return heard


def test_a_decision_is_told_once_whichever_comes_first(world: World, told: list[dict[str, str]]) -> None:
    clients = world.clients
    early, late = world.version(), world.version()
    asking.ask(clients, LINEAGE, early, "token-1")
    assert told == []
    assert not asking.tell(clients, LINEAGE, Decision(early, "PendingManualApproval"))
    assert asking.tell(clients, LINEAGE, Decision(early, "Approved"))
    assert not asking.tell(clients, LINEAGE, Decision(early, "Approved"))
    assert told == [{"taskToken": "token-1", "output": '{"approved": true}'}]
    clients.sagemaker.update_model_package(ModelPackageArn=late, ModelApprovalStatus="Rejected")
    assert not asking.tell(clients, LINEAGE, Decision(late, "Rejected"))  # nobody waits yet
    asking.ask(clients, LINEAGE, late, "token-2")
    assert told[1:] == [{"taskToken": "token-2", "output": '{"approved": false}'}]


def test_the_handler_takes_a_version_from_judgement_to_live(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "MODEL": "churn",
        "MODEL_PACKAGE_GROUP": GROUP,
        "LINEAGE_TABLE": LINEAGE,
        "POINTER_PREFIX": "/stagecraft/test/models/",
        "ENDPOINT": ENDPOINT,
    }.items():
        monkeypatch.setenv(f"STAGECRAFT_{name}", value)
    monkeypatch.setattr(steps, "Clients", lambda: world.clients)
    world.deploy()
    version = world.version(run="loop")

    def step(name: str, **told: Any) -> Any:
        # Through JSON, as Lambda hands it over.
        return json.loads(json.dumps(steps.handler({"step": name, **told}, None)))

    verdict = step("judge", run="loop")
    assert step("approve", version=version, reason=verdict["reason"]) == {"approved": True}
    state = step("begin", version=version, number=verdict["number"])
    state = step("shift", rollout=state, percent=100, largest=100)
    state = step("settle", rollout=state)
    assert step("gate", rollout=state)["healthy"] is True
    assert step("finish", version=version) == {"live": version, "previous": "none"}
    known = registry.lineage(world.clients, LINEAGE, version)
    assert known is not None
    assert known["decisions"][0]["reviewer"] == steps.REVIEWER
    assert known["decisions"][0]["reason"] == "Automatic: every floor is met: f1 0.9"
    step("undo", rollout=state)
    assert step("reject", version=version, reason="in alarm: burn") == {"approved": False}
    assert registry.describe(world.clients, version).status == "Rejected"
    with pytest.raises(JobError, match="no endpoint"):
        step("shift", rollout={"deployed": False}, percent=100, largest=100)


def test_an_endpoint_that_changes_is_asked_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deploy()
    state = begin(world)
    monkeypatch.setattr(
        rollout, "_described", lambda *_: {"EndpointStatus": "Updating", "EndpointConfigName": "deployed"}
    )
    for ask in (rollout.settled, rollout.undo):
        with pytest.raises(NotYetError, match="is Updating"):
            ask(world.clients, state)
    assert not gate.check(world.clients, state, []).healthy
