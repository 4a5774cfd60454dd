"""Each environment at each stage above the first: allowed by every pack, and as cheap as the stage aims."""

import functools
from collections.abc import Iterator
from typing import Any

import pytest

from policies.packs import PACKS
from policies.testing import PackUnderTest
from pricing import estimate
from stacks import stages
from tests.components.recording import Recording
from tests.stacks.files import STACKS, stack_file
from tests.stacks.test_program import deploy

STAGES = ("stabilise", "optimise")
pytestmark = pytest.mark.slow


def raw_at(stage: str, stack: str) -> dict[str, Any]:
    """A stack's file at another stage, without what this release does not build of it."""
    raw = stack_file(stack)
    left_out = stages.unbuilt(stage)
    waivers = [
        {
            "rule": "M3",
            "resource": name,
            "owner": "ml",
            "reason": "not in this release",
            "expires": "2099-01-01",
        }
        for name in left_out
    ]
    return {
        **raw,
        "stagecraft:stage": stage,
        "stagecraft:delivery": {"repository": "acme/product"},
        "stagecraft:capabilities": dict.fromkeys(left_out, False),
        "stagecraft:waivers": waivers,
    }


@functools.cache
def at(stage: str, stack: str) -> Recording:
    return deploy(stack, raw=raw_at(stage, stack), live=True, previous=True)


@pytest.fixture(scope="module")
def packs() -> Iterator[PackUnderTest]:
    with PackUnderTest(*PACKS) as running:
        yield running


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("stack", STACKS)
def test_every_pack_allows_it(packs: PackUnderTest, stack: str, stage: str) -> None:
    raw = raw_at(stage, stack)
    verdict = packs.judge(
        at(stage, stack).judged_stack(),
        environment=raw["stagecraft:environment"],
        stage=stage,
        overrides={"estimate-under-budget": {"monthlyBudgetUsd": raw["stagecraft:monthlyBudgetUsd"]}},
    )
    missing = [item for item in verdict.violations if item.id == "M1"]
    assert len(missing) <= len(stages.unbuilt(stage))
    assert not [item for item in verdict.violations if item.id != "M1"]
    assert not verdict.cannot_judge


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("stack", STACKS)
def test_an_idle_month_stays_under_the_stages_aim(stack: str, stage: str) -> None:
    aim = stages.stage(stage).idle_usd
    assert aim is not None
    assert float(estimate(at(stage, stack).judged(), region="us-east-1").idle) < aim


@pytest.mark.parametrize("capability", ["model-optimisation", "unit-costs"])
def test_what_is_switched_off_is_missed(packs: PackUnderTest, capability: str) -> None:
    raw = raw_at("optimise", "dev")
    waiver = {"rule": "M3", "resource": capability, "owner": "ml", "reason": "to see that it is missed"}
    raw["stagecraft:capabilities"] |= {capability: False}
    raw["stagecraft:waivers"] = [*raw["stagecraft:waivers"], {**waiver, "expires": "2099-01-01"}]
    recording = deploy("dev", raw=raw, live=True, previous=True)
    verdict = packs.judge(recording.judged_stack(), environment="dev", stage="optimise")
    messages = [item.message for item in verdict.violations if item.id == "M1"]
    assert [message for message in messages if f"({capability}, optimise)" in message]
