"""EventBridge."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider import documents
from twin.aws.provider.adapter import Adapter, Declared, State, found
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.shapes import NOT_SENT
from twin.aws.provider.tagging import Tagging
from twin.providers.problems import Problems

_SCHEDULE: Final = re.compile(r"^(cron\(\S+ \S+ \S+ \S+ \S+ \S+\)|rate\(\d+ (minutes?|hours?|days?)\))$")
_TAGGING: Final = Tagging(resource="ResourceARN")


class EventRule(Adapter):
    """A rule; its id is its name, behind the bus if that is not the default one."""

    token = "aws:cloudwatch/eventRule:EventRule"
    service = "events"
    auto_name = AutoName(max_length=64)
    create_shapes = ("PutRule.input",)
    handled = frozenset({"isEnabled"})
    local = frozenset({"forceDestroy"})
    in_place = frozenset(
        {"description", "eventPattern", "isEnabled", "roleArn", "scheduleExpression", "state"}
    )
    defaults: ClassVar[Mapping[str, Any]] = {"eventBusName": "default", "forceDestroy": False}
    tagging = _TAGGING

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """A schedule or a pattern, each of its form."""
        schedule, pattern = inputs.get("scheduleExpression"), inputs.get("eventPattern")
        if not schedule and not pattern:
            problems.add("scheduleExpression", "is missing", "give scheduleExpression or eventPattern")
        if isinstance(schedule, str) and not _SCHEDULE.match(schedule):
            problems.add(
                "scheduleExpression", f"{schedule!r} is no schedule", "cron(0 3 * * ? *) or rate(5 minutes)"
            )
        if schedule and inputs.get("eventBusName") not in (None, "default"):
            problems.add("scheduleExpression", "only works on the default bus", "leave eventBusName out")
        if isinstance(pattern, str) and not isinstance(documents.parse(pattern), dict):
            problems.add("eventPattern", "is not a JSON object", 'give {"source": ["aws.s3"]}, say')

    def create(self, op: Operation, inputs: State) -> State | None:
        """Puts the rule."""
        self._put(op, inputs, tags=True)
        op.id = self._identifier(inputs)
        return None

    def _identifier(self, properties: Mapping[str, Any]) -> str:
        bus, name = properties["eventBusName"], str(properties["name"])
        return name if bus == "default" else f"{bus}/{name}"

    def _put(self, op: Operation, inputs: State, *, tags: bool) -> None:
        parameters = self.request(op, "PutRule.input", inputs)
        if not tags:
            parameters.pop("Tags", None)
        if inputs.get("isEnabled") is not None:
            parameters["State"] = "ENABLED" if inputs["isEnabled"] else "DISABLED"
        op.client().put_rule(**parameters)

    def read(self, op: Operation, known: State) -> State | None:
        """Describes the rule."""
        answer = found(op.client().describe_rule, Name=known["name"], EventBusName=known["eventBusName"])
        if answer is None or "Arn" not in answer:
            return None
        state = self.properties(op, "DescribeRule.output", answer)
        state["eventBusName"] = answer.get("EventBusName") or known["eventBusName"]
        if known.get("isEnabled") is not None:
            state["isEnabled"] = answer.get("State") == "ENABLED"
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts the rule again."""
        if changed - self.local - {"tags"}:
            self._put(op, news, tags=False)

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the rule; with `forceDestroy` its targets first."""
        client, where = op.client(), {"EventBusName": known["eventBusName"]}
        if known.get("forceDestroy"):
            targets = client.list_targets_by_rule(Rule=known["name"], **where)["Targets"]
            if targets:
                client.remove_targets(
                    Rule=known["name"], Ids=[each["Id"] for each in targets], Force=True, **where
                )
        client.delete_rule(Name=known["name"], **where)

    def parse_id(self, op: Operation, identifier: str) -> State:
        """Bus and name."""
        bus, _, name = identifier.rpartition("/")
        return {"eventBusName": bus or "default", "name": name}


class EventTarget(Adapter):
    """Where a rule sends its events; its id is `rule-target`."""

    token = "aws:cloudwatch/eventTarget:EventTarget"
    service = "events"
    auto_name = AutoName("targetId", 64)
    create_shapes = ("Target",)
    rename: ClassVar[Mapping[str, str]] = {
        "targetId": "Id",
        "appsyncTarget": NOT_SENT,
        "batchTarget": "BatchParameters",
        "batchTarget.arraySize": NOT_SENT,
        "batchTarget.jobAttempts": NOT_SENT,
        "ecsTarget": NOT_SENT,
        "httpTarget": "HttpParameters",
        "inputTransformer.inputPaths": "InputPathsMap",
        "kinesisTarget": "KinesisParameters",
        "redshiftTarget": NOT_SENT,
        "runCommandTargets": NOT_SENT,
        "sagemakerPipelineTarget": "SageMakerPipelineParameters",
        "sqsTarget": "SqsParameters",
    }
    handled = frozenset({"eventBusName", "rule"})
    local = frozenset({"forceDestroy"})
    defaults: ClassVar[Mapping[str, Any]] = {"eventBusName": "default", "forceDestroy": False}

    def changes_in_place(self, cloud: Any) -> frozenset[str]:
        """Everything but what names it."""
        return self.supported(cloud) - {"eventBusName", "region", "rule", "targetId"}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One way to make the input; a batch job is run by a role."""
        given = [name for name in ("input", "inputPath", "inputTransformer") if inputs.get(name)]
        if len(given) > 1:
            problems.add(given[1], f"conflicts with {given[0]}", "give one of them")
        if inputs.get("batchTarget") and not inputs.get("roleArn"):
            problems.add("roleArn", "is missing", "a batch job is submitted by a role")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Puts the target."""
        self._put(op, inputs)
        op.id = f"{inputs['rule']}-{inputs['targetId']}"
        return None

    def _put(self, op: Operation, inputs: State) -> None:
        target = self.request(op, "Target", inputs)
        batch = inputs.get("batchTarget") or {}
        if batch.get("arraySize"):
            target["BatchParameters"]["ArrayProperties"] = {"Size": batch["arraySize"]}
        if batch.get("jobAttempts"):
            target["BatchParameters"]["RetryStrategy"] = {"Attempts": batch["jobAttempts"]}
        answer = op.client().put_targets(
            Rule=inputs["rule"], EventBusName=inputs["eventBusName"], Targets=[target]
        )
        for failed in answer.get("FailedEntries") or ():
            raise ValueError(f"PutTargets: {failed.get('ErrorCode')}: {failed.get('ErrorMessage')}")

    def read(self, op: Operation, known: State) -> State | None:
        """Finds the target among the rule's."""
        where = {"Rule": known["rule"], "EventBusName": known["eventBusName"]}
        answer = found(op.client().list_targets_by_rule, **where)
        for target in (answer or {}).get("Targets", ()):
            if target["Id"] == known["targetId"]:
                state = self.properties(op, "Target", target)
                batch = target.get("BatchParameters") or {}
                if state.get("batchTarget"):
                    state["batchTarget"].update(
                        arraySize=batch.get("ArrayProperties", {}).get("Size"),
                        jobAttempts=batch.get("RetryStrategy", {}).get("Attempts"),
                    )
                return {**state, "rule": known["rule"], "eventBusName": known["eventBusName"]}
        return None

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts the target again."""
        if changed - self.local:
            self._put(op, news)

    def delete(self, op: Operation, known: State) -> None:
        """Takes the target from the rule."""
        op.client().remove_targets(
            Rule=known["rule"],
            EventBusName=known["eventBusName"],
            Ids=[known["targetId"]],
            Force=bool(known.get("forceDestroy")),
        )

    def parse_id(self, op: Operation, identifier: str) -> State:
        """An import names bus, rule and target with slashes."""
        *bus, rule, target = identifier.split("/") if "/" in identifier else _split(op, identifier)
        return {"eventBusName": bus[0] if bus else "default", "rule": rule, "targetId": target}


def _split(op: Operation, identifier: str) -> list[str]:
    """Rule and target: both may hold hyphens, so the rule is the one that exists."""
    rules = [each["Name"] for each in op.client().list_rules()["Rules"]]
    rule = max((name for name in rules if identifier.startswith(f"{name}-")), key=len, default="")
    if not rule:
        raise ValueError(f"{identifier!r} names no target: give rule/target")
    return [rule, identifier[len(rule) + 1 :]]


class EventBus(Declared):
    """A bus of one's own."""

    token = "aws:cloudwatch/eventBus:EventBus"
    service = "events"
    auto_name = AutoName(max_length=256)
    create_call, read_call = "CreateEventBus", "DescribeEventBus"
    update_call, delete_call = "UpdateEventBus", "DeleteEventBus"
    key: ClassVar[Mapping[str, str]] = {"Name": "name"}
    tagging = _TAGGING


class EventArchive(Declared):
    """Events kept for replay."""

    token = "aws:cloudwatch/eventArchive:EventArchive"
    service = "events"
    auto_name = AutoName(max_length=48)
    create_call, read_call = "CreateArchive", "DescribeArchive"
    update_call, delete_call = "UpdateArchive", "DeleteArchive"
    rename: ClassVar[Mapping[str, str]] = {"name": "ArchiveName", "arn": "ArchiveArn"}
    key: ClassVar[Mapping[str, str]] = {"ArchiveName": "name"}
    arn = "events:archive/{name}"
