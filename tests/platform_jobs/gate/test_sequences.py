"""Intervals that may be looked at as often as one likes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_jobs.gate.sequences import Interval, rate

counts = st.integers(0, 5000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials)))
errors = st.sampled_from([0.001, 0.01, 0.05, 0.2])


@given(counts, errors)
def test_an_interval_holds_what_was_seen_and_lies_between_0_and_1(count: tuple[int, int], error: float):
    events, trials = count
    found = rate(events, trials, error)
    assert 0 <= found.low <= found.high <= 1
    if trials:
        assert found.low <= events / trials <= found.high


@given(counts, errors)
def test_it_is_as_right_for_what_happens_as_for_what_does_not(count: tuple[int, int], error: float):
    events, trials = count
    found, mirrored = rate(events, trials, error), rate(trials - events, trials, error)
    assert found.low == pytest.approx(1 - mirrored.high, abs=1e-9)
    assert found.high == pytest.approx(1 - mirrored.low, abs=1e-9)


@given(counts, errors)
def test_a_surer_one_is_wider_and_more_trials_make_it_narrower(count: tuple[int, int], error: float):
    events, trials = count
    found, surer = rate(events, trials, error), rate(events, trials, error / 10)
    assert surer.low <= found.low + 1e-12
    assert surer.high >= found.high - 1e-12
    if trials > 20:
        more = rate(events * 4, trials * 4, error)
        assert more.high - more.low < found.high - found.low


def test_known_answers():
    assert rate(0, 0, 0.05) == Interval(0.0, 1.0)
    none = rate(0, 10_000, 0.05)
    # Without an event the bound has a closed form: (1 - p)^n = error * B(1/2, n + 1/2) / B(1/2, 1/2).
    bound = math.log(0.05) + math.lgamma(10_000.5) - math.lgamma(10_001) - math.lgamma(0.5)
    assert none == Interval(0.0, pytest.approx(-math.expm1(bound / 10_000), rel=1e-6))
    some = rate(500, 10_000, 0.05)
    assert 0.041 < some.low < 0.043
    assert 0.058 < some.high < 0.060


@pytest.mark.parametrize("truth", [0.001, 0.05, 0.5])
def test_it_misses_the_truth_at_any_look_no_more_often_than_stated(truth: float):
    rng = np.random.default_rng(20261129)
    runs, looks, each, error = 150, 30, 400, 0.1
    happened = rng.binomial(each, truth, size=(runs, looks)).cumsum(axis=1)
    missed = 0
    for run in happened:
        intervals = [rate(int(events), (look + 1) * each, error) for look, events in enumerate(run)]
        missed += any(not found.low <= truth <= found.high for found in intervals)
    assert missed / runs <= error


def test_what_cannot_be_is_refused():
    for events, trials in ((-1, 3), (4, 3)):
        with pytest.raises(ValueError, match="cannot be"):
            rate(events, trials, 0.05)
    for error in (0.0, 1.0, -0.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            rate(1, 3, error)
