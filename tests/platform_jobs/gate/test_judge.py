"""The gate over whole releases, looked at every minute: how often it is wrong, and how soon it is right."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from platform_jobs.gate.judge import Decision, Standing, Tally, Terms, judge

RUNS = 50
TERMS = Terms(availability=0.999, error_rate=0.05)
MOST_WRONG = int(TERMS.error_rate * RUNS)
MINUTES = 60
BAKE = 15


@dataclass(frozen=True)
class Version:
    """How a version really is."""

    errors: float = 0.0003
    slow: float = 0.02
    wrong: float = 0.10


LIVE = Version()


def release(seed: int, canary: Version, live: Version = LIVE, *, minutes: int = MINUTES) -> tuple[str, int]:
    """One release at 200 requests a second, a quarter of them the canary's, a fifth with labels; its end."""
    rng = np.random.default_rng(seed)
    tallies = [np.zeros(5, dtype=int), np.zeros(5, dtype=int)]
    for minute in range(1, minutes + 1):
        for tally, version, share in zip(tallies, (canary, live), (0.25, 0.75), strict=True):
            requests = rng.poisson(200 * 60 * share)
            errors = rng.binomial(requests, version.errors)
            labelled = rng.binomial(requests - errors, 0.2)
            tally += [
                requests,
                errors,
                rng.binomial(requests - errors, version.slow),
                labelled,
                rng.binomial(labelled, version.wrong),
            ]
        ours, theirs = (
            Tally(
                **dict(zip(("requests", "errors", "slow", "labelled", "wrong"), map(int, tally), strict=True))
            )
            for tally in tallies
        )
        verdict = judge(ours, theirs, TERMS, baked=minute >= BAKE)
        if verdict.decision is not Decision.WAIT:
            return verdict.decision.value, minute
    return Decision.WAIT.value, minutes


def ends(canary: Version, *, minutes: int = MINUTES) -> Counter[str]:
    return Counter(release(seed, canary, minutes=minutes)[0] for seed in range(RUNS))


def test_a_good_canary_is_promoted_and_not_before_it_is_baked():
    found = [release(seed, LIVE) for seed in range(RUNS)]
    decisions = Counter(decision for decision, _ in found)
    assert decisions["roll-back"] <= MOST_WRONG
    assert decisions["promote"] >= RUNS - MOST_WRONG
    assert min(minute for decision, minute in found if decision == "promote") >= BAKE


def test_a_better_one_is_promoted():
    assert ends(Version(errors=0.0, slow=0.01, wrong=0.08))["promote"] >= RUNS - MOST_WRONG


@pytest.mark.parametrize(
    "bad",
    [
        Version(errors=0.003),
        Version(wrong=0.14),  # as many errors as the live one
        Version(slow=0.10),
    ],
    ids=["errors", "accuracy", "latency"],
)
def test_a_bad_canary_is_rolled_back_and_soon(bad: Version):
    found = [release(seed, bad) for seed in range(RUNS)]
    decisions = Counter(decision for decision, _ in found)
    assert decisions["promote"] <= MOST_WRONG
    assert decisions["roll-back"] >= RUNS - MOST_WRONG
    assert np.median([minute for _, minute in found]) < BAKE


@pytest.mark.parametrize(
    "bad",
    [
        Version(errors=LIVE.errors + 0.001),
        Version(wrong=LIVE.wrong + TERMS.quality_tolerance),
        Version(slow=LIVE.slow + 0.05),
    ],
    ids=["errors", "accuracy", "latency"],
)
def test_one_that_is_worse_by_just_the_tolerance_is_promoted_no_more_often_than_stated(bad: Version):
    assert ends(bad, minutes=40)["promote"] <= MOST_WRONG


def test_looking_for_hours_at_two_equal_versions_rolls_back_no_more_often_than_stated():
    wrong = 0
    for seed in range(RUNS):
        rng = np.random.default_rng(1000 + seed)
        ours = rng.binomial(500, 0.002, 400).cumsum()
        theirs = rng.binomial(500, 0.002, 400).cumsum()
        for look in range(0, 400, 4):
            canary = Tally(requests=500 * (look + 1), errors=int(ours[look]), slow=0)
            live = Tally(requests=500 * (look + 1), errors=int(theirs[look]), slow=0)
            if judge(canary, live, TERMS).decision is Decision.ROLL_BACK:
                wrong += 1
                break
    assert wrong <= MOST_WRONG


GOOD = {"requests": 200_000, "errors": 40, "slow": 3000, "labelled": 40_000, "wrong": 4000}


def test_nothing_is_promoted_that_is_not_known():
    everything = Tally(**GOOD)
    assert judge(everything, everything, TERMS).decision is Decision.PROMOTE
    assert judge(everything, everything, TERMS, baked=False).decision is Decision.WAIT
    unlabelled = Tally(requests=200_000, errors=40, slow=3000)
    waits = judge(unlabelled, unlabelled, TERMS)
    assert (waits.decision, waits.reason) == (Decision.WAIT, "not enough is known yet of wrong answers")
    sure = Terms(availability=0.999, quality_required=False)
    assert judge(unlabelled, unlabelled, sure).decision is Decision.PROMOTE
    worse = Tally(**{**GOOD, "wrong": 6000})
    assert judge(worse, everything, sure).decision is Decision.ROLL_BACK
    nothing = Tally(requests=0, errors=0, slow=0)
    assert judge(nothing, nothing, TERMS).decision is Decision.WAIT


def test_an_outage_of_both_is_no_reason_to_promote():
    burning = Tally(**{**GOOD, "errors": 2000})
    verdict = judge(burning, burning, Terms(availability=0.999, excess_burn=3.0))
    assert verdict.decision is Decision.WAIT
    assert "mend that first" in verdict.reason
    errors = verdict.findings[0]
    assert errors.over_budget
    assert errors.burn is not None
    assert errors.burn.low > 8


def test_the_reason_names_each_measure_that_is_worse():
    verdict = judge(Tally(**{**GOOD, "errors": 2000, "wrong": 8000}), Tally(**GOOD), TERMS)
    assert "more errors" in verdict.reason
    assert "more wrong answers" in verdict.reason
    assert {finding.measure: finding.standing for finding in verdict.findings} == {
        "errors": Standing.WORSE,
        "refused questions": Standing.FINE,
        "slow answers": Standing.FINE,
        "wrong answers": Standing.WORSE,
    }


def test_callers_mistakes_with_both_are_no_fault_and_with_one_they_are():
    mistaken = Tally(**{**GOOD, "refused": 4000})
    lenient = Terms(availability=0.999, excess_burn=3.0)
    assert judge(mistaken, mistaken, lenient).decision is Decision.PROMOTE
    verdict = judge(mistaken, Tally(**GOOD), TERMS)
    assert verdict.decision is Decision.ROLL_BACK
    assert "more refused questions" in verdict.reason
