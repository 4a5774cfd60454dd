"""Budgets: moto keeps them, but cannot change them and knows nobody to tell."""

from typing import Any, Final

from twin.aws.cloud.gaps.context import Context, utc_now
from twin.aws.cloud.gaps.kinds import Kind
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.gaps.store import Record
from twin.aws.cloud.protocol import AwsError

_NOTIFICATIONS: Final = "_notifications"
_MISSING: Final = "NotFoundException"
_KEY: Final = ("NotificationType", "ComparisonOperator", "Threshold")


def _begin(context: Context, budget: Record) -> None:
    budget[_NOTIFICATIONS] = list(context.parameters.get("NotificationsWithSubscribers") or ())
    budget.setdefault("CalculatedSpend", {"ActualSpend": {"Amount": "0.0", "Unit": "USD"}})
    budget["LastUpdatedTime"] = utc_now()


BUDGET: Final = Kind(
    service="budgets",
    noun="Budget",
    name="BudgetName",
    arn="arn:aws:budgets::{account}:budget/{name}",
    arn_field="_arn",
    describe="DescribeBudget",
    list="DescribeBudgets",
    delete="DeleteBudget",
    create="CreateBudget",
    wrap="Budget",
    sent_in="Budget",
    tags="ResourceTags",
    missing=(_MISSING, "Unable to get budget: {name} - the budget doesn't exist."),
    exists=("DuplicateRecordException", "Error creating budget: {name} - the budget already exists."),
    make_name=lambda kind, context: str(context.required(kind.sent_in)[kind.name]),
    everywhere=True,
    before_create=_begin,
)


def fill(registry: GapRegistry) -> None:
    """Registers the gap fillers of Budgets."""
    registry.kind(BUDGET)
    for name, answer in (
        ("UpdateBudget", _update),
        ("DescribeNotificationsForBudget", _describe_notifications),
        ("DescribeSubscribersForNotification", _describe_subscribers),
        ("CreateNotification", _create_notification),
        ("DeleteNotification", _delete_notification),
    ):
        registry.answer("budgets", name, answer)


def _budget(context: Context) -> Record:
    return BUDGET.find(context, str(context.required("BudgetName")))


def _update(context: Context) -> dict[str, Any]:
    new = context.required("NewBudget")
    budget = BUDGET.find(context, str(new["BudgetName"]))
    for member in ("BudgetLimit", "CostFilters", "CostTypes", "TimeUnit", "TimePeriod", "BudgetType"):
        if member in new:
            budget[member] = new[member]
        elif member == "CostFilters":
            budget.pop(member, None)  # the call takes the whole description
    budget["LastUpdatedTime"] = utc_now()
    return {}


def _describe_notifications(context: Context) -> dict[str, Any]:
    listed = [each["Notification"] for each in _budget(context)[_NOTIFICATIONS]]
    return {"Notifications": [{**each, "NotificationState": "OK"} for each in listed]}


def _find(context: Context) -> tuple[list[Record], Record | None]:
    listed = _budget(context)[_NOTIFICATIONS]
    wanted = _key(context.required("Notification"))
    return listed, next((each for each in listed if _key(each["Notification"]) == wanted), None)


def _key(notification: Record) -> tuple[Any, ...]:
    kind = notification.get("ThresholdType") or "PERCENTAGE"
    return (*(notification[name] for name in _KEY), kind)


def _describe_subscribers(context: Context) -> dict[str, Any]:
    _, found = _find(context)
    if found is None:
        raise AwsError(_MISSING, "Unable to get subscribers: the notification doesn't exist.")
    return {"Subscribers": found["Subscribers"]}


def _create_notification(context: Context) -> dict[str, Any]:
    listed, found = _find(context)
    if found is not None:
        raise AwsError("DuplicateRecordException", "Error creating notification: it already exists.")
    listed.append(
        {"Notification": context.required("Notification"), "Subscribers": context.required("Subscribers")}
    )
    return {}


def _delete_notification(context: Context) -> dict[str, Any]:
    listed, found = _find(context)
    if found is None:
        raise AwsError(_MISSING, "Unable to delete notification: it doesn't exist.")
    listed.remove(found)
    return {}
