"""A dashboard as the body that CloudWatch takes."""

import json
from typing import Any

from components.watch.dashboards import Dashboard, Line, Panel, Place, Row, heading, laid_out


def body(dashboard: Dashboard, *, region: str) -> str:
    """The dashboard's body: the same text for the same description."""
    widgets = [_widget(item, place, region) for item, place in laid_out(dashboard.rows)]
    return json.dumps({"widgets": widgets}, sort_keys=True)


def _widget(item: Row | Panel, place: Place, region: str) -> dict[str, Any]:
    at = {"x": place.x, "y": place.y, "width": place.width, "height": place.height}
    if isinstance(item, Row):
        return {**at, "type": "text", "properties": {"markdown": heading(item)}}
    properties: dict[str, Any] = {
        "metrics": [_line(line) for line in item.lines],
        "period": item.period_seconds,
        "region": region,
        "stacked": False,
        "title": item.title,
        "view": "timeSeries",
    }
    if item.limits:
        properties["annotations"] = {
            "horizontal": [{"label": label, "value": value} for label, value in item.limits]
        }
    return {**at, "type": "metric", "properties": properties}


def _line(line: Line) -> list[Any]:
    shown: dict[str, Any] = {"label": line.label}
    if line.id:
        shown["id"] = line.id
    if line.hidden:
        shown["visible"] = False
    if line.series is None:
        return [{"expression": line.expression, **shown}]
    metric = line.series.metric
    dimensions = [text for name in metric.dimensions for text in (name, line.series.dimensions[name])]
    return [metric.namespace, metric.name, *dimensions, {**shown, "stat": line.series.statistic}]
