"""A verdict or an estimate as the comment of a pull request."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from cli.reports import money
from cli.reports.controls import one_line
from cli.reports.report import Comparison, Costs, Finding, Report, count, grouped
from pricing import Amounts

MARKER: Final = "<!-- stagecraft-check: {subject} -->"
"""First line of the comment, by which CI finds the one to renew."""

LIMIT: Final = 60_000
"""Characters. GitHub refuses a comment of more than 65,536."""

_SHOWN_FINDINGS: Final = 10
_SHOWN_CHANGES: Final = 20
_SPECIAL: Final = re.compile(r"([\\`*_\[\]|~$])")
_SPAN: Final = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_REFERENCE: Final = re.compile(r"([@#])(?=\w)|\b(https?|ftp|www)(?=[:.])", re.IGNORECASE)


def render(report: Report) -> str:
    """The report as text."""
    mark = MARKER.format(subject=re.sub(r"[^\w.-]", "-", report.subject))
    return _limited([mark, *_lines(report)])


def render_costs(costs: Costs, subject: str) -> str:
    """The estimate as text."""
    return _limited([f"## What {code(subject)} costs", "", *_cost_lines(costs)])


def escaped(text: str) -> str:
    """Text from outside, on one line: `code` stays code; no other markup, no HTML, no mention of anyone."""
    line = one_line(text)
    parts = _SPAN.split(line)
    return "".join(code(part) if index % 2 else _plain(part) for index, part in enumerate(parts))


def code(text: str) -> str:
    """Text from outside as code."""
    line = one_line(text)
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}" if line else ""


def _lines(report: Report) -> Iterator[str]:
    mark, verdict = ("✅", "is allowed") if report.ok else ("❌", "is not allowed")
    if report.problems and not report.violations:
        verdict = "could not be judged"
    yield f"## {mark} {code(report.subject)} {verdict}"
    yield ""
    yield from _overview(report)
    if report.problems:
        yield from ("", "### Problems", "")
        yield from (f"- {escaped(problem)}" for problem in report.problems)
    if report.blocking:
        yield from ("", "### Violations")
        yield from _findings(report.blocking)
    if report.remarks:
        yield from _folded(count(len(report.remarks), "remark"), _findings(report.remarks))
    if report.waived:
        yield from _folded(f"{len(report.waived)} waived", ["", *(_waived(item) for item in report.waived)])
    if report.cost is not None:
        yield from ("", "### Cost", "")
        yield from _cost_lines(report.cost)


def _overview(report: Report) -> Iterator[str]:
    broken = sum(item.blocking for item in report.violations)
    cells = {
        "resources": f"{report.resources}",
        "violations": f"{broken}",
        "cannot judge": f"{len(report.blocking) - broken}",
        "remarks": f"{len(report.remarks)}",
        "waived": f"{len(report.waived)}",
    }
    if report.cost is not None:
        costs = report.cost
        cells["idle month"] = _amount(money.dollars(costs.estimate.idle))
        cells["expected month"] = _amount(money.dollars(costs.estimate.expected))
        cells["worst month"] = _amount(money.dollars(costs.estimate.worst))
        if costs.comparison is not None and costs.comparison.difference is not None:
            cells["change"] = _amount(money.change(costs.comparison.difference.change.expected))
    yield from _table(list(cells), [list(cells.values())], left=0)


def _findings(findings: Iterable[Finding]) -> Iterator[str]:
    for group in grouped(findings):
        first = group.first
        yield ""
        name = f" {code(first.rule)}" if first.id else ""
        yield f"**{escaped(first.key)}**{name} ({escaped(first.pack)}, {escaped(first.level)})"
        yield ""
        for item in group.findings[:_SHOWN_FINDINGS]:
            kind = f" ({code(item.type)})" if item.type else ""
            yield f"- {code(item.name)}{kind}: {escaped(item.message)}"
        if len(group.findings) > _SHOWN_FINDINGS:
            yield f"- and {len(group.findings) - _SHOWN_FINDINGS} more"
        if group.remedies:
            yield ""
            yield from (f"> Remedy: {escaped(remedy)}" for remedy in group.remedies)


def _waived(item: Finding) -> str:
    terms = ""
    if item.waiver is not None and item.waiver.owner:
        terms = f" ({item.waiver.owner}, until {item.waiver.expires}: {item.waiver.reason})"
    return f"- **{escaped(item.key)}** {code(item.name)}: {escaped(item.message + terms)}"


def _cost_lines(costs: Costs) -> Iterator[str]:
    estimate = costs.estimate
    rows = [[escaped(money.component(item)), *_dollars(item.amounts)] for item in estimate.components]
    rows.append(["**total**", *(f"**{text}**" for text in _dollars(estimate.amounts))])
    yield from _table(["US dollars a month", "idle", "expected", "worst"], rows, left=1)
    yield ""
    notes = [part for part in (money.budget_line(costs), money.price_dates(costs)) if part]
    yield escaped("; ".join(notes)) + "."
    if costs.comparison is not None:
        yield from _comparison(costs.comparison)
    if estimate.unpriced:
        yield from _folded(
            f"{len(estimate.unpriced)} not in these sums",
            [
                "",
                *(
                    f"- {code(item.name)} ({code(item.type)}): {escaped(item.reason)}"
                    for item in estimate.unpriced
                ),
            ],
        )
    if estimate.assumptions:
        lines = [f"- {escaped(text)}" for text in estimate.assumptions]
        yield from _folded(count(len(lines), "assumption"), ["", *lines])


def _comparison(comparison: Comparison) -> Iterator[str]:
    yield ""
    difference = comparison.difference
    if difference is None:
        yield f"No comparison with {code(comparison.what)}: {escaped(comparison.problem)}"
        return
    if not difference.components:
        yield f"No change against {code(comparison.what)}."
    else:
        rows = [
            [escaped(money.component(item)), *_changes(item.change)]
            for item in difference.components[:_SHOWN_CHANGES]
        ]
        rest = difference.components[_SHOWN_CHANGES:]
        if rest:
            left_out = Amounts()
            for item in rest:
                left_out += item.change
            rows.append([f"{len(rest)} more", *_changes(left_out)])
        rows.append(["**total**", *(f"**{text}**" for text in _changes(difference.change))])
        heading = f"change against {code(comparison.what)}".replace("|", "\\|")
        yield from _table([heading, "idle", "expected", "worst"], rows, left=1)
    for word, items in (
        ("Newly without a price", difference.newly_unpriced),
        ("No longer without a price", difference.no_longer_unpriced),
    ):
        if items:
            yield ""
            yield f"{word}: " + ", ".join(f"{code(item.name)} ({code(item.type)})" for item in items)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> Iterator[str]:
    """A table whose first columns, `left` of them, hold text, and the others numbers."""
    yield f"| {' | '.join(headings)} |"
    yield "|" + "|".join(" --- " if index < left else " ---: " for index in range(len(headings))) + "|"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _folded(summary: str, lines: Iterable[str]) -> Iterator[str]:
    yield from ("", f"<details><summary>{summary}</summary>")
    yield from lines
    yield from ("", "</details>")


def _dollars(amounts: Amounts) -> list[str]:
    return [_amount(money.dollars(value)) for value in (amounts.idle, amounts.expected, amounts.worst)]


def _changes(amounts: Amounts) -> list[str]:
    return [_amount(money.change(value)) for value in (amounts.idle, amounts.expected, amounts.worst)]


def _plain(text: str) -> str:
    escaped = _SPECIAL.sub(r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;"))
    # An empty comment ends what would notify a person, or link an issue or a page.
    return _REFERENCE.sub(r"\g<0><!-- -->", escaped)


def _amount(text: str) -> str:
    """An amount; two dollar signs on a line would be taken for mathematics."""
    return text.replace("$", "\\$")


def _limited(lines: Iterable[str]) -> str:
    """The lines that fit; what is left out is said, and nothing is left open."""
    kept: list[str] = []
    length = depth = 0
    for line in lines:
        if length + len(line) + 1 > LIMIT:
            kept += ["", *["</details>"] * depth, "", "_The rest does not fit here: see the JSON report._"]
            break
        depth += line.startswith("<details>") - (line == "</details>")
        kept.append(line)
        length += len(line) + 1
    return "\n".join(kept) + "\n"
