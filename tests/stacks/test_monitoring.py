"""What a stack is watched for, from its models' declarations."""

import json
from typing import Any

import pytest

from policies.testing import PackUnderTest
from pricing import estimate
from stacks.settings import problems_of
from tests.components.recording import Recording
from tests.stacks.files import stack_file
from tests.stacks.test_program import deploy

ALL = {"monitors": True, "slo-alarms": True, "dashboards": True, "unit-costs": True}
RULES = {"G6", "R3", "R4", "R5", "R13", "R14", "S29", "C10"}


def watched(stack: str, **serving: Any) -> dict[str, Any]:
    raw = stack_file(stack)
    raw["stagecraft:capabilities"] = dict(ALL)
    raw["stagecraft:models"][1]["serving"] |= serving
    return raw


@pytest.fixture(scope="module")
def prod() -> Recording:
    raw = watched("prod", mode="realtime", instanceType="ml.g5.xlarge", minReplicas=2, maxReplicas=5)
    raw["stagecraft:models"][1]["monitor"] |= {
        "business": [{"metric": "conversionRate", "floor": 0.1}],
        "unitCost": {"maxUsdPerThousand": 0.5},
    }
    raw["stagecraft:featureViews"][0]["watch"] = {"maxAgeHours": 24}
    return deploy("prod", live=True, raw=raw)


def test_nothing_is_watched_where_nothing_of_it_is_on():
    recording = deploy("local", live=True)
    assert not recording.of("MetricAlarm")
    assert recording.outputs["topics"]["pages"] == "none"


def test_the_declaration_says_it_all(prod):
    alarms = {each.name.removeprefix("monitoring-"): each.inputs for each in prod.of("MetricAlarm")}
    assert alarms["churn-drift"]["threshold"] == 0.2
    assert alarms["churn-bias"]["dimensions"]["Attribute"] == "age_band"
    assert alarms["churn-conversionrate"]["threshold"] == 0.1
    assert alarms["churn-unit-cost"]["threshold"] == 0.5
    assert alarms["screening-unit-cost"]["thresholdMetricId"] == "judged"
    assert alarms["screening-accuracy"]["dimensions"] == {
        "Stack": "prod",
        "Model": "screening",
        "Measure": "auc",
    }
    assert alarms["cell-measurements-stale"]["threshold"] == 24 * 3600
    assert alarms["customer-activity-stale"]["threshold"] == 48 * 3600


def test_an_instance_s_cores_and_gpus_are_known(prod):
    alarms = {each.name.removeprefix("monitoring-"): each.inputs for each in prod.of("MetricAlarm")}
    assert alarms["churn-cpu"]["threshold"] == 85 * 4
    assert alarms["churn-gpu"]["threshold"] == 90
    assert "screening-gpu" not in alarms


def test_machines_follow_requests_within_what_is_declared(prod):
    (target,) = prod.of("Target")
    assert (target.inputs["minCapacity"], target.inputs["maxCapacity"]) == (2, 5)
    assert not prod.of("ScheduledAction"), "production never rests"


def test_outside_production_machines_rest():
    recording = deploy("dev", live=True, raw=watched("dev", mode="realtime", instanceType="ml.m6i.large"))
    assert {each.name for each in recording.of("ScheduledAction")} == {
        "endpoint-churn-quiet",
        "endpoint-churn-busy",
    }


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_rules_of_stabilise_on_what_is_watched_hold(prod, stack):
    recording = prod
    if stack == "dev":
        raw = watched("dev", mode="realtime", instanceType="ml.m6i.large")
        recording = deploy("dev", live=True, raw=raw)
    with PackUnderTest("cost", "governance", "security", "reliability") as packs:
        verdict = packs.judge(recording.judged(), environment=stack, stage="stabilise")
    said = [*verdict.violations, *verdict.cannot_judge]
    assert not [item for item in said if item.id in RULES]


def test_what_is_watched_costs_little_while_idle():
    """Alarms bill by the month: within the aim of `stabilise`, with room for the rest of it."""
    recording = deploy("prod", live=True, raw=watched("prod"))
    assert estimate(recording.judged(), region="us-east-1").idle < 30


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"slo": None}, "stagecraft:models[1].slo"),
        ({"monitor": {"accuracy": {"metric": "f1", "floor": 0.8}}}, "stagecraft:models[1].monitor.drift"),
        ({"monitor": {"drift": {"threshold": 0.2}}}, "stagecraft:models[1].monitor.accuracy"),
    ],
)
def test_what_is_watched_must_be_declared(change, path):
    raw = watched("prod")
    raw["stagecraft:models"][1] |= change
    if change.get("slo", ...) is None:
        del raw["stagecraft:models"][1]["slo"]
    (problem,) = problems_of(raw)
    assert (problem.path, problem.value) == (path, None)
    assert "is required where" in problem.remedy


