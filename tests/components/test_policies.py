"""Every component, alone, and every stack keep to every pack, judged by the packs' own processes."""

from collections.abc import Iterator
from typing import Any

import pytest

from policies.testing import PackUnderTest
from tests.components.examples import NAMES, make
from tests.components.recording import run

PACKS = ("cost", "governance", "security", "reliability")


@pytest.fixture(scope="module")
def packs() -> Iterator[PackUnderTest]:
    with PackUnderTest(*PACKS) as running:
        yield running


ALONE = {
    # A component is not a stack: the budget is CostGuard's, the features bucket's retention is DataLake's.
    "BatchInference": {"C5"},
    "BatchTrainingPool": {"C5"},
    "Endpoint": {"C5"},
    "FeatureStore": {"C16"},
    "ServingCluster": {"C5"},
    "TrainingPool": {"C5"},
}


@pytest.mark.parametrize("name", NAMES)
def test_a_component_alone_breaks_no_rule(packs: Any, name: str) -> None:
    verdict = packs.judge(run(lambda: make(name)).judged(), stage="validate")
    said = [*verdict.violations, *verdict.cannot_judge]
    assert not [item for item in said if item.id not in ALONE.get(name, ())]
