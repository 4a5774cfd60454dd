"""When a run is interrupted, and how: drawn from a seed, then placed at steps of the training."""

import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NOTICE_SECONDS: Final = 120
"""EC2 gives two minutes' notice before it takes a spot instance back."""
_FIRST, _LAST = 0.1, 0.8
"""Between these shares of the work: there must be something to lose, and something left to do."""
_APART: Final = 0.1
"""A share of the work between two interruptions."""
_STEPS_APART: Final = 2
MOST: Final = 1 + round((_LAST - _FIRST) / _APART)
"""Interruptions that one run has room for."""


class PlanError(ValueError):
    """The interruptions have no place in the run; the text says why and what to do."""


@dataclass(frozen=True)
class Interruption:
    """The machine is taken back once."""

    at: float
    """Hours of work done until then."""
    notice: bool
    """Whether the two minutes' notice comes first. Without, the machine is simply gone."""


def draw(seed: int, count: int, hours: float) -> tuple[Interruption, ...]:
    """A plan for a run of `hours`; the same seed gives the same plan.

    Of two or more interruptions one comes without notice: EC2 promises to try, no more.

    Raises:
        PlanError: there are too many for one run.
    """
    if count > MOST:
        raise PlanError(f"{count} interruptions have no place in one run: at most {MOST} have")
    chance = random.Random(seed)  # noqa: S311 - a plan to be repeated, no secret
    free = _LAST - _FIRST - _APART * (count - 1)
    shares = sorted(chance.uniform(0, max(0.0, free)) for _ in range(count))
    sudden = chance.randrange(count) if count > 1 else None
    return tuple(
        Interruption(at=(_FIRST + share + _APART * place) * hours, notice=place != sudden)
        for place, share in enumerate(shares)
    )


def place(plan: Sequence[Interruption], work: Sequence[float]) -> tuple[int, ...]:
    """The step at which each interruption comes.

    Args:
        plan: by time.
        work: hours of work after each number of steps, from none to all.

    Raises:
        PlanError: the run has too few steps.
    """
    steps: list[int] = []
    for interruption in plan:
        earliest = steps[-1] + _STEPS_APART if steps else 1
        steps.append(max(earliest, bisect_left(work, interruption.at)))
    total = len(work) - 1
    if steps and steps[-1] > total - _STEPS_APART:
        raise PlanError(
            f"{len(plan)} interruptions have no place in a training of {total} steps: ask for fewer"
        )
    return tuple(steps)