@pytest.mark.parametrize(
    ("monitor", "path", "says"),
    [
        ({"business": [{"metric": "clicks"}]}, "business[0].metric", "must be one of"),
        ({"business": [{"metric": "returnOnCost"}] * 2}, "business[1].metric", "twice"),
        ({"unitCost": {"maxUsdPerThousand": 0}}, "unitCost.maxUsdPerThousand", "more than 0"),
        ({"calibration": {"maxError": 2}}, "calibration.maxError", "at most 1"),
        ({"drift": {"threshold": 2}}, "drift.threshold", "at most 1"),
        ({"accuracy": {"metric": "f2", "floor": 0.5}}, "accuracy.metric", "f1"),
        ({"bais": {}}, "bais", "did you mean 'bias'"),
        ({"business": [{"metric": "retentionRate", "floor": 80}]}, "business[0].floor", "from 0 to 1"),
        ({"accuracy": {"metric": "rmse", "floor": 3}}, "accuracy.metric", "not measured of a binary model"),
    ],
)
def test_a_bad_declaration_is_told_where_and_how(monitor, path, says):
    raw = stack_file("prod")
    raw["stagecraft:models"][0]["monitor"] |= monitor
    (problem,) = problems_of(raw)
    assert problem.path == f"stagecraft:models[0].monitor.{path}"
    assert says in problem.remedy


def test_what_is_measured_of_classes_is_not_asked_of_amounts():
    raw = stack_file("prod")
    raw["stagecraft:models"][1]["task"] = "regression"
    raw["stagecraft:models"][1]["monitor"]["calibration"] = {"maxError": 0.1}
    monitor = "stagecraft:models[1].monitor"
    assert [problem.path for problem in problems_of(raw)] == [
        f"{monitor}.accuracy.metric",
        f"{monitor}.bias",
        f"{monitor}.calibration",
    ]


def test_every_mistake_is_told_at_once_wherever_it_stands():
    raw = stack_file("prod")
    screening, churn = raw["stagecraft:models"]
    screening["monitor"] = {
        "drift": {"threshold": 2},
        "accuracy": {"metric": "aucc", "floor": 0.9},
        "business": [{"metric": "clicks"}, {"metric": "returnOnCost", "floor": "lots"}],
    }
    screening["release"] = {"canaryPercent": [50, 10, 100], "bakeMinutes": 0}
    churn["slo"] = {"availability": 999, "latencyP95Ms": 0}
    churn["monitor"] |= {
        "accuracy": {"metric": "f1", "floor": 80},
        "bias": {"attribute": "age_bnad", "maxDisparity": 0.1},
    }
    churn["serving"] = {"mode": "realtime", "minReplicas": 5, "maxReplicas": 2}
    raw["stagecraft:featureViews"][1]["watch"] = {"minRowRatio": 3}
    assert {problem.path.removeprefix("stagecraft:") for problem in problems_of(raw)} == {
        "featureViews[1].watch.minRowRatio",
        "models[0].monitor.accuracy.metric",
        "models[0].monitor.business[0].metric",
        "models[0].monitor.business[1].floor",
        "models[0].monitor.drift.threshold",
        "models[0].release.bakeMinutes",
        "models[0].release.canaryPercent",
        "models[1].monitor.accuracy.floor",
        "models[1].serving.maxReplicas",
        "models[1].slo.availability",
        "models[1].slo.latencyP95Ms",
    }


@pytest.mark.parametrize("place", ["javascript:alert", "http://plain.example.com", "../runbooks", ""])
def test_runbooks_are_at_an_address_or_in_a_folder(place):
    raw = {**stack_file("prod"), "stagecraft:runbooksUrl": place}
    (problem,) = problems_of(raw)
    assert problem.path == "stagecraft:runbooksUrl"
    assert "https:// address" in problem.remedy


def test_enough_feedback_starts_the_loop_as_worse_answers_do():
    raw = watched("dev")
    raw["stagecraft:capabilities"] |= {"retraining": True}
    raw["stagecraft:models"][0]["training"]["feedbackRows"] = 5000
    recording = deploy("dev", live=True, raw=raw)
    name = raw["stagecraft:models"][0]["name"]
    alarm = recording.one("MetricAlarm", f"monitoring-{name}-feedback").inputs
    assert (alarm["metricName"], alarm["threshold"]) == ("NewLabels", 5000)
    assert alarm["comparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert "alarmActions" not in alarm  # it is no trouble
    pattern = json.loads(recording.one("EventRule", f"loop-{name}-retrain-alarms").inputs["eventPattern"])
    told = pattern["detail"]["alarmName"]
    assert len(told) == 2
    assert any("feedback" in each for each in told)
    others = [each.name for each in recording.of("MetricAlarm") if each.name.endswith("-feedback")]
    assert others == [f"monitoring-{name}-feedback"]


def test_feedback_that_nobody_counts_is_refused():
    raw = stack_file("dev")
    raw["stagecraft:capabilities"] = {"retraining": True}
    raw["stagecraft:models"][0]["training"]["feedbackRows"] = 5000
    (problem,) = problems_of(raw)
    assert problem.path == "stagecraft:models[0].training.feedbackRows"
    assert "switch on monitors" in problem.remedy
