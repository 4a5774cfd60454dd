"""Who answers for a resource, who pays for it, and what data is in it."""

import re
from collections.abc import Mapping
from typing import Any

import pulumi

from policies.catalogue import About, Findings, resource_rule
from policies.governance.taggable import taggable_types
from policies.resources import Resource
from policies.settings import Settings
from policies.tags import LABELS, labels_of
from policies.values import UNKNOWN, CannotJudge

_ADDED_LATER = frozenset({"aws:autoscaling:Group"})
"""Their tags are a list, which a repair cannot add to without knowing what propagates."""


def _add_known_labels(resource: Resource, settings: Settings) -> Mapping[str, Any] | None:
    if resource.type in _ADDED_LATER:
        return None
    present = labels_of(resource)
    known = {**_stack_labels(settings), **settings["known"]}
    missing = {
        settings["tagKeys"].get(label, label): known[label]
        for label in LABELS
        if label not in present and known.get(label)
    }
    return {"tags": {**resource.props.mapping("tags"), **missing}} if missing else None


def _stack_labels(settings: Settings) -> dict[str, Any]:
    """What the stack's own configuration says of everything in it."""
    labels = pulumi.Config("stagecraft").get_object("labels")
    if not isinstance(labels, dict):
        return {}
    return {
        **{label: labels[label] for label in LABELS if label in labels},
        "environment": settings.environment,
    }


@resource_rule(
    About(
        id="G1",
        name="resource-is-labelled",
        title="Owner, cost centre, data classification and environment are on every taggable resource",
        remedy="Add the tags, or set them once: `stagecraft:labels`, or the provider's defaultTags.",
        level="remediate",
        options={
            "required": {
                "type": "array",
                "items": {"type": "string", "enum": list(LABELS)},
                "default": list(LABELS),
                "description": "The labels that must be there.",
            },
            "patterns": {
                "type": "object",
                "default": {
                    "owner": r"[A-Za-z0-9][\w.@+ -]*",
                    "costCentre": r"[A-Za-z0-9][\w-]*",
                    "dataClassification": "public|internal|confidential|restricted|personal|sensitive",
                    "environment": "local|dev|development|test|staging|prod|production",
                },
                "description": "What a label's whole value must match, as regular expressions.",
            },
            "known": {
                "type": "object",
                "default": {},
                "description": "Values that are put in where a label is missing.",
            },
            "tagKeys": {
                "type": "object",
                "default": {},
                "description": "The tag keys under which missing labels are put in; default: the label.",
            },
        },
    ),
    types=taggable_types(),
    repair=_add_known_labels,
)
def resource_is_labelled(resource: Resource, settings: Settings) -> Findings:
    """Any spelling of a label counts (`cost-centre`, `CostCenter`, `acme:owner`), and default tags too."""
    labels = labels_of(resource)
    missing = [label for label in settings["required"] if label not in labels]
    if missing:
        yield f"no tag says its {', '.join(missing)}"
    open_label = ""
    for label, pattern in sorted(settings["patterns"].items()):
        value = labels.get(label)
        if value is UNKNOWN:
            open_label = label
        elif value is not None and not re.fullmatch(pattern, str(value)):
            yield f"its {label} is {str(value)!r}, which does not match {pattern}"
    if open_label:
        raise CannotJudge(f"its tag for {open_label} is not known yet")
