"""AWS Budgets."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import Adapter, State, found
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.providers.problems import Problems

_END: Final = "2087-06-15_00:00"
_NAME: Final = re.compile(r"^[^:\\]{1,100}$")
_AMOUNT: Final = re.compile(r"^\d+(\.\d+)?$")
_COMPARISONS: Final = ("GREATER_THAN", "LESS_THAN", "EQUAL_TO")
_KINDS: Final = ("ACTUAL", "FORECASTED")
_THRESHOLDS: Final = ("PERCENTAGE", "ABSOLUTE_VALUE")
_COST_TYPES: Final = {
    "includeCredit": True,
    "includeDiscount": True,
    "includeOtherSubscription": True,
    "includeRecurring": True,
    "includeRefund": True,
    "includeSubscription": True,
    "includeSupport": True,
    "includeTax": True,
    "includeUpfront": True,
    "useAmortized": False,
    "useBlended": False,
}
_PROPERTIES: Final = frozenset(
    {
        "accountId",
        "budgetType",
        "costFilters",
        "costTypes",
        "limitAmount",
        "limitUnit",
        "notifications",
        "timePeriodEnd",
        "timePeriodStart",
        "timeUnit",
    }
)


class Budget(Adapter):
    """A budget with who is told; its id is `account:name`."""

    token = "aws:budgets/budget:Budget"
    service = "budgets"
    auto_name = AutoName(max_length=100)
    is_global = True
    handled = _PROPERTIES
    in_place = _PROPERTIES - {"accountId"}
    defaults: ClassVar[Mapping[str, Any]] = {"timePeriodEnd": _END}
    volatile = frozenset({"limitAmount"})
    tagging = Tagging(resource="ResourceARN", tags="ResourceTags", keys="ResourceTagKeys")

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The name, the amount, and notifications that somebody gets."""
        name = inputs.get("name")
        if isinstance(name, str) and not _NAME.match(name):
            problems.add("name", f"{name!r} is not allowed", "up to 100 characters without : and \\")
        amount = inputs.get("limitAmount")
        if isinstance(amount, str) and not _AMOUNT.match(amount):
            problems.add(
                "limitAmount", f"{amount!r} is no amount", "write a number as text, such as '100.00'"
            )
        notifications = inputs.get("notifications")
        for place, each in enumerate(notifications if isinstance(notifications, list) else ()):
            if isinstance(each, dict):
                self._check_notification(f"notifications[{place}]", each, problems)

    def _check_notification(self, path: str, each: Mapping[str, Any], problems: Problems) -> None:
        allowed = {
            "comparisonOperator": _COMPARISONS,
            "notificationType": _KINDS,
            "thresholdType": _THRESHOLDS,
        }
        for key, values in allowed.items():
            value = each.get(key)
            if isinstance(value, str) and value not in values:
                problems.add(f"{path}.{key}", f"{value!r} is not allowed", f"one of {', '.join(values)}")
        emails, topics = each.get("subscriberEmailAddresses"), each.get("subscriberSnsTopicArns")
        if not emails and not topics:
            problems.add(path, "tells nobody", "give subscriberEmailAddresses or subscriberSnsTopicArns")
        if isinstance(topics, list) and len(topics) > 1:
            problems.add(f"{path}.subscriberSnsTopicArns", "has several topics", "AWS takes one")

    def create(self, op: Operation, inputs: State) -> State | None:
        """One call makes the budget with its notifications."""
        account = inputs.get("accountId") or op.account
        tags = inputs.get("tags") or {}
        op.call(
            "CreateBudget",
            {
                "AccountId": account,
                "Budget": _budget(inputs),
                "NotificationsWithSubscribers": [
                    {"Notification": _notification(each), "Subscribers": _subscribers(each)}
                    for each in inputs.get("notifications") or ()
                ],
                **({"ResourceTags": self._pairs(tags)} if tags else {}),
            },
        )
        op.id = f"{account}:{inputs['name']}"
        return None

    def _pairs(self, tags: Mapping[str, str]) -> Any:
        assert self.tagging is not None  # noqa: S101 - set above
        return self.tagging.pairs(tags)

    def read(self, op: Operation, known: State) -> State | None:
        """The budget, and who is told of what."""
        account, _, name = op.id.partition(":")
        named = {"AccountId": account, "BudgetName": name}
        answer = found(op.call, operation="DescribeBudget", params=named)
        if answer is None:
            return None
        budget = answer["Budget"]
        limit = budget.get("BudgetLimit") or {}
        filters = budget.get("CostFilters") or {}
        period = budget.get("TimePeriod") or {}
        types = budget.get("CostTypes")
        return {
            "accountId": account,
            "name": name,
            "arn": op.arn("budgets", f"budget/{name}", region="", account=account),
            "budgetType": budget["BudgetType"],
            "timeUnit": budget["TimeUnit"],
            "limitAmount": _same_amount(limit.get("Amount"), known.get("limitAmount")),
            "limitUnit": limit.get("Unit"),
            "costFilters": [{"name": key, "values": filters[key]} for key in sorted(filters)] or None,
            "costTypes": _cost_types(types) if types else known.get("costTypes"),
            "timePeriodStart": _time(period.get("Start")) or known.get("timePeriodStart"),
            "timePeriodEnd": _time(period.get("End")) or known.get("timePeriodEnd") or _END,
            "notifications": self._notifications(op, named, known),
        }

    def _notifications(self, op: Operation, named: Mapping[str, str], known: State) -> list[Any] | None:
        answer = found(op.call, operation="DescribeNotificationsForBudget", params=named) or {}
        listed: list[dict[str, Any]] = []
        for each in answer.get("Notifications") or ():
            asked = {key: each[key] for key in ("NotificationType", "ComparisonOperator", "Threshold")}
            asked["ThresholdType"] = each.get("ThresholdType") or "PERCENTAGE"
            told = op.call("DescribeSubscribersForNotification", {**named, "Notification": asked})
            by_kind: dict[str, list[str]] = {"EMAIL": [], "SNS": []}
            for subscriber in told.get("Subscribers") or ():
                by_kind[subscriber["SubscriptionType"]].append(subscriber["Address"])
            listed.append(
                {
                    "comparisonOperator": asked["ComparisonOperator"],
                    "notificationType": asked["NotificationType"],
                    "threshold": asked["Threshold"],
                    "thresholdType": asked["ThresholdType"],
                    **({"subscriberEmailAddresses": sorted(by_kind["EMAIL"])} if by_kind["EMAIL"] else {}),
                    **({"subscriberSnsTopicArns": by_kind["SNS"]} if by_kind["SNS"] else {}),
                }
            )
        order = [_key(each) for each in known.get("notifications") or ()]
        # AWS keeps a set: the order is the program's.
        listed.sort(
            key=lambda each: (order.index(_key(each)) if _key(each) in order else len(order), _key(each))
        )
        return listed or None

    def same(self, name: str, left: Any, right: Any) -> bool:
        """Amounts by their value."""
        return name == "limitAmount" and _same_amount(left, right) == right

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """The budget itself, then the notifications that went, came, or have other readers."""
        account, _, name = op.id.partition(":")
        named = {"AccountId": account, "BudgetName": name}
        if changed - {"tags", "notifications"}:
            op.call("UpdateBudget", {"AccountId": account, "NewBudget": _budget(news)})
        if "notifications" not in changed:
            return
        before = {_key(each): each for each in olds.get("notifications") or ()}
        after = {_key(each): each for each in news.get("notifications") or ()}
        for key, each in before.items():
            if key not in after or _subscribers(each) != _subscribers(after[key]):
                op.call("DeleteNotification", {**named, "Notification": _notification(each)})
        for key, each in after.items():
            if key not in before or _subscribers(each) != _subscribers(before[key]):
                told = {"Notification": _notification(each), "Subscribers": _subscribers(each)}
                op.call("CreateNotification", {**named, **told})

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the budget with its notifications."""
        account, _, name = op.id.partition(":")
        op.call("DeleteBudget", {"AccountId": account, "BudgetName": name})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """`account:name`."""
        account, _, name = identifier.partition(":")
        return {"accountId": account, "name": name}


def _budget(inputs: Mapping[str, Any]) -> dict[str, Any]:
    budget: dict[str, Any] = {
        "BudgetName": inputs["name"],
        "BudgetType": inputs["budgetType"],
        "TimeUnit": inputs["timeUnit"],
    }
    if inputs.get("limitAmount") is not None:
        budget["BudgetLimit"] = {"Amount": inputs["limitAmount"], "Unit": inputs.get("limitUnit") or "USD"}
    if inputs.get("costFilters"):
        budget["CostFilters"] = {each["name"]: each["values"] for each in inputs["costFilters"]}
    if inputs.get("costTypes"):
        types = {**_COST_TYPES, **inputs["costTypes"]}
        budget["CostTypes"] = {key[0].upper() + key[1:]: value for key, value in sorted(types.items())}
    period = {
        member: _moment(inputs[key])
        for member, key in (("Start", "timePeriodStart"), ("End", "timePeriodEnd"))
        if inputs.get(key)
    }
    return {**budget, **({"TimePeriod": period} if period else {})}


def _cost_types(types: Mapping[str, bool]) -> dict[str, bool]:
    return {key[0].lower() + key[1:]: value for key, value in sorted(types.items())}


def _notification(each: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "NotificationType": each["notificationType"],
        "ComparisonOperator": each["comparisonOperator"],
        "Threshold": float(each["threshold"]),
        "ThresholdType": each["thresholdType"],
    }


def _subscribers(each: Mapping[str, Any]) -> list[dict[str, str]]:
    emails, topics = each.get("subscriberEmailAddresses") or (), each.get("subscriberSnsTopicArns") or ()
    return [
        *({"SubscriptionType": "EMAIL", "Address": address} for address in sorted(emails)),
        *({"SubscriptionType": "SNS", "Address": address} for address in topics),
    ]


def _key(each: Mapping[str, Any]) -> tuple[str, str, float, str]:
    """What tells one notification of a budget from another."""
    return (
        str(each["notificationType"]),
        str(each["comparisonOperator"]),
        float(each["threshold"]),
        str(each["thresholdType"]),
    )


def _same_amount(left: Any, right: Any) -> Any:
    """`100.0` and `100.00` are one amount: the program's own spelling stays."""
    try:
        return right if right is not None and float(left) == float(right) else left
    except (TypeError, ValueError):
        return left


def _moment(text: str) -> str:
    return f"{text.replace('_', 'T')}:00Z"


def _time(moment: Any) -> str | None:
    if hasattr(moment, "strftime"):
        return str(moment.strftime("%Y-%m-%d_%H:%M"))
    return None
