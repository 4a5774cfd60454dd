"""What services tell EventBridge's default bus of their own accord."""

import json
import sys
from typing import Any

from twin.aws.cloud.client import ACCOUNT
from twin.aws.cloud.gaps.store import Record


def announce(region: str, source: str, kind: str, resource: str, detail: Record) -> None:
    """Puts an event on the default bus, if anybody there has rules at all."""
    events: Any = sys.modules.get("moto.events.models")
    if events is None:
        return
    told = {key: value for key, value in detail.items() if not key.startswith("_")}
    entry = {
        "Source": source,
        "DetailType": kind,
        "Resources": [resource],
        "Detail": json.dumps(told, default=str),
    }
    events.events_backends[ACCOUNT][region].put_events([entry])
