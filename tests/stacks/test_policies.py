"""Every stack keeps to every pack at its own stage, judged by the packs' own processes."""

from collections.abc import Iterator
from typing import Any

import pytest

from policies.testing import PackUnderTest
from tests.stacks.files import STACKS, stack_file
from tests.stacks.test_program import deployed

PACKS = ("cost", "governance", "security", "reliability", "maturity")


@pytest.fixture(scope="module")
def packs() -> Iterator[PackUnderTest]:
    with PackUnderTest(*PACKS) as running:
        yield running


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_is_allowed(packs: Any, stack: str, live: bool) -> None:
    raw = stack_file(stack)
    verdict = packs.judge(
        deployed(stack, live=live).judged_stack(),
        environment=raw["stagecraft:environment"],
        stage=raw["stagecraft:stage"],
    )
    assert not verdict.violations
    assert not verdict.cannot_judge
