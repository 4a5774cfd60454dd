"""AWS Step Functions."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider import documents
from twin.aws.provider.adapter import Adapter, Declared, State, found, listed
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.aws.provider.waiting import wait_until
from twin.providers.problems import Problems

_NAME: Final = re.compile(r"^[\w-]{1,80}$", re.ASCII)
_TAGGING: Final = Tagging(resource="resourceArn", tags="tags", keys="tagKeys", pair=("key", "value"))
_DEFINITION_LIMIT: Final = 1_048_576
_TYPES: Final = frozenset({"Choice", "Fail", "Map", "Parallel", "Pass", "Succeed", "Task", "Wait"})
_ENDS: Final = frozenset({"Fail", "Succeed"})


class StateMachine(Adapter):
    """A state machine; its id is its ARN."""

    token = "aws:sfn/stateMachine:StateMachine"
    service = "stepfunctions"
    auto_name = AutoName(max_length=80)
    create_shapes = ("CreateStateMachine.input",)
    rename: ClassVar[Mapping[str, str]] = {
        "arn": "stateMachineArn",
        "loggingConfiguration.logDestination": "",
    }
    local = frozenset({"publish"})
    in_place = frozenset(
        {
            "definition",
            "encryptionConfiguration",
            "loggingConfiguration",
            "roleArn",
            "tracingConfiguration",
        }
    )
    defaults: ClassVar[Mapping[str, Any]] = {"publish": False, "type": "STANDARD"}
    volatile = frozenset({"revisionId", "stateMachineVersionArn"})
    tagging = _TAGGING

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The name, the definition's states, where logs go."""
        name = inputs.get("name")
        if isinstance(name, str) and not _NAME.match(name):
            problems.add("name", f"{name!r} is not allowed", "up to 80 letters, digits, - and _")
        _check_definition(inputs.get("definition"), problems)
        logging = inputs.get("loggingConfiguration")
        if isinstance(logging, dict) and logging.get("level") in ("ALL", "ERROR", "FATAL"):
            path, destination = "loggingConfiguration.logDestination", logging.get("logDestination")
            if destination is None:
                problems.add(path, "is missing", "name a log group")
            elif isinstance(destination, str) and not destination.endswith(":*"):
                problems.add(path, f"{destination!r} does not end in :*", 'append ":*" to the group\'s ARN')

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the state machine."""
        parameters = self._parameters(op, "CreateStateMachine.input", inputs)
        answer = op.call("CreateStateMachine", {**parameters, "publish": bool(inputs.get("publish"))})
        op.id = answer["stateMachineArn"]
        op.made["stateMachineVersionArn"] = answer.get("stateMachineVersionArn")
        return None

    def _parameters(self, op: Operation, shape: str, inputs: State) -> dict[str, Any]:
        parameters = self.request(op, shape, inputs)
        logging = inputs.get("loggingConfiguration") or {}
        if logging.get("logDestination"):
            group = {"cloudWatchLogsLogGroup": {"logGroupArn": logging["logDestination"]}}
            parameters["loggingConfiguration"]["destinations"] = [group]
        return parameters

    def read(self, op: Operation, known: State) -> State | None:
        """Describes the state machine; one that is being deleted counts as gone."""
        data = found(op.call, operation="DescribeStateMachine", params={"stateMachineArn": op.id})
        if data is None or data.get("status") == "DELETING":
            return None
        state = self.properties(op, "DescribeStateMachineOutput", data)
        logging = state.get("loggingConfiguration")
        destinations = (data.get("loggingConfiguration") or {}).get("destinations") or ()
        if logging is not None and destinations:
            logging["logDestination"] = destinations[0]["cloudWatchLogsLogGroup"]["logGroupArn"]
        state["stateMachineVersionArn"] = known.get("stateMachineVersionArn")
        state["description"] = (documents.parse(data["definition"]) or {}).get("Comment")
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Says the whole again."""
        if not changed & self.in_place:
            return
        parameters = self._parameters(op, "UpdateStateMachine.input", news)
        if "loggingConfiguration" in changed and "loggingConfiguration" not in parameters:
            parameters["loggingConfiguration"] = {"level": "OFF"}
        if "tracingConfiguration" in changed and "tracingConfiguration" not in parameters:
            parameters["tracingConfiguration"] = {"enabled": False}
        publish = bool(news.get("publish"))
        answer = op.call("UpdateStateMachine", {**parameters, "stateMachineArn": op.id, "publish": publish})
        if answer.get("stateMachineVersionArn"):
            op.made["stateMachineVersionArn"] = answer["stateMachineVersionArn"]

    def delete(self, op: Operation, known: State) -> None:
        """Waits until it is gone: executions under way are ended first."""
        op.call("DeleteStateMachine", {"stateMachineArn": op.id})
        wait_until(lambda: self._gone(op), f"{op.id} is deleted")

    def _gone(self, op: Operation) -> bool:
        return found(op.call, operation="DescribeStateMachine", params={"stateMachineArn": op.id}) is None

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The ARN."""
        return {"arn": identifier}


class Activity(Declared):
    """Work that is done elsewhere; its id is its ARN."""

    token = "aws:sfn/activity:Activity"
    service = "stepfunctions"
    auto_name = AutoName(max_length=80)
    create_call, read_call, delete_call = "CreateActivity", "DescribeActivity", "DeleteActivity"
    key: ClassVar[Mapping[str, str]] = {"activityArn": "arn"}
    id_property = "arn"
    rename: ClassVar[Mapping[str, str]] = {"arn": "activityArn"}
    tagging = _TAGGING


def _check_definition(text: Any, problems: Problems) -> None:
    if not isinstance(text, str):
        return
    document = documents.parse(text)
    if not isinstance(document, dict):
        problems.add("definition", "is not a JSON object", "give one in the Amazon States Language")
        return
    if len(text) > _DEFINITION_LIMIT:
        problems.add("definition", f"has {len(text)} characters", f"give at most {_DEFINITION_LIMIT}")
    for wrong, remedy in _flaws(document, ""):
        problems.add("definition", wrong, remedy)


def _flaws(machine: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """What is wrong with a machine or a branch of one: places that do not exist, ways that do not end."""
    states = machine.get("States")
    if not isinstance(states, dict) or not states:
        yield f"{path or '/'} has no States", "give at least one"
        return
    start = machine.get("StartAt")
    if start not in states:
        yield f"{path}/StartAt: there is no state {start!r}", f"name one of: {', '.join(states)}"
    reached = {start}
    for name, state in states.items():
        here = f"{path}/{name}"
        if not isinstance(state, dict) or state.get("Type") not in _TYPES:
            yield f"{here} has no Type that exists", f"use one of: {', '.join(sorted(_TYPES))}"
            continue
        targets = list(_targets(state))
        reached.update(targets)
        for target in targets:
            if target not in states:
                yield f"{here}: there is no state {target!r}", f"name one of: {', '.join(states)}"
        yield from _flaws_of(state, here)
    for name in states:
        if name not in reached:
            yield f"{path}/{name} is never reached", "lead to it, or take it out"


def _flaws_of(state: Mapping[str, Any], here: str) -> Iterator[tuple[str, str]]:
    kind = state["Type"]
    if kind == "Choice" and not listed(state.get("Choices")):
        yield f"{here} has no Choices", "give at least one"
    if kind not in _ENDS and kind != "Choice" and ("Next" in state) == bool(state.get("End")):
        yield f"{here} goes nowhere, or both on and to the end", 'give Next, or "End": true'
    if kind == "Task" and not state.get("Resource"):
        yield f"{here} has no Resource", "say what does the work"
    if kind == "Parallel":
        branches = listed(state.get("Branches"))
        if not branches:
            yield f"{here} has no Branches", "give at least one"
        for place, branch in enumerate(branches):
            if isinstance(branch, dict):
                yield from _flaws(branch, f"{here}/Branches[{place}]")
    if kind == "Map":
        inner = state.get("ItemProcessor") or state.get("Iterator")
        if not isinstance(inner, dict):
            yield f"{here} has no ItemProcessor", "say what is done with each item"
        else:
            yield from _flaws(inner, f"{here}/ItemProcessor")


def _targets(state: Mapping[str, Any]) -> Iterator[Any]:
    """Where a state leads to."""
    for name in ("Next", "Default"):
        if name in state:
            yield state[name]
    for name in ("Choices", "Catch"):
        yield from (
            each["Next"] for each in listed(state.get(name)) if isinstance(each, dict) and "Next" in each
        )
