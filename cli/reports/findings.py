"""Sorts what packs said into the lists of a report, and lists the rules that were run."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from cli.reports.report import Finding, RuleInfo, Waiver
from policies.evaluation import Verdict, verdict
from policies.packs import PACKS, PREFIX, rules_of
from policies.runtime import RESOURCE_NOTES, STACK_NOTES, WAIVED
from policies.settings import STAGES
from twin.engine.analyzer import Diagnostic
from twin.engine.events import Violation

_TERMS: Final = re.compile(
    r"(?P<message>.*) \((?P<owner>.+?), until (?P<expires>\S+): (?P<reason>.*)\)", re.DOTALL
)
_REMEDY: Final = "\nRemedy: "


def diagnostics_of(violations: Iterable[Violation]) -> list[Diagnostic]:
    """What the engine told of the packs' findings, as the packs said it; each once."""
    found = []
    for item in violations:
        message, _, remedy = item.message.partition(_REMEDY)
        found.append(
            Diagnostic(
                pack=item.pack,
                version="",
                rule=item.rule,
                id=item.id,
                level=item.level,  # type: ignore[arg-type]  # one of the engine's own levels, kept as text
                message=message,
                urn=item.urn,
                remedy=remedy,
            )
        )
    return list(dict.fromkeys(found))


def rules_in_force(packs: Sequence[str], config: Mapping[str, Any], stage: str) -> tuple[RuleInfo, ...]:
    """The rules of some of our packs, with their levels under a configuration."""
    found = []
    for pack in packs:
        for rule in rules_of(pack):
            about = rule.about
            level = str(config.get(about.name, {}).get("enforcementLevel", about.level))
            skipped = ""
            if level == "disabled":
                skipped = "switched off by the configuration"
            elif STAGES.index(stage) < STAGES.index(about.stage):
                skipped = f"applies from stage {about.stage}"
            found.append(
                RuleInfo(
                    id=about.id,
                    name=about.name,
                    pack=f"{PREFIX}{pack.removeprefix(PREFIX)}",
                    title=about.title,
                    remedy=about.remedy,
                    level=level,
                    severity=about.severity,
                    references=about.references,
                    skipped=skipped,
                )
            )
    return tuple(found)


def every_pack() -> tuple[str, ...]:
    """The names of our packs."""
    return PACKS


class Sorted:
    """Findings in the lists of a report. Each list is in the catalogue's order."""

    def __init__(self, diagnostics: Iterable[Diagnostic], rules: Sequence[RuleInfo]) -> None:
        self._by_id = {rule.id: rule for rule in rules}
        found: Verdict = verdict(diagnostics)
        self.violations = tuple(self._finding(item) for item in found.violations)
        self.cannot_judge = tuple(self._finding(item) for item in found.cannot_judge)
        self.waived = tuple(self._waived(item) for item in found.waived)

    def _finding(self, item: Diagnostic) -> Finding:
        rule = self._rule_of_note(item)
        return Finding(
            id=item.id,
            rule=rule.name if rule else item.rule,
            pack=item.pack,
            level=item.level,
            urn=item.urn,
            message=item.message,
            remedy=item.remedy or (rule.remedy if rule else ""),
        )

    def _waived(self, item: Diagnostic) -> Finding:
        rule = self._rule_of_note(item)
        message = item.message.removeprefix(WAIVED)
        terms = _TERMS.fullmatch(message)
        return Finding(
            id=item.id,
            rule=rule.name if rule else item.rule,
            pack=item.pack,
            level=rule.level if rule else item.level,
            urn=item.urn,
            message=terms["message"] if terms else message,
            remedy=item.remedy or (rule.remedy if rule else ""),
            waiver=Waiver(terms["owner"], terms["expires"], terms["reason"]) if terms else Waiver("", "", ""),
        )

    def _rule_of_note(self, item: Diagnostic) -> RuleInfo | None:
        """The rule for which a pack's notes spoke: they are policies of their own, at their own level."""
        return self._by_id.get(item.id) if item.rule in (RESOURCE_NOTES, STACK_NOTES) else None
