"""The catalogue as a whole: complete, consistent, and every rule tested in every way."""

import importlib
import json
import pkgutil
import re
from pathlib import Path

import pytest

import tests.policies
from policies.catalogue import collect
from policies.governance.taggable import find_taggable_types, taggable_types
from policies.packs import PACKS, all_rules, directory, rules_of
from policies.settings import ENVIRONMENTS, STAGES

ROOT = Path(__file__).parents[2]
NUMBERS = {
    "cost": [f"C{number}" for number in range(1, 18)],
    "governance": [f"G{number}" for number in range(1, 14)],
    "security": [f"K{number}" for number in (1, 2, 3, 6, 13, 14)] + [f"S{number}" for number in range(1, 39)],
    "reliability": [f"K{number}" for number in (4, 5, 7, 8, 9, 10, 11, 12)]
    + [f"R{number}" for number in range(1, 15)],
    "maturity": ["M1", "M2", "M3"],
}
NO_UNKNOWN = {
    "C3": "an estimate takes what is unknown at AWS's default",
    "C4": "an estimate takes what is unknown at AWS's default",
    "G3": "a store without a known classification is another rule's",
    "G4": "what is unknown is known by its dependencies, or is no gate",
    "G6": "a monitor that is not known is none",
    "G8": "waivers are configuration, always known",
    "G12": "a group without a known classification is another rule's",
    "M1": "what exists is always known",
    "M2": "stages are configuration, always known",
    "M3": "what exists is always known",
    "S5": "whether there is logging is known even if its target is not",
    "S35": "CloudWatch takes customers' keys only, so any key will do",
    "S36": "whether there is a rotation is known",
    "S38": "whether there is a log is known",
}
"""Rules that no unknown value can leave open, and why."""

NO_MISSING = {
    "C6": "a machine that is not named is none",
    "G2": "a region that is not named is the provider's",
}


def all_cases():
    for module in pkgutil.walk_packages(tests.policies.__path__, "tests.policies."):
        if module.name.rpartition(".")[2].startswith("test_") and module.name != __name__:
            yield from getattr(importlib.import_module(module.name), "CASES", [])


CASES_BY_RULE = {}
for _case in all_cases():
    CASES_BY_RULE.setdefault(_case.rule, set()).add(_case.kind)


@pytest.mark.parametrize("pack", PACKS)
def test_a_pack_has_the_catalogues_rules_in_order(pack):
    assert [rule.id for rule in rules_of(pack)] == NUMBERS[pack]


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.id)
def test_every_rule_has_a_passing_a_failing_an_unknown_and_a_missing_case(rule):
    wanted = {"passes", "fails"}
    if rule.id not in NO_UNKNOWN:
        wanted.add("open")
    if rule.id not in NO_MISSING:
        wanted.add("missing")
    assert wanted <= CASES_BY_RULE.get(rule.id, set())


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.id)
def test_what_is_said_of_a_rule_is_complete(rule):
    about = rule.about
    assert re.fullmatch(r"[a-z][a-z0-9-]+", about.name)
    assert about.title
    assert not about.title.endswith(".")
    assert about.remedy.endswith(".")
    assert about.stage in STAGES
    assert not about.mandatory_from or about.mandatory_from in STAGES
    assert rule.check.__doc__
    assert all("default" in spec and "description" in spec for spec in about.options.values())
    assert (rule.repair is not None) == (about.level == "remediate")


def test_names_are_unique_over_all_packs():
    names = [rule.about.name for rule in all_rules()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_rule_has_a_level_in_every_environment(environment):
    path = ROOT / "policies" / "config" / f"{environment}.json"
    config = json.loads(path.read_text())
    assert list(config) == [rule.about.name for rule in all_rules()]
    assert {entry["environment"] for entry in config.values()} == {environment}
    assert {entry["enforcementLevel"] for entry in config.values()} <= {"mandatory", "advisory", "remediate"}


def test_productions_levels_are_the_catalogues():
    config = json.loads((ROOT / "policies" / "config" / "prod.json").read_text())
    assert {name: entry["enforcementLevel"] for name, entry in config.items()} == {
        rule.about.name: rule.about.level for rule in all_rules()
    }


@pytest.mark.parametrize("pack", PACKS)
def test_a_pack_is_such_that_the_official_cli_runs_it(pack):
    folder = directory(pack)
    assert (folder / "__main__.py").is_file()
    project = (folder / "PulumiPolicy.yaml").read_text()
    assert "runtime: python\n" in project
    assert "virtualenv" not in project.replace("#", "")


def test_two_rules_of_one_name_are_refused():
    from policies.cost.rules import logs

    copy = type(logs)("copy")
    rule = logs.log_group_has_retention
    copy.rule = type(rule)(rule.about, rule.kind, rule.types, rule.check)
    with pytest.raises(ValueError, match="two rules have the id C13"):
        collect(logs, copy)


def test_the_list_of_taggable_types_is_that_of_the_installed_provider():
    assert sorted(taggable_types()) == find_taggable_types()


def test_what_docs_say_of_the_rules_is_the_catalogue():
    text = (ROOT / "docs" / "policies.md").read_text()
    for rule in all_rules():
        assert f"| {rule.id} | `{rule.about.name}` |" in text
