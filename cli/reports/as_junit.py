"""A verdict as JUnit XML: a test suite for each pack, a test case for each rule."""

import re
from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree import ElementTree as Xml

from cli.reports.report import Finding, Report, RuleInfo, count

_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot carry, not even escaped."""


def render(report: Report) -> str:
    """The report as text."""
    root = Xml.Element("testsuites")
    suites = [_plan(report), *_packs(report)]
    root.extend(suites)
    root.set("name", _clean(f"stagecraft {report.subject}"))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    root.set("time", f"{report.seconds:.3f}")
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _plan(report: Report) -> Xml.Element:
    """Whether there was anything to judge, and what it costs."""
    case = _case(report, "plan", f"{count(report.resources, 'resource')} can be made")
    if report.problems:
        error = Xml.SubElement(case, "error", type="problem", message=_clean(report.problems[0]))
        error.text = _clean("\n".join(report.problems))
    suite = _suite("plan", [case], seconds=report.seconds)
    properties = {"stage": report.stage, "environment": report.environment}
    if report.cost is not None:
        amounts = report.cost.estimate.amounts.to_json()
        properties |= {f"cost.{month}": amount for month, amount in amounts.items()}
        properties["cost.unpriced"] = str(len(report.cost.estimate.unpriced))
    holder = Xml.Element("properties")
    for name, value in properties.items():
        Xml.SubElement(holder, "property", name=name, value=_clean(value))
    suite.insert(0, holder)
    return suite


def _packs(report: Report) -> Iterable[Xml.Element]:
    said: dict[tuple[str, str], list[Finding]] = {}
    for item in (*report.violations, *report.cannot_judge, *report.waived):
        said.setdefault((item.pack, item.rule), []).append(item)
    rules: dict[tuple[str, str], RuleInfo] = {(rule.pack, rule.name): rule for rule in report.rules}
    for (pack, name), items in said.items():
        # A rule of a pack that is not ours is known by what it says only.
        first = items[0]
        known = RuleInfo(first.id, name, pack, name, first.remedy, first.level)
        rules.setdefault((pack, name), known)
    packs: dict[str, list[Xml.Element]] = {}
    for (pack, name), rule in rules.items():
        packs.setdefault(pack, []).append(_rule(report, rule, said.get((pack, name), [])))
    for pack, cases in packs.items():
        yield _suite(pack, cases, seconds=0)


def _rule(report: Report, rule: RuleInfo, findings: Sequence[Finding]) -> Xml.Element:
    case = _case(report, rule.pack, f"{rule.id} {rule.name}".strip())
    blocking = [item for item in findings if item.blocking]
    others = [item for item in findings if not item.blocking]
    broken = [item for item in blocking if item in report.violations]
    if blocking:
        # Servers keep one failure of a case, so all findings stand in one. What could not be judged is an
        # error: the rule did not come to a verdict.
        kind = "failure" if broken else "error"
        message = f"{rule.title}: {count(len(blocking), 'finding')}"
        failure = Xml.SubElement(
            case, kind, type=blocking[0].level if broken else "cannot judge", message=_clean(message)
        )
        remedies = dict.fromkeys(item.remedy for item in blocking if item.remedy)
        lines = [*map(_line, blocking), *(f"Remedy: {remedy}" for remedy in remedies)]
        failure.text = _clean("\n".join(lines))
    elif rule.skipped and not findings:
        Xml.SubElement(case, "skipped", message=_clean(rule.skipped))
    if others:
        Xml.SubElement(case, "system-out").text = _clean("\n".join(map(_line, others)))
    return case


def _line(item: Finding) -> str:
    place = item.urn or "the stack"
    if item.waiver is not None:
        terms = f"{item.waiver.owner}, until {item.waiver.expires}: {item.waiver.reason}"
        return f"waived ({terms}): {place}: {item.message}"
    return f"{item.level}: {place}: {item.message}"


def _case(report: Report, group: str, name: str) -> Xml.Element:
    subject = re.sub(r"[^\w-]", "-", report.subject)
    return Xml.Element(
        "testcase", classname=_clean(f"stagecraft.{subject}.{group}"), name=_clean(name), time="0"
    )


def _suite(name: str, cases: Sequence[Xml.Element], *, seconds: float) -> Xml.Element:
    suite = Xml.Element("testsuite", name=_clean(name), tests=str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", f"{seconds:.3f}")
    suite.extend(cases)
    return suite


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
