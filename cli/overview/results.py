"""Results that jobs left in the artifacts bucket, read one by one.

A result is read leniently where it is old and strictly where it is shown: one that is no result of its job is
named as unreadable, never drawn as if nothing had been found.
"""

import datetime
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Stored = tuple[str, bytes]
"""An object's key and body."""
BROKEN = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading something else than a result raises."""


@dataclass(frozen=True)
class Result:
    """What a job found in one window."""

    end: datetime.datetime
    told: Mapping[str, Any]


def read(
    stored: Iterable[Stored], check: Callable[[Mapping[str, Any]], None]
) -> tuple[list[Result], tuple[str, ...]]:
    """The results by time, and the keys of what is none; `check` raises one of `BROKEN` for it."""
    results, unreadable = [], []
    for key, body in stored:
        try:
            told = json.loads(body)
            end = datetime.datetime.fromisoformat(told["window"]["end"])
            if end.tzinfo is None:
                raise ValueError("the window's end has no zone")
            check(told)
        except BROKEN:
            unreadable.append(key)
        else:
            results.append(Result(end.astimezone(datetime.UTC), told))
    results.sort(key=lambda result: result.end)
    return results, tuple(unreadable)


def number(value: Any) -> float | None:
    """A finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < float("inf") else None
