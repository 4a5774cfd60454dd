"""Policy packs in a run: what they forbid is not done, what they mend is."""

import textwrap

import pytest

from tests.twin.engine.world import World

PACK = """
import os
from pulumi_policy import (
    EnforcementLevel, PolicyPack, ResourceValidationPolicy, StackValidationPolicy,
)

THING = "toy:index:Thing"

def labelled(args, report):
    if args.resource_type == THING and args.props.get("label") == "ugly":
        report("the label is ugly\\nRemedy: take a nicer one")

def advised(args, report):
    if args.resource_type == THING and args.props.get("label") == "so-so":
        report("the label is so-so")

def mended(args):
    if args.resource_type == THING and "owner" not in args.props:
        return {**{key: args.props[key] for key in args.props}, "owner": "growth"}

def few(args, report):
    found = [each for each in args.resources if each.resource_type == THING]
    if len(found) > 3:
        report(f"{len(found)} things are too many")

def crash(args, report):
    if args.resource_type == THING and args.props.get("label") == "crash":
        os._exit(9)

PolicyPack("taste", enforcement_level=EnforcementLevel.MANDATORY, policies=[
    ResourceValidationPolicy("labelled", "[T1] Labels", validate=labelled),
    ResourceValidationPolicy("advised", "[T2] Labels", validate=advised,
                             enforcement_level=EnforcementLevel.ADVISORY),
    ResourceValidationPolicy("mended", "[T3] Owners", remediate=mended,
                             enforcement_level=EnforcementLevel.REMEDIATE),
    ResourceValidationPolicy("crash", "[T4] Crashes", validate=crash),
    StackValidationPolicy("few", "[T5] Few", validate=few),
])
"""


@pytest.fixture
def judged(world: World) -> World:
    pack = world.root / "a pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\nversion: 1.0.0\n")
    (pack / "__main__.py").write_text(textwrap.dedent(PACK))
    world.packs = [pack]
    return world


def test_a_violation_stops_up_before_the_resource_is_made(judged: World) -> None:
    outcome = judged.up('a = Thing("a", label="ugly")\nThing("b", label=a.made)')
    assert not outcome.ok
    assert judged.calls("Create") == []
    (violation,) = outcome.result.violations
    assert (violation.pack, violation.rule, violation.level) == ("taste", "labelled", "mandatory")
    assert violation.urn.endswith("toy:index:Thing::a")
    assert "the label is ugly" in violation.message
    assert "take a nicer one" in violation.message


def test_a_preview_tells_every_violation_once(judged: World) -> None:
    judged.deployed('Thing("c", label="fine", fixed=1)')
    outcome = judged.preview("""
    Thing("a", label="ugly")
    Thing("b", label="ugly")
    Thing("c", label="ugly", fixed=2)
    """)
    assert not outcome.ok
    assert sorted(each.urn.rsplit(":", 1)[-1] for each in outcome.result.violations) == ["a", "b", "c"]


def test_an_audit_tells_them_all_and_goes_on(judged: World) -> None:
    outcome = judged.up('a = Thing("a", label="ugly")\nThing("b", label="ugly", x=a.made)', audit=True)
    assert not outcome.ok
    assert len(outcome.result.violations) == 2
    assert sorted(judged.things()) == ["a", "b"]


def test_advice_does_not_stop_anything(judged: World) -> None:
    outcome = judged.deployed('Thing("a", label="so-so")')
    assert [each.level for each in outcome.result.violations] == ["advisory"]
    assert list(judged.things()) == ["a"]


def test_what_is_mended_is_what_is_made(judged: World) -> None:
    judged.deployed('Thing("a", label="x")')
    assert judged.things()["a"]["owner"] == "growth"
    assert judged.record("a").inputs["owner"] == "growth"
    assert judged.deployed().changes == {"same": 3}


def test_a_rule_for_the_stack_keeps_the_old_from_being_deleted(judged: World) -> None:
    judged.deployed('Thing("old")')
    outcome = judged.up('for i in range(4):\n    Thing(f"t{i}")')
    assert not outcome.ok
    assert "4 things are too many" in outcome.result.violations[0].message
    assert "old" in judged.things()
    assert judged.calls("Delete") == []


def test_a_pack_that_dies_fails_the_run(judged: World) -> None:
    outcome = judged.up('Thing("a", label="crash")')
    assert not outcome.ok
    assert "policy pack taste" in outcome.problems
    assert "engine failed" not in outcome.problems
    assert judged.things() == {}


def test_a_pack_that_does_not_start_fails_the_run(judged: World) -> None:
    (judged.packs[0] / "__main__.py").write_text("raise RuntimeError('no taste today')")
    outcome = judged.up('Thing("a")')
    assert not outcome.ok
    assert "no taste today" in outcome.problems
    assert judged.things() == {}
