"""AWS Cost Explorer: anomaly monitors and who they tell."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import Adapter, State, found
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.providers.problems import Problems

_TAGGING: Final = Tagging(resource="ResourceArn", tags="ResourceTags", keys="ResourceTagKeys")


class AnomalyMonitor(Adapter):
    """Watches costs for what is out of line; its id is its ARN."""

    token = "aws:costexplorer/anomalyMonitor:AnomalyMonitor"
    service = "ce"
    auto_name = AutoName(max_length=1024)
    is_global = True
    handled = frozenset({"monitorType", "monitorDimension", "monitorSpecification"})
    in_place = frozenset({"name"})
    tagging = _TAGGING

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """A kind, with what that kind needs."""
        kind = inputs.get("monitorType")
        needed = {"DIMENSIONAL": "monitorDimension", "CUSTOM": "monitorSpecification"}
        if isinstance(kind, str) and kind not in needed:
            problems.add("monitorType", f"{kind!r} is not allowed", "DIMENSIONAL or CUSTOM")
        elif isinstance(kind, str) and needed[kind] not in inputs:
            problems.add(needed[kind], "is missing", f"a {kind} monitor needs it")
        specification = inputs.get("monitorSpecification")
        if isinstance(specification, str):
            try:
                json.loads(specification)
            except ValueError as error:
                problems.add("monitorSpecification", f"is not JSON: {error}", "give a cost expression")

    def create(self, op: Operation, inputs: State) -> State | None:
        """One call."""
        monitor: dict[str, Any] = {"MonitorName": inputs["name"], "MonitorType": inputs["monitorType"]}
        if inputs.get("monitorDimension"):
            monitor["MonitorDimension"] = inputs["monitorDimension"]
        if inputs.get("monitorSpecification"):
            monitor["MonitorSpecification"] = _without_nulls(json.loads(inputs["monitorSpecification"]))
        tags = inputs.get("tags") or {}
        params = {"AnomalyMonitor": monitor, **({"ResourceTags": _TAGGING.pairs(tags)} if tags else {})}
        op.id = op.call("CreateAnomalyMonitor", params)["MonitorArn"]
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """The monitor."""
        answer = found(op.call, operation="GetAnomalyMonitors", params={"MonitorArnList": [op.id]})
        listed = (answer or {}).get("AnomalyMonitors") or []
        if not listed:
            return None
        monitor = listed[0]
        specification = monitor.get("MonitorSpecification")
        text = known.get("monitorSpecification")
        if specification and (not text or _without_nulls(json.loads(text)) != specification):
            text = json.dumps(specification, sort_keys=True)
        return {
            "arn": op.id,
            "name": monitor["MonitorName"],
            "monitorType": monitor["MonitorType"],
            "monitorDimension": monitor.get("MonitorDimension"),
            "monitorSpecification": text if specification else None,
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Another name."""
        if "name" in changed:
            op.call("UpdateAnomalyMonitor", {"MonitorArn": op.id, "MonitorName": news["name"]})

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the monitor."""
        op.call("DeleteAnomalyMonitor", {"MonitorArn": op.id})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The ARN."""
        return {"arn": identifier}


