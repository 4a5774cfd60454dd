"""The formats of reports, by name. Imports nothing heavy: the command line's options are made of these."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import typer


class Format(StrEnum):
    """How a verdict is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    SARIF = "sarif"
    JUNIT = "junit"


class CostFormat(StrEnum):
    """How an estimate is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def targets(reports: Iterable[str]) -> list[tuple[Format, Path]]:
    """Reads `FORMAT=FILE`. Raises typer.BadParameter that names everything that is wrong."""
    found: list[tuple[Format, Path]] = []
    problems: list[str] = []
    for text in reports:
        name, separator, file = text.partition("=")
        if name not in set(Format) or not separator or not file:
            problems.append(f"{text!r} is not FORMAT=FILE with a format of {', '.join(Format)}")
        else:
            found.append((Format(name), Path(file)))
    if problems:
        raise typer.BadParameter("; ".join(problems), param_hint="--report")
    return found
