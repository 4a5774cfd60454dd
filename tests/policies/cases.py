"""Cases of rules: resources, and what one rule must say of them through the Analyzer service.

A pack's test modules each hold `CASES`; one parametrised test checks them, and `test_catalogue.py` that every
rule has a passing, a failing and an unknown-value case and, where a block may be missing, a case for that.
"""

from dataclasses import dataclass, field

import pytest

from policies.testing import UNKNOWN, depends, resource

__all__ = [
    "UNKNOWN",
    "Case",
    "depends",
    "fails",
    "missing",
    "open_question",
    "parametrized",
    "passes",
    "resource",
]


@dataclass(frozen=True)
class Case:
    rule: str
    kind: str
    """`passes`, `fails`, `open` (cannot judge) or `missing` (fails by AWS's own default)."""
    title: str
    resources: list
    settings: dict = field(default_factory=dict)

    def check(self, pack):
        verdict = pack.judge(list(self.resources), **self.settings)
        broken = [item for item in verdict.violations if item.id == self.rule]
        unjudged = [item for item in verdict.cannot_judge if item.id == self.rule]
        said = [item.message for item in broken + unjudged]
        if self.kind == "passes":
            assert not said
        elif self.kind == "open":
            assert unjudged
            assert not broken, said
            assert all("cannot judge, because" in item.message for item in unjudged)
        else:
            assert broken, [item.message for item in unjudged]
            assert all(item.remedy for item in broken)


def passes(rule, title, *resources, **settings):
    return Case(rule, "passes", title, list(resources), settings)


def fails(rule, title, *resources, **settings):
    return Case(rule, "fails", title, list(resources), settings)


def missing(rule, title, *resources, **settings):
    """What AWS does when nothing is said breaks the rule."""
    return Case(rule, "missing", title, list(resources), settings)


def open_question(rule, title, *resources, **settings):
    return Case(rule, "open", title, list(resources), settings)


def parametrized(cases):
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=f"{case.rule} {case.kind}: {case.title}") for case in cases]
    )
