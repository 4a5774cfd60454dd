"""Cost Explorer: anomaly monitors and subscriptions."""

from functools import partial
from typing import Any, Final

from twin.aws.cloud.gaps.context import Context, utc_now
from twin.aws.cloud.gaps.kinds import Kind
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.gaps.store import Record
from twin.aws.cloud.protocol import AwsError


def fill(registry: GapRegistry) -> None:
    """Registers Cost Explorer's gap fillers."""
    registry.kind(MONITOR)
    registry.kind(SUBSCRIPTION)
    registry.answer("ce", "GetAnomalyMonitors", partial(_get, MONITOR, "AnomalyMonitors"))
    registry.answer("ce", "GetAnomalySubscriptions", partial(_get, SUBSCRIPTION, "AnomalySubscriptions"))
    registry.answer("ce", "GetAnomalies", lambda _context: {"Anomalies": []})


def _arn(kind: Kind, context: Context) -> str:
    from moto.moto_api._internal import mock_random

    return f"arn:aws:ce::{context.account}:{kind.noun.lower()}/{mock_random.uuid4()}"


def _begin_monitor(context: Context, monitor: Record) -> None:
    now = utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
    monitor["CreationDate"] = monitor["LastUpdatedDate"] = now
    monitor["DimensionalValueCount"] = 0
    if monitor.get("MonitorDimension") != "SERVICE":
        return
    others = MONITOR.records(context).values()
    if any(each.get("MonitorDimension") == "SERVICE" for each in others):
        raise AwsError("LimitExceededException", "Limit exceeded on dimensional spend monitor creation")


def _touch(_context: Context, monitor: Record) -> None:
    monitor["LastUpdatedDate"] = utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_monitors(context: Context, subscription: Record) -> None:
    subscription["AccountId"] = context.account
    for arn in subscription["MonitorArnList"]:
        MONITOR.find(context, arn)


MONITOR: Final = Kind(
    service="ce",
    noun="AnomalyMonitor",
    name="MonitorArn",
    arn="{name}",
    arn_field="MonitorArn",
    create="CreateAnomalyMonitor",
    update="UpdateAnomalyMonitor",
    delete="DeleteAnomalyMonitor",
    sent_in="AnomalyMonitor",
    tags="ResourceTags",
    everywhere=True,
    missing=("UnknownMonitorException", "Monitor {name} not found"),
    make_name=_arn,
    before_create=_begin_monitor,
    after_update=_touch,
)
SUBSCRIPTION: Final = Kind(
    service="ce",
    noun="AnomalySubscription",
    name="SubscriptionArn",
    arn="{name}",
    arn_field="SubscriptionArn",
    create="CreateAnomalySubscription",
    update="UpdateAnomalySubscription",
    delete="DeleteAnomalySubscription",
    sent_in="AnomalySubscription",
    tags="ResourceTags",
    everywhere=True,
    missing=("UnknownSubscriptionException", "Subscription {name} not found"),
    make_name=_arn,
    before_create=_check_monitors,
    after_update=_check_monitors,
)


def _get(kind: Kind, member: str, context: Context) -> dict[str, Any]:
    """All, or those named; AWS complains of a name it doesn't know."""
    wanted = context.parameters.get(f"{kind.name}List")
    monitor = context.parameters.get("MonitorArn")
    records = list(kind.records(context).values())
    if wanted:
        records = [kind.find(context, arn) for arn in wanted]
    if monitor:
        records = [each for each in records if monitor in each["MonitorArnList"]]
    return {member: records}
