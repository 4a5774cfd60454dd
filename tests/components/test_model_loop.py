"""The loop's state machine as a graph, whatever is declared; and what its parts may do."""

import json
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

import components
from components.model_loop_states import LoopParts, LoopPlan, definition
from platform_jobs import settings
from platform_jobs.loop import steps
from platform_jobs.loop.rollout import name_base
from platform_jobs.loop.steps import LoopSettings
from tests.components.examples import example, make
from tests.components.recording import run

PARTS = LoopParts(
    steps="arn:steps",
    topic="arn:topic",
    jobs={job: (f"arn:{job}", "arn:queue") for job in ("quality", "materialise", "train", "labels")},
)
UNCOUNTED = replace(PARTS, jobs={job: arns for job, arns in PARTS.jobs.items() if job != "labels"})
RISING = st.sets(st.integers(1, 99), max_size=4).map(lambda below: [*sorted(below), 100])
PLANS = st.builds(
    LoopPlan,
    model=st.just("churn"),
    views=st.lists(st.sampled_from(["activity", "orders", "visits"]), min_size=1, unique=True),
    human=st.booleans(),
    canary_percent=RISING,
    bake_seconds=st.integers(60, 3600),
    bake_limit_seconds=st.integers(3600, 7 * 86400),
    review_seconds=st.integers(3600, 86400 * 364),
)


def machine(plan: LoopPlan, parts: LoopParts = PARTS) -> dict[str, Any]:
    """The definition, read back."""
    read: dict[str, Any] = json.loads(definition(plan, parts))
    return read


def leads_to(state: dict[str, Any]) -> set[str]:
    """The states that may follow."""
    nexts = [state.get("Next"), state.get("Default")]
    nexts += [each["Next"] for key in ("Catch", "Choices") for each in state.get(key, [])]
    return {each for each in nexts if each is not None}


