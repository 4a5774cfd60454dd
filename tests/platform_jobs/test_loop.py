"""The loop's own steps, against a cloud that settles endpoints at once and runs no models."""

import datetime
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from platform_jobs import registry, times
from platform_jobs.aws import Clients
from platform_jobs.errors import JobError
from platform_jobs.gate.evidence import Labelled
from platform_jobs.loop import asking, gate, judging, rollout, steps
from platform_jobs.loop.asking import Decision
from platform_jobs.loop.gate import Asked, Outcome
from platform_jobs.loop.rollout import NotYetError, Rollout
from tests.platform_jobs.loop_world import ENDPOINT, GROUP, LINEAGE, TAGS, World, loop_world
from twin.aws.cloud.client import ensure_cloud, stop_cloud


@pytest.fixture(scope="module")
def endpoint_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One cloud for all of them: each has a region of its own in it."""
    folder = tmp_path_factory.mktemp("loop") / "cloud"
    try:
        yield ensure_cloud(folder, live=False).endpoint
    finally:
        stop_cloud(folder)


@pytest.fixture
def world(endpoint_url: str) -> World:
    return loop_world(endpoint_url)


def begin(world: World) -> Rollout:
    state = rollout.begin(world.clients, ENDPOINT, world.version(status=registry.APPROVED), 2)
    assert state is not None
    return state


def advance(world: World, state: Rollout, percent: int) -> Rollout:
    return rollout.settled(world.clients, rollout.shift(world.clients, state, percent, 25))


def ask(world: World, state: Rollout, alarms: Sequence[str] = (), **overrides: str) -> Outcome:
    """The gate's word at a share of 25 %, a minute from now, for a version that may wait for an hour."""
    version = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{GROUP}/{state.number}"
    config = replace(world.gate_settings(**overrides), alarms=tuple(alarms))
    asked = Asked(version=version, state=state, percent=25, limit=datetime.timedelta(hours=1))
    return gate.check(world.clients, config, asked, now() + datetime.timedelta(minutes=1))


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


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
        again = advance(world, state, percent)  # a step that is tried again changes nothing
        assert replace(again, given=state.given) == state
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
    state = advance(world, begin(world), 25)
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
    assert ask(world, state, alarms=["burn", "calm"]).decision == "wait"
    cloudwatch.set_alarm_state(AlarmName="burn", StateValue="ALARM", StateReason="test")
    shut = ask(world, state, alarms=["burn", "calm"])
    assert (shut.decision, shut.reason) == ("roll-back", "in alarm: burn")
    assert ask(world, state, alarms=["calm"]).decision == "wait"
    assert ask(world, state, alarms=[]).decision == "wait"


WELL = Labelled(20_000, 1000)


def shared(world: World) -> Rollout:
    """A version with a quarter of the traffic, as good as the live one as far as labels say."""
    world.deploy()
    state = advance(world, begin(world), 25)
    world.labels(state.number, WELL, WELL)
    return state


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ({"errors": 200}, "more errors"),
        ({"refused": 200}, "more refused questions"),
        ({"slow": 2000}, "more slow answers"),
    ],
    ids=["errors", "refusals", "latency"],
)
def test_what_serves_worse_is_rolled_back_and_why_is_kept(
    world: World, bad: dict[str, int], named: str
) -> None:
    state = shared(world)
    world.served("live", 30_000, at=now())
    world.served("candidate", 10_000, at=now(), **bad)
    said = ask(world, state)
    assert (said.decision, named in said.reason) == ("roll-back", True)
    version = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{GROUP}/{state.number}"
    known = registry.lineage(world.clients, LINEAGE, version)
    assert known is not None
    (entry,) = known["gates"]
    assert (entry["decision"], entry["percent"]) == ("roll-back", 25)
    assert [each["measure"] for each in entry["findings"] if each["standing"] == "worse"] == [
        named.removeprefix("more ")
    ]


def test_what_answers_wrong_at_equal_errors_is_rolled_back(world: World) -> None:
    state = shared(world)
    for variant in ("live", "candidate"):
        world.served(variant, 20_000, at=now(), errors=2)
    assert ask(world, state).decision == "promote"
    world.labels(state.number, Labelled(5_000, 450), WELL)
    said = ask(world, state)
    assert said.decision == "roll-back"
    assert said.reason.startswith("the canary has more wrong answers")


def test_what_nobody_can_tell_waits_up_to_the_limit_and_then_goes_back_unless_told_otherwise(
    world: World,
) -> None:
    state = shared(world)
    world.served("candidate", 20, at=now())
    said = ask(world, state)
    assert said == Outcome("wait", "not enough is known yet of errors, refused questions, slow answers")
    late = replace(state, given=times.iso(now() - datetime.timedelta(hours=1)))
    said = ask(world, late)
    assert said.decision == "roll-back"
    assert "not enough is known yet of errors" in said.reason
    assert "1 h, the limit, are over" in said.reason
    assert ask(world, late, STAGECRAFT_GATE_UNDECIDED="promote").decision == "promote"


