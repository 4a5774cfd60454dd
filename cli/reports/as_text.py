"""A verdict or an estimate for a person at a terminal."""

from collections.abc import Iterable, Iterator
from typing import Final

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cli.reports import money
from cli.reports.controls import shown
from cli.reports.report import Comparison, Costs, Finding, Report, count, grouped

_SHOWN_ASSUMPTIONS: Final = 12
_STYLES: Final = {"mandatory": "bold red", "remediate": "bold red"}
_INDENT: Final = "    "


def write(report: Report, console: Console) -> None:
    """Prints the report."""
    _print(_parts(report), console)


def write_costs(costs: Costs, console: Console) -> None:
    """Prints the estimate."""
    _print(_cost_parts(costs), console)


def _print(parts: Iterable[RenderableType], console: Console) -> None:
    for part in parts:
        if isinstance(part, Text):
            part.plain = shown(part.plain)
        console.print(part, soft_wrap=isinstance(part, Text))


def _parts(report: Report) -> Iterator[RenderableType]:
    for problem in report.problems:
        yield Text.assemble(("problem: ", "bold red"), problem)
    yield from _findings((*report.violations, *report.cannot_judge))
    if report.waived:
        yield Text("waived", "bold")
        yield from (_waived(item) for item in report.waived)
    if report.cost is not None:
        yield Text()
        yield from _cost_parts(report.cost)
        yield Text()
    yield _verdict(report)


def _findings(findings: Iterable[Finding]) -> Iterator[Text]:
    for group in grouped(findings):
        first = group.first
        yield Text.assemble(
            (first.level, _STYLES.get(first.level, "yellow")),
            " ",
            (first.key, "bold"),
            f" {first.pack}/{first.rule}" if first.id else "",
        )
        for item in group.findings:
            yield Text.assemble(_INDENT, (item.type, "dim"), " " if item.type else "", (item.name, "bold"))
            yield from (Text(f"{_INDENT}  {line}") for line in item.message.splitlines())
        yield from (Text(f"{_INDENT}remedy: {remedy}", "green") for remedy in group.remedies)


def _waived(item: Finding) -> Text:
    terms = ""
    if item.waiver is not None and item.waiver.owner:
        terms = f" ({item.waiver.owner}, until {item.waiver.expires}: {item.waiver.reason})"
    return Text.assemble(_INDENT, (item.key, "bold"), f" {item.subject}: {item.message}{terms}")


def _verdict(report: Report) -> Text:
    said = [count(report.resources, "resource")]
    broken = sum(item.blocking for item in report.violations)
    unjudged = len(report.blocking) - broken
    if broken or not report.ok:
        said.append(count(broken, "violation"))
    if unjudged:
        said.append(f"{unjudged} that could not be judged")
    said.append(count(len(report.remarks), "remark"))
    if report.waived:
        said.append(f"{len(report.waived)} waived")
    if report.problems:
        said.append(count(len(report.problems), "problem"))
    head = "is allowed" if report.ok else "is not allowed"
    if report.problems and not report.violations:
        head = "could not be judged"
    return Text.assemble(
        (f"{report.subject} {head}:", "bold green" if report.ok else "bold red"),
        f" {', '.join(said)}",
        (f" in {report.seconds:.1f} s", "dim"),
    )


def _cost_parts(costs: Costs) -> Iterator[RenderableType]:
    estimate = costs.estimate
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    table.add_column("US dollars a month", overflow="fold")
    for heading in ("idle", "expected", "worst"):
        table.add_column(heading, justify="right", no_wrap=True)
    for item in estimate.components:
        amounts = item.amounts
        table.add_row(
            Text(shown(money.component(item))),
            *(money.dollars(value) for value in (amounts.idle, amounts.expected, amounts.worst)),
        )
    table.add_section()
    table.add_row(
        "total",
        *(money.dollars(value) for value in (estimate.idle, estimate.expected, estimate.worst)),
        style="bold",
    )
    yield table
    notes = [part for part in (money.budget_line(costs), money.price_dates(costs)) if part]
    yield Text("; ".join(notes), "dim")
    if estimate.unpriced:
        yield Text(f"not in these sums ({len(estimate.unpriced)}):", "yellow")
        yield from (
            Text(f"{_INDENT}{item.type} {item.name}: {item.reason}", "yellow") for item in estimate.unpriced
        )
    if estimate.assumptions:
        yield Text("assumed:", "dim")
        told = estimate.assumptions[:_SHOWN_ASSUMPTIONS]
        yield from (Text(f"{_INDENT}{assumption}", "dim") for assumption in told)
        more = len(estimate.assumptions) - len(told)
        if more:
            yield Text(f"{_INDENT}and {more} more, in the JSON format", "dim")
    if costs.comparison is not None:
        yield from _comparison(costs.comparison)


def _comparison(comparison: Comparison) -> Iterator[RenderableType]:
    difference = comparison.difference
    if difference is None:
        yield Text(f"no comparison with {comparison.what}: {comparison.problem}", "yellow")
        return
    if not difference.components:
        yield Text(f"no change against {comparison.what}", "bold")
    else:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column(Text(shown(f"change against {comparison.what}")), overflow="fold")
        for heading in ("idle", "expected", "worst"):
            table.add_column(heading, justify="right", no_wrap=True)
        for item in difference.components:
            changed = item.change
            table.add_row(
                Text(shown(money.component(item))),
                *(money.change(value) for value in (changed.idle, changed.expected, changed.worst)),
            )
        table.add_section()
        total = difference.change
        table.add_row(
            "total",
            *(money.change(value) for value in (total.idle, total.expected, total.worst)),
            style="bold",
        )
        yield table
    for word, items in (
        ("newly without a price", difference.newly_unpriced),
        ("no longer without a price", difference.no_longer_unpriced),
    ):
        yield from (Text(f"{word}: {item.type} {item.name}: {item.reason}", "yellow") for item in items)
