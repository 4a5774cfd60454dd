"""Writes a report in any format."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from rich.console import Console

from cli.reports import as_json, as_junit, as_markdown, as_sarif, as_text
from cli.reports.formats import CostFormat, Format
from cli.reports.report import Costs, Report

_RENDERERS: Final[Mapping[Format, Callable[[Report], str]]] = {
    Format.JSON: as_json.render,
    Format.MARKDOWN: as_markdown.render,
    Format.SARIF: as_sarif.render,
    Format.JUNIT: as_junit.render,
}


def rendered(report: Report, form: Format) -> str:
    """The report as text of a format."""
    if form is Format.TEXT:
        return _drawn(lambda console: as_text.write(report, console))
    return _RENDERERS[form](report)


def show(report: Report, form: Format) -> None:
    """Writes the report to stdout: drawn for a person, or as the format has it."""
    if form is Format.TEXT:
        as_text.write(report, Console(highlight=False))
    else:
        _emit(rendered(report, form))


def save(report: Report, form: Format, path: Path) -> None:
    """Writes the report to a file. Raises OSError."""
    path.write_text(_encodable(rendered(report, form)), encoding="utf-8")


def show_costs(costs: Costs, form: CostFormat, subject: str) -> None:
    """Writes an estimate to stdout."""
    if form is CostFormat.TEXT:
        as_text.write_costs(costs, Console(highlight=False))
    elif form is CostFormat.JSON:
        _emit(as_json.render_costs(costs))
    else:
        _emit(as_markdown.render_costs(costs, subject))


def _drawn(draw: Callable[[Console], None]) -> str:
    console = Console(highlight=False, width=120, color_system=None)
    with console.capture() as captured:
        draw(console)
    return captured.get()


def _emit(text: str) -> None:
    """To stdout as UTF-8, whatever the terminal's own encoding: machines read these formats."""
    data = _encodable(text).encode("utf-8")
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(text)
    else:
        buffer.write(data)
        buffer.flush()


def _encodable(text: str) -> str:
    """Without lone surrogates, which JSON can carry and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")
