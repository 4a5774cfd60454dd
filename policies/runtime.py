"""Hands our rules to the policy SDK, as one policy each.

A policy has one level, so what must not count at that level (a waived finding, an open question that is
configured to be advisory) is reported by two policies that are always advisory: the pack's notes. The SDK
runs a pack's policies one after the other on one thread, and the notes last.
"""

import gc
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)

from policies.catalogue import Finding, Findings, Rule
from policies.decoding import decode_once, stack_of
from policies.resources import Resource, Stack, short_type
from policies.settings import COMMON_SCHEMA, Settings, read_settings
from policies.values import CannotJudge

REMEDY: Final = "\nRemedy: "
"""Between what is wrong and how to mend it."""

OPEN: Final = "cannot judge, because "
"""How a finding begins that is an open question."""

WAIVED: Final = "waived: "
"""How a note on a waived finding goes on after the rule's id."""

RESOURCE_NOTES: Final = "resource-notes"
STACK_NOTES: Final = "stack-notes"

_COLLECTIONS: Final = (100_000, 50, 1000)
"""When the process looks for garbage. For each policy the SDK makes objects for all resources, which live
until it has run: looking through them as often as Python does by default takes half of the time."""

_NOTES_TITLE: Final = "Waived findings and open questions"


class _Notes(threading.local):
    """What is to be reported at the advisory level once the rules have run."""

    def __init__(self) -> None:
        self.pending: list[tuple[str, str | None]] = []

    def add(self, message: str, urn: str | None) -> None:
        self.pending.append((message, urn))

    def report(self, report: ReportViolation) -> None:
        pending, self.pending = self.pending, []
        for message, urn in pending:
            report(message, urn)


def policies_of(rules: Sequence[Rule]) -> list[Policy]:
    """The pack's policies: one for each rule, and the notes."""
    decode_once()
    gc.set_threshold(*_COLLECTIONS)
    notes = _Notes()
    policies = [_policy(rule, notes) for rule in rules]
    advisory = EnforcementLevel.ADVISORY

    def report_resource(_args: ResourceValidationArgs, report: ReportViolation) -> None:
        notes.report(report)

    def report_stack(_args: StackValidationArgs, report: ReportViolation) -> None:
        notes.report(report)

    return [
        *policies,
        ResourceValidationPolicy(RESOURCE_NOTES, _NOTES_TITLE, report_resource, enforcement_level=advisory),
        StackValidationPolicy(STACK_NOTES, _NOTES_TITLE, report_stack, enforcement_level=advisory),
    ]


def _policy(rule: Rule, notes: _Notes) -> Policy:
    about = rule.about
    schema = {**COMMON_SCHEMA, **about.options}
    common: dict[str, Any] = {
        "name": about.name,
        "description": f"[{about.id}] {about.title}",
        "enforcement_level": EnforcementLevel(about.level),
        "config_schema": PolicyConfigSchema({key: dict(spec) for key, spec in schema.items()}),
        "severity": Severity(about.severity),
        "tags": [about.id, f"from-{about.stage}", *about.references],
        "remediation_steps": about.remedy,
    }
    if rule.kind == "stack":

        def validate_stack(args: StackValidationArgs, report: ReportViolation) -> None:
            settings = read_settings(args.get_config(), about.options)
            if settings.reached(about.stage):
                reporter = _Reporter(rule, settings, report, notes)
                for subject, findings in rule.judge_stack(stack_of(args.resources, Stack), settings):
                    reporter(subject, findings)

        return StackValidationPolicy(validate=validate_stack, **common)

    def concerns(args: ResourceValidationArgs) -> bool:
        return not rule.types or short_type(args.resource_type) in rule.types

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if concerns(args):
            settings = read_settings(args.get_config(), about.options)
            if settings.reached(about.stage):
                subject = Resource(args)
                _Reporter(rule, settings, report, notes)(subject, rule.judge(subject, settings))

    def remediate(args: ResourceValidationArgs) -> Mapping[str, Any] | None:
        if rule.repair is None or not concerns(args):
            return None
        settings = read_settings(args.get_config(), about.options)
        if not settings.reached(about.stage):
            return None
        try:
            patch = rule.repair(Resource(args, rewritten=True), settings)
        except CannotJudge:
            return None  # the validation says so
        return _patched(args.props, patch) if patch else None

    if rule.repair is None:
        return ResourceValidationPolicy(validate=validate, **common)
    # The SDK's types allow awaitables only, its code plain values too.
    repairing: Any = remediate
    return ResourceValidationPolicy(validate=validate, remediate=repairing, **common)


def _patched(props: Any, patch: Mapping[str, Any]) -> Mapping[str, Any]:
    """The SDK's own view of the inputs, written to: it keeps what is secret secret."""
    for key, value in patch.items():
        props[key] = value
    return props  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Reporter:
    """Where one rule's findings of one run go."""

    rule: Rule
    settings: Settings
    report: ReportViolation
    notes: _Notes

    def __call__(self, subject: Resource | None, findings: Findings) -> None:
        for finding in _judged(findings):
            resource = finding.resource or subject
            urn = resource.urn if resource else None
            message = f"{finding.message}{REMEDY}{self.rule.about.remedy}"
            waiver = _waiver(self.rule, resource, finding, self.settings)
            if waiver is not None:
                self.notes.add(f"[{self.rule.id}] {WAIVED}{finding.message} ({waiver})", urn)
            elif finding.open_question and self.settings.when_unknown == "advisory":
                self.notes.add(f"[{self.rule.id}] {message}", urn)
            else:
                self.report(message, urn)


def _judged(findings: Findings) -> Iterator[Finding]:
    """Findings as they come; a judgement that breaks off is a finding too, unless there already was one."""
    found = False
    try:
        for item in findings:
            found = True
            yield item if isinstance(item, Finding) else Finding(item)
    except CannotJudge as question:
        if not found:
            yield Finding(f"{OPEN}{question.because}", open_question=True)
    except RecursionError:
        yield Finding(f"{OPEN}the resource is nested too deep", open_question=True)
    except Exception as error:  # a rule that fails must neither pass nor keep the others from judging
        if not found:
            because = f"the rule failed on it ({type(error).__name__}: {error})"
            yield Finding(f"{OPEN}{because}", open_question=True)


def _waiver(rule: Rule, resource: Resource | None, finding: Finding, settings: Settings) -> str | None:
    urn = resource.urn if resource else ""
    name = resource.name if resource else finding.subject
    covering = (
        item
        for item in settings.waivers
        if item.covers(rule.id, rule.about.name, urn, name)
        or (finding.or_waived_by and item.covers(finding.or_waived_by, "", urn, name))
    )
    found = next(covering, None)
    return found.terms if found else None
