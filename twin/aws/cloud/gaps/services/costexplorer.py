"""Cost Explorer's anomaly monitors and subscriptions."""

from typing import Any, Final

from moto.moto_api._internal import mock_random

from twin.aws.cloud.gaps.context import Context
from twin.aws.cloud.gaps.kinds import Kind, create
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.gaps.store import Record
from twin.aws.cloud.protocol import AwsError


def _begin(_context: Context, record: Record) -> None:
    record["_id"] = str(mock_random.uuid4())


MONITOR: Final = Kind(
    service="ce",
    noun="AnomalyMonitor",
    name="MonitorName",
    arn="arn:aws:ce::{account}:anomalymonitor/{_id}",
    arn_field="MonitorArn",
    sent_in="AnomalyMonitor",
    tags="ResourceTags",
    make_name=lambda kind, context: str(context.required(kind.sent_in)[kind.name]),
    everywhere=True,
    before_create=_begin,
    exists=("ValidationException", "Monitor {name} already exists"),
    missing=("UnknownMonitorException", "Monitor {name} does not exist"),
)
SUBSCRIPTION: Final = Kind(
    service="ce",
    noun="AnomalySubscription",
    name="SubscriptionName",
    arn="arn:aws:ce::{account}:anomalysubscription/{_id}",
    arn_field="SubscriptionArn",
    sent_in="AnomalySubscription",
    tags="ResourceTags",
    make_name=lambda kind, context: str(context.required(kind.sent_in)[kind.name]),
    everywhere=True,
    before_create=_begin,
    exists=("ValidationException", "Subscription {name} already exists"),
    missing=("UnknownSubscriptionException", "Subscription {name} does not exist"),
)


def fill(registry: GapRegistry) -> None:
    """Registers the gap fillers of Cost Explorer."""
    for kind in (MONITOR, SUBSCRIPTION):
        registry.kind(kind)
    for name, answer in (
        ("CreateAnomalyMonitor", lambda context: create(MONITOR, context)),
        ("GetAnomalyMonitors", lambda context: _listed(MONITOR, "AnomalyMonitors", context)),
        ("UpdateAnomalyMonitor", lambda context: _update(MONITOR, context)),
        ("DeleteAnomalyMonitor", lambda context: _delete(MONITOR, context)),
        ("CreateAnomalySubscription", _subscribe),
        ("GetAnomalySubscriptions", lambda context: _listed(SUBSCRIPTION, "AnomalySubscriptions", context)),
        ("UpdateAnomalySubscription", lambda context: _update(SUBSCRIPTION, context)),
        ("DeleteAnomalySubscription", lambda context: _delete(SUBSCRIPTION, context)),
    ):
        registry.answer("ce", name, answer)


def _subscribe(context: Context) -> dict[str, Any]:
    known = {record["MonitorArn"] for record in MONITOR.records(context).values()}
    for arn in context.required("AnomalySubscription").get("MonitorArnList") or ():
        if arn not in known:
            raise AwsError("UnknownMonitorException", f"Monitor {arn} does not exist")
    made = create(SUBSCRIPTION, context)
    SUBSCRIPTION.find(context, made["SubscriptionArn"])["AccountId"] = context.account
    return made


def _listed(kind: Kind, member: str, context: Context) -> dict[str, Any]:
    """Those that are named, or all."""
    wanted = context.parameters.get(f"{kind.arn_field}List")
    if wanted:
        return {member: [kind.find(context, arn) for arn in wanted]}
    return {member: list(kind.records(context).values())}


def _update(kind: Kind, context: Context) -> dict[str, Any]:
    record = kind.find(context, str(context.required(kind.arn_field)))
    for name, value in context.parameters.items():
        if value is not None and name != kind.arn_field:
            record[name] = value
    return {kind.arn_field: record[kind.arn_field]}


def _delete(kind: Kind, context: Context) -> dict[str, Any]:
    record = kind.find(context, str(context.required(kind.arn_field)))
    records = kind.records(context)
    for name, each in list(records.items()):
        if each is record:
            del records[name]
    context.store.set_tags(record[kind.arn_field], {})
    return {}
