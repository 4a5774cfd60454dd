"""What happens in the product: the stream that events come in by."""

from components import EventStream
from components.event_stream import EventStreamArgs
from stacks.code import function_code
from stacks.parts.base import Base
from stacks.parts.plan import Outputs, Plan


def event_stream(plan: Plan, base: Base) -> EventStream | None:
    """Registers it, if the stack takes events."""
    if not plan.has("event-stream"):
        return None
    declared = plan.settings.events
    args: EventStreamArgs = {
        "raw_bucket": base.lake.raw_bucket,
        "code": function_code(),
        "mode": declared.mode,
        "kms_key_arn": base.lake.kms_key_arn,
        "tags": plan.tags,
    }
    if declared.types is not None:
        args["event_types"] = declared.types
    if declared.outcomes is not None:
        args["outcome_tags"] = declared.outcomes
    if declared.shards is not None:
        args["shards"] = declared.shards
    return EventStream("events", args)


def event_outputs(stream: EventStream | None) -> Outputs:
    """Where to put events, where they land, and what tells of those that were refused."""
    if stream is None:
        return {}
    return {
        "events": {
            "stream": stream.stream_name,
            "schema": stream.schema_arn,
            "uri": stream.events_uri,
            "deadLetters": stream.dead_letter_queue_url,
        },
        "policies": {"putEvents": stream.put_policy_arn, "consumeEvents": stream.consume_policy_arn},
    }
