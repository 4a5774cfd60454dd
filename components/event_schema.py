"""The schema of the product's events, as a pure function of what kinds there are.

One envelope for all: who (one user id across every channel), what (a type of the taxonomy), when, and the
outcome it stands for, if it does, tied to the prediction that led to it.
"""

import json
from collections.abc import Iterable
from typing import Any, Final

EVENT_TYPES: Final = (
    "feature_used",
    "item_added",
    "item_viewed",
    "label_observed",
    "page_viewed",
    "prediction_shown",
    "purchase_completed",
    "search_performed",
    "session_started",
    "subscription_cancelled",
    "subscription_started",
    "support_contacted",
    "user_signed_up",
)
"""What happens in most products, object_verb in the past; a stack names its own instead."""

OUTCOME_TAGS: Final = ("activation", "churn", "conversion", "engagement", "label", "retention", "revenue")
"""What the business counts: events that carry one are joined to the predictions before them."""


def event_schema(types: Iterable[str], outcomes: Iterable[str]) -> str:
    """JSON Schema (draft 7) of one event; the same names give the same text."""
    identity = {"type": "string", "minLength": 1, "maxLength": 128}
    outcome: dict[str, Any] = {
        "type": "object",
        "description": "What this event means for the business, and which prediction led to it",
        "required": ["tag"],
        "additionalProperties": False,
        "properties": {
            "tag": {"type": "string", "enum": sorted(outcomes)},
            "value": {"type": "number", "description": "An amount in the stack's currency, or 1 and 0"},
            "prediction_id": {**identity, "description": "Id of the answer, as the endpoint gave it"},
            "label": {"type": "string", "maxLength": 128, "description": "What came true"},
        },
    }
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "event",
        "type": "object",
        "required": ["event_id", "occurred_at", "schema_version", "type", "user_id"],
        "additionalProperties": False,
        "properties": {
            "event_id": {**identity, "description": "Unique; a second event with it is the same event"},
            "occurred_at": {"type": "string", "format": "date-time"},
            "outcome": outcome,
            "properties": {"type": "object", "description": "What is particular to the type"},
            "schema_version": {"type": "integer", "minimum": 1},
            "session_id": identity,
            "source": {**identity, "description": "Which app or service saw it"},
            "type": {"type": "string", "enum": sorted(types)},
            "user_id": {**identity, "description": "One id across web, mobile, support and billing"},
        },
    }
    return json.dumps(schema, sort_keys=True)
