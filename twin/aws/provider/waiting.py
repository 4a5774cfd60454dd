"""Waiting for what the cloud does in its own time."""

import time
from collections.abc import Callable
from typing import Final

_FIRST_SECONDS: Final = 0.02
_LONGEST_SECONDS: Final = 1.0
DEFAULT_SECONDS: Final = 300.0


def wait_until(done: Callable[[], bool], what: str, seconds: float = DEFAULT_SECONDS) -> None:
    """Asks again and again, ever less often.

    Raises:
        ValueError: it took too long; `what` says what was waited for.
    """
    end = time.monotonic() + seconds
    pause = _FIRST_SECONDS
    while not done():
        if time.monotonic() > end:
            raise ValueError(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_SECONDS)