def test_labels_that_come_too_late_are_waited_for_only_where_they_are_required(world: World) -> None:
    world.deploy()
    state = advance(world, begin(world), 25)
    for variant in ("live", "candidate"):
        world.served(variant, 30_000, at=now())
    assert ask(world, state) == Outcome("wait", "not enough is known yet of wrong answers")
    assert ask(world, state, STAGECRAFT_GATE_QUALITY="if-known").decision == "promote"
    world.labels(state.number, Labelled(5_000, 450), WELL)
    assert ask(world, state, STAGECRAFT_GATE_QUALITY="if-known").decision == "roll-back"


def test_a_version_that_came_whole_is_compared_with_what_answered_the_day_before(world: World) -> None:
    world.deploy(serverless=True)
    before, moment = now() - datetime.timedelta(hours=3), now()
    state = replace(begin(world), since=times.iso(moment - rollout.BASELINE))
    world.labels(state.number, WELL, WELL)
    # A share under 100 is nobody's on such an endpoint, and so is its judgement.
    assert ask(world, advance(world, state, 5)).decision == "promote"
    state = advance(world, state, 100)
    state = replace(state, left=times.iso(moment), whole=times.iso(moment))
    world.served("live", 50_000, at=before, errors=5)
    world.served("live", 9_000, at=moment, errors=9_000)  # of the minute in which it changed: nobody's
    world.served("live", 20_000, at=moment + datetime.timedelta(minutes=1), errors=2)

    def later(**overrides: str) -> Outcome:
        config = world.gate_settings(**overrides)
        asked = Asked(version="v", state=state, percent=100, limit=datetime.timedelta(hours=1))
        return gate.check(world.clients, config, asked, moment + datetime.timedelta(minutes=5))

    assert later().decision == "promote"
    world.served("live", 3_000, at=moment + datetime.timedelta(minutes=3), errors=300)
    assert later().decision == "roll-back"


def test_counts_that_are_none_are_an_error_and_no_evidence(world: World) -> None:
    state = shared(world)
    key = "gate/churn/2.json"
    for body in (b"{", b"[]", b'{"quality": {"canary": {"labelled": 1, "wrong": 2}}}'):
        world.clients.bucket(world.artifacts).put(key, body, content_type="application/json")
        with pytest.raises(JobError, match=key) as caught:
            ask(world, state)
        assert caught.value.reason == "bad-labels"


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
        "ARTIFACTS_BUCKET": world.artifacts,
        "SLO_AVAILABILITY": "99",
        "GATE_SLOW_MS": "150",
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

    def judged(percent: int) -> str:
        told = step("gate", rollout=state, version=version, percent=percent, limitSeconds=3600)
        return str(told["decision"])

    state = step("settle", rollout=step("shift", rollout=state, percent=25, largest=25))
    assert judged(25) == "wait"  # nobody has asked it anything yet
    for variant in ("candidate", "live"):
        world.served(variant, 5000, at=now())
    assert judged(25) == "wait"  # and nobody knows the truth of what it answered
    world.labels(verdict["number"], Labelled(20_000, 1000), Labelled(20_000, 1000))
    assert judged(25) == "promote"
    # What it did beside the live version counts for the whole, too.
    state = step("settle", rollout=step("shift", rollout=state, percent=100, largest=25))
    assert judged(100) == "promote"
    assert step("finish", version=version) == {"live": version, "previous": "none"}
    known = registry.lineage(world.clients, LINEAGE, version)
    assert known is not None
    assert known["decisions"][0]["reviewer"] == steps.REVIEWER
    assert known["decisions"][0]["reason"] == "Automatic: every floor is met: f1 0.9"
    # An auditor sees at each share that was judged by what it was let on.
    assert [(each["percent"], each["decision"]) for each in known["gates"]] == [
        (25, "promote"),
        (100, "promote"),
    ]
    errors, *_, wrong = known["gates"][0]["findings"]
    assert (errors["canary"]["of"], errors["live"]["of"]) == (5000, 5000)
    assert (wrong["measure"], wrong["canary"]["bad"], wrong["canary"]["of"]) == (
        "wrong answers",
        1000,
        20_000,
    )
    assert known["gates"][0]["terms"]["errorRate"] == 0.05
    step("undo", rollout=state)
    assert step("reject", version=version, reason="in alarm: burn") == {"approved": False}
    assert registry.describe(world.clients, version).status == "Rejected"
    untold = world.version(run="other")
    assert step("reject", version=untold, reason="") == {"approved": False}
    with pytest.raises(JobError, match="no endpoint"):
        step("shift", rollout={"deployed": False}, percent=100, largest=100)


def test_an_endpoint_that_changes_is_asked_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.deploy()
    state = begin(world)
    monkeypatch.setattr(
        rollout, "_described", lambda *_: {"EndpointStatus": "Updating", "EndpointConfigName": "deployed"}
    )
    for step in (rollout.settled, rollout.undo):
        with pytest.raises(NotYetError, match="is Updating"):
            step(world.clients, state)
    changing = ask(world, state)
    assert (changing.decision, changing.reason) == ("roll-back", "the endpoint is Updating")
