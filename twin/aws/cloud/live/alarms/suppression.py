"""When a composite alarm acts: at once, later, or not at all because a wider alarm speaks for it."""

from dataclasses import dataclass


@dataclass
class Suppression:
    """The actions of one composite alarm that wait."""

    to: str
    """The state that they are for."""
    since: float
    """When the alarm went there, in seconds since the epoch."""
    suppressed: bool = False
    """Whether the suppressor has been on since."""
    released: float | None = None
    """When the suppressor went off again."""


def due(
    waiting: Suppression, *, suppressor_on: bool, now: float, wait_seconds: float, extension_seconds: float
) -> bool:
    """Whether waiting actions are to be carried out now; notes what the suppressor does.

    CloudWatch waits for the suppressor to come on; while it is on nothing is done, and for a while after it.
    """
    if suppressor_on:
        waiting.suppressed, waiting.released = True, None
        return False
    if not waiting.suppressed:
        return now - waiting.since >= wait_seconds
    if waiting.released is None:
        waiting.released = now
    return now - waiting.released >= extension_seconds
