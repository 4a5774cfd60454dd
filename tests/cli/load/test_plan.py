"""A load's bounds, and when its requests are due."""

import pytest

from cli.load.plan import parse_plan


def test_a_load_is_read():
    plan = parse_plan(200, "30s", "10s")
    assert (plan.requests, plan.seconds, plan.kill_after) == (6000, 30, 10)
    assert [plan.due(number) for number in (0, 1, 200)] == [0, 0.005, 1]
    assert parse_plan(1, "1.5m", None).seconds == 90


def test_everything_wrong_is_told_at_once():
    with pytest.raises(ValueError, match="--rps 0 must be") as refused:
        parse_plan(0, "later", "5s")
    assert "--for later" in str(refused.value)
    for rps, duration, kill in ((1001, "5s", None), (5, "11m", None), (5, "0.5s", None), (5, "5s", "5s")):
        with pytest.raises(ValueError, match="must"):
            parse_plan(rps, duration, kill)
