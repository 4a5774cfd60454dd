"""When spot is gone, and when running instances are taken back: a plan drawn from a seed."""

import random
from dataclasses import dataclass
from typing import Final

NOTICE_HOURS: Final = 2 / 60
"""EC2 gives two minutes' notice before it takes a spot instance back."""
_SHORTAGE_HOURS: Final = (0.5, 2.0)


@dataclass(frozen=True)
class Interruption:
    """At one time, a share of the spot instances that then run is taken back."""

    at: float
    share: float


@dataclass(frozen=True)
class SpotPlan:
    """Spot as it will be, from hour 0 to `hours`."""

    hours: float
    shortages: tuple[tuple[float, float], ...]
    """From when to when no spot can be bought; sorted, apart from each other."""
    interruptions: tuple[Interruption, ...]

    def missing_at(self, time: float) -> bool:
        """Whether no spot can be bought then."""
        return any(start <= time < end for start, end in self.shortages)

    @property
    def missing_share(self) -> float:
        """The share of the time in which no spot can be bought."""
        return sum(end - start for start, end in self.shortages) / self.hours


def draw_plan(seed: int, hours: float, missing_share: float) -> SpotPlan:
    """A plan in which spot is missing for a share of the time.

    Shortages last half an hour to two hours, and each begins with instances being taken back: that is how
    EC2 behaves when on-demand customers need what spot had. The same seed gives the same plan.

    Args:
        seed: Of the random numbers.
        hours: How long the plan is for.
        missing_share: 0 to 1.
    """
    chance = random.Random(seed)  # noqa: S311 - a plan to be repeated, no secret
    left = hours * min(1.0, max(0.0, missing_share))
    lengths = []
    while left > 1e-9:
        length = min(left, chance.uniform(*_SHORTAGE_HOURS))
        lengths.append(length)
        left -= length
    free = hours - sum(lengths)
    cuts = sorted(chance.uniform(0, free) for _ in lengths)
    shortages: list[tuple[float, float]] = []
    spent = 0.0
    for cut, length in zip(cuts, lengths, strict=True):
        shortages.append((cut + spent, cut + spent + length))
        spent += length
    interruptions = tuple(Interruption(start, chance.uniform(0.3, 0.7)) for start, _ in shortages)
    return SpotPlan(hours, tuple(shortages), interruptions)
