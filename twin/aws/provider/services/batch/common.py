"""What Batch's resources have in common: names, tags, a state to switch off before deletion."""

import re
from collections.abc import Mapping
from typing import Any, Final

from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.aws.provider.waiting import wait_until
from twin.providers.problems import Problems

TAGGING: Final = Tagging(resource="resourceArn", tags="tags", keys="tagKeys", pair=None)
ENABLED: Final = "ENABLED"
DISABLED: Final = "DISABLED"
_NAME: Final = re.compile(r"^[A-Za-z0-9][\w-]{0,127}$", re.ASCII)


def check_name(inputs: Mapping[str, Any], problems: Problems) -> None:
    """Notes a name that Batch would refuse."""
    name = inputs.get("name")
    if isinstance(name, str) and not _NAME.match(name):
        remedy = "up to 128 letters, digits, - and _; a letter or digit first"
        problems.add("name", f"{name!r} is not allowed", remedy)


def check_state(inputs: Mapping[str, Any], problems: Problems) -> None:
    """Notes a state that does not exist."""
    state = inputs.get("state")
    if isinstance(state, str) and state not in (ENABLED, DISABLED):
        problems.add("state", f"{state!r} is not allowed", f"use {ENABLED} or {DISABLED}")


def find(op: Operation, call: str, members: str, name: str) -> dict[str, Any] | None:
    """What a describe operation tells of one name or ARN; None if it is gone."""
    found = op.call(call, {members: [name]})[members]
    return found[0] if found and found[0].get("status") != "DELETED" else None


def settle(op: Operation, call: str, members: str, name: str) -> dict[str, Any]:
    """Waits until a change is through.

    Raises:
        ValueError: it failed; Batch's reason is told.
    """
    latest: dict[str, Any] = {}

    def settled() -> bool:
        latest.clear()
        latest.update(find(op, call, members, name) or {})
        if latest.get("status") == "INVALID":
            raise ValueError(f"{name} is invalid: {latest.get('statusReason') or 'Batch gives no reason'}")
        return latest.get("status") in (None, "VALID")

    wait_until(settled, f"{name} is valid")
    if not latest:
        raise ValueError(f"{name} went away while it was waited for")
    return latest


def remove(op: Operation, noun: str, parameter: str, members: str) -> None:
    """Switches the thing off, waits, deletes it, and waits until it is gone, as Batch demands."""
    call = f"Describe{noun}s"
    data = find(op, call, members, op.id)
    if data is None:
        return
    if data.get("state") != DISABLED:
        op.call(f"Update{noun}", {parameter: op.id, "state": DISABLED})
        wait_until(lambda: _idle(op, call, members), f"{op.id} is disabled")
    op.call(f"Delete{noun}", {parameter: op.id})
    wait_until(lambda: find(op, call, members, op.id) is None, f"{op.id} is deleted")


def _idle(op: Operation, call: str, members: str) -> bool:
    data = find(op, call, members, op.id)
    return data is None or data.get("status") in ("VALID", "INVALID")
