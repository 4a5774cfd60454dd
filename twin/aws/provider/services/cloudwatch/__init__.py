"""Pulumi's module `cloudwatch`: CloudWatch's alarms and dashboards, CloudWatch Logs, EventBridge."""

from twin.aws.provider.services.cloudwatch.alarms import CompositeAlarm, Dashboard, MetricAlarm
from twin.aws.provider.services.cloudwatch.events import EventArchive, EventBus, EventRule, EventTarget
from twin.aws.provider.services.cloudwatch.logs import (
    LogGroup,
    LogMetricFilter,
    LogResourcePolicy,
    LogStream,
    LogSubscriptionFilter,
)

__all__ = [
    "CompositeAlarm",
    "Dashboard",
    "EventArchive",
    "EventBus",
    "EventRule",
    "EventTarget",
    "LogGroup",
    "LogMetricFilter",
    "LogResourcePolicy",
    "LogStream",
    "LogSubscriptionFilter",
    "MetricAlarm",
]
