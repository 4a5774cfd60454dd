"""Data points of metrics: which of them fall into an alarm's periods, and what statistic they come to."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

Key = tuple[str, str, tuple[tuple[str, str], ...]]
"""Namespace, name, and dimensions in order of their names."""
_PERCENTILE: Final = re.compile(r"p(\d+(?:\.\d+)?)")
_RANK: Final = re.compile(r"PR\((-?[\d.]*):(-?[\d.]*)\)")


class UnknownStatisticError(Exception):
    """A statistic that the twin does not compute; the text names it."""


@dataclass(frozen=True)
class Point:
    """One value that was put, or several as their statistics."""

    at: float
    """Seconds since the epoch."""
    values: tuple[float, ...]
    count: float = 0
    total: float = 0
    least: float = 0
    most: float = 0
    """Of values that came as statistics; without `values`."""


def key_of(namespace: str, name: str, dimensions: Iterable[tuple[str, str]]) -> Key:
    """What tells one series from another."""
    return namespace, name, tuple(sorted(dimensions))


def within(points: Sequence[Point], start: float, end: float) -> list[Point]:
    """The points from `start` up to, not including, `end`."""
    return [point for point in points if start <= point.at < end]


def statistic(points: Sequence[Point], stat: str) -> float | None:
    """What the points of a period come to; None without any.

    Raises:
        UnknownStatisticError: CloudWatch may know it, the twin does not.
    """
    if not points:
        return None
    count = sum(point.count or len(point.values) for point in points)
    total = math.fsum(value for point in points for value in (point.values or (point.total,)))
    match stat:
        case "Sum":
            return total
        case "SampleCount":
            return float(count)
        case "Average":
            return total / count if count else None
        case "Minimum":
            return min(min(point.values, default=point.least) for point in points)
        case "Maximum":
            return max(max(point.values, default=point.most) for point in points)
    return _of_values(sorted(value for point in points for value in point.values), stat)


def _of_values(values: list[float], stat: str) -> float | None:
    """Statistics that need the values themselves: from sums alone they have none, as in CloudWatch."""
    percentile, rank = _PERCENTILE.fullmatch(stat), _RANK.fullmatch(stat)
    if percentile is None and rank is None:
        raise UnknownStatisticError(f"the twin does not compute the statistic {stat}")
    if not values:
        return None
    if percentile is not None:
        place = float(percentile[1]) / 100 * (len(values) - 1)
        low = math.floor(place)
        high = min(low + 1, len(values) - 1)
        return values[low] + (values[high] - values[low]) * (place - low)
    assert rank is not None  # noqa: S101  (one of both matched)
    low_bound = float(rank[1]) if rank[1] else -math.inf
    high_bound = float(rank[2]) if rank[2] else math.inf
    # Exclusive below and inclusive above, as CloudWatch counts.
    return 100 * sum(low_bound < value <= high_bound for value in values) / len(values)


def from_moto(datum: Any) -> tuple[Key, Point]:
    """A datum of moto's store."""
    dimensions = [(each.name, each.value) for each in datum.dimensions]
    moment = datum.timestamp
    at = moment.timestamp() if moment.tzinfo is not None else _utc(moment)
    if hasattr(datum, "value"):
        point = Point(at, (float(datum.value),))
    else:
        point = Point(at, (), datum.sample_count, datum.sum, datum.min, datum.max)
    return key_of(datum.namespace, datum.name, dimensions), point


def _utc(moment: Any) -> float:
    import datetime

    return float(moment.replace(tzinfo=datetime.UTC).timestamp())
