"""CloudWatch Logs."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import Adapter, Declared, State, found
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.providers.problems import Problems

_RETENTIONS: Final = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
_NAME: Final = re.compile(r"^[\w./#-]{1,512}$")


class LogGroup(Adapter):
    """A log group; its id is its name."""

    token = "aws:cloudwatch/logGroup:LogGroup"
    service = "logs"
    auto_name = AutoName(max_length=512)
    create_shapes = ("CreateLogGroup.input",)
    rename: ClassVar[Mapping[str, str]] = {"name": "logGroupName"}
    handled = frozenset({"retentionInDays"})
    local = frozenset({"skipDestroy"})
    in_place = frozenset({"deletionProtectionEnabled", "kmsKeyId", "retentionInDays"})
    defaults: ClassVar[Mapping[str, Any]] = {"retentionInDays": 0, "skipDestroy": False}
    tagging = Tagging(resource="resourceArn", tags="tags", keys="tagKeys", pair=None)

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Name and retention."""
        name, days = inputs.get("name"), inputs.get("retentionInDays")
        if isinstance(name, str) and not _NAME.match(name):
            problems.add("name", f"{name!r} is not allowed", "up to 512 letters, digits and _ - / . #")
        if isinstance(days, int) and days not in (0, *_RETENTIONS):
            allowed = ", ".join(map(str, _RETENTIONS))
            problems.add(
                "retentionInDays", f"{days} is not allowed", f"use 0 (for ever) or one of: {allowed}"
            )

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the group, then limits its retention; the state follows from both."""
        op.client().create_log_group(**self.request(op, "CreateLogGroup.input", inputs))
        op.id = inputs["name"]
        if inputs["retentionInDays"]:
            self._set_retention(op, inputs)
        return {"logGroupClass": "STANDARD", **inputs, "arn": _arn(op, inputs["name"])}

    def _set_retention(self, op: Operation, inputs: State) -> None:
        op.client().put_retention_policy(logGroupName=op.id, retentionInDays=inputs["retentionInDays"])

    def read(self, op: Operation, known: State) -> State | None:
        """Finds the group by its name."""
        pages = op.client().get_paginator("describe_log_groups").paginate(logGroupNamePrefix=op.id)
        for page in pages:
            for group in page["logGroups"]:
                if group["logGroupName"] == op.id:
                    return {
                        "name": op.id,
                        "arn": _arn(op, op.id),
                        "kmsKeyId": group.get("kmsKeyId"),
                        "logGroupClass": group.get("logGroupClass") or "STANDARD",
                        "retentionInDays": group.get("retentionInDays") or 0,
                    }
        return None

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Each setting has calls of its own."""
        client = op.client()
        if "retentionInDays" in changed:
            if news["retentionInDays"]:
                self._set_retention(op, news)
            else:
                client.delete_retention_policy(logGroupName=op.id)
        if "kmsKeyId" in changed:
            if news.get("kmsKeyId"):
                client.associate_kms_key(logGroupName=op.id, kmsKeyId=news["kmsKeyId"])
            else:
                client.disassociate_kms_key(logGroupName=op.id)

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the group, unless it is to stay."""
        if not known.get("skipDestroy"):
            op.client().delete_log_group(logGroupName=op.id)


def _arn(op: Operation, name: str) -> str:
    return op.arn("logs", f"log-group:{name}")


class LogStream(Adapter):
    """A stream of a group; its id is its name."""

    token = "aws:cloudwatch/logStream:LogStream"
    service = "logs"
    auto_name = AutoName(max_length=512)
    handled = frozenset({"logGroupName"})

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the stream."""
        op.client().create_log_stream(logGroupName=inputs["logGroupName"], logStreamName=inputs["name"])
        op.id = f"{inputs['logGroupName']}:{inputs['name']}"
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """Finds the stream by its name."""
        group, name = known["logGroupName"], known["name"]
        answer = found(op.client().describe_log_streams, logGroupName=group, logStreamNamePrefix=name)
        streams = [each for each in (answer or {}).get("logStreams", ()) if each["logStreamName"] == name]
        if not streams:
            return None
        arn = op.arn("logs", f"log-group:{group}:log-stream:{name}")
        return {"logGroupName": group, "name": name, "arn": arn}

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the stream."""
        op.client().delete_log_stream(logGroupName=known["logGroupName"], logStreamName=known["name"])

    def parse_id(self, op: Operation, identifier: str) -> State:
        """Group and stream."""
        group, _, name = identifier.rpartition(":")
        return {"logGroupName": group, "name": name}


class LogMetricFilter(Declared):
    """A metric from log lines."""

    token = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
    service = "logs"
    auto_name = AutoName(max_length=512)
    create_call = update_call = "PutMetricFilter"
    read_call, delete_call, result = "DescribeMetricFilters", "DeleteMetricFilter", "metricFilters"
    rename: ClassVar[Mapping[str, str]] = {
        "name": "filterName",
        "pattern": "filterPattern",
        "metricTransformation": "metricTransformations",
        "metricTransformation.name": "metricName",
        "metricTransformation.namespace": "metricNamespace",
        "metricTransformation.value": "metricValue",
    }
    key: ClassVar[Mapping[str, str]] = {"logGroupName": "logGroupName", "filterName": "name"}
    read_key: ClassVar[Mapping[str, str]] = {"logGroupName": "logGroupName", "filterNamePrefix": "name"}
    id_property = "{logGroupName}:{name}"

    def pick(self, found: list[Any]) -> Any:
        """The shortest name of those with the prefix is the one asked for."""
        return min(found, key=lambda each: len(each["filterName"]), default=None)

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """The old one goes first: the emulator would keep both."""
        self.delete(op, {**olds, **news})
        super().update(op, olds, news, changed)


class LogSubscriptionFilter(Declared):
    """Log lines sent elsewhere."""

    token = "aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter"
    service = "logs"
    auto_name = AutoName(max_length=512)
    create_call = update_call = "PutSubscriptionFilter"
    read_call, delete_call = "DescribeSubscriptionFilters", "DeleteSubscriptionFilter"
    result = "subscriptionFilters"
    rename: ClassVar[Mapping[str, str]] = {"name": "filterName", "logGroup": "logGroupName"}
    key: ClassVar[Mapping[str, str]] = {"logGroupName": "logGroup", "filterName": "name"}
    read_key: ClassVar[Mapping[str, str]] = {"logGroupName": "logGroup", "filterNamePrefix": "name"}
    id_property = "{logGroup}|{name}"
    defaults: ClassVar[Mapping[str, Any]] = {"distribution": "ByLogStream"}

    def parameters(self, op: Operation, call: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """An empty pattern takes every line."""
        return {"filterPattern": "", **super().parameters(op, call, inputs)}

    def pick(self, found: list[Any]) -> Any:
        """The shortest name of those with the prefix is the one asked for."""
        return min(found, key=lambda each: len(each["filterName"]), default=None)


class LogResourcePolicy(Adapter):
    """Which services may write logs; its id is its name."""

    token = "aws:cloudwatch/logResourcePolicy:LogResourcePolicy"
    service = "logs"
    auto_name = AutoName("policyName")
    handled = frozenset({"policyDocument"})
    in_place = frozenset({"policyDocument"})
    policies: ClassVar[Mapping[str, bool]] = {"policyDocument": True}

    def create(self, op: Operation, inputs: State) -> State | None:
        """Puts the policy."""
        self._put(op, inputs)
        op.id = inputs["policyName"]
        return None

    def _put(self, op: Operation, inputs: State) -> None:
        parameters = self.request(op, "PutResourcePolicy.input", inputs)
        op.client().put_resource_policy(**parameters)

    def read(self, op: Operation, known: State) -> State | None:
        """Finds it among the account's."""
        for policy in op.client().describe_resource_policies()["resourcePolicies"]:
            if policy["policyName"] == op.id:
                return {"policyName": op.id, "policyDocument": policy["policyDocument"]}
        return None

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts it again."""
        self._put(op, news)

    def delete(self, op: Operation, known: State) -> None:
        """Deletes it."""
        op.client().delete_resource_policy(policyName=op.id)
