"""Monitoring: one outage tells once, and what it tells can be acted on."""

import json

import pulumi
import pytest

from components import Monitoring
from tests.components.examples import make, watched
from tests.components.recording import run
from twin.aws import alarm_rule


@pytest.fixture(scope="module")
def recording():
    return run(lambda: make("Monitoring"))


def alarms(recording, *kinds):
    return {each.name.removeprefix("it-"): each.inputs for kind in kinds for each in recording.of(kind)}


def test_a_promise_becomes_six_alarms_over_the_workbooks_windows(recording):
    metric = alarms(recording, "MetricAlarm")
    burn = {name: each for name, each in metric.items() if name.startswith("churn-availability-")}
    assert {name: (each["threshold"], query_period(each)) for name, each in burn.items()} == {
        "churn-availability-fast-long": (14.4, 3_600),
        "churn-availability-fast-short": (14.4, 300),
        "churn-availability-steady-long": (6, 21_600),
        "churn-availability-steady-short": (6, 1_800),
        "churn-availability-slow-long": (1, 259_200),
        "churn-availability-slow-short": (1, 21_600),
    }
    long = judged(burn["churn-availability-fast-long"])
    assert long == "IF((FILL(errors, 0)) >= 3, (FILL(errors, 0)) / calls / 0.001, 0)"


def test_a_latency_promise_counts_the_answers_above_it(recording):
    alarm = alarms(recording, "MetricAlarm")["churn-latency-fast-long"]
    stats = {query["id"]: query["metric"]["stat"] for query in alarm["metricQueries"] if "metric" in query}
    assert stats == {"share": "PR(300000:)", "calls": "SampleCount"}


def test_behind_the_gateway_promises_are_judged_where_callers_stand(recording):
    alarm = alarms(recording, "MetricAlarm")["ranking-availability-fast-long"]
    names = {query["metric"]["metricName"] for query in alarm["metricQueries"] if "metric" in query}
    assert names == {"Errors", "Requests"}
    assert "ranking-degraded" in alarms(recording, "MetricAlarm")


def test_what_is_part_of_an_outage_tells_nobody_by_itself(recording):
    metric, composite = alarms(recording, "MetricAlarm"), alarms(recording, "CompositeAlarm")
    parts = {
        name.removeprefix("it-")
        for each in composite.values()
        for name in alarm_rule.mentioned(each["alarmRule"])
    }
    assert parts
    for name, each in metric.items():
        # Enough feedback starts the loop, and is nobody's ticket.
        alone = name not in parts and not name.endswith("-feedback")
        assert bool(each.get("alarmActions")) is alone, name
        assert each["actionsEnabled"] is True


def test_pages_and_tickets_go_to_topics_of_their_own(recording):
    composite = alarms(recording, "CompositeAlarm")
    topic = {name: each["alarmActions"][0].rpartition(":")[2] for name, each in composite.items()}
    assert topic == {
        "outage": "it-pages",
        "data-quality": "it-tickets",
        "churn-outage": "it-pages",
        "churn-slow-burn": "it-tickets",
        "churn-quality": "it-tickets",
        "ranking-outage": "it-pages",
        "ranking-slow-burn": "it-tickets",
        "ranking-quality": "it-tickets",
    }


def test_the_wider_trouble_speaks_for_the_narrower(recording):
    composite = alarms(recording, "CompositeAlarm")
    spoken_for = {
        name: each["actionsSuppressor"]["alarm"].removeprefix("stagecraft-test-it-")
        for name, each in composite.items()
        if "actionsSuppressor" in each
    }
    assert spoken_for == {
        "churn-outage": "outage",
        "churn-slow-burn": "churn-outage",
        "churn-quality": "data-quality",
        "ranking-outage": "outage",
        "ranking-slow-burn": "ranking-outage",
        "ranking-quality": "data-quality",
    }


