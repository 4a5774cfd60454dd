"""Amazon EventBridge Scheduler."""

import datetime
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import Declared, State
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.aws.provider.waiting import wait_until
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

_RATE: Final = re.compile(r"^rate\((\d+) (minute|minutes|hour|hours|day|days)\)$")
_CRON: Final = re.compile(r"^cron\((\S+ ){5}\S+\)$")
_AT: Final = re.compile(r"^at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)$")
_MOST_WINDOW_MINUTES: Final = 1440
_EXPRESSIONS: Final = 'give one such as "rate(1 hour)", "cron(0 3 * * ? *)" or "at(2030-01-01T03:00:00)"'


class Schedule(Declared):
    """When something is called; its id is `group/name`."""

    token = "aws:scheduler/schedule:Schedule"
    service = "scheduler"
    auto_name = AutoName(max_length=64)
    create_call, read_call = "CreateSchedule", "GetSchedule"
    update_call, delete_call = "UpdateSchedule", "DeleteSchedule"
    key: ClassVar[Mapping[str, str]] = {"GroupName": "groupName", "Name": "name"}
    id_property = "{groupName}/{name}"
    defaults: ClassVar[Mapping[str, Any]] = {
        "actionAfterCompletion": "NONE",
        "groupName": "default",
        "scheduleExpressionTimezone": "UTC",
        "state": "ENABLED",
    }

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The expression, and how exact it is."""
        expression = inputs.get("scheduleExpression")
        if isinstance(expression, str):
            _check_expression(expression, problems)
        window = inputs.get("flexibleTimeWindow")
        if isinstance(window, dict):
            path = "flexibleTimeWindow.maximumWindowInMinutes"
            mode, minutes = window.get("mode"), window.get("maximumWindowInMinutes")
            if mode == "FLEXIBLE" and minutes is None:
                problems.add(path, "is missing", "FLEXIBLE needs it")
            if mode == "OFF" and minutes is not None and minutes is not UNKNOWN:
                problems.add(path, "is for FLEXIBLE", "leave it out")


def _check_expression(expression: str, problems: Problems) -> None:
    rate, moment = _RATE.match(expression), _AT.match(expression)
    if rate is not None:
        number, unit = int(rate[1]), rate[2]
        if number < 1 or (number == 1) == unit.endswith("s"):
            right = f"rate({max(number, 1)} {unit.removesuffix('s')}{'s' if number > 1 else ''})"
            problems.add("scheduleExpression", f"{expression!r} is not allowed", f"write {right}")
    elif moment is not None:
        try:
            datetime.datetime.fromisoformat(moment[1])
        except ValueError:
            problems.add("scheduleExpression", f"{moment[1]} is no moment", _EXPRESSIONS)
    elif not _CRON.match(expression):
        problems.add("scheduleExpression", f"{expression!r} is not allowed", _EXPRESSIONS)
    elif (expression[5:-1].split()[2] == "?") == (expression[5:-1].split()[4] == "?"):
        problems.add("scheduleExpression", f"{expression!r}", "exactly one of day and weekday is ?")


class ScheduleGroup(Declared):
    """Schedules together; its id is its name."""

    token = "aws:scheduler/scheduleGroup:ScheduleGroup"
    service = "scheduler"
    auto_name = AutoName(max_length=64)
    create_call, read_call, delete_call = "CreateScheduleGroup", "GetScheduleGroup", "DeleteScheduleGroup"
    key: ClassVar[Mapping[str, str]] = {"Name": "name"}
    tagging = Tagging()

    def described_in(self, op: Operation, answer: Mapping[str, Any]) -> tuple[Any, str]:
        """A group that is being deleted counts as gone."""
        data, shape = super().described_in(op, answer)
        return (None if data and data.get("State") == "DELETING" else data), shape

    def delete(self, op: Operation, known: State) -> None:
        """Schedules go with their group."""
        if self.read(op, known) is None:
            return
        super().delete(op, known)
        wait_until(lambda: self.read(op, known) is None, f"{op.id} is deleted")
