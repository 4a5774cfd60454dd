"""What logs cost."""

from collections.abc import Mapping
from typing import Any

from policies.catalogue import About, Findings, resource_rule
from policies.resources import Resource
from policies.settings import Settings


def _keeps_for_ever(group: Resource) -> bool:
    if group.props.text("logGroupClass").upper() == "DELIVERY":
        return False  # CloudWatch fixes its retention
    return not group.props.number("retentionInDays")


def _set_retention(group: Resource, settings: Settings) -> Mapping[str, Any] | None:
    return {"retentionInDays": int(settings["days"])} if _keeps_for_ever(group) else None


@resource_rule(
    About(
        id="C13",
        name="log-group-has-retention",
        title="Log groups have a retention",
        remedy="Set retentionInDays.",
        references=("CKV_AWS_66",),
        level="remediate",
        options={
            "days": {
                "type": "integer",
                "minimum": 1,
                "default": 90,
                "description": "The retention that is put in where there is none.",
            }
        },
    ),
    types=("aws:cloudwatch:LogGroup",),
    repair=_set_retention,
)
def log_group_has_retention(group: Resource, _settings: Settings) -> Findings:
    """Without a retention, or with 0, CloudWatch keeps logs for ever."""
    if _keeps_for_ever(group):
        yield "logs are kept for ever: retentionInDays is not set"
