"""The last good answers: by entity or question, for a time, the least recently used making room."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")


class LastGood(Generic[_Answer]):
    """Answers of one model, by what was asked about. Not for threads: it lives on the event loop."""

    def __init__(
        self, ttl_seconds: float, most: int = 100_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ttl = ttl_seconds
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, _Answer]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, about: str, answer: _Answer) -> None:
        """Remembers an answer, as of now."""
        self._kept[about] = (self._clock(), answer)
        self._kept.move_to_end(about)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def recall(self, about: str) -> _Answer | None:
        """The answer, unless there is none or it is older than the time to live."""
        found = self._kept.get(about)
        if found is None:
            return None
        kept_at, answer = found
        if self._clock() - kept_at > self._ttl:
            del self._kept[about]
            return None
        self._kept.move_to_end(about)
        return answer
