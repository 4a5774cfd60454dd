"""A verdict as data: which rules are broken, could not be judged or are waived, and what it costs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from pricing import Difference, Estimate

BLOCKING: Final = frozenset({"mandatory", "remediate"})
"""Levels at which a broken rule forbids a deployment."""


@dataclass(frozen=True)
class RuleInfo:
    """A rule that was run, or was not."""

    id: str
    """As in the catalogue: `C12`; empty for a rule that is in none."""
    name: str
    """The policy's name."""
    pack: str
    title: str
    """What holds when the rule is kept."""
    remedy: str
    level: str
    """The level in force."""
    severity: str = ""
    references: tuple[str, ...] = ()
    """Public rules that mean the same."""
    skipped: str = ""
    """Why it was not run; empty if it was."""

    @property
    def key(self) -> str:
        """What identifies it in reports."""
        return self.id or f"{self.pack}/{self.name}"


@dataclass(frozen=True)
class Waiver:
    """Who answers for an exception, until when, and why."""

    owner: str
    expires: str
    reason: str


@dataclass(frozen=True)
class Finding:
    """What a rule says of a resource, or of the stack as a whole."""

    id: str
    rule: str
    pack: str
    level: str
    urn: str
    """Empty for the stack as a whole."""
    message: str
    remedy: str = ""
    waiver: Waiver | None = None

    @property
    def key(self) -> str:
        """What identifies its rule in reports."""
        return self.id or f"{self.pack}/{self.rule}"

    @property
    def blocking(self) -> bool:
        """Whether it forbids a deployment."""
        return self.level in BLOCKING and self.waiver is None

    @property
    def type(self) -> str:
        """The resource's type token; empty for the stack as a whole."""
        return self.urn.split("::", 3)[2].rpartition("$")[2] if self.urn.count("::") >= 3 else ""

    @property
    def name(self) -> str:
        """The resource's name in the program; `the stack` where there is no resource."""
        if not self.urn:
            return "the stack"
        return self.urn.split("::", 3)[3] if self.urn.count("::") >= 3 else self.urn

    @property
    def subject(self) -> str:
        """The resource as people read it."""
        return f"{self.type} {self.name}".strip()


@dataclass(frozen=True)
class Comparison:
    """An estimate against another one."""

    what: str
    """With what was compared: a git ref or a file."""
    difference: Difference | None
    problem: str = ""
    """Why there is no difference."""


@dataclass(frozen=True)
class Costs:
    """What it costs, beside what it may cost and what it cost before."""

    estimate: Estimate
    budget: Decimal | None = None
    """US dollars a month."""
    comparison: Comparison | None = None

    @property
    def budget_share(self) -> Decimal | None:
        """The expected month's share of the budget."""
        return self.estimate.expected / self.budget if self.budget else None


@dataclass(frozen=True)
class Report:
    """The answer to `allowed? and how much?`."""

    subject: str
    """What was judged: a stack, or a file."""
    source: str
    """The file that stands for it in reports which want one, relative to the repository."""
    stage: str
    environment: str
    resources: int
    rules: tuple[RuleInfo, ...] = ()
    violations: tuple[Finding, ...] = ()
    cannot_judge: tuple[Finding, ...] = ()
    waived: tuple[Finding, ...] = ()
    cost: Costs | None = None
    problems: tuple[str, ...] = ()
    """Why it could not be judged as a whole: a resource that cannot be made, a pack that crashed."""
    changes: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @cached_property
    def blocking(self) -> tuple[Finding, ...]:
        """What forbids a deployment."""
        return tuple(item for item in (*self.violations, *self.cannot_judge) if item.blocking)

    @cached_property
    def remarks(self) -> tuple[Finding, ...]:
        """What is said and forbids nothing."""
        return tuple(item for item in (*self.violations, *self.cannot_judge) if not item.blocking)

    @property
    def ok(self) -> bool:
        """Whether it is allowed."""
        return not self.blocking and not self.problems


@dataclass(frozen=True)
class Group:
    """Findings of one rule at one level."""

    first: Finding
    findings: tuple[Finding, ...]

    @property
    def remedies(self) -> tuple[str, ...]:
        """How to mend them, each way once."""
        return tuple(dict.fromkeys(item.remedy for item in self.findings if item.remedy))


def grouped(findings: Iterable[Finding]) -> list[Group]:
    """Findings by rule and level, what forbids a deployment first, else in the order given."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for item in findings:
        groups.setdefault((item.key, item.level), []).append(item)
    ordered = sorted(groups.values(), key=lambda items: not items[0].blocking)
    return [Group(items[0], tuple(items)) for items in ordered]


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 violation`, `2 violations`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
