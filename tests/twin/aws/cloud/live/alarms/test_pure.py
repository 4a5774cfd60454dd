"""Statistics, metric math, missing data, suppression: each against what CloudWatch documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.aws.cloud.live.alarms import metric_math
from twin.aws.cloud.live.alarms.judging import ALARM, INSUFFICIENT, OK, Limits, judge
from twin.aws.cloud.live.alarms.points import Point, UnknownStatisticError, statistic, within
from twin.aws.cloud.live.alarms.suppression import Suppression, due

VALUES = [Point(0, (1.0, 2.0)), Point(1, (3.0, 4.0))]
SUMS = [Point(0, (), count=10, total=2, least=0, most=1)]


@pytest.mark.parametrize(
    ("points", "stat", "value"),
    [
        (VALUES, "Sum", 10),
        (VALUES, "Average", 2.5),
        (VALUES, "SampleCount", 4),
        (VALUES, "Minimum", 1),
        (VALUES, "Maximum", 4),
        (VALUES, "p50", 2.5),
        (VALUES, "p100", 4),
        (VALUES, "PR(2:)", 50),
        (VALUES, "PR(:2)", 50),
        (VALUES, "PR(1:3)", 50),
        (SUMS, "Sum", 2),
        (SUMS, "Average", 0.2),
        (SUMS, "SampleCount", 10),
        (SUMS, "Maximum", 1),
        (SUMS, "p95", None),
        ([], "Sum", None),
    ],
)
def test_statistics(points, stat, value):
    assert statistic(points, stat) == value


def test_a_statistic_that_is_not_computed_is_named():
    with pytest.raises(UnknownStatisticError, match="tm90"):
        statistic(VALUES, "tm90")


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(-1e6, 1e6))
def test_a_percentile_rank_and_its_rest_make_a_hundred(values, limit):
    points = [Point(0, tuple(values))]
    assert statistic(points, f"PR({limit:.17f}:)") + statistic(points, f"PR(:{limit:.17f})") == pytest.approx(
        100
    )


def test_a_period_has_its_start_and_not_its_end():
    points = [Point(at, (1.0,)) for at in (0, 59, 60)]
    assert [point.at for point in within(points, 0, 60)] == [0, 59]


@pytest.mark.parametrize(
    ("expression", "values", "value"),
    [
        ("a / b", {"a": 1.0, "b": 4.0}, 0.25),
        ("a / b", {"a": 1.0, "b": 0.0}, None),
        ("a + b", {"a": 1.0, "b": None}, None),
        ("FILL(a, 0) + b", {"a": None, "b": 2.0}, 2),
        ("FILL(a, 0)", {"a": None}, None),
        ("IF(a > 2, a, 0)", {"a": 3.0}, 3),
        ("IF(a > 2, a, 0)", {"a": 1.0}, 0),
        ("IF(a > 2, a)", {"a": 1.0}, None),
        ("IF(a > 2 && b < 1, 1, 0)", {"a": 3.0, "b": 0.0}, 1),
        ("IF(a > 2 OR b < 1, 1, 0)", {"a": 1.0, "b": 5.0}, 0),
        ("IF((FILL(a, 0)) >= 3, (FILL(a, 0)) / b / 0.001, 0)", {"a": 5.0, "b": 100.0}, 50),
        ("IF((FILL(a, 0)) >= 3, (FILL(a, 0)) / b / 0.001, 0)", {"a": None, "b": 100.0}, 0),
        ("-a ^ 2", {"a": 3.0}, -9),
        ("ABS(-a)", {"a": 3.0}, 3),
    ],
)
def test_metric_math(expression, values, value):
    found = metric_math.parse(expression)(values)
    assert found == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize("text", ["RATE(a)", "a.b", "__import__('os')", "a if b else c", "a +", "[a]"])
def test_what_is_not_computed_is_refused_and_never_run(text):
    with pytest.raises(metric_math.ExpressionError):
        metric_math.parse(text)({"a": 1.0, "b": 1.0, "c": 1.0})


def test_bands():
    assert metric_math.band("ANOMALY_DETECTION_BAND(calls, 3)") == ("calls", 3)
    assert metric_math.band("ANOMALY_DETECTION_BAND(m1)") == ("m1", 2)
    assert metric_math.band("a + b") is None


def limits(missing="missing", periods=3, points=2):
    return Limits("GreaterThanThreshold", 10, periods, points, missing)


NO = None


@pytest.mark.parametrize(
    ("values", "missing", "current", "state"),
    [
        ([11, 11, 1, NO, NO], "missing", OK, ALARM),
        ([11, 1, 1, NO, NO], "missing", ALARM, OK),
        ([NO] * 5, "missing", ALARM, INSUFFICIENT),
        ([NO] * 5, "ignore", ALARM, ALARM),
        ([NO] * 5, "ignore", OK, OK),
        ([NO] * 5, "breaching", OK, ALARM),
        ([NO] * 5, "notBreaching", ALARM, OK),
        ([11, NO, NO, NO, NO], "breaching", OK, ALARM),
        ([11, NO, NO, NO, NO], "notBreaching", OK, OK),
        ([11, NO, NO, 11, 1], "notBreaching", OK, ALARM),
        ([1, 1, 1, 11, 11], "missing", OK, OK),
    ],
)
def test_missing_data_is_treated_as_the_alarm_says(values, missing, current, state):
    found, reason = judge(limits(missing), values, current)
    assert found == state
    assert "datapoints" in reason


@pytest.mark.parametrize(
    ("comparison", "value", "state"),
    [
        ("GreaterThanOrEqualToThreshold", 10, ALARM),
        ("GreaterThanThreshold", 10, OK),
        ("LessThanThreshold", 9, ALARM),
        ("LessThanOrEqualToThreshold", 10, ALARM),
    ],
)
def test_comparisons(comparison, value, state):
    assert judge(Limits(comparison, 10, 1, 1), [value, NO, NO], OK)[0] == state


@pytest.mark.parametrize(
    ("comparison", "value", "state"),
    [
        ("LessThanLowerOrGreaterThanUpperThreshold", 3, OK),
        ("LessThanLowerOrGreaterThanUpperThreshold", 6, ALARM),
        ("LessThanLowerOrGreaterThanUpperThreshold", 0, ALARM),
        ("GreaterThanUpperThreshold", 0, OK),
        ("LessThanLowerThreshold", 0, ALARM),
    ],
)
def test_a_band_is_what_is_usual(comparison, value, state):
    found, _ = judge(Limits(comparison, None, 1, 1), [value], OK, [(1.0, 5.0)])
    assert found == state


def test_without_a_past_nothing_is_unusual():
    found, _ = judge(Limits("GreaterThanUpperThreshold", None, 1, 1, "notBreaching"), [99], OK, [None])
    assert found == OK


def steps(waiting, *moments):
    return [
        due(waiting, suppressor_on=on, now=now, wait_seconds=120, extension_seconds=300)
        for now, on in moments
    ]


def test_actions_wait_for_the_suppressor_and_then_are_carried_out():
    assert steps(Suppression(ALARM, 0), (0, False), (119, False), (120, False)) == [False, False, True]


def test_actions_are_held_back_while_the_suppressor_is_on_and_a_while_after():
    waiting = Suppression(ALARM, 0)
    moments = [(60, True), (500, True), (600, False), (899, False), (900, False)]
    assert steps(waiting, *moments) == [False, False, False, False, True]
