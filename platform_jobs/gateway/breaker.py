"""A circuit breaker: a model that fails is left alone for a while, instead of costing every user a timeout.

Closed, calls pass and their outcomes are counted in a sliding window. At `ratio` failures among at least
`least_calls` it opens: no call passes for a pause. Then one call at a time may try (half open); a success
closes it, a failure opens it for twice as long, up to `longest_pause`. (M. Nygard, "Release It!", 2007.)
"""

import enum
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


class State(enum.Enum):
    """What a breaker lets through."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


@dataclass(frozen=True)
class BreakerPolicy:
    """When to open and for how long; times in seconds."""

    window: int = 20
    least_calls: int = 5
    ratio: float = 0.5
    pause: float = 0.5
    longest_pause: float = 5.0


class Breaker:
    """One backend's. Not for threads: it lives on the event loop."""

    def __init__(
        self, policy: BreakerPolicy | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._policy = policy or BreakerPolicy()
        self._clock = clock
        self._failed: deque[bool] = deque(maxlen=self._policy.window)
        self._pause = self._policy.pause
        self._open_until: float | None = None
        self._trial: Permit | None = None

    @property
    def state(self) -> State:
        """What it lets through now."""
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if self._clock() < self._open_until else State.HALF_OPEN

    def admit(self) -> "Permit | None":
        """Leave to make one call, or None; whoever gets leave says on it how the call ended."""
        state = self.state
        if state is State.OPEN or (state is State.HALF_OPEN and self._trial is not None):
            return None
        permit = Permit(self)
        if state is State.HALF_OPEN:
            self._trial = permit
        return permit

    def ended(self, permit: "Permit", *, failed: bool | None) -> None:
        """How a call ended; None: it says nothing of the backend (its caller left, or asked wrongly)."""
        if permit is self._trial:
            self._trial = None
            if failed:
                self._pause = min(self._pause * 2, self._policy.longest_pause)
                self._open_until = self._clock() + self._pause
            elif failed is not None:
                self._open_until = None
                self._pause = self._policy.pause
                self._failed.clear()
            return
        if self._open_until is not None or failed is None:
            return  # what began before it opened says nothing of how the backend is now
        self._failed.append(failed)
        # An answer opens nothing, even where it is the call that makes the window long enough to judge.
        enough = failed and len(self._failed) >= self._policy.least_calls
        if enough and sum(self._failed) >= self._policy.ratio * len(self._failed):
            self._open_until = self._clock() + self._pause


class Permit:
    """Leave to make one call."""

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker

    def succeeded(self) -> None:
        """The call was answered."""
        self._breaker.ended(self, failed=False)

    def failed(self) -> None:
        """The call was not answered as it should."""
        self._breaker.ended(self, failed=True)

    def abandoned(self) -> None:
        """The call ended without saying anything of the backend."""
        self._breaker.ended(self, failed=None)
