"""A verdict as SARIF 2.1.0, for code scanning."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cli.reports.report import Finding, Report, RuleInfo

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {"mandatory": "error", "remediate": "error", "advisory": "warning"}
_SECURITY_SEVERITY: Final = {"low": "3.0", "medium": "5.5", "high": "8.0", "critical": "9.5"}
"""What code scanning sorts security findings by: the middle of each of CVSS's bands."""


def render(report: Report) -> str:
    """The report as text."""
    return json.dumps(log(report), indent=2, ensure_ascii=False) + "\n"


def log(report: Report) -> dict[str, Any]:
    """The report as a SARIF log of one run."""
    rules = _rules(report)
    index = {key: number for number, key in enumerate(rules)}
    said = [
        *(_result(report, item, index) for item in report.violations),
        *(_open(report, item, index) for item in report.cannot_judge),
        *(_suppressed(report, item, index) for item in report.waived),
    ]
    _fingerprint([*report.violations, *report.cannot_judge, *report.waived], said)
    run = {
        "tool": {
            "driver": {
                "name": "Stagecraft",
                "semanticVersion": _version(),
                "rules": [_descriptor(rule) for rule in rules.values()],
            }
        },
        "automationDetails": {"id": f"stagecraft/{quote(report.subject, safe='')}/"},
        "invocations": [
            {
                "executionSuccessful": not report.problems,
                "toolExecutionNotifications": [
                    {"level": "error", "message": {"text": problem}} for problem in report.problems
                ],
            }
        ],
        "results": said,
        "columnKind": "utf16CodeUnits",
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules(report: Report) -> dict[str, RuleInfo]:
    rules = {rule.key: rule for rule in report.rules}
    for item in (*report.violations, *report.cannot_judge, *report.waived):
        known = RuleInfo(item.id, item.rule, item.pack, item.rule, item.remedy, item.level)
        rules.setdefault(item.key, known)
    return rules


def _descriptor(rule: RuleInfo) -> dict[str, Any]:
    tags = [rule.pack, *(f"external/{reference}" for reference in rule.references)]
    properties: dict[str, Any] = {"tags": tags}
    if rule.pack.endswith("security") and rule.severity in _SECURITY_SEVERITY:
        properties |= {
            "tags": ["security", *tags],
            "security-severity": _SECURITY_SEVERITY[rule.severity],
        }
    elif rule.severity:
        properties["problem.severity"] = _LEVELS.get(rule.level, "warning")
    return {
        "id": rule.key,
        "name": rule.name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.title},
        "help": {"text": rule.remedy or rule.title},
        "defaultConfiguration": {
            "level": _LEVELS.get(rule.level, "none"),
            "enabled": not rule.skipped,
        },
        "properties": properties,
    }


def _result(report: Report, item: Finding, index: Mapping[str, int]) -> dict[str, Any]:
    location: dict[str, Any] = {
        # Code scanning shows nothing that lies in no file: the stack's own stands for its resources.
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(report.source)},
            "region": {"startLine": 1},
        },
    }
    if item.urn:
        location["logicalLocations"] = [
            {"name": item.name, "fullyQualifiedName": item.urn, "kind": "resource"}
        ]
    remedy = f"\nRemedy: {item.remedy}" if item.remedy else ""
    return {
        "ruleId": item.key,
        "ruleIndex": index[item.key],
        "kind": "fail",
        "level": _LEVELS.get(item.level, "warning"),
        "message": {"text": f"{item.subject}: {item.message}{remedy}"},
        "locations": [location],
        "properties": {"pack": item.pack, "level": item.level},
    }


def _open(report: Report, item: Finding, index: Mapping[str, int]) -> dict[str, Any]:
    """What could not be judged: a failure where that is what it counts as, else an open question."""
    result = _result(report, item, index)
    result["properties"]["cannotJudge"] = True
    return result if item.blocking else {**result, "kind": "open", "level": "none"}


def _suppressed(report: Report, item: Finding, index: Mapping[str, int]) -> dict[str, Any]:
    suppression: dict[str, Any] = {"kind": "external", "status": "accepted"}
    if item.waiver is not None and item.waiver.owner:
        waiver = item.waiver
        suppression["justification"] = f"{waiver.owner}, until {waiver.expires}: {waiver.reason}"
    return {**_result(report, item, index), "suppressions": [suppression]}


def _fingerprint(findings: Sequence[Finding], results: Sequence[dict[str, Any]]) -> None:
    """Marks each result with what is the same in every run: its rule, its resource, and which of them it is.

    A message may hold numbers that differ from run to run. The key is the one that code scanning goes by.
    """
    seen: Counter[tuple[str, str]] = Counter()
    for item, result in zip(findings, results, strict=True):
        identity = (item.key, item.urn)
        seen[identity] += 1
        digest = hashlib.sha256("\0".join(identity).encode("utf-8", "replace")).hexdigest()[:32]
        result["partialFingerprints"] = {"primaryLocationLineHash": f"{digest}:{seen[identity]}"}


def _uri(path: str) -> str:
    return Path(path).as_uri() if Path(path).is_absolute() else quote(path)


def _version() -> str:
    try:
        return version("stagecraft")
    except PackageNotFoundError:
        return "0.0.0"
