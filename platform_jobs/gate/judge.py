"""Promote, wait or roll back: a canary against what is live, by what the SLO and quality count.

Four shares are compared, each an amount of something bad: failed requests, refused questions, slow answers,
wrong answers.
Every interval behind a decision holds at all looks and for all shares together with a probability of
1 - `error_rate`, so that over a whole release, however often it is looked at,

* a canary that is in nothing worse is rolled back with a probability of at most `error_rate`, and
* one that is in anything worse by the tolerance or more is promoted with a probability of at most that.

Between the two (worse, but by less than is tolerated) either may happen.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from platform_jobs.gate import sequences
from platform_jobs.gate.sequences import Interval

SLOW_SHARE: Final = 0.05
"""A 95th percentile's bound lets one answer in twenty be later."""
DEFAULT_ERROR_RATE: Final = 0.05
DEFAULT_QUALITY_TOLERANCE: Final = 0.02
DEFAULT_EXCESS_BURN: Final = 1.0


class Decision(enum.Enum):
    """What to do with the canary."""

    PROMOTE = "promote"
    WAIT = "wait"
    ROLL_BACK = "roll-back"


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What has been counted of one variant since the release began."""

    requests: int
    errors: int
    slow: int
    refused: int = 0
    """Questions that it called wrong. Callers make mistakes with either variant: only a difference is bad."""
    labelled: int = 0
    """Answers whose truth is known by now."""
    wrong: int = 0


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is promised, and how sure a decision must be."""

    availability: float
    """The SLO's share of requests that are answered, such as 0.999."""
    error_rate: float = DEFAULT_ERROR_RATE
    excess_burn: float = DEFAULT_EXCESS_BURN
    """Budgets that a promoted version may burn beyond the live one's: errors, refusals, slow answers."""
    quality_tolerance: float = DEFAULT_QUALITY_TOLERANCE
    """Share of wrong answers beyond the live one's that is tolerated."""
    quality_required: bool = True
    """Whether nothing is promoted whose quality is not known; if not, known quality may still roll back."""

    @property
    def budget(self) -> float:
        """The share of requests that may fail."""
        return 1 - self.availability


class Standing(enum.Enum):
    """How the canary stands in one share."""

    WORSE = "worse"
    """Surely worse than what is live."""
    FINE = "fine"
    """Surely not worse by the tolerance or more."""
    OPEN = "open"
    """Nobody can tell yet."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One share: both variants' intervals, the difference, and what follows."""

    measure: str
    canary: Interval
    live: Interval
    difference: Interval
    """Canary minus live."""
    tolerance: float
    canary_counted: tuple[int, int]
    """Bad ones, and all."""
    live_counted: tuple[int, int]
    standing: Standing
    budget: float | None = None
    """The share that the SLO allows."""
    required: bool = True
    """Whether nothing is promoted while this is open."""

    @property
    def over_budget(self) -> bool:
        """Whether the canary alone surely breaks the SLO."""
        return self.budget is not None and self.canary.low > self.budget

    @property
    def burn(self) -> Interval | None:
        """The canary's burn rate: 1 uses up exactly the SLO's budget."""
        if self.budget is None:
            return None
        return Interval(self.canary.low / self.budget, self.canary.high / self.budget)


@dataclass(frozen=True)
class Verdict:
    """What to do, and why."""

    decision: Decision
    reason: str
    findings: tuple[Finding, ...]


def judge(canary: Tally, live: Tally, terms: Terms, *, baked: bool = True) -> Verdict:
    """Compares a canary with what is live. May be asked as often as anyone likes.

    Args:
        canary: What has been counted of the canary.
        live: The same, of the live version, over the same time.
        terms: What is promised, and how sure to be.
        baked: Whether the time is over before which nothing is promoted.
    """
    findings = tuple(_findings(canary, live, terms))
    worse = [finding for finding in findings if finding.standing is Standing.WORSE]
    if worse:
        return Verdict(Decision.ROLL_BACK, "; ".join(map(_worse, worse)), findings)
    burning = [finding for finding in findings if finding.over_budget]
    if burning:
        names = ", ".join(finding.measure for finding in burning)
        return Verdict(
            Decision.WAIT,
            f"the canary breaks the SLO ({names}), and what is live seems to do so too: mend that first",
            findings,
        )
    undecided = [
        finding.measure for finding in findings if finding.standing is Standing.OPEN and finding.required
    ]
    if undecided:
        return Verdict(Decision.WAIT, f"not enough is known yet of {', '.join(undecided)}", findings)
    if not baked:
        return Verdict(
            Decision.WAIT, "the canary is in nothing worse; its time to bake is not over", findings
        )
    return Verdict(
        Decision.PROMOTE, "the canary is in nothing worse by as much as is tolerated, or more", findings
    )


@dataclass(frozen=True)
class _Share:
    """A share to compare: its counts (bad ones, and all) and what is said of it."""

    measure: str
    canary: tuple[int, int]
    live: tuple[int, int]
    tolerance: float
    budget: float | None = None
    required: bool = True


def _shares(canary: Tally, live: Tally, terms: Terms) -> tuple[_Share, ...]:
    failures = terms.budget * terms.excess_burn
    return (
        _Share(
            "errors",
            (canary.errors, canary.requests),
            (live.errors, live.requests),
            failures,
            terms.budget,
        ),
        _Share(
            "refused questions",
            (canary.refused, canary.requests - canary.errors),
            (live.refused, live.requests - live.errors),
            failures,
        ),
        _Share(
            "slow answers",
            # What was not answered was not slow: it is counted as an error, and once is enough.
            (canary.slow, canary.requests - canary.errors),
            (live.slow, live.requests - live.errors),
            SLOW_SHARE * terms.excess_burn,
            SLOW_SHARE,
        ),
        _Share(
            "wrong answers",
            (canary.wrong, canary.labelled),
            (live.wrong, live.labelled),
            terms.quality_tolerance,
            required=terms.quality_required,
        ),
    )


def _findings(canary: Tally, live: Tally, terms: Terms) -> Iterator[Finding]:
    shares = _shares(canary, live, terms)
    # Two intervals a share, and all of them are to hold together.
    error = terms.error_rate / (2 * len(shares))
    for share in shares:
        mine, other = sequences.rate(*share.canary, error), sequences.rate(*share.live, error)
        difference = mine.minus(other)
        standing = Standing.OPEN
        if difference.low > 0:
            standing = Standing.WORSE
        elif difference.high < share.tolerance:
            standing = Standing.FINE
        yield Finding(
            measure=share.measure,
            canary=mine,
            live=other,
            difference=difference,
            tolerance=share.tolerance,
            canary_counted=share.canary,
            live_counted=share.live,
            standing=standing,
            budget=share.budget,
            required=share.required,
        )


def _worse(finding: Finding) -> str:
    low, high = finding.difference.low * 100, finding.difference.high * 100
    return f"the canary has more {finding.measure}: by {low:.3g} to {high:.3g} points of a hundred"