@pytest.mark.parametrize(
    ("on", "pages", "tickets"),
    [
        ({"churn-availability-fast-long"}, set(), set()),
        ({"churn-availability-fast-long", "churn-availability-fast-short"}, {"churn-outage"}, set()),
        ({"churn-latency-steady-long", "churn-availability-steady-short"}, set(), set()),
        ({"churn-latency-steady-long", "churn-latency-steady-short"}, {"churn-outage"}, set()),
        ({"churn-latency-slow-long", "churn-latency-slow-short"}, set(), {"churn-slow-burn"}),
        ({"churn-drift"}, set(), {"churn-quality"}),
        ({"churn-drift", "churn-accuracy", "churn-bias"}, set(), {"churn-quality"}),
        ({"activity-stale", "churn-drift", "churn-prediction-drift"}, set(), {"data-quality"}),
        (
            {
                f"{model}-{promise}-{window}-{span}"
                for model in ("churn", "ranking")
                for promise in ("availability", "latency")
                for window in ("fast", "steady", "slow")
                for span in ("long", "short")
            },
            {"outage"},
            set(),
        ),
    ],
)
def test_one_outage_tells_once(recording, on, pages, tickets):
    """All rules together: who is told when these alarms are on, suppression included."""
    composite = alarms(recording, "CompositeAlarm")
    states = {f"it-{name}": "ALARM" for name in on}
    told = {}
    for each in composite.values():
        is_on = alarm_rule.parse(each["alarmRule"])(lambda part: states.get(part, "OK"))
        states[each["alarmName"]] = "ALARM" if is_on else "OK"
    for name, each in composite.items():
        suppressor = each.get("actionsSuppressor", {}).get("alarm")
        if states[each["alarmName"]] == "ALARM" and states.get(suppressor) != "ALARM":
            told.setdefault(each["alarmActions"][0].rpartition("-")[2], set()).add(name)
    assert told.get("pages", set()) == pages
    assert told.get("tickets", set()) == tickets


def test_whoever_was_woken_hears_when_it_is_over(recording):
    for name, each in alarms(recording, "CompositeAlarm").items():
        assert bool(each.get("okActions")) is name.endswith("outage"), name


def test_without_a_promise_plain_limits_are_watched_instead(recording):
    names = set(alarms(recording, "MetricAlarm"))
    assert {"plain-errors", "plain-latency"} <= names
    assert not {"churn-errors", "churn-latency"} & names


def test_the_long_tail_is_held_against_its_own_past(recording):
    alarm = alarms(recording, "MetricAlarm")["churn-traffic"]
    assert alarm["thresholdMetricId"] == "judged"
    assert "threshold" not in alarm
    assert judged(alarm) == "ANOMALY_DETECTION_BAND(calls, 4)"
    assert alarm["comparisonOperator"] == "LessThanLowerOrGreaterThanUpperThreshold"


@pytest.mark.parametrize(("metric", "operator"), [("f1", "LessThan"), ("rmse", "GreaterThan")])
def test_of_errors_less_is_better(metric, operator):
    model = watched(accuracy={"metric": metric, "limit": 0.5})
    found = alarms(run(lambda: make("Monitoring", models=[model])), "MetricAlarm")["churn-accuracy"]
    assert found["comparisonOperator"] == f"{operator}Threshold"
    assert found["dimensions"] == {"Stack": "test", "Model": "churn", "Measure": metric}


def test_monitors_that_fall_silent_are_heard_of(recording):
    alarm = alarms(recording, "MetricAlarm")["churn-silent"]
    assert (alarm["treatMissingData"], alarm["statistic"]) == ("missing", "SampleCount")
    assert alarm["insufficientDataActions"] == alarm["alarmActions"]
    others = [each for name, each in alarms(recording, "MetricAlarm").items() if "silent" not in name]
    assert not any(each.get("insufficientDataActions") for each in others)
    resting = run(lambda: make("Monitoring", models=[watched(live=False)]))
    assert "churn-silent" not in alarms(resting, "MetricAlarm")


def test_one_model_has_no_outage_of_the_stack():
    composite = alarms(run(lambda: make("Monitoring", models=[watched()])), "CompositeAlarm")
    assert "outage" not in composite
    assert "actionsSuppressor" not in composite["churn-outage"]


