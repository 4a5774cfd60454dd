"""Burn rates: what is noticed, how soon, and what of the budget is gone by then."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.watch.slo import (
    MINIMUM_BAD,
    PERIOD_MINUTES,
    WINDOWS,
    Objective,
    burn_rate,
    fires,
    long_expression,
    minutes_to_fire,
    short_expression,
)

OBJECTIVES = st.floats(90, 99.999).map(lambda percent: Objective("availability", round(percent, 3)))
WINDOW = st.sampled_from(WINDOWS)
BUSY = 10_000_000
"""Requests a minute at which counts are as good as shares."""


def counts(minutes: int, share: float, requests: float = BUSY) -> tuple[float, float]:
    return share * requests * minutes, requests * minutes


def constant(objective: Objective, window, share: float, requests: float = BUSY) -> bool:
    long, short = (counts(each, share, requests) for each in (window.long_minutes, window.short_minutes))
    return fires(objective, window, long=long, short=short)


def test_the_windows_are_the_workbooks():
    assert [(each.factor, each.long_minutes, each.short_minutes) for each in WINDOWS] == [
        (14.4, 60, 5),
        (6, 360, 30),
        (1, 4320, 360),
    ]
    assert [round(each.spent, 3) for each in WINDOWS] == [0.02, 0.05, 0.1]
    assert [each.pages for each in WINDOWS] == [True, True, False]


@given(OBJECTIVES, WINDOW, st.floats(0.01, 3))
def test_a_constant_burn_fires_exactly_above_its_factor(objective, window, of_factor):
    share = of_factor * objective.factor(window) * objective.budget
    if share <= 1 and abs(of_factor - 1) > 1e-6:
        assert constant(objective, window, share) is (of_factor > 1)


@given(OBJECTIVES, WINDOW, st.floats(1.01, 60))
def test_what_is_spent_when_it_fires_depends_on_the_window_only(objective, window, of_factor):
    share = min(1.0, of_factor * objective.factor(window) * objective.budget)
    minutes = minutes_to_fire(objective, window, share)
    assert minutes is not None
    assert minutes <= window.long_minutes
    spent = burn_rate(share, 1, objective.budget) * minutes / PERIOD_MINUTES
    assert spent == pytest.approx(objective.factor(window) * window.long_minutes / PERIOD_MINUTES)
    if objective.factor(window) == window.factor:
        assert spent == pytest.approx(window.spent)


@given(OBJECTIVES, WINDOW, st.integers(1, 100), st.floats(0.001, 1))
def test_the_time_to_fire_is_when_the_counts_first_say_so(objective, window, tenths, share):
    """Minute by minute after none: the closed form against the counts themselves."""
    minutes = minutes_to_fire(objective, window, share)
    if minutes is None:
        assert not constant(objective, window, share)
        return
    elapsed = minutes * (0.9 + tenths / 500)
    if abs(elapsed - minutes) < 1e-3:
        return
    bad_long = share * BUSY * min(elapsed, window.long_minutes)
    bad_short = share * BUSY * min(elapsed, window.short_minutes)
    long, short = (bad_long, BUSY * window.long_minutes), (bad_short, BUSY * window.short_minutes)
    noticed = burn_rate(*long, objective.budget) > objective.factor(window)
    assert noticed is (elapsed > minutes)
    assert fires(objective, window, long=long, short=short) is (
        noticed and burn_rate(*short, objective.budget) > objective.factor(window)
    )


@given(OBJECTIVES, WINDOW, st.integers(1, MINIMUM_BAD - 1), st.integers(1, 10**9))
def test_few_failures_wake_nobody_at_any_traffic(objective, window, bad, total):
    total = max(bad, total)
    assert not fires(objective, window, long=(bad, total), short=(bad, total))


@given(OBJECTIVES, WINDOW)
def test_a_total_outage_always_fires(objective, window):
    assert constant(objective, window, 1.0)


@given(OBJECTIVES, WINDOW)
def test_it_lets_go_once_the_short_window_is_clean(objective, window):
    long, short = counts(window.long_minutes, 1.0), counts(window.short_minutes, 0.0)
    assert not fires(objective, window, long=long, short=short)


@given(OBJECTIVES)
def test_a_budget_kept_for_thirty_days_never_fires(objective):
    for window in WINDOWS:
        assert not constant(objective, window, objective.budget * 0.999)


def test_no_requests_burn_nothing():
    assert burn_rate(0, 0, 0.001) == 0
    assert not fires(Objective("availability", 99.9), WINDOWS[0], long=(0, 0), short=(0, 0))


def cloudwatch(expression: str, **values: float) -> float:
    """Our two expressions, by Python's rules: `IF(a, b, c)` evaluates lazily as CloudWatch's does."""
    condition, yes, no = re.fullmatch(r"IF\((.+?), (.+), (.+)\)", expression).groups()
    chosen = yes if eval(condition, {}, values) else no  # noqa: S307  # our own text
    return float(eval(chosen, {}, values))  # noqa: S307


@given(OBJECTIVES, WINDOW, st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 100_000))
def test_what_cloudwatch_computes_is_what_python_says(objective, window, bad, more, good):
    short, long = (bad, bad + good), (bad + more, bad + more + good)
    factor = objective.factor(window)
    text_long = long_expression(objective, bad="bad", total="total")
    text_short = short_expression(objective, bad="bad", total="total")
    on = (
        cloudwatch(text_long, bad=long[0], total=long[1]) > factor
        and cloudwatch(text_short, bad=short[0], total=short[1]) > factor
    )
    assert on is fires(objective, window, long=long, short=short)
