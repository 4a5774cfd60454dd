"""A verdict for machines, and for the record of a release: later readers see by what numbers it was made."""

from typing import Any

from platform_jobs.gate.judge import Finding, Terms, Verdict
from platform_jobs.gate.sequences import Interval


def to_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict, with both variants' counts and intervals."""
    return {
        "decision": verdict.decision.value,
        "reason": verdict.reason,
        "findings": [_finding(finding) for finding in verdict.findings],
    }


def terms_to_json(terms: Terms) -> dict[str, Any]:
    """What was promised, and how sure the decision had to be."""
    return {
        "availability": terms.availability,
        "errorRate": terms.error_rate,
        "excessBurn": terms.excess_burn,
        "qualityTolerance": terms.quality_tolerance,
        "quality": "required" if terms.quality_required else "if-known",
    }


def _finding(finding: Finding) -> dict[str, Any]:
    def counts(pair: tuple[int, int]) -> dict[str, int]:
        return {"bad": pair[0], "of": pair[1]}

    def ends(interval: Interval | None) -> list[float] | None:
        return None if interval is None else [round(interval.low, 6), round(interval.high, 6)]

    return {
        "measure": finding.measure,
        "standing": finding.standing.value,
        "canary": {**counts(finding.canary_counted), "share": ends(finding.canary)},
        "live": {**counts(finding.live_counted), "share": ends(finding.live)},
        "difference": ends(finding.difference),
        "tolerance": finding.tolerance,
        "burnRate": ends(finding.burn),
    }