def test_a_dashboard_of_the_stack_and_one_of_each_model_twice_from_one_description(recording):
    pages = {each.name: each.inputs for each in recording.of("Dashboard")}
    files = {each.inputs["key"]: each.inputs for each in recording.of("BucketObjectv2")}
    assert set(pages) == {"it-stack", "it-churn", "it-ranking", "it-plain"}
    assert set(files) == {f"dashboards/{name.removeprefix('it-')}.json" for name in pages}
    for name, page in pages.items():
        widgets = json.loads(page["dashboardBody"])["widgets"]
        model = json.loads(files[f"dashboards/{name.removeprefix('it-')}.json"]["content"])
        titles = [each["properties"]["title"] for each in widgets if each["type"] == "metric"]
        assert titles == [each["title"] for each in model["panels"] if each["type"] == "timeseries"]
        assert shown_by_cloudwatch(widgets) == shown_by_grafana(model["panels"])
        assert all(each["x"] >= 0 and each["x"] + each["width"] <= 24 for each in widgets)


def shown_by_cloudwatch(widgets):
    found = []
    for widget in widgets:
        for line in widget["properties"].get("metrics", []):
            if not isinstance(line[0], dict):
                namespace, name, *dimensions, shown = line
                pairs = dict(zip(dimensions[::2], dimensions[1::2], strict=True))
                found.append((namespace, name, pairs, shown["stat"]))
    return found


def shown_by_grafana(panels):
    return [
        (each["namespace"], each["metricName"], each["dimensions"], each["statistic"])
        for panel in panels
        for each in panel.get("targets", [])
        if "namespace" in each
    ]


def test_dashboards_can_be_left_out():
    without = run(lambda: make("Monitoring", dashboards=False))
    assert not without.of("Dashboard")
    assert without.outputs["dashboard_names"] == {}


def test_jobs_may_emit_the_platforms_metrics_and_no_others(recording):
    (statement,) = json.loads(recording.one("Policy", "it-emit").inputs["policy"])["Statement"]
    assert statement["Action"] == ["cloudwatch:PutMetricData"]
    assert statement["Condition"] == {"StringEquals": {"cloudwatch:namespace": "Stagecraft"}}


def test_alarms_are_found_by_name_from_outside(recording):
    names = recording.outputs["alarm_names"]
    assert names["churn-drift"] == "it-churn-drift"
    assert names["churn-outage"] == "stagecraft-test-it-churn-outage"
    assert len(names) == len(recording.of("MetricAlarm")) + len(recording.of("CompositeAlarm"))


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"slo": {"availability": 89.0}}, "models[0].slo.availability"),
        ({"slo": {"availability": 99.0, "latency_p95_ms": 0}}, "models[0].slo.latencyP95Ms"),
        ({"drift_threshold": 1.5}, "models[0].driftThreshold"),
        ({"accuracy": {"metric": "f2", "limit": 0.5}}, "models[0].accuracy.metric"),
        ({"accuracy": {"metric": "auc", "limit": 80}}, "models[0].accuracy.limit"),
        ({"bias": {"attribute": "age_band", "max_disparity": 2}}, "models[0].bias.maxDisparity"),
        ({"business": [{"metric": "clicks"}]}, "models[0].business[0].metric"),
        ({"unit_cost": {"max_usd_per_thousand": -1}}, "models[0].unitCost.maxUsdPerThousand"),
        ({"name": "My Model"}, "models[0].name"),
        ({"colour": "red"}, "models[0].colour"),
    ],
)
def test_what_cannot_be_watched_is_refused(changes, path):
    with pytest.raises(pulumi.InputPropertiesError) as raised:
        run(lambda: make("Monitoring", models=[watched(**changes)]))
    assert [each["property_path"] for each in raised.value.errors] == [path]


def test_every_problem_is_told_at_once():
    args = {
        "models": [watched(drift_threshold=2), watched(accuracy={"metric": "x", "limit": 1})],
        "views": [{"name": "a", "min_row_ratio": 7}],
    }
    with pytest.raises(pulumi.InputPropertiesError) as raised:
        run(lambda: Monitoring("it", args))
    assert [each["property_path"] for each in raised.value.errors] == [
        "models[1]",
        "models[0].driftThreshold",
        "models[1].accuracy.metric",
        "views[0].minRowRatio",
    ]


def judged(alarm):
    return next(query["expression"] for query in alarm["metricQueries"] if query["id"] == "judged")


def query_period(alarm):
    (period,) = {query["metric"]["period"] for query in alarm["metricQueries"] if "metric" in query}
    return period
