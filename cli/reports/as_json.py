"""A verdict or an estimate as one JSON object."""

import json
from typing import Any

from cli.reports.report import Costs, Finding, Report


def render(report: Report) -> str:
    """The report as text."""
    return as_text(report_object(report))


def render_costs(costs: Costs) -> str:
    """The estimate as text."""
    return as_text(costs_object(costs, whole=True))


def report_object(report: Report) -> dict[str, Any]:
    """The report as plain values."""
    return {
        "ok": report.ok,
        "subject": report.subject,
        "stage": report.stage,
        "environment": report.environment,
        "resources": report.resources,
        "violations": [_finding(item) for item in report.violations],
        "cannot_judge": [_finding(item) for item in report.cannot_judge],
        "waived": [_waived(item) for item in report.waived],
        "cost": None if report.cost is None else costs_object(report.cost),
        "problems": list(report.problems),
        "changes": dict(report.changes),
        "outputs": dict(report.outputs),
        "durationSeconds": round(report.seconds, 3),
    }


def costs_object(costs: Costs, *, whole: bool = False) -> dict[str, Any]:
    """The estimate as plain values; money is text with two decimals, in US dollars a month.

    Args:
        costs: The estimate and what it is compared with.
        whole: With every resource's lines.
    """
    told = costs.estimate.to_json()
    if not whole:
        del told["byResource"]
    told["budget"] = None if costs.budget is None else f"{costs.budget:.2f}"
    told["against"] = None
    if costs.comparison is not None:
        told["against"] = {"what": costs.comparison.what, "problem": costs.comparison.problem or None}
        if costs.comparison.difference is not None:
            told["against"] |= costs.comparison.difference.to_json()
    return told


def _finding(item: Finding) -> dict[str, Any]:
    return {
        "id": item.id,
        "rule": item.rule,
        "pack": item.pack,
        "level": item.level,
        "urn": item.urn,
        "message": item.message,
        "remedy": item.remedy,
    }


def _waived(item: Finding) -> dict[str, Any]:
    waiver = item.waiver
    terms = (
        {} if waiver is None else {"owner": waiver.owner, "expires": waiver.expires, "reason": waiver.reason}
    )
    return {**_finding(item), "waiver": terms}


def as_text(value: Any) -> str:
    """A value as a JSON document."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
