"""`alerts`: what a stack's topics were told, as a person would have it in the mail."""

import datetime
import json
from collections.abc import Mapping
from typing import Any, Final

from cli.deploying import console_for, told_in_words
from cli.display import print_json
from cli.failures import MISUSED, stop
from cli.stacks import deployed_outputs
from cli.workspace import Workspace

_COLOURS: Final = {"ALARM": "red", "OK": "green", "INSUFFICIENT_DATA": "yellow"}


def show_alerts(workspace: Workspace, *, last: int, as_json: bool) -> None:
    """Prints the newest messages, oldest first."""
    from twin.aws.cloud.client import inbox

    console = console_for(as_json=as_json)
    if not workspace.lives_in_twin:
        raise stop(
            console,
            f"stack {workspace.stack!r} is a real cloud's: subscribe to its topics "
            f"(`stagecraft outputs topics --stack {workspace.stack}`)",
            MISUSED,
        )
    with told_in_words(console):
        topics = {str(arn): name for name, arn in (deployed_outputs(workspace).get("topics") or {}).items()}
        with workspace.cloud() as endpoint:
            found = [entry(message, topics) for message in inbox(endpoint)][-last:]
    if as_json:
        print_json(found)
        return
    if not found:
        console.print(f"nothing was told to anybody of stack {workspace.stack}")
    for each in found:
        colour = _COLOURS.get(each["state"], "cyan")
        console.print(
            f"[dim]{each['at']}[/] [bold]{each['topic']}[/] [{colour}]{each['state'] or 'note'}[/] ", end=""
        )
        console.print(each["title"], markup=False, highlight=False, soft_wrap=True)
        for line in each["lines"]:
            console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True, style="dim")


def entry(message: Mapping[str, Any], topics: Mapping[str, str]) -> dict[str, Any]:
    """One message as it is shown.

    Args:
        message: As the twin's inbox has it.
        topics: ARN → what the stack's outputs call it.
    """
    at = datetime.datetime.fromtimestamp(message["at"], datetime.UTC)
    arn = str(message["topic"])
    found: dict[str, Any] = {
        "at": at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "topic": topics.get(arn, arn.rpartition(":")[2]),
        "state": "",
        "title": message["subject"],
        "lines": [],
    }
    try:
        told = json.loads(message["message"])
    except ValueError:
        told = None
    if isinstance(told, dict) and "detail-type" in told:
        return {**found, "title": told["detail-type"], "lines": _of_event(told)}
    if not isinstance(told, dict) or "NewStateValue" not in told:
        lines = str(message["message"]).splitlines()
        return {**found, "title": found["title"] or next(iter(lines), ""), "lines": lines[:10]}
    return {
        **found,
        "state": told["NewStateValue"],
        "title": str(told["AlarmName"]),
        "lines": [told.get("AlarmDescription") or "", f"Why: {told['NewStateReason']}"],
    }


def _of_event(event: Mapping[str, Any]) -> list[str]:
    """What an event is about, and the words of its detail that say how things stand."""
    detail = event.get("detail") or {}
    stands = [f"{name}: {value}" for name, value in detail.items() if _says(name) and isinstance(value, str)]
    return [*(str(arn) for arn in event.get("resources") or ()), *stands]


def _says(name: str) -> bool:
    return name.lower().endswith(("status", "state", "description", "reason"))
