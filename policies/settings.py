"""What a rule is run with: the stack's stage and environment, the waivers, and the rule's own options."""

import datetime
import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi

from policies.values import plain

STAGES: Final = ("validate", "stabilise", "optimise", "govern", "scale")
"""In order; each includes the ones before it."""

ENVIRONMENTS: Final = ("dev", "staging", "prod")

AUTO: Final = "auto"

COMMON_SCHEMA: Final[Mapping[str, Mapping[str, Any]]] = {
    "stage": {
        "type": "string",
        "enum": [AUTO, *STAGES],
        "default": AUTO,
        "description": "The stack's stage; auto: its `stagecraft:stage`, else validate.",
    },
    "environment": {
        "type": "string",
        "default": AUTO,
        "description": "dev, staging or prod; auto: the stack's name if it is one of these, else prod.",
    },
    "whenUnknown": {
        "type": "string",
        "enum": ["violation", "advisory"],
        "default": "violation",
        "description": "What a judgement that hangs on a value not known yet counts as.",
    },
    "waivers": {
        "type": "array",
        "items": {"type": "object"},
        "default": [],
        "description": "Exceptions: {rule, resource, owner, reason, expires}; else `stagecraft:waivers`.",
    },
    "today": {
        "type": "string",
        "default": AUTO,
        "description": "The date (YYYY-MM-DD) on which waivers are judged; auto: today, UTC.",
    },
}
"""What every policy of our packs can be configured with."""


@dataclass(frozen=True)
class Waiver:
    """An exception to a rule for some resources, which someone answers for until a date."""

    rule: str
    """Catalogue id or policy name."""
    resource: str
    """URN or name; `*` and `?` stand for any characters."""
    owner: str
    reason: str
    expires: datetime.date | None
    problems: tuple[str, ...] = ()
    """Why it does not count."""

    def covers(self, rule: str, name: str, urn: str, resource_name: str) -> bool:
        """Whether it lets this rule's finding on this resource pass."""
        if self.problems or self.rule not in (rule, name):
            return False
        # A finding on the stack as a whole has neither name nor URN: only a waiver for everything covers it.
        return any(fnmatch.fnmatchcase(value, self.resource) for value in (urn, resource_name))

    @property
    def terms(self) -> str:
        """Who, until when and why, for reports."""
        return f"{self.owner}, until {self.expires}: {self.reason}"


@dataclass(frozen=True)
class Settings:
    """One rule's settings for one run."""

    stage: str = "validate"
    environment: str = "prod"
    when_unknown: str = "violation"
    waivers: tuple[Waiver, ...] = ()
    today: datetime.date = datetime.date.min
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_prod(self) -> bool:
        """Whether what is judged serves production."""
        return self.environment == "prod"

    def reached(self, stage: str) -> bool:
        """Whether the stack's stage includes this one."""
        return STAGES.index(self.stage) >= STAGES.index(stage)

    def __getitem__(self, name: str) -> Any:
        return self.options[name]


def read_settings(config: Mapping[str, Any], schema: Mapping[str, Mapping[str, Any]]) -> Settings:
    """A policy's configuration with what it leaves to the stack filled in.

    Args:
        config: As the SDK hands it over; defaults may be missing.
        schema: The policy's own options with their defaults.
    """
    given = {key: plain(value) for key, value in config.items()}
    today = _date(given.get("today")) or datetime.datetime.now(datetime.UTC).date()
    waivers = given.get("waivers") or _stack_waivers()
    return Settings(
        stage=_stage(given.get("stage")),
        environment=_environment(given.get("environment")),
        when_unknown=str(given.get("whenUnknown") or "violation"),
        waivers=tuple(read_waiver(item, today) for item in waivers) if isinstance(waivers, list) else (),
        today=today,
        options={key: given.get(key, spec.get("default")) for key, spec in schema.items()},
    )


def read_waiver(item: Any, today: datetime.date) -> Waiver:
    """A waiver as it stands in configuration, with everything that is wrong with it."""
    entry = item if isinstance(item, dict) else {}
    texts = {key: str(entry.get(key) or "").strip() for key in ("rule", "resource", "owner", "reason")}
    problems = [f"has no {key}" for key in ("rule", "owner", "reason") if not texts[key]]
    written = entry.get("expires") or entry.get("expiry")
    expires = _date(written)
    if not written:
        problems.append("has no expiry date")
    elif expires is None:
        problems.append(f"has an expiry that is no date: {written}")
    elif expires < today:
        problems.append(f"expired on {expires}")
    return Waiver(
        rule=texts["rule"],
        resource=texts["resource"] or "*",
        owner=texts["owner"],
        reason=texts["reason"],
        expires=expires,
        problems=tuple(problems),
    )


def _stage(given: Any) -> str:
    stage = given if given not in (None, "", AUTO) else pulumi.Config("stagecraft").get("stage")
    return str(stage) if stage in STAGES else STAGES[0]


def _environment(given: Any) -> str:
    if given not in (None, "", AUTO):
        return str(given)
    name = pulumi.get_stack().rpartition("/")[2]
    return next((known for known in ENVIRONMENTS if name == known or name.endswith(f"-{known}")), "prod")


def _stack_waivers() -> Any:
    return pulumi.Config("stagecraft").get_object("waivers") or []


def _date(value: Any) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(str(value))
    except ValueError:
        return None
