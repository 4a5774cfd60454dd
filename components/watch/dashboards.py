"""Dashboards as plain descriptions, from which each tool's own JSON is made (`cloudwatch`, `grafana`)."""

from dataclasses import dataclass
from typing import Final

from components.watch.metrics import Series

COLUMNS: Final = 24
"""Both CloudWatch and Grafana lay panels out on a grid this wide."""
ROW_HEIGHT: Final = 6
HEADING_HEIGHT: Final = 2


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    label: str
    series: Series | None = None
    expression: str = ""
    """Metric math over the ids of the chart's other lines; CloudWatch's and Grafana's are the same."""
    id: str = ""
    """What expressions call it."""
    hidden: bool = False
    """Whether only expressions see it."""


@dataclass(frozen=True)
class Panel:
    """One chart."""

    title: str
    lines: tuple[Line, ...]
    period_seconds: int = 300
    limits: tuple[tuple[str, float], ...] = ()
    """Label → value of the levels that an alarm watches."""
    unit: str = ""
    """Grafana's word for the unit, such as `percent`, `µs` or `currencyUSD`."""


@dataclass(frozen=True)
class Row:
    """Panels side by side, under a heading."""

    heading: str
    panels: tuple[Panel, ...]
    note: str = ""
    """Markdown below the heading."""


@dataclass(frozen=True)
class Dashboard:
    """One page."""

    name: str
    """What it is called within its component."""
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Place:
    """Where something stands on the grid."""

    x: int
    y: int
    width: int
    height: int


def laid_out(rows: tuple[Row, ...]) -> list[tuple[Row | Panel, Place]]:
    """Every heading and chart with its place: rows below each other, panels in equal parts of their row."""
    placed: list[tuple[Row | Panel, Place]] = []
    y = 0
    for row in rows:
        placed.append((row, Place(0, y, COLUMNS, HEADING_HEIGHT)))
        y += HEADING_HEIGHT
        width = COLUMNS // max(1, len(row.panels))
        for index, panel in enumerate(row.panels):
            placed.append((panel, Place(index * width, y, width, ROW_HEIGHT)))
        y += ROW_HEIGHT if row.panels else 0
    return placed


def series_of(dashboard: Dashboard) -> list[Series]:
    """Every series that a dashboard shows."""
    return [
        line.series
        for row in dashboard.rows
        for panel in row.panels
        for line in panel.lines
        if line.series is not None
    ]


def heading(row: Row) -> str:
    """A row's heading as Markdown."""
    return f"## {row.heading}" + (f"\n{row.note}" if row.note else "")
