"""Budgets: budgets, their notifications and subscribers."""

from datetime import datetime
from typing import Any, Final

from twin.aws.cloud.gaps.context import Context, utc_now
from twin.aws.cloud.gaps.kinds import Kind, list_all
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.gaps.store import Record
from twin.aws.cloud.protocol import AwsError

_FOR_EVER: Final = datetime(2087, 6, 15)  # noqa: DTZ001  (UTC without a zone, as moto's serialisers want it)
_COST_TYPES: Final = {
    "IncludeTax": True,
    "IncludeSubscription": True,
    "UseBlended": False,
    "IncludeRefund": True,
    "IncludeCredit": True,
    "IncludeUpfront": True,
    "IncludeRecurring": True,
    "IncludeOtherSubscription": True,
    "IncludeSupport": True,
    "IncludeDiscount": True,
    "UseAmortized": False,
}


def fill(registry: GapRegistry) -> None:
    """Registers Budgets' gap fillers."""
    registry.kind(BUDGET)
    for name, answer in {
        "DescribeBudget": _describe,
        "DescribeBudgets": lambda context: list_all(BUDGET, context),
        "UpdateBudget": _update,
        "CreateNotification": _create_notification,
        "DescribeNotificationsForBudget": _describe_notifications,
        "UpdateNotification": _update_notification,
        "DeleteNotification": _delete_notification,
        "CreateSubscriber": _create_subscriber,
        "DescribeSubscribersForNotification": _describe_subscribers,
        "UpdateSubscriber": _update_subscriber,
        "DeleteSubscriber": _delete_subscriber,
    }.items():
        registry.answer("budgets", name, answer)


def _name(_kind: Kind, context: Context) -> str:
    return str(context.required("Budget")["BudgetName"])


def _begin(context: Context, budget: Record) -> None:
    limit = budget.get("BudgetLimit")
    if limit is None and not budget.get("PlannedBudgetLimits") and not budget.get("AutoAdjustData"):
        raise AwsError("InvalidParameterException", "One of BudgetLimit and PlannedBudgetLimits is needed")
    unit = (limit or {}).get("Unit", "USD")
    budget["CalculatedSpend"] = {"ActualSpend": {"Amount": "0.0", "Unit": unit}}
    if budget["BudgetType"] == "COST" and not budget.get("FilterExpression"):
        budget["CostTypes"] = _COST_TYPES | budget.get("CostTypes", {})
    period = dict(budget.get("TimePeriod") or {})
    period.setdefault("Start", utc_now().replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    period.setdefault("End", _FOR_EVER)
    budget["TimePeriod"] = period
    budget["LastUpdatedTime"] = utc_now()
    budget["_notifications"] = []
    for each in context.parameters.get("NotificationsWithSubscribers") or []:
        _add_notification(budget, each["Notification"], each["Subscribers"])


BUDGET: Final = Kind(
    service="budgets",
    noun="Budget",
    name="BudgetName",
    arn="arn:aws:budgets::{account}:budget/{name}",
    arn_field="_arn",
    create="CreateBudget",
    delete="DeleteBudget",
    sent_in="Budget",
    wrap="Budget",
    tags="ResourceTags",
    everywhere=True,
    missing=("NotFoundException", "Unable to get budget: {name} - the budget doesn't exist."),
    exists=("DuplicateRecordException", "Error creating budget: {name} - the budget already exists."),
    make_name=_name,
    before_create=_begin,
)


def _describe(context: Context) -> dict[str, Any]:
    return {"Budget": BUDGET.asked_for(context)}


def _update(context: Context) -> None:
    """Replaces all of the budget but its history and notifications."""
    new = context.required("NewBudget")
    old = BUDGET.find(context, new["BudgetName"])
    kept = {key: old[key] for key in ("_name", "_arn", "_notifications", "CalculatedSpend", "TimePeriod")}
    updated = {**kept, **new, "LastUpdatedTime": utc_now()}
    updated["TimePeriod"] = {**old["TimePeriod"], **(new.get("TimePeriod") or {})}
    if "CostTypes" in old:
        updated["CostTypes"] = _COST_TYPES | (new.get("CostTypes") or {})
    old.clear()
    old.update(updated)


# --- notifications ---


def _same(one: Record, other: Record) -> bool:
    kind = one.get("ThresholdType", "PERCENTAGE") == other.get("ThresholdType", "PERCENTAGE")
    names = ("NotificationType", "ComparisonOperator", "Threshold")
    return kind and all(one[name] == other[name] for name in names)


def _find(context: Context, wanted: Record) -> tuple[Record, Record]:
    budget = BUDGET.find(context, context.required("BudgetName"))
    for each in budget["_notifications"]:
        if _same(each["Notification"], wanted):
            return budget, each
    raise AwsError("NotFoundException", "Unable to find notification: the notification doesn't exist.")


def _add_notification(budget: Record, notification: Record, subscribers: list[Record]) -> None:
    if any(_same(each["Notification"], notification) for each in budget["_notifications"]):
        raise AwsError("DuplicateRecordException", "Error creating notification: it already exists.")
    shown = {"ThresholdType": "PERCENTAGE", "NotificationState": "OK", **notification}
    budget["_notifications"].append({"Notification": shown, "Subscribers": list(subscribers)})


def _create_notification(context: Context) -> None:
    budget = BUDGET.asked_for(context)
    _add_notification(budget, context.required("Notification"), context.required("Subscribers"))


def _describe_notifications(context: Context) -> dict[str, Any]:
    budget = BUDGET.asked_for(context)
    return {"Notifications": [each["Notification"] for each in budget["_notifications"]]}


def _update_notification(context: Context) -> None:
    _, found = _find(context, context.required("OldNotification"))
    found["Notification"] = {
        "ThresholdType": "PERCENTAGE",
        "NotificationState": "OK",
        **context.required("NewNotification"),
    }


def _delete_notification(context: Context) -> None:
    budget, found = _find(context, context.required("Notification"))
    budget["_notifications"].remove(found)


def _create_subscriber(context: Context) -> None:
    _, found = _find(context, context.required("Notification"))
    subscriber = context.required("Subscriber")
    if subscriber in found["Subscribers"]:
        raise AwsError("DuplicateRecordException", "Error creating subscriber: it already exists.")
    found["Subscribers"].append(subscriber)


def _describe_subscribers(context: Context) -> dict[str, Any]:
    _, found = _find(context, context.required("Notification"))
    return {"Subscribers": found["Subscribers"]}


def _update_subscriber(context: Context) -> None:
    _, found = _find(context, context.required("Notification"))
    place = _place(found["Subscribers"], context.required("OldSubscriber"))
    found["Subscribers"][place] = context.required("NewSubscriber")


def _delete_subscriber(context: Context) -> None:
    budget, found = _find(context, context.required("Notification"))
    del found["Subscribers"][_place(found["Subscribers"], context.required("Subscriber"))]
    if not found["Subscribers"]:
        budget["_notifications"].remove(found)  # AWS keeps no notification without one


def _place(subscribers: list[Record], wanted: Record) -> int:
    if wanted not in subscribers:
        raise AwsError("NotFoundException", "Unable to find subscriber: the subscriber doesn't exist.")
    return subscribers.index(wanted)
