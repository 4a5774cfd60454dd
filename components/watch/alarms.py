"""Alarms as plain descriptions: what is compared with what, who hears of it, and which runbook to open."""

from dataclasses import dataclass
from typing import Final

from components.watch.metrics import Series

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400

ABOVE: Final = "GreaterThanThreshold"
REACHED: Final = "GreaterThanOrEqualToThreshold"
BELOW: Final = "LessThanThreshold"
OUTSIDE: Final = "LessThanLowerOrGreaterThanUpperThreshold"
OVER_BAND: Final = "GreaterThanUpperThreshold"

PART: Final = "part"
"""Tells nobody by itself: a composite alarm does."""
TICKET: Final = "ticket"
"""To be looked at in working hours."""
PAGE: Final = "page"
"""Someone is woken."""


@dataclass(frozen=True)
class Alarm:
    """A metric, or an expression of several, against a threshold or its own past."""

    name: str
    """What the alarm is called within its component."""
    kind: str
    """Its runbook: `docs/runbooks/<kind>.md`."""
    says: str
    """What is wrong when it is on, as a sentence without its stop."""
    series: tuple[tuple[str, Series], ...]
    """Id in the expression → series."""
    expression: str = ""
    """Metric math that is compared; without one, the only series is."""
    threshold: float | None = None
    """None: the band of what is usual."""
    band: float = 0
    """Width of that band in standard deviations."""
    comparison: str = ABOVE
    period_seconds: int = 5 * MINUTE
    periods: int = 1
    points: int = 0
    """How many of the periods must be over; 0: all of them."""
    missing: str = "notBreaching"
    level: str = PART
    silence: bool = False
    """Tells that it hears nothing any more, which a new alarm that never heard anything does not."""


@dataclass(frozen=True)
class Composite:
    """Several alarms as one, so that one outage is told of once."""

    name: str
    kind: str
    says: str
    any_of: tuple[tuple[str, ...], ...]
    """It is on when all alarms of one of these groups are."""
    level: str = PART
    suppressed_by: str = ""
    """The composite that tells of the same trouble in fewer words: while it is on, this one is silent."""


def rule(groups: tuple[tuple[str, ...], ...]) -> str:
    """A composite alarm's rule: any of the groups, each with all its alarms on.

    Args:
        groups: Names of alarms as AWS knows them.
    """
    texts = [" AND ".join(f'ALARM("{name}")' for name in group) for group in groups]
    if len(texts) == 1:
        return texts[0]
    return " OR ".join(f"({text})" for text in texts)


def description(says: str, *, kind: str, runbooks: str) -> str:
    """What an alarm tells whoever it reaches, the way to its runbook included."""
    return f"{says}. Runbook: {runbook(runbooks, kind)}"


def runbook(base: str, kind: str) -> str:
    """Where a kind's runbook is: under an address, or a folder of the repository."""
    return f"{base.rstrip('/')}/{kind}.md"
