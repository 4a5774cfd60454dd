"""Promises: the budget, the burn, and what is never taken for good."""

import pytest

from cli.overview.promises import NotCountedError, promises_of
from components.watch.endpoint import Served
from components.watch.metrics import INVOCATIONS, MODEL_LATENCY, SERVER_ERRORS

SERVED = Served(
    stack="local",
    model="churn",
    endpoint="e",
    variant="v",
    serverless=True,
    availability=99.0,
    latency_p95_ms=300,
)


def told(errors: float | None, calls: float | None, slow_percent: float | None = 0.0):
    def read(series, _minutes):
        known = {
            (SERVER_ERRORS.name, "Sum"): errors,
            (INVOCATIONS.name, "Sum"): calls,
            (MODEL_LATENCY.name, "SampleCount"): calls,
            (MODEL_LATENCY.name, "PR(300000:)"): slow_percent,
        }
        return known[series.metric.name, series.statistic]

    return read


def test_a_budget_is_spent_by_what_was_bad():
    availability, latency = promises_of(SERVED, told(5.0, 1000.0, 10.0))
    assert (availability.says, availability.requests, availability.bad) == ("99 % answered", 1000.0, 5.0)
    assert availability.left == pytest.approx(0.5)
    assert availability.kept is True
    assert availability.good_percent == pytest.approx(99.5)
    assert [burn.rate for burn in availability.burns] == pytest.approx([0.5] * 3)
    assert (latency.says, latency.bad) == ("95 % within 300 ms", pytest.approx(100.0))
    assert latency.left == pytest.approx(-1.0)
    assert latency.kept is False


def test_a_window_fires_as_its_alarm_does():
    availability, _ = promises_of(SERVED, told(200.0, 1000.0))
    assert [(burn.window, burn.fires) for burn in availability.burns] == [
        ("fast", True),
        ("steady", True),
        ("slow", True),
    ]
    calm, _ = promises_of(SERVED, told(70.0, 1000.0))
    assert [burn.fires for burn in calm.burns] == [False, True, True]


def test_without_requests_nothing_is_kept_or_broken():
    for promise in promises_of(SERVED, told(None, None)):
        assert (promise.kept, promise.left, promise.good_percent) == (None, None, None)


def test_requests_without_a_count_of_bad_ones_are_not_taken_for_good():
    with pytest.raises(NotCountedError, match="slower than 300 ms: of 1000 requests"):
        promises_of(SERVED, told(0.0, 1000.0, None))


def test_no_errors_ever_put_means_none():
    availability, _ = promises_of(SERVED, told(None, 1000.0))
    assert (availability.bad, availability.kept) == (0.0, True)
