"""What interruptions cost a run: the attempts, the work done again, the money."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cli.spot.history import Attempt
from cli.spot.plan import NOTICE_SECONDS, Interruption
from cli.spot.pool import Machine


@dataclass(frozen=True)
class Ended:
    """How Batch says that an attempt ended."""

    exit_code: int | None
    """None of a machine that was gone before the container could end."""
    reason: str


@dataclass(frozen=True)
class AttemptReport:
    """One attempt."""

    number: int
    resumed_at: int
    """Steps that were done when it began to train."""
    reached: int
    """Steps that were done when it ended."""
    ended: Ended
    notice: bool | None
    """Whether the interruption that ended it gave notice; None of the last attempt, which got through."""
    steps_lost: int
    """Done, and done again by the next attempt."""
    hours_lost: float
    """Since its last checkpoint, and after a notice the two minutes that are paid and not worked."""
    longest_step_hours: float
    """A checkpoint that falls due in a step is written after it: so much later than its interval says."""


@dataclass(frozen=True)
class Report:
    """A whole simulation."""

    model: str
    region: str
    seed: int
    hours: float
    """The uninterrupted run's length."""
    steps: int
    checkpoint_minutes: float
    plan: tuple[Interruption, ...]
    attempts: tuple[AttemptReport, ...]
    machine: Machine
    artifact_sha256: str
    uninterrupted_sha256: str

    @property
    def same_model(self) -> bool:
        """Whether the interrupted run reached the bytes of the uninterrupted one."""
        return self.artifact_sha256 == self.uninterrupted_sha256

    @property
    def hours_lost(self) -> float:
        """Hours paid for and not worked to any use."""
        return sum(attempt.hours_lost for attempt in self.attempts)

    @property
    def spot_hours(self) -> float:
        """Hours that the run takes on spot."""
        return self.hours + self.hours_lost

    @property
    def spot_usd(self) -> float:
        """What it costs on spot, lost hours included."""
        return self.spot_hours * self.machine.spot_hourly

    @property
    def on_demand_usd(self) -> float:
        """What the uninterrupted run costs on demand."""
        return self.hours * self.machine.on_demand_hourly

    def to_json(self) -> dict[str, Any]:
        """The report as one JSON object, keys in camelCase."""
        return {
            "model": self.model,
            "region": self.region,
            "seed": self.seed,
            "hours": self.hours,
            "steps": self.steps,
            "checkpointMinutes": self.checkpoint_minutes,
            "plan": [{"atHours": round(item.at, 4), "notice": item.notice} for item in self.plan],
            "attempts": [_attempt_json(attempt) for attempt in self.attempts],
            "interruptions": len(self.plan),
            "hoursLost": round(self.hours_lost, 4),
            "sameModel": self.same_model,
            "artifactSha256": self.artifact_sha256,
            "uninterruptedSha256": self.uninterrupted_sha256,
            "instanceType": self.machine.instance_type,
            "spotHourlyUsd": self.machine.spot_hourly,
            "spotPriceAsOf": self.machine.spot_as_of,
            "onDemandHourlyUsd": self.machine.on_demand_hourly,
            "spotHours": round(self.spot_hours, 4),
            "spotUsd": round(self.spot_usd, 4),
            "onDemandUsd": round(self.on_demand_usd, 4),
        }


def _attempt_json(attempt: AttemptReport) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "resumedAtStep": attempt.resumed_at,
        "reachedStep": attempt.reached,
        "exitCode": attempt.ended.exit_code,
        "reason": attempt.ended.reason,
        "notice": attempt.notice,
        "stepsLost": attempt.steps_lost,
        "hoursLost": round(attempt.hours_lost, 4),
        "longestStepHours": round(attempt.longest_step_hours, 4),
    }


def attempt_reports(
    attempts: Sequence[Attempt],
    ends: Sequence[Ended],
    plan: Sequence[Interruption],
    hours_a_second: float,
) -> tuple[AttemptReport, ...]:
    """What each attempt came to: one for each interruption, and the one that got through.

    Args:
        attempts: in their order.
        ends: how each ended.
        plan: the interruption that ended each but the last.
        hours_a_second: of the simulated run, in one of the wall clock.
    """
    reports = []
    for place, (attempt, ended) in enumerate(zip(attempts, ends, strict=True)):
        last = place == len(attempts) - 1
        notice = None if last else plan[place].notice
        steps_lost, hours_lost = 0, 0.0
        if not last:
            steps_lost = max(0, attempt.reached - attempts[place + 1].resumed_at)
            if steps_lost:
                hours_lost += attempt.unsaved_seconds * hours_a_second
            if notice:
                hours_lost += NOTICE_SECONDS / 3600
        reports.append(
            AttemptReport(
                number=place + 1,
                resumed_at=attempt.resumed_at,
                reached=attempt.reached,
                ended=ended,
                notice=notice,
                steps_lost=steps_lost,
                hours_lost=hours_lost,
                longest_step_hours=attempt.longest_step_seconds * hours_a_second,
            )
        )
    return tuple(reports)
