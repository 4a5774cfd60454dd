"""Service level objectives: how fast an error budget burns, and when that is worth waking someone for.

The windows and factors are those of Google's SRE workbook, chapter "Alerting on SLOs" (multi-window,
multi-burn-rate), for a budget of 30 days.
"""

from dataclasses import dataclass
from typing import Final

PERIOD_MINUTES: Final = 30 * 24 * 60
"""What the budget is for."""
MINIMUM_BAD: Final = 3
"""Failures in the long window below which nobody is told: one error at little traffic is no outage."""
_REACHABLE: Final = 0.9
"""The share of failures at which every window must have fired, however large the budget."""


@dataclass(frozen=True)
class Window:
    """A long window that notices, and a short one that forgets as soon as it is over."""

    name: str
    long_minutes: int
    short_minutes: int
    factor: float
    """How many times faster than "spent in 30 days" the budget must burn."""
    pages: bool
    """Whether someone is woken, or finds it in the morning."""

    @property
    def spent(self) -> float:
        """The share of the 30 days' budget that is gone when it fires at exactly its factor."""
        return self.factor * self.long_minutes / PERIOD_MINUTES


WINDOWS: Final = (
    Window("fast", 60, 5, 14.4, pages=True),
    Window("steady", 6 * 60, 30, 6, pages=True),
    Window("slow", 3 * 24 * 60, 6 * 60, 1, pages=False),
)


@dataclass(frozen=True)
class Objective:
    """A share of requests that is to be good.

    Attributes:
        name: What is promised: `availability` or `latency`.
        percent: Good requests, per cent; above 0 and below 100.
    """

    name: str
    percent: float

    @property
    def budget(self) -> float:
        """The share of requests that may be bad."""
        # Rounded: 100 - 99.9 is 0.0999…94, and the digits would stand in every alarm.
        return round((100 - self.percent) / 100, 9)

    def factor(self, window: Window) -> float:
        """The burn rate that a window fires above.

        A budget of a tenth burns at most ten times too fast: a factor that a total outage cannot reach would
        never fire, so it is lowered to one that it does.
        """
        return round(min(window.factor, _REACHABLE / self.budget), 6)


def burn_rate(bad: float, total: float, budget: float) -> float:
    """How many times faster than allowed the budget burns; 0 without requests."""
    return bad / total / budget if total else 0.0


def fires(
    objective: Objective, window: Window, *, long: tuple[float, float], short: tuple[float, float]
) -> bool:
    """Whether a window's alarms are both on; what `expressions` says, in Python.

    Args:
        objective: What is promised.
        window: Which of the windows.
        long: Bad and all requests in the long window.
        short: Bad and all requests in the short one.
    """
    factor = objective.factor(window)
    noticed = long[0] >= MINIMUM_BAD and burn_rate(*long, objective.budget) > factor
    return noticed and burn_rate(*short, objective.budget) > factor


def minutes_to_fire(objective: Objective, window: Window, bad_share: float) -> float | None:
    """How long a constant share of failures, after none, takes to be noticed; None: it never is.

    With traffic enough for the guard, and as even.
    """
    burn = bad_share / objective.budget
    if burn <= objective.factor(window):
        return None
    return objective.factor(window) / burn * window.long_minutes


def long_expression(objective: Objective, *, bad: str, total: str) -> str:
    """CloudWatch metric math for the burn rate of a long window: 0 under the least number of failures."""
    return f"IF({bad} >= {MINIMUM_BAD}, {bad} / {total} / {objective.budget:.9g}, 0)"


def short_expression(objective: Objective, *, bad: str, total: str) -> str:
    """CloudWatch metric math for the burn rate of a short window."""
    return f"IF({total} > 0, {bad} / {total} / {objective.budget:.9g}, 0)"
