"""From an alarm's periods to its state, as CloudWatch's guide has it, missing data included."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

ALARM: Final = "ALARM"
OK: Final = "OK"
INSUFFICIENT: Final = "INSUFFICIENT_DATA"

Value = float | None
Band = tuple[float, float]


@dataclass(frozen=True)
class Limits:
    """When an alarm is on."""

    comparison: str
    threshold: float | None
    periods: int
    """How many periods are looked at."""
    points: int
    """How many of them must be over."""
    missing: str = "missing"
    """`missing`, `ignore`, `breaching` or `notBreaching`."""


_COMPARISONS: Final[dict[str, Callable[[float, float, Band], bool]]] = {
    "GreaterThanThreshold": lambda value, limit, _: value > limit,
    "GreaterThanOrEqualToThreshold": lambda value, limit, _: value >= limit,
    "LessThanThreshold": lambda value, limit, _: value < limit,
    "LessThanOrEqualToThreshold": lambda value, limit, _: value <= limit,
    "GreaterThanUpperThreshold": lambda value, _, band: value > band[1],
    "LessThanLowerThreshold": lambda value, _, band: value < band[0],
    "LessThanLowerOrGreaterThanUpperThreshold": lambda value, _, band: not band[0] <= value <= band[1],
}
EXTRA_PERIODS: Final = 2
"""CloudWatch looks back a little further than asked, for points that come late."""


def judge(
    limits: Limits, values: Sequence[Value], current: str, band: Sequence[Band | None] | None = None
) -> tuple[str, str]:
    """The state, and why.

    Args:
        limits: When it is on.
        values: By period, the latest first; `periods` of them and `EXTRA_PERIODS` older ones.
        current: The state that it has.
        band: By period as well, what is usual; None for alarms on a threshold.
    """
    bands = band if band is not None else [(0.0, 0.0)] * len(values)
    real = [
        (value, usual)
        for value, usual in zip(values, bands, strict=True)
        if value is not None and usual is not None
    ]
    over = [_over(limits, value, usual) for value, usual in real]
    if len(over) < limits.periods and limits.missing in ("breaching", "notBreaching"):
        lacking = limits.periods - len(over)
        over += [limits.missing == "breaching"] * lacking
        if not real:
            state = ALARM if limits.missing == "breaching" else OK
            return state, f"no datapoints were received; missing data is {limits.missing}"
    if not over:
        state = current if limits.missing == "ignore" else INSUFFICIENT
        return state, "no datapoints were received"
    looked_at = over[: limits.periods]
    breaching = sum(looked_at)
    shown = ", ".join(f"{value:g}" for value, _ in real[: limits.periods]) or "none"
    reason = f"{breaching} of {limits.periods} datapoints [{shown}] were {_spoken(limits)}"
    if breaching >= limits.points:
        return ALARM, reason
    return OK, reason


def _over(limits: Limits, value: float, usual: Band) -> bool:
    return _COMPARISONS[limits.comparison](value, limits.threshold or 0.0, usual)


def _spoken(limits: Limits) -> str:
    words = {
        "GreaterThanThreshold": "greater than",
        "GreaterThanOrEqualToThreshold": "greater than or equal to",
        "LessThanThreshold": "less than",
        "LessThanOrEqualToThreshold": "less than or equal to",
    }.get(limits.comparison)
    return "outside of what is usual" if words is None else f"{words} {limits.threshold:g}"
