"""Alarms that reach someone who knows what to do."""

import re
from pathlib import Path
from typing import Final

from policies.catalogue import About, Findings, resource_rule
from policies.resources import Resource
from policies.settings import Settings

ALARMS: Final = ("aws:cloudwatch:MetricAlarm", "aws:cloudwatch:CompositeAlarm")
_RUNBOOK: Final = re.compile(
    r"(https?://\S+|[\w./ -]*runbooks?/[\w./-]+|[\w./-]+\.(?:md|rst|html))", re.IGNORECASE
)
_CHECKOUT: Final = Path(__file__).resolve().parents[3]


@resource_rule(
    About(
        id="R5",
        name="alarm-acts",
        title="Alarm actions are on",
        remedy="Leave out actionsEnabled, or set it to true.",
        references=("CKV_AWS_319",),
    ),
    types=ALARMS,
)
def alarm_acts(alarm: Resource, _settings: Settings) -> Findings:
    """On unless switched off."""
    if not alarm.props.flag("actionsEnabled", default=True):
        yield "nobody is told: actionsEnabled is false"


@resource_rule(
    About(
        id="R13",
        name="alarm-names-runbook",
        title="Every alarm names a runbook that exists",
        remedy="Write the runbook's address, or its path under the option `root`, into alarmDescription.",
        options={
            "root": {
                "type": "string",
                "default": "",
                "description": "The folder that paths of runbooks are relative to; default: this checkout.",
            }
        },
    ),
    types=ALARMS,
)
def alarm_names_runbook(alarm: Resource, settings: Settings) -> Findings:
    """An address is not followed; a path must be a file."""
    match = _RUNBOOK.search(alarm.props.text("alarmDescription"))
    if match is None:
        yield "whoever is woken by it does not know what to do: its description names no runbook"
        return
    place = match.group(1).strip()
    if place.startswith(("http://", "https://")):
        return
    root = Path(settings["root"]) if settings["root"] else _CHECKOUT
    path = root / place.partition("#")[0].lstrip("/")
    if not any(item.is_file() for item in (path, path.with_name(f"{path.name}.md"))):
        yield f"the runbook it names does not exist: {place}"
