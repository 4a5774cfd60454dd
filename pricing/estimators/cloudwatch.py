"""CloudWatch: logs, alarms, metrics, dashboards."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill

_DAYS_PER_MONTH: Final = Decimal(730) / 24
_COMPRESSED: Final = Decimal("0.15")
"""What stored log data is of what was ingested (AWS's own figure in its pricing examples)."""
_UNLIMITED_MONTHS: Final = Decimal(12)
_STANDARD_PERIOD: Final = 60


def _log_group(bill: Bill) -> None:
    usage, properties = bill.usage, bill.properties
    if properties.text("logGroupClass", "STANDARD") != "STANDARD":
        bill.assume(f"{bill.resource.name}: priced as Standard class, which is dearer")
    bill.used("data ingested", "cloudwatch", "logs-ingest-gb", usage.logs_gb)
    days = properties.number("retentionInDays", 0)
    months = days / _DAYS_PER_MONTH if days else _UNLIMITED_MONTHS
    if not days:
        bill.assume("log groups without a retention hold a year of data")
    bill.used("data stored", "cloudwatch", "logs-storage-gb", usage.logs_gb * months * _COMPRESSED)


def _metric_alarm(bill: Bill) -> None:
    properties = bill.properties
    queries = properties.blocks("metricQueries")
    metrics = [query for query in queries if query.has("metric")]
    periods = [query.number("metric.period", _STANDARD_PERIOD) for query in metrics]
    fast = min([*periods, properties.number("period", _STANDARD_PERIOD)]) < _STANDARD_PERIOD
    count = max(1, len(metrics))
    if properties.has("thresholdMetricId"):
        # Anomaly detection watches the metric and both edges of its band.
        count *= 3
    bill.standing("alarm", "cloudwatch", "high-resolution-alarm" if fast else "alarm", count)


def _composite_alarm(bill: Bill) -> None:
    bill.standing("composite alarm", "cloudwatch", "composite-alarm")


def _dashboard(bill: Bill) -> None:
    bill.standing("dashboard", "cloudwatch", "dashboard")


def _metric_filter(bill: Bill) -> None:
    bill.used("custom metrics", "cloudwatch", "metric", 1 + bill.usage.metrics)


ESTIMATORS: Final = {
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _metric_alarm,
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": _composite_alarm,
    "aws:cloudwatch/dashboard:Dashboard": _dashboard,
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": _metric_filter,
}
