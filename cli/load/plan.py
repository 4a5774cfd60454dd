"""What a load is, within bounds: this machine answers it as well as asks."""

import re
from dataclasses import dataclass
from typing import Final

MOST_RPS: Final = 1000
MOST_SECONDS: Final = 600
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, kw_only=True)
class LoadPlan:
    """Requests at a constant rate for a time."""

    rps: float
    seconds: float
    kill_after: float | None = None
    """Seconds from the start after which the live model's process is killed; None: it is left alone."""

    @property
    def requests(self) -> int:
        """How many there will be."""
        return round(self.rps * self.seconds)

    def due(self, number: int) -> float:
        """When a request (from 0) is sent, seconds from the start, whatever became of those before it."""
        return number / self.rps


def parse_plan(rps: float, duration: str, kill_after: str | None) -> LoadPlan:
    """Reads what was asked for.

    Raises:
        ValueError: naming everything that is wrong.
    """
    problems: list[str] = []
    if not 0 < rps <= MOST_RPS:
        problems.append(f"--rps {rps:g} must be above 0 and at most {MOST_RPS}")
    seconds = _seconds("--for", duration, problems)
    if seconds is not None and not 1 <= seconds <= MOST_SECONDS:
        problems.append(f"--for {duration} must be from 1s to {MOST_SECONDS // 60}m")
    killed = None if kill_after is None else _seconds("--kill-live-after", kill_after, problems)
    if killed is not None and seconds is not None and killed >= seconds:
        problems.append(f"--kill-live-after {kill_after} must come before the end ({duration})")
    if problems:
        raise ValueError("; ".join(problems))
    return LoadPlan(rps=rps, seconds=seconds or 0.0, kill_after=killed)


def _seconds(option: str, text: str, problems: list[str]) -> float | None:
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        problems.append(f"{option} {text} must be a duration such as 30s or 2m")
        return None
    return float(found.group(1)) * _SECONDS[found.group(2)]