@given(PLANS)
def test_every_state_is_reached_and_every_way_ends(plan: LoopPlan) -> None:
    states = machine(plan)["States"]
    reached: set[str] = set()
    waiting = ["Defaults"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(leads_to(states[name]))
    assert reached == set(states)
    ends = {name for name, state in states.items() if not leads_to(state)}
    assert {states[name]["Type"] for name in ends} == {"Fail", "Succeed"}


@given(PLANS)
def test_what_can_fail_is_caught_and_told(plan: LoopPlan) -> None:
    states = machine(plan)["States"]
    for name, state in states.items():
        if state["Type"] in ("Task", "Parallel"):
            assert any(each["ErrorEquals"] == ["States.ALL"] for each in state["Catch"]), name
    for name, state in states.items():
        if state["Type"] == "Fail":
            assert [each for each in states if name in leads_to(states[each])] == [
                {"Failed": "Tell of the failure", "Rolled back": "Tell of the rollback"}[name]
            ]


@given(PLANS, st.sampled_from([PARTS, UNCOUNTED]))
def test_traffic_follows_the_declared_steps_and_each_is_judged(plan: LoopPlan, parts: LoopParts) -> None:
    states = machine(plan, parts)["States"]
    judging = 2 if "labels" in parts.jobs else 1  # labels are counted before each look
    name, shares = states["Is there an endpoint?"]["Choices"][0]["Next"], []
    while name != "Point at it":
        shares.append(states[name]["Parameters"]["Payload"]["percent"])
        for kind in ("Task", "Task", "Wait", *["Task"] * judging):
            assert states[name]["Type"] == kind
            # Whatever goes wrong while the version has traffic leads back.
            assert all(each["Next"] == "Name the cause" for each in states[name].get("Catch", []))
            name = states[name]["Next"]
        choice = states[name]
        assert choice["Default"] == "Roll back"
        nexts = {each["StringEquals"]: each["Next"] for each in choice["Choices"]}
        # What waits is looked at again, labels first, and has no more of the traffic until then.
        look = states[nexts["wait"]]
        assert (look["Type"], look["SecondsPath"]) == ("Wait", "$.lookSeconds")
        assert states[states[f"Bake {shares[-1]} %"]["Next"]] == states[look["Next"]]
        name = nexts["promote"]
    assert shares == list(plan.canary_percent)


@given(PLANS)
def test_an_execution_that_waits_for_days_stays_within_its_history(plan: LoopPlan) -> None:
    told = machine(plan)["States"]["Defaults"]["Parameters"]["told.$"]
    defaults = json.loads(told.split("'")[1])
    assert defaults["lookSeconds"] >= defaults["bakeSeconds"]
    looks = len(plan.canary_percent) * defaults["bakeLimitSeconds"] / defaults["lookSeconds"]
    assert looks * 24 < 20_000


@given(PLANS)
def test_a_person_is_asked_exactly_where_the_plan_says_so(plan: LoopPlan) -> None:
    states = machine(plan)["States"]
    asks = [state for state in states.values() if str(state.get("Resource")).endswith("waitForTaskToken")]
    assert len(asks) == plan.human
    approves = [
        state
        for state in states.values()
        if state.get("Parameters", {}).get("Payload", {}).get("step") == "approve"
    ]
    assert len(approves) == (not plan.human)


@given(PLANS)
def test_every_step_that_it_calls_is_one_of_the_function(plan: LoopPlan) -> None:
    called = {
        state["Parameters"]["Payload"]["step"]
        for state in machine(plan)["States"].values()
        if "Payload" in state.get("Parameters", {})
    }
    assert called <= set(steps._STEPS)


def _policy(recording: Any, name: str) -> list[dict[str, Any]]:
    statements: list[dict[str, Any]] = json.loads(recording.one("RolePolicy", name).inputs["policy"])[
        "Statement"
    ]
    return statements


def test_the_function_may_make_what_the_rollout_names_and_nothing_else_of_sagemaker() -> None:
    statements = _policy(run(lambda: make("ModelLoop")), "it-steps-policy")
    endpoint = "stagecraft-test-endpoint-churn"
    made = [each for each in statements if "sagemaker:CreateModel" in each["Action"]]
    assert made[0]["Resource"] == [f"arn:aws:sagemaker:us-east-1:123456789012:model/{name_base(endpoint)}*"]
    (passed,) = (each for each in statements if each["Action"] == ["iam:PassRole"])
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


@pytest.mark.parametrize(
    ("approval", "decisions"), [("human", ["Rejected"]), ("automatic", ["Approved", "Rejected"])]
)
def test_only_a_loop_without_a_person_may_approve(approval: str, decisions: list[str]) -> None:
    recording = run(lambda: make("ModelLoop", approval=approval))
    (update,) = (
        each
        for each in _policy(recording, "it-steps-policy")
        if each["Action"] == ["sagemaker:UpdateModelPackage"]
    )
    assert update["Condition"] == {"StringEquals": {"sagemaker:ModelApprovalStatus": decisions}}
    hears = [each.name for each in recording.of("Function")]
    assert ("it-decisions-function" in hears) is (approval == "human")


def test_what_triggers_it_is_what_is_declared() -> None:
    recording = run(lambda: make("ModelLoop"))
    assert recording.one("Schedule").inputs["scheduleExpression"] == "cron(0 3 ? * MON *)"
    pattern = json.loads(recording.one("EventRule", "it-retrain-alarms").inputs["eventPattern"])
    assert pattern["detail"] == {"alarmName": ["churn-drift"], "state": {"value": ["ALARM"]}}
    undisturbed = {key: value for key, value in example("ModelLoop").items() if "retrain" not in key}
    silent = run(lambda: components.ModelLoop("it", undisturbed))
    assert [each.name for each in silent.of("EventRule")] == ["it-decisions"]


def test_bad_inputs_are_told_all_at_once() -> None:
    with pytest.raises(pulumi.InputPropertiesError) as caught:
        run(
            lambda: make(
                "ModelLoop",
                model="Churn!",
                views=[],
                approval="nobody",
                canary_percent=[50, 25],
                bake_minutes=0,
                bake_limit_minutes=20_000,
                gate={"error_rate": 0.9, "quality": "always", "undecided": "wait"},
                review_days=400,
                topic_arn="arn:t",
            )
        )
    for path in (
        *("model", "views", "approval", "canaryPercent", "bakeMinutes", "bakeLimitMinutes", "reviewDays"),
        *("emails", "gate.errorRate", "gate.quality", "gate.undecided"),
    ):
        assert f"  {path}: " in str(caught.value)


def test_quality_cannot_be_required_where_nobody_counts_labels() -> None:
    uncounted = {key: value for key, value in example("ModelLoop").items() if key != "labels"}
    with pytest.raises(pulumi.InputPropertiesError, match="needs labels"):
        run(lambda: components.ModelLoop("it", {**uncounted, "gate": {"quality": "required"}}))
    with pytest.raises(pulumi.InputPropertiesError, match="from 30 to 10080 minutes"):
        run(lambda: make("ModelLoop", bake_minutes=30, bake_limit_minutes=20))


def test_the_function_is_told_the_terms_and_reads_counted_labels_of_its_model_only() -> None:
    recording = run(lambda: make("ModelLoop"))
    told = recording.one("Function", "it-steps-function").inputs["environment"]["variables"]
    gate = {name: told[f"STAGECRAFT_{name}"] for name in ("SLO_AVAILABILITY", "GATE_SLOW_MS", "GATE_QUALITY")}
    assert gate == {"SLO_AVAILABILITY": "99.9", "GATE_SLOW_MS": "150", "GATE_QUALITY": "required"}
    assert (
        settings.load(LoopSettings, {**told, "STAGECRAFT_GATE_ALARMS": "[]"}).terms.quality_tolerance == 0.01
    )
    reads = [each for each in _policy(recording, "it-steps-policy") if each["Action"] == ["s3:GetObject"]]
    assert [each["Resource"] for each in reads] == [["arn:aws:s3:::artifacts/gate/churn/*"]]
    uncounted = {key: value for key, value in example("ModelLoop").items() if key != "labels"}
    alone = run(lambda: components.ModelLoop("it", uncounted))
    assert not [each for each in _policy(alone, "it-steps-policy") if "s3:GetObject" in each["Action"]]
    told = alone.one("Function", "it-steps-function").inputs["environment"]["variables"]
    assert told["STAGECRAFT_GATE_QUALITY"] == "if-known"


def test_the_job_that_counts_writes_its_counts_and_nothing_else() -> None:
    recording = run(lambda: make("ModelLoop"))
    rights = json.loads(recording.one("Policy", "it-labels-rights").inputs["policy"])["Statement"]
    writes = [each["Resource"] for each in rights if "s3:PutObject" in each["Action"]]
    assert writes == [["arn:aws:s3:::artifacts/gate/churn/*"]]
    container = json.loads(recording.one("JobDefinition").inputs["containerProperties"])
    assert container["command"] == ["gate-labels"]
    machine_role = _policy(recording, "it-machine-policy")
    (submits,) = (each for each in machine_role if each["Action"] == ["batch:SubmitJob"])
    assert any("it-labels-job" in arn for arn in submits["Resource"])
