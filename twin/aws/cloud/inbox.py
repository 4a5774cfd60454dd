"""What topics were told, kept where a person can read it: nobody has a mailbox in the twin."""

from collections import deque
from typing import Any, Final

from twin.aws.cloud import clock
from twin.aws.cloud.gaps.context import Context
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.http import HttpResponse

KEPT: Final = 1_000


class Inbox:
    """The latest messages of all topics, oldest first; a `Store` of the cloud's state."""

    def __init__(self) -> None:
        self._messages: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def fill(self, registry: GapRegistry) -> None:
        """Has every publication pass here; moto delivers it as before."""
        registry.raw("sns", "Publish", self._publish)

    def messages(self) -> list[dict[str, Any]]:
        """Each as `at` (seconds since the epoch), `topic`, `subject`, `message`, `region`."""
        return list(self._messages)

    def dump(self) -> Any:
        """The state as plain values."""
        return list(self._messages)

    def load(self, state: Any) -> None:
        """Takes the place of `dump`'s values."""
        self._messages = deque(state, maxlen=KEPT)

    def _publish(self, context: Context) -> HttpResponse:
        response = context.forward()
        given = context.parameters
        topic = given.get("TopicArn") or given.get("TargetArn")
        if response.status < 300 and topic:
            self._messages.append(
                {
                    "at": clock.now(),
                    "topic": topic,
                    "subject": given.get("Subject") or "",
                    "message": given.get("Message") or "",
                    "region": context.region,
                }
            )
        return response
