"""The loop's state machine as a graph, whatever is declared; and what its parts may do."""

import json
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

import components
from components.model_loop_states import LoopParts, LoopPlan, definition
from platform_jobs.loop import steps
from platform_jobs.loop.rollout import name_base
from tests.components.examples import example, make
from tests.components.recording import run

PARTS = LoopParts(
    steps="arn:steps",
    topic="arn:topic",
    jobs={job: (f"arn:{job}", "arn:queue") for job in ("quality", "materialise", "train")},
)
RISING = st.sets(st.integers(1, 99), max_size=4).map(lambda below: [*sorted(below), 100])
PLANS = st.builds(
    LoopPlan,
    model=st.just("churn"),
    views=st.lists(st.sampled_from(["activity", "orders", "visits"]), min_size=1, unique=True),
    human=st.booleans(),
    canary_percent=RISING,
    bake_seconds=st.integers(60, 3600),
    review_seconds=st.integers(3600, 86400 * 364),
)


def machine(plan: LoopPlan) -> dict[str, Any]:
    """The definition, read back."""
    read: dict[str, Any] = json.loads(definition(plan, PARTS))
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


@given(PLANS)
def test_traffic_follows_the_declared_steps_and_each_is_judged(plan: LoopPlan) -> None:
    states = machine(plan)["States"]
    name, shares = states["Is there an endpoint?"]["Choices"][0]["Next"], []
    while name != "Point at it":
        shares.append(states[name]["Parameters"]["Payload"]["percent"])
        for kind in ("Task", "Task", "Wait", "Task"):
            assert states[name]["Type"] == kind
            # Whatever goes wrong while the version has traffic leads back.
            assert all(each["Next"] == "Name the cause" for each in states[name].get("Catch", []))
            name = states[name]["Next"]
        assert states[name]["Default"] == "Roll back"
        (name,) = (each["Next"] for each in states[name]["Choices"])
    assert shares == list(plan.canary_percent)


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
                review_days=400,
                topic_arn="arn:t",
            )
        )
    for path in ("model", "views", "approval", "canaryPercent", "bakeMinutes", "reviewDays", "emails"):
        assert f"  {path}: " in str(caught.value)
