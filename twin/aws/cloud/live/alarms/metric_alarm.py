"""A metric alarm of moto's as the judge takes it: its periods' values, and its limits."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from twin.aws.cloud.live.alarms import metric_math
from twin.aws.cloud.live.alarms.judging import EXTRA_PERIODS, Band, Limits, Value, judge
from twin.aws.cloud.live.alarms.points import Key, Point, key_of, statistic, within

_MINUTE: Final = 60
_HOUR: Final = 3_600
_HISTORY_SECONDS: Final = 14 * 86_400
_LEAST_HISTORY: Final = 24
"""Periods of the past without which nothing can be called usual."""
_LEAST_SPREAD: Final = 0.05
"""Share of the mean that is usual at least: a metric that never moved may move a little."""

Index = Mapping[Key, Sequence[Point]]


def state_of(alarm: Any, index: Index, now: float) -> tuple[str, str]:
    """The state that an alarm should have, and why.

    Raises:
        ExpressionError: its expression is beyond the twin.
        UnknownStatisticError: its statistic is.
    """
    periods = int(alarm.evaluation_periods)
    limits = Limits(
        comparison=alarm.comparison_operator,
        threshold=None if alarm.threshold is None else float(alarm.threshold),
        periods=periods,
        points=int(alarm.datapoints_to_alarm or periods),
        missing=alarm.treat_missing_data or "missing",
    )
    look = _Look(index, now, periods)
    if not alarm.metric_data_queries:
        dimensions = [(each.name, each.value) for each in alarm.dimensions]
        key = key_of(alarm.namespace, alarm.metric_name, dimensions)
        values = look.values(key, int(alarm.period), alarm.statistic or alarm.extended_statistic)
        return judge(limits, values, alarm.state_value)
    queries = {query.id: query for query in alarm.metric_data_queries}
    if alarm.threshold_metric_id:
        watched, width = _band_of(queries[alarm.threshold_metric_id])
        stat = queries[watched].metric_stat
        values = look.of_stat(stat)
        usual = look.usual(stat, width)
        return judge(limits, values, alarm.state_value, [usual] * len(values))
    judged = next(query for query in queries.values() if _returned(query))
    return judge(limits, _computed(judged, queries, look), alarm.state_value)


class _Look:
    """What an alarm sees of the points, from the minute that it is."""

    def __init__(self, index: Index, now: float, periods: int) -> None:
        self._index = index
        # A point of this minute counts: the period ends with it.
        self._end = (math.floor(now / _MINUTE) + 1) * _MINUTE
        self._periods = periods

    def values(self, key: Key, period: int, stat: str) -> list[Value]:
        """By period, the latest first."""
        points = self._index.get(key, ())
        # What comes late is late by minutes: over long periods nothing older is looked at.
        extra = EXTRA_PERIODS if period <= _HOUR else 0
        return [
            statistic(within(points, self._end - (back + 1) * period, self._end - back * period), stat)
            for back in range(self._periods + extra)
        ]

    def of_stat(self, stat: Any) -> list[Value]:
        """The values of a query's metric."""
        return self.values(_key(stat), int(stat.period), stat.stat)

    def usual(self, stat: Any, width: float) -> Band | None:
        """Mean and spread of the two weeks before; None with too little of a past."""
        period = int(stat.period)
        newest = self._end - (self._periods + EXTRA_PERIODS) * period
        buckets: dict[int, list[Point]] = {}
        for point in within(self._index.get(_key(stat), ()), newest - _HISTORY_SECONDS, newest):
            buckets.setdefault(int((newest - point.at) // period), []).append(point)
        past = [value for points in buckets.values() if (value := statistic(points, stat.stat)) is not None]
        if len(past) < _LEAST_HISTORY:
            return None
        mean = math.fsum(past) / len(past)
        spread = math.sqrt(math.fsum((value - mean) ** 2 for value in past) / len(past))
        spread = max(spread, _LEAST_SPREAD * abs(mean))
        return mean - width * spread, mean + width * spread


def _computed(judged: Any, queries: Mapping[str, Any], look: _Look) -> list[Value]:
    if judged.metric_stat is not None:
        return look.of_stat(judged.metric_stat)
    expression = metric_math.parse(judged.expression)
    columns = {
        name: look.of_stat(query.metric_stat)
        for name, query in queries.items()
        if query.metric_stat is not None
    }
    if not columns:
        raise metric_math.ExpressionError("the twin computes expressions of metrics only")
    rows = zip(*columns.values(), strict=True)
    return [expression(dict(zip(columns, row, strict=True))) for row in rows]


def _band_of(query: Any) -> tuple[str, float]:
    found = metric_math.band(query.expression or "")
    if found is None:
        raise metric_math.ExpressionError(f"the twin computes no band from {query.expression!r}")
    return found


def _returned(query: Any) -> bool:
    return str(query.return_data).lower() != "false"


def _key(stat: Any) -> Key:
    metric = stat.metric
    dimensions = [_pair(each) for each in metric.dimensions or ()]
    return key_of(metric.namespace, metric.metric_name, dimensions)


def _pair(dimension: Any) -> tuple[str, str]:
    if isinstance(dimension, Mapping):
        return dimension["Name"], dimension["Value"]
    return dimension.name, dimension.value
