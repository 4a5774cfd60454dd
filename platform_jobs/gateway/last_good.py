"""The last good answers: by entity, for a time, the least recently used making room."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")


class LastGood(Generic[_Answer]):
    """Answers of one model, by entity. Not for threads: it lives on the event loop."""

    def __init__(
        self, ttl_seconds: float, most: int = 100_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ttl = ttl_seconds
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, _Answer]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, entity: str, answer: _Answer) -> None:
        """Remembers an entity's answer, as of now."""
        self._kept[entity] = (self._clock(), answer)
        self._kept.move_to_end(entity)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def recall(self, entity: str) -> _Answer | None:
        """The entity's answer, unless there is none or it is older than the time to live."""
        found = self._kept.get(entity)
        if found is None:
            return None
        kept_at, answer = found
        if self._clock() - kept_at > self._ttl:
            del self._kept[entity]
            return None
        self._kept.move_to_end(entity)
        return answer
