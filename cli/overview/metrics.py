"""Reads CloudWatch for the page."""

import datetime
from typing import TYPE_CHECKING, Any, Final

from components.watch.metrics import Series

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient

PLAIN: Final = frozenset({"Average", "Maximum", "Minimum", "SampleCount", "Sum"})
"""CloudWatch takes all others as extended statistics."""
_MOST_POINTS: Final = 1_440
"""CloudWatch answers one question with no more."""
_MINUTE: Final = 60


class MetricReader:
    """Statistics of series up to one moment."""

    def __init__(self, client: "CloudWatchClient", now: datetime.datetime) -> None:
        self._client = client
        self._now = now

    def over(self, series: Series, minutes: int) -> float | None:
        """What a series comes to over the last so many minutes, as one period; None without any point."""
        points = self.points(series, minutes=minutes, period_seconds=minutes * _MINUTE)
        # CloudWatch aligns periods to the clock, so the span may be spread over two of them.
        values = [value for _, value in points]
        if not values:
            return None
        return sum(values) if series.statistic in ("Sum", "SampleCount") else values[-1]

    def points(
        self, series: Series, *, minutes: int, period_seconds: int
    ) -> list[tuple[datetime.datetime, float]]:
        """A series, period by period, oldest first; periods without any point are left out."""
        statistic = series.statistic
        asked: dict[str, Any] = (
            {"Statistics": [statistic]} if statistic in PLAIN else {"ExtendedStatistics": [statistic]}
        )
        # The end is not counted in, and what was put just now is to be.
        end = self._now + datetime.timedelta(seconds=1)
        period = max(period_seconds, minutes * _MINUTE // _MOST_POINTS)
        found = self._client.get_metric_statistics(
            Namespace=series.metric.namespace,
            MetricName=series.metric.name,
            Dimensions=[{"Name": name, "Value": str(value)} for name, value in series.dimensions.items()],
            StartTime=end - datetime.timedelta(minutes=minutes),
            EndTime=end,
            Period=period,
            **asked,
        )["Datapoints"]
        points = []
        for point in found:
            value: Any = point.get(statistic, (point.get("ExtendedStatistics") or {}).get(statistic))
            if value is not None:
                points.append((point["Timestamp"].astimezone(datetime.UTC), float(value)))
        return sorted(points)
