"""Rules and what is said of them; how a rule is declared.

A rule is a small function over one kind of resource that yields what is wrong. The decorators here turn it
into a `Rule`; a pack is a list of them (`policies/<pack>/rules/`); `policies.runtime` hands them to the SDK.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

from policies.resources import Resource, Stack
from policies.settings import STAGES, Settings

Level = Literal["mandatory", "advisory", "remediate", "disabled"]
Severity = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True)
class Finding:
    """What is wrong, and with which resource if not with the one that is being judged."""

    message: str
    resource: Resource | None = None
    subject: str = ""
    """What a waiver may name instead of a resource, where there is none."""
    or_waived_by: str = ""
    """Another rule, a waiver of which covers this finding too: one exception, written down once."""
    open_question: bool = False
    """The rule could not judge: the message says why."""


Findings = Iterable[str | Finding]
ResourceCheck = Callable[[Resource, Settings], Findings]
JoinedCheck = Callable[[Resource, Stack, Settings], Findings]
StackCheck = Callable[[Stack, Settings], Findings]
Repair = Callable[[Resource, Settings], Mapping[str, Any] | None]


@dataclass(frozen=True)
class About:
    """What the catalogue says of a rule."""

    id: str
    """As in the catalogue: `C12`."""
    name: str
    """The policy's name, by which it is configured."""
    title: str
    """What holds when the rule is kept."""
    remedy: str
    """How to mend a violation."""
    references: tuple[str, ...] = ()
    """Public rules that mean the same."""
    severity: Severity = "medium"
    level: Level = "mandatory"
    """In production; `policies/config/` has the levels of the other environments."""
    stage: str = STAGES[0]
    """The first stage it applies to."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """JSON schemas of what it can be configured with, each with a default."""
    mandatory_from: str = ""
    """The stage from which an advisory rule is mandatory."""


@dataclass(frozen=True)
class Rule:
    """A rule as it is run."""

    about: About
    kind: Literal["resource", "stack"]
    types: frozenset[str]
    """Short types that it judges; empty: the stack as a whole (or, for a resource rule, all)."""
    check: Callable[..., Findings]
    repair: Repair | None = None

    @property
    def id(self) -> str:
        """Its catalogue id."""
        return self.about.id

    def judge(self, subject: Resource, settings: Settings) -> Iterator[str | Finding]:
        """A resource rule's findings on one resource."""
        yield from self.check(subject, settings)

    def judge_stack(self, stack: Stack, settings: Settings) -> Iterator[tuple[Resource | None, Findings]]:
        """A stack rule's findings, resource by resource; None stands for the stack as a whole."""
        if not self.types:
            yield None, self.check(stack, settings)
            return
        for resource in stack.of(*sorted(self.types)):
            yield resource, self.check(resource, stack, settings)


def resource_rule(
    about: About, types: Iterable[str], repair: Repair | None = None
) -> Callable[[ResourceCheck], Rule]:
    """A rule that needs to see one resource's inputs only."""
    return lambda check: Rule(about, "resource", frozenset(types), check, repair)


def joined_rule(about: About, types: Iterable[str]) -> Callable[[JoinedCheck], Rule]:
    """A rule over one resource that needs to see the others too."""
    return lambda check: Rule(about, "stack", frozenset(types), check)


def stack_rule(about: About) -> Callable[[StackCheck], Rule]:
    """A rule over the stack as a whole."""
    return lambda check: Rule(about, "stack", frozenset(), check)


def collect(*modules: ModuleType) -> list[Rule]:
    """The rules of some modules in the catalogue's order.

    Raises:
        ValueError: Two rules have the same id or name.
    """
    rules = [value for module in modules for value in vars(module).values() if isinstance(value, Rule)]
    unique = {id(rule): rule for rule in rules}.values()
    ordered = sorted(unique, key=lambda rule: catalogue_order(rule.id))
    for attribute in ("id", "name"):
        seen: set[str] = set()
        for rule in ordered:
            value = getattr(rule.about, attribute)
            if value in seen:
                raise ValueError(f"two rules have the {attribute} {value}")
            seen.add(value)
    return ordered


def catalogue_order(identity: str) -> tuple[str, int]:
    """Sorts `C2` before `C12`."""
    match = re.fullmatch(r"([A-Z]+)([0-9]+)", identity)
    if match is None:
        raise ValueError(f"{identity!r} is no catalogue id")
    return match.group(1), int(match.group(2))
