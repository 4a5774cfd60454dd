"""From an attempt's log to hours and money."""

import datetime
import json
from typing import Any

import pytest

from cli.spot.history import Attempt, read_attempt, step_lines, work_hours
from cli.spot.plan import Interruption
from cli.spot.pool import Machine, buys_spot, likely_machine
from cli.spot.report import Ended, Report, attempt_reports

START = 1_800_000_000.0


def line(second: float, event: str, **fields: Any) -> str:
    time = datetime.datetime.fromtimestamp(START + second, datetime.UTC).isoformat()
    return json.dumps({"time": time, "level": "INFO", "job": "train", "event": event, "run": "r", **fields})


def attempt(resumed_at: int, seconds: dict[int, float], saved: float) -> Attempt:
    return Attempt(resumed_at, START, {step: START + each for step, each in seconds.items()}, START + saved)


def test_an_attempt_is_read_from_its_log() -> None:
    read = read_attempt(
        [
            "a library's warning",
            line(0, "started", model="screening"),
            line(1, "fitting", done=4),
            line(2, "step", step=5),
            line(4, "step", step=6),
            line(4.5, "checkpoint", object="s3://b/k", bytes=10),
            line(5, "step", step=7),
            '{"job": "train"}',
            '["step"]',
        ]
    )
    assert read is not None
    assert (read.resumed_at, read.reached) == (4, 7)
    assert (read.seconds, read.unsaved_seconds, read.longest_step_seconds) == (4, 0.5, 2)
    assert read_attempt([line(0, "started")]) is None
    killed = read_attempt([line(1, "fitting", done=4)])
    assert killed is not None
    assert (killed.reached, killed.unsaved_seconds, killed.longest_step_seconds) == (4, 0, 0)


def test_the_lines_to_wait_for_are_those_that_training_logs() -> None:
    waited = step_lines(3, 12)
    heard = [step for step in range(1, 40) if any(text in line(1, "step", step=step) for text in waited)]
    assert heard == list(range(3, 13))
    assert not any(text in line(1, "fitting", done=3) for text in waited)


def test_hours_of_work_are_as_long_as_the_steps_took() -> None:
    assert work_hours(attempt(0, {1: 1, 2: 4, 3: 10}, 0), 5) == (0, 0.5, 2, 5)
    assert work_hours(attempt(0, {1: 0, 2: 0}, 0), 5) == (0, 2.5, 5)


PLAN = (Interruption(1, notice=True), Interruption(2, notice=False), Interruption(3, notice=True))
ENDS = (Ended(143, "exited"), Ended(None, "gone"), Ended(None, "gone"), Ended(0, "exited"))


def test_lost_is_what_was_done_after_the_last_checkpoint_and_the_time_after_a_notice() -> None:
    attempts = [
        attempt(0, {1: 1, 2: 2}, 2.5),  # saved on notice
        attempt(2, {3: 1, 4: 2, 5: 3, 6: 4}, 1.5),  # killed; step 3 had been saved
        attempt(3, {4: 1, 5: 2}, 0),  # had notice, and did not save in time
        attempt(3, {4: 1, 5: 2, 6: 3, 7: 4}, 3),
    ]
    reports = attempt_reports(attempts, ENDS, PLAN, 0.1)
    assert [each.steps_lost for each in reports] == [0, 3, 2, 0]
    assert [each.hours_lost for each in reports] == pytest.approx([2 / 60, 0.25, 0.2 + 2 / 60, 0])
    assert [each.notice for each in reports] == [True, False, True, None]
    assert [each.resumed_at for each in reports] == [0, 2, 3, 3]


def report(sha256: str = "a") -> Report:
    attempts = [attempt(0, {1: 1}, 1), attempt(1, {2: 1}, 0), attempt(1, {2: 1}, 1), attempt(2, {}, 0)]
    return Report(
        model="screening",
        region="us-east-1",
        seed=1,
        hours=4,
        steps=2,
        checkpoint_minutes=15,
        plan=PLAN,
        attempts=attempt_reports(attempts, ENDS, PLAN, 1),
        machine=Machine("m6i.large", 0.04, 0.1, "2026-01-01"),
        artifact_sha256=sha256,
        uninterrupted_sha256="a",
    )


def test_spot_pays_for_the_lost_hours_too() -> None:
    told = report().to_json()
    assert told["hoursLost"] == pytest.approx(1 + 4 / 60, abs=1e-4)
    assert told["spotUsd"] == pytest.approx((5 + 4 / 60) * 0.04, abs=1e-4)
    assert told["onDemandUsd"] == pytest.approx(0.4)
    assert told["sameModel"] is True
    assert report("b").to_json()["sameModel"] is False


def test_the_machine_is_the_pools_likely_one_at_the_snapshots_prices() -> None:
    environments: list[dict[str, Any]] = [
        {"computeResources": {"type": kind, "maxvCpus": 8, "instanceTypes": ["m6i.xlarge", "m6i.large"]}}
        for kind in ("EC2", "SPOT")
    ]
    spot = buys_spot(environments)
    assert spot is environments[1]
    assert buys_spot(environments[:1]) is None
    machine = likely_machine(spot, "us-east-1")
    assert machine is not None
    assert machine.instance_type in ("m6i.xlarge", "m6i.large")
    assert 0 < machine.spot_hourly < machine.on_demand_hourly
    assert likely_machine(spot, "mars-north-1") is None
