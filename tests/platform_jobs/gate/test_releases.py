"""The loop's gate over whole releases, on metrics and counts that lie in a cloud: how often it is wrong."""

import datetime
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from platform_jobs import registry, times
from platform_jobs.gate.evidence import Labelled
from platform_jobs.loop import gate, rollout
from platform_jobs.loop.gate import Asked
from tests.platform_jobs.loop_world import ENDPOINT, World, loop_world
from twin.aws.cloud.client import ensure_cloud, stop_cloud

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RUNS = 50
ERROR_RATE = 0.05
MOST_WRONG = int(ERROR_RATE * RUNS)
BAKE, LOOK, LIMIT = (datetime.timedelta(minutes=minutes) for minutes in (15, 5, 45))
PER_MINUTE = 50
"""Requests of each version; few, and versions that differ by much: the cloud keeps a value a request."""
TERMS = {
    "STAGECRAFT_SLO_AVAILABILITY": "99",
    "STAGECRAFT_GATE_ERROR_RATE": str(ERROR_RATE),
    "STAGECRAFT_GATE_EXCESS_BURN": "4",
    "STAGECRAFT_GATE_QUALITY_TOLERANCE": "0.12",
}


@dataclass(frozen=True)
class Version:
    """How a version really is."""

    errors: float = 0.002
    slow: float = 0.02
    wrong: float = 0.10


LIVE = Version()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    folder = tmp_path / "cloud"
    try:
        yield loop_world(ensure_cloud(folder, live=False).endpoint)
    finally:
        stop_cloud(folder)


def ends(world: World, canary: Version) -> Counter[str]:
    """How releases of a version end, each with half of the traffic, two hours after the one before."""
    world.deploy()
    state = rollout.begin(world.clients, ENDPOINT, world.version(status=registry.APPROVED), 2)
    assert state is not None
    state = rollout.settled(world.clients, rollout.shift(world.clients, state, 50, 50))
    first = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=2 * RUNS)
    found: Counter[str] = Counter()
    for seed in range(RUNS):
        began = first + datetime.timedelta(hours=2 * seed)
        released = replace(state, since=times.iso(began), given=times.iso(began))
        found[release(world, released, canary, seed, began)] += 1
    return found


def release(
    world: World, state: rollout.Rollout, canary: Version, seed: int, began: datetime.datetime
) -> str:
    """One release: baked, then looked at every five minutes, with labels for all answers."""
    chance = np.random.default_rng(seed)
    config = world.gate_settings(**TERMS)
    labels = dict.fromkeys(("candidate", "live"), Labelled())
    asked = Asked(version=f"run-{seed}", state=state, percent=50, limit=LIMIT)
    told, at = began, began + BAKE
    while True:
        minutes = (at - told).total_seconds() / 60
        for variant, version in (("candidate", canary), ("live", LIVE)):
            calls = int(chance.poisson(PER_MINUTE * minutes))
            errors = int(chance.binomial(calls, version.errors))
            slow = int(chance.binomial(calls - errors, version.slow))
            world.served(variant, calls, at=told, errors=errors, slow=slow)
            known, before = calls - errors, labels[variant]
            labels[variant] = Labelled(
                before.labelled + known, before.wrong + int(chance.binomial(known, version.wrong))
            )
        world.labels(state.number, labels["candidate"], labels["live"])
        outcome = gate.check(world.clients, config, asked, at)
        if outcome.decision != "wait":
            return outcome.decision
        told, at = at, at + LOOK


def test_a_good_version_is_promoted(world: World) -> None:
    found = ends(world, LIVE)
    assert found["promote"] >= RUNS - MOST_WRONG, found
    # Each of them can be read up.
    for seed in (0, RUNS - 1):
        known = registry.lineage(world.clients, "lineage", f"run-{seed}")
        assert known is not None
        assert len(known["gates"]) == 1


@pytest.mark.parametrize(
    "bad",
    [Version(errors=0.1), Version(wrong=0.35), Version(slow=0.35)],
    ids=["errors", "accuracy at equal errors", "latency"],
)
def test_a_bad_version_is_rolled_back(world: World, bad: Version) -> None:
    found = ends(world, bad)
    assert found["promote"] <= MOST_WRONG, found
    assert found["roll-back"] >= RUNS - MOST_WRONG, found


@pytest.mark.parametrize(
    "bad",
    [Version(errors=LIVE.errors + 0.04), Version(wrong=LIVE.wrong + 0.12)],
    ids=["errors", "accuracy"],
)
def test_one_that_is_worse_by_just_the_tolerance_is_promoted_no_more_often_than_stated(
    world: World, bad: Version
) -> None:
    found = ends(world, bad)
    assert found["promote"] <= MOST_WRONG, found
