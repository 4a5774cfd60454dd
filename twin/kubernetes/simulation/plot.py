"""A drawing of a simulation: nodes of each pool over time, as SVG that any browser shows."""

from collections.abc import Sequence
from html import escape
from typing import Final

from twin.kubernetes.simulation.report import GroupReport, PoolReport, Report

_WIDTH: Final = 900
_LEFT: Final = 60
_RIGHT: Final = 20
_ROW: Final = 190
_TOP: Final = 46
_SPOT: Final = "#2a78b5"
_ON_DEMAND: Final = "#d9822b"
_SHORTAGE: Final = "#f3d6d6"


def draw(report: Report) -> str:
    """The drawing: a row for each group; spot and on-demand nodes as steps, shortages shaded."""
    height = _TOP + _ROW * len(report.groups) + 20
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        _text(_LEFT, 20, f"Nodes over time, seed {report.seed}, prices of {report.region}", size=14),
        *_legend(),
    ]
    for index, group in enumerate(report.groups):
        parts += _row(report, group, _TOP + _ROW * index)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _row(report: Report, group: GroupReport, top: float) -> list[str]:
    most = max(1, *(pool.most_at_once for pool in group.pools))
    bottom, height = top + _ROW - 40, _ROW - 70
    across = (_WIDTH - _LEFT - _RIGHT) / max(report.hours, 1e-9)
    parts = [_text(_LEFT, top + 18, _title(group), size=12)]
    for start, end in report.spot_plan.shortages:
        parts.append(
            f'<rect x="{_LEFT + start * across:.1f}" y="{bottom - height:.1f}" '
            f'width="{(end - start) * across:.1f}" height="{height:.1f}" fill="{_SHORTAGE}"/>'
        )
    for count in range(0, most + 1, max(1, most // 4)):
        y = bottom - height * count / most
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(_text(_LEFT - 8, y + 4, str(count), anchor="end"))
    step = max(1, round(report.hours / 12))
    parts += [
        _text(_LEFT + hour * across, bottom + 16, f"{hour} h", anchor="middle")
        for hour in range(0, int(report.hours) + 1, step)
    ]
    parts += [_steps(pool, report.hours, across, bottom, height / most) for pool in group.pools]
    return parts


def _steps(pool: PoolReport, hours: float, across: float, bottom: float, each: float) -> str:
    points: list[str] = []
    last = bottom
    for time, count in pool.over_time:
        x, y = _LEFT + min(time, hours) * across, bottom - count * each
        points += [f"{x:.1f},{last:.1f}", f"{x:.1f},{y:.1f}"]
        last = y
    points.append(f"{_LEFT + hours * across:.1f},{last:.1f}")
    colour = _SPOT if pool.spot else _ON_DEMAND
    drawn = f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(points)}">'
    return f"{drawn}<title>{escape(pool.name)}</title></polyline>"


def _title(group: GroupReport) -> str:
    names = ", ".join(pool.name for pool in group.pools)
    return f"{names}: ${group.cost_usd:,.2f}; all on demand ${group.all_on_demand_usd:,.2f}"


def _legend() -> Sequence[str]:
    items = ((_SPOT, "spot"), (_ON_DEMAND, "on demand"), (_SHORTAGE, "spot sold out"))
    x = _WIDTH - 300
    return [
        part
        for index, (colour, name) in enumerate(items)
        for part in (
            f'<rect x="{x + index * 95}" y="11" width="12" height="10" fill="{colour}"/>',
            _text(x + index * 95 + 17, 20, name),
        )
    ]


def _text(x: float, y: float, text: str, *, size: int = 11, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="#333" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
