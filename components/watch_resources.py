"""What is described in `components.watch`, as resources: alarms, dashboards, files for Grafana."""

from collections.abc import Sequence
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components import naming
from components.context import Cloud, Tags, scope
from components.watch import cloudwatch, grafana
from components.watch.alarms import Alarm, description
from components.watch.dashboards import Dashboard
from components.watch.metrics import Series

RUNBOOKS: Final = "docs/runbooks"
"""Where this repository keeps them."""
GRAFANA_PREFIX: Final = "dashboards/"
PLAIN_STATISTICS: Final = ("Average", "Maximum", "Minimum", "SampleCount", "Sum")
"""CloudWatch takes all others as extended statistics."""
JUDGED: Final = "judged"
"""Id of what an alarm compares, among its queries."""


class Drawn:
    """Makes one component's alarms and dashboards."""

    def __init__(
        self, parent: pulumi.Resource, name: str, *, cloud: Cloud, runbooks: str, tags: Tags
    ) -> None:
        self._name = name
        self._cloud = cloud
        self._runbooks = runbooks
        self._tags = tags
        self._options = pulumi.ResourceOptions(parent=parent)

    def alarm(self, alarm: Alarm, *, told: Sequence[pulumi.Input[str]] | None) -> pulumi.Output[str]:
        """An alarm's name; `told` are the topics that hear of it."""
        return aws.cloudwatch.MetricAlarm(
            f"{self._name}-{alarm.name}",
            alarm_description=description(alarm.says, kind=alarm.kind, runbooks=self._runbooks),
            comparison_operator=alarm.comparison,
            evaluation_periods=alarm.periods,
            datapoints_to_alarm=alarm.points or alarm.periods,
            treat_missing_data=alarm.missing,
            actions_enabled=True,
            alarm_actions=told,
            insufficient_data_actions=told if alarm.silence else None,
            tags=self._tags,
            opts=self._options,
            **_compared(alarm),
        ).name

    def dashboard(self, page: str, described: pulumi.Output[Dashboard]) -> pulumi.Output[str]:
        """A CloudWatch dashboard's name."""
        return aws.cloudwatch.Dashboard(
            f"{self._name}-{page}",
            dashboard_name=naming.physical_name(scope(), self._name, page, max_length=255),
            dashboard_body=pulumi.Output.all(described, self._cloud.region).apply(
                lambda known: cloudwatch.body(known[0], region=known[1])
            ),
            opts=self._options,
        ).dashboard_name

    def grafana_file(
        self, page: str, described: pulumi.Output[Dashboard], bucket: pulumi.Input[str]
    ) -> pulumi.Output[str]:
        """The S3 URI of the same dashboard for Grafana."""
        file = aws.s3.BucketObjectv2(
            f"{self._name}-{page}-grafana",
            bucket=bucket,
            key=f"{GRAFANA_PREFIX}{page}.json",
            content=pulumi.Output.all(described, self._cloud.region).apply(
                lambda known: grafana.body(
                    known[0],
                    uid=naming.physical_name(scope(), self._name, page, max_length=40),
                    region=known[1],
                )
            ),
            content_type="application/json",
            tags=self._tags,
            opts=self._options,
        )
        return pulumi.Output.format("s3://{0}/{1}", file.bucket, file.key)


def _compared(alarm: Alarm) -> dict[str, Any]:
    """What an alarm compares, as the resource takes it: one metric, an expression, or a band."""
    if not alarm.expression and not alarm.band:
        ((_, series),) = alarm.series
        plain = series.statistic in PLAIN_STATISTICS
        return {
            "namespace": series.metric.namespace,
            "metric_name": series.metric.name,
            "dimensions": dict(series.dimensions),
            "period": alarm.period_seconds,
            "statistic" if plain else "extended_statistic": series.statistic,
            "threshold": float(alarm.threshold or 0),
        }
    queries = [
        _query(name, series, alarm.period_seconds, returned=bool(alarm.band)) for name, series in alarm.series
    ]
    if alarm.band:
        ((watched, _),) = alarm.series
        expression = f"ANOMALY_DETECTION_BAND({watched}, {alarm.band:g})"
        return {
            "threshold_metric_id": JUDGED,
            "metric_queries": [_expression(expression, "usual"), *queries],
        }
    return {
        "threshold": float(alarm.threshold or 0),
        "metric_queries": [_expression(alarm.expression, alarm.kind), *queries],
    }


def _expression(expression: str, label: str) -> aws.cloudwatch.MetricAlarmMetricQueryArgs:
    return aws.cloudwatch.MetricAlarmMetricQueryArgs(
        id=JUDGED, expression=expression, label=label, return_data=True
    )


def _query(
    name: str, series: Series, period_seconds: int, *, returned: bool
) -> aws.cloudwatch.MetricAlarmMetricQueryArgs:
    return aws.cloudwatch.MetricAlarmMetricQueryArgs(
        id=name,
        return_data=returned,
        metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
            namespace=series.metric.namespace,
            metric_name=series.metric.name,
            dimensions=dict(series.dimensions),
            period=period_seconds,
            stat=series.statistic,
        ),
    )
