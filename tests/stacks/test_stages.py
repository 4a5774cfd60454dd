import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.maturity.controls import CONTROLS
from policies.packs import all_rules
from stacks import stages
from tests.stacks.files import ROOT

NAMES = st.sampled_from(stages.STAGE_NAMES)
SWITCHES = st.dictionaries(st.sampled_from(sorted(stages.CAPABILITIES)), st.booleans())


def test_the_stages_are_the_five():
    assert stages.STAGE_NAMES == ("validate", "stabilise", "optimise", "govern", "scale")
    assert stages.stage("validate").idle_usd == 10


def test_a_capability_belongs_to_one_stage():
    names = [capability.name for stage in stages.STAGES for capability in stage.adds]
    assert len(names) == len(set(names))


@given(NAMES, NAMES)
def test_each_stage_includes_the_ones_before_it(first, second):
    earlier, later = sorted((first, second), key=stages.STAGE_NAMES.index)
    assert set(stages.included(earlier)) <= set(stages.included(later))


@given(NAMES, SWITCHES)
def test_switches_decide_and_the_stage_decides_the_rest(name, switches):
    on = stages.enabled(name, switches)
    base = {capability.name for capability in stages.included(name)}
    for capability in stages.CAPABILITIES:
        assert (capability in on) is switches.get(capability, capability in base)


JUDGED_BY_RULES = {
    "endpoints": "G6",
    "labels": "G1",
    "least-privilege": "S9",
    "zone-failover": "R9",
    "residency": "G2",
}
"""Capabilities that no control speaks of, since a rule of its own judges them."""


def test_every_capability_of_a_built_stage_has_a_control_or_a_rule_of_its_own():
    controls = {control.name: control.stage for control in CONTROLS}
    assert set(JUDGED_BY_RULES.values()) <= {rule.about.id for rule in all_rules()}
    for stage in stages.STAGES:
        if not stages.unbuilt(stage.name):
            for capability in stage.adds:
                if capability.name not in JUDGED_BY_RULES:
                    assert controls.get(capability.name) == stage.name, capability.name


def test_a_stage_that_is_none_is_refused():
    with pytest.raises(KeyError):
        stages.stage("perfect")


def test_what_others_stand_on_cannot_be_switched():
    fixed = [capability for capability in stages.CAPABILITIES.values() if not capability.switchable]
    assert {stages.stage_of(capability.name) for capability in fixed} == {"validate"}


def test_the_readme_says_which_stages_are_built():
    readme = (ROOT / "README.md").read_text()
    told = re.search(r"Built today: (.+?), whole\. What (.+?) add", readme, re.DOTALL)
    assert told is not None
    built = re.findall(r"`(\w+)`", told[1])
    assert built == [name for name in stages.STAGE_NAMES if not stages.unbuilt(name)]
    assert [*built, *re.findall(r"`(\w+)`", told[2])] == list(stages.STAGE_NAMES)
