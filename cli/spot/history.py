"""What an attempt of a training job did, from the lines that it logged."""

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True)
class Attempt:
    """One attempt's training. Times are in seconds since 1970."""

    resumed_at: int
    """Steps that were done when it began; 0 for one that began anew."""
    began: float
    steps: Mapping[int, float]
    """When each step was done."""
    saved: float
    """When the last checkpoint was written, or else when it began."""

    @property
    def reached(self) -> int:
        """Steps that were done when it ended."""
        return max(self.steps, default=self.resumed_at)

    @property
    def seconds(self) -> float:
        """From its beginning to its last step."""
        return self.steps.get(self.reached, self.began) - self.began

    @property
    def longest_step_seconds(self) -> float:
        """The longest of its steps, checkpoints included."""
        ended = sorted(self.steps.values())
        return max((end - start for start, end in pairwise([self.began, *ended])), default=0.0)

    @property
    def unsaved_seconds(self) -> float:
        """The age of the last checkpoint when the last step was done."""
        return max(0.0, self.steps.get(self.reached, self.began) - self.saved)


def read_attempt(lines: Iterable[str]) -> Attempt | None:
    """Reads an attempt's log; None if it did not come to train."""
    began, resumed_at = None, 0
    steps: dict[int, float] = {}
    saved = 0.0
    for told in _events(lines):
        time = datetime.datetime.fromisoformat(told["time"]).timestamp()
        match told["event"]:
            case "fitting":
                began, resumed_at, saved = time, int(told["done"]), time
            case "step":
                steps[int(told["step"])] = time
            case "checkpoint":
                saved = time
    return None if began is None else Attempt(resumed_at, began, steps, saved)


def step_lines(first: int, last: int) -> list[str]:
    """Texts of which each line that tells of a step from `first` to `last` holds one."""
    return [f'"step": {step}}}' for step in range(first, last + 1)]


def work_hours(attempt: Attempt, hours: float) -> tuple[float, ...]:
    """Hours of work after each number of steps, of an attempt that did them all in `hours`."""
    ended: Sequence[float] = [attempt.steps[step] for step in range(1, attempt.reached + 1)]
    whole = attempt.seconds
    if not whole:
        return tuple(hours * step / max(1, attempt.reached) for step in range(attempt.reached + 1))
    return (0.0, *(hours * (time - attempt.began) / whole for time in ended))


def _events(lines: Iterable[str]) -> Iterable[Mapping[str, Any]]:
    for line in lines:
        try:
            told = json.loads(line)
        except ValueError:
            continue  # a library's own words
        if isinstance(told, dict) and told.get("job") == "train" and {"event", "time"} <= told.keys():
            yield told