class AnomalySubscription(Adapter):
    """Who is told of anomalies; its id is its ARN."""

    token = "aws:costexplorer/anomalySubscription:AnomalySubscription"
    service = "ce"
    auto_name = AutoName(max_length=1024)
    is_global = True
    handled = frozenset({"accountId", "frequency", "monitorArnLists", "subscribers", "thresholdExpression"})
    in_place = frozenset({"frequency", "monitorArnLists", "subscribers", "thresholdExpression"})
    tagging = _TAGGING
    defaults: ClassVar[Mapping[str, Any]] = {}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Topics are told at once, mailboxes by the day or week."""
        frequency, subscribers = inputs.get("frequency"), inputs.get("subscribers")
        if isinstance(frequency, str) and frequency not in ("DAILY", "IMMEDIATE", "WEEKLY"):
            problems.add("frequency", f"{frequency!r} is not allowed", "DAILY, IMMEDIATE or WEEKLY")
        for place, each in enumerate(subscribers if isinstance(subscribers, list) else ()):
            kind = each.get("type") if isinstance(each, dict) else None
            if frequency == "IMMEDIATE" and kind == "EMAIL":
                problems.add(f"subscribers[{place}].type", "is EMAIL", "IMMEDIATE goes to SNS topics only")
            if frequency in ("DAILY", "WEEKLY") and kind == "SNS":
                problems.add(f"subscribers[{place}].type", "is SNS", "topics are told IMMEDIATE only")

    def create(self, op: Operation, inputs: State) -> State | None:
        """One call."""
        tags = inputs.get("tags") or {}
        subscription = {"SubscriptionName": inputs["name"], **_terms(inputs)}
        more = {"ResourceTags": _TAGGING.pairs(tags)} if tags else {}
        answer = op.call("CreateAnomalySubscription", {"AnomalySubscription": subscription, **more})
        op.id = answer["SubscriptionArn"]
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """The subscription."""
        params = {"SubscriptionArnList": [op.id]}
        answer = found(op.call, operation="GetAnomalySubscriptions", params=params)
        listed = (answer or {}).get("AnomalySubscriptions") or []
        if not listed:
            return None
        subscription = listed[0]
        expression = subscription.get("ThresholdExpression")
        return {
            "arn": op.id,
            "accountId": subscription.get("AccountId") or op.account,
            "name": subscription["SubscriptionName"],
            "frequency": subscription["Frequency"],
            "monitorArnLists": subscription["MonitorArnList"],
            "subscribers": [
                {"type": each["Type"], "address": each["Address"]} for each in subscription["Subscribers"]
            ],
            "thresholdExpression": _shown(expression) if expression else None,
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Other terms."""
        if changed - {"tags"}:
            op.call("UpdateAnomalySubscription", {"SubscriptionArn": op.id, **_terms(news)})

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the subscription."""
        op.call("DeleteAnomalySubscription", {"SubscriptionArn": op.id})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The ARN."""
        return {"arn": identifier}


def _terms(inputs: Mapping[str, Any]) -> dict[str, Any]:
    terms: dict[str, Any] = {
        "Frequency": inputs["frequency"],
        "MonitorArnList": inputs["monitorArnLists"],
        "Subscribers": [{"Type": each["type"], "Address": each["address"]} for each in inputs["subscribers"]],
    }
    if inputs.get("thresholdExpression"):
        terms["ThresholdExpression"] = _expression(inputs["thresholdExpression"])
    return terms


_JOINS: Final = {"ands": "And", "ors": "Or"}
_LEAVES: Final = {"dimension": "Dimensions", "tags": "Tags", "costCategory": "CostCategories"}
_MEMBERS: Final = {"key": "Key", "values": "Values", "matchOptions": "MatchOptions"}


def _expression(given: Mapping[str, Any]) -> dict[str, Any]:
    """A cost expression as the API takes it."""
    expression: dict[str, Any] = {
        _JOINS[key]: [_expression(each) for each in given[key]] for key in _JOINS if given.get(key)
    }
    if given.get("not"):
        expression["Not"] = _expression(given["not"])
    for key, member in _LEAVES.items():
        if given.get(key):
            expression[member] = {_MEMBERS[name]: value for name, value in given[key].items()}
    return expression


def _shown(expression: Mapping[str, Any]) -> dict[str, Any]:
    """A cost expression as Pulumi shows it."""
    shown: dict[str, Any] = {
        key: [_shown(each) for each in expression[member]]
        for key, member in _JOINS.items()
        if expression.get(member)
    }
    if expression.get("Not"):
        shown["not"] = _shown(expression["Not"])
    for key, member in _LEAVES.items():
        if expression.get(member):
            names = {api: name for name, api in _MEMBERS.items()}
            shown[key] = {names[name]: value for name, value in expression[member].items()}
    return shown


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
