"""Job queues."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import Adapter, State
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.batch.common import (
    TAGGING,
    check_name,
    check_state,
    find,
    remove,
    settle,
)
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

_CALL: Final = "DescribeJobQueues"
_MEMBERS: Final = "jobQueues"
_MOST_ENVIRONMENTS: Final = 3


class JobQueue(Adapter):
    """A queue in front of environments; its id is its ARN."""

    token = "aws:batch/jobQueue:JobQueue"
    service = "batch"
    auto_name = AutoName(max_length=128)
    create_shapes = ("CreateJobQueue.input",)
    rename: ClassVar[Mapping[str, str]] = {"arn": "jobQueueArn", "name": "jobQueueName"}
    local = frozenset({"timeouts"})
    in_place = frozenset(
        {
            "computeEnvironmentOrders",
            "jobStateTimeLimitActions",
            "priority",
            "schedulingPolicyArn",
            "state",
        }
    )
    tagging = TAGGING

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One to three environments, each with a place of its own."""
        check_name(inputs, problems)
        check_state(inputs, problems)
        priority = inputs.get("priority")
        if isinstance(priority, int) and not 0 <= priority <= 1000:
            problems.add("priority", f"{priority} is out of range", "give 0 to 1000")
        orders = inputs.get("computeEnvironmentOrders")
        if orders is UNKNOWN:
            return
        count = len(orders) if isinstance(orders, list) else 0
        if not 1 <= count <= _MOST_ENVIRONMENTS:
            problems.add("computeEnvironmentOrders", f"there are {count}", "name 1 to 3 environments")
        seen: set[int] = set()
        for place, entry in enumerate(orders if isinstance(orders, list) else []):
            order = entry.get("order") if isinstance(entry, dict) else None
            if isinstance(order, int):
                if order in seen:
                    path = f"computeEnvironmentOrders[{place}].order"
                    problems.add(path, f"{order} is used twice", "give each environment its own")
                seen.add(order)

    def forces_replacement(self, name: str, old: Any, new: Any) -> bool:
        """A scheduling policy can change, but neither come nor go."""
        return name == "schedulingPolicyArn" and (old is None or new is None)

    def same(self, name: str, left: Any, right: Any) -> bool:
        """Environments by their places, by name or by ARN."""
        return name == "computeEnvironmentOrders" and _places(left) == _places(right) is not None

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the queue and waits until it is valid."""
        answer = op.call("CreateJobQueue", self.request(op, "CreateJobQueue.input", inputs))
        op.id = answer["jobQueueArn"]
        return self._state(op, settle(op, _CALL, _MEMBERS, op.id))

    def read(self, op: Operation, known: State) -> State | None:
        """Describes the queue."""
        data = find(op, _CALL, _MEMBERS, op.id)
        return None if data is None else self._state(op, data)

    def _state(self, op: Operation, data: Mapping[str, Any]) -> State:
        return {**self.properties(op, "JobQueueDetail", data), "tagsAll": data.get("tags") or {}}

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Only what differs; actions that are gone are said so."""
        changes = {name: news[name] for name in self.in_place if name in changed and name in news}
        parameters = self.request(op, "UpdateJobQueue.input", changes)
        if "jobStateTimeLimitActions" in changed and not news.get("jobStateTimeLimitActions"):
            parameters["jobStateTimeLimitActions"] = []
        if parameters:
            op.call("UpdateJobQueue", {"jobQueue": op.id, **parameters})
            settle(op, _CALL, _MEMBERS, op.id)

    def delete(self, op: Operation, known: State) -> None:
        """Disables the queue first."""
        remove(op, "JobQueue", "jobQueue", _MEMBERS)

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The ARN."""
        return {"arn": identifier}


def _places(orders: Any) -> list[tuple[int, str]] | None:
    """Environments by name in their order; None where something is not known yet."""
    if not isinstance(orders, list) or any(not isinstance(each, dict) for each in orders):
        return None
    values = [(each.get("order"), each.get("computeEnvironment")) for each in orders]
    if any(UNKNOWN in pair for pair in values):
        return None
    return sorted((int(order or 0), str(name).rsplit("/", 1)[-1]) for order, name in values)
