"""The cloud's randomness: every request draws from its own seeded source, so that a replay draws the same.

moto takes its ids from one shared generator. Here each thread has its own behind that one: a request's is
seeded with the cloud's seed and the request's number, and what draws in the background (Step Functions) can't
disturb it. `Draw.used` tells whether a read made something up on the way, and so must be journalled too.
"""

import contextlib
import importlib
import random
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

_real_uuid4: Final = uuid.uuid4
_local = threading.local()


@dataclass(slots=True)
class Draw:
    """Whether random numbers were drawn."""

    used: bool = False


class _Source:
    """One thread's generator, and the draw it is serving."""

    __slots__ = ("draw", "generator")

    def __init__(self) -> None:
        self.generator = random.Random()  # noqa: S311  (ids, not secrets)
        self.draw: Draw | None = None


def _source() -> _Source:
    source: _Source | None = getattr(_local, "source", None)
    if source is None:
        source = _local.source = _Source()
    if source.draw is not None:
        source.draw.used = True
    return source


@contextlib.contextmanager
def seeded(*parts: object) -> Iterator[Draw]:
    """Within, this thread draws from a source seeded with `parts`; the source before comes back after."""
    digest = blake2b("\0".join(map(str, parts)).encode(), digest_size=16).digest()
    before = getattr(_local, "source", None)
    source = _local.source = _Source()
    source.generator.seed(int.from_bytes(digest))
    source.draw = Draw()
    try:
        yield source.draw
    finally:
        _local.source = before


def install() -> None:
    """Puts the seeded sources behind moto's generator and `uuid.uuid4`. Call before moto's services load."""
    uuid.uuid4 = _uuid4

    # Tables of backends come into being when a module is first imported, in the midst of any request.
    base_backend: Any = importlib.import_module("moto.core.base_backend")
    base_backend.uuid4 = _real_uuid4

    from moto.moto_api._internal import mock_random
    from moto.moto_api._internal.moto_random import MotoRandom

    class SeededRandom(MotoRandom):
        """moto's generator, drawing from the thread's source."""

        def random(self) -> float:
            return _source().generator.random()

        def getrandbits(self, k: int) -> int:
            return _source().generator.getrandbits(k)

        def seed(self, *_args: Any, **_kwargs: Any) -> None:
            """The cloud seeds each request itself."""

    mock_random.__class__ = SeededRandom


def _uuid4() -> uuid.UUID:
    source = getattr(_local, "source", None)
    if source is None or source.draw is None:
        return _real_uuid4()
    source.draw.used = True
    return uuid.UUID(int=source.generator.getrandbits(128), version=4)
