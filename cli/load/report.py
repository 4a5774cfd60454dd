"""What came of a load: latency, losses, who answered, and when the live model was back."""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.load.generator import Outcome
from cli.load.plan import LoadPlan
from cli.load.watch import Reading

LIVE: Final = "live"
_PERCENTILES: Final = (50, 95, 99)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """The live model's process was killed."""

    at: float
    """Seconds from the start."""
    processes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """A load, and what came of it."""

    model: str
    plan: LoadPlan
    outcomes: Sequence[Outcome]
    readings: Sequence[Reading]
    fault: Fault | None = None

    @property
    def lost(self) -> int:
        """Requests without an answer."""
        return sum(outcome.lost for outcome in self.outcomes)

    @property
    def problems(self) -> dict[str, int]:
        """Why requests were lost → how many."""
        return dict(sorted(Counter(each.problem for each in self.outcomes if each.problem).items()))

    @property
    def answers(self) -> dict[str, int]:
        """Step → answers that callers got."""
        return dict(sorted(Counter(each.step for each in self.outcomes if each.step).items()))

    @property
    def counted(self) -> dict[str, int]:
        """Step → answers by the gateway's own metrics, between the first reading and the last."""
        if not self.readings:
            return {}
        first, last = self.readings[0].answers, self.readings[-1].answers
        return {step: round(last[step] - first.get(step, 0)) for step in sorted(last)}

    @property
    def rps(self) -> float:
        """Answers a second that were reached, from the first request's time to the last answer."""
        if not self.outcomes:
            return 0.0
        end = max(each.due + each.latency_ms / 1000 for each in self.outcomes)
        return len(self.outcomes) / max(end, self.plan.seconds)

    @property
    def degraded_seconds(self) -> float | None:
        """After the fault, until the metrics show the live model answering everything again; None: never."""
        if self.fault is None:
            return None
        after = [reading for reading in self.readings if reading.at >= self.fault.at]
        ends = [
            later.at
            for earlier, later in itertools.pairwise(after)
            if _degraded(earlier, later) or later.errors > earlier.errors
        ]
        if not ends:
            return 0.0
        return ends[-1] - self.fault.at if ends[-1] < after[-1].at else None

    def latency_ms(self, percent: float) -> float:
        """A percentile of all requests' latencies, lost ones included."""
        return percentile([outcome.latency_ms for outcome in self.outcomes], percent)

    def timeline(self) -> list[dict[str, Any]]:
        """The metrics' changes from reading to reading: answers a step, errors."""
        return [
            {
                "from": round(earlier.at, 2),
                "to": round(later.at, 2),
                "answers": {
                    step: round(value - earlier.answers.get(step, 0))
                    for step, value in sorted(later.answers.items())
                },
                "errors": round(later.errors - earlier.errors),
            }
            for earlier, later in itertools.pairwise(self.readings)
        ]

    def to_json(self) -> dict[str, Any]:
        """All of it, for machines."""
        late = [outcome.late_ms for outcome in self.outcomes]
        fault = self.fault
        return {
            "model": self.model,
            "rps": {"asked": self.plan.rps, "reached": round(self.rps, 2)},
            "seconds": self.plan.seconds,
            "requests": len(self.outcomes),
            "lost": self.lost,
            "problems": self.problems,
            "latencyMs": {
                **{f"p{percent}": round(self.latency_ms(percent), 2) for percent in _PERCENTILES},
                "max": round(max((each.latency_ms for each in self.outcomes), default=0.0), 2),
            },
            "sentLateMs": {"p99": round(percentile(late, 99), 2)},
            "answers": self.answers,
            "metrics": {"answers": self.counted, "timeline": self.timeline()},
            "fault": None
            if fault is None
            else {
                "kind": "live model's process killed",
                "at": round(fault.at, 2),
                "processes": list(fault.processes),
                "degradedSeconds": None if self.degraded_seconds is None else round(self.degraded_seconds, 2),
            },
        }


def percentile(values: Sequence[float], percent: float) -> float:
    """The least value that `percent` of all do not exceed (nearest rank); 0 if there are none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(math.ceil(percent / 100 * len(ordered)), 1) - 1]


def _degraded(earlier: Reading, later: Reading) -> bool:
    def since(step: str, counts: Mapping[str, float]) -> float:
        return counts[step] - earlier.answers.get(step, 0)

    return any(since(step, later.answers) > 0 for step in later.answers if step != LIVE)
