"""A dashboard as the JSON that Grafana imports, reading CloudWatch.

Which of Grafana's data sources that is, and in which region, are variables of the dashboard: the same file
serves every Grafana.
"""

import json
from typing import Any, Final

from components.watch.dashboards import Dashboard, Line, Panel, Place, Row, heading, laid_out

SCHEMA_VERSION: Final = 39
"""Of the dashboard model that Grafana 10.4 writes; later versions migrate it by themselves."""
_SOURCE: Final = {"type": "cloudwatch", "uid": "${datasource}"}


def body(dashboard: Dashboard, *, uid: str, region: str) -> str:
    """The dashboard's JSON model.

    Args:
        dashboard: What it shows.
        uid: Its id in Grafana, at most 40 characters; importing again replaces it.
        region: The region that its variable starts with.
    """
    model = {
        "annotations": {"list": []},
        "editable": True,
        "panels": [
            _panel(number, item, place)
            for number, (item, place) in enumerate(laid_out(dashboard.rows), start=1)
        ],
        "refresh": "1m",
        "schemaVersion": SCHEMA_VERSION,
        "tags": ["stagecraft"],
        "templating": {"list": _variables(region)},
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "utc",
        "title": dashboard.title,
        "uid": uid,
    }
    return json.dumps(model, indent=1, sort_keys=True)


def _variables(region: str) -> list[dict[str, Any]]:
    return [
        {"label": "Data source", "name": "datasource", "query": "cloudwatch", "type": "datasource"},
        {
            "current": {"text": region, "value": region},
            "label": "Region",
            "name": "region",
            "query": region,
            "type": "textbox",
        },
    ]


def _panel(number: int, item: Row | Panel, place: Place) -> dict[str, Any]:
    at = {"gridPos": {"x": place.x, "y": place.y, "w": place.width, "h": place.height}, "id": number}
    if isinstance(item, Row):
        return {**at, "type": "text", "options": {"content": heading(item), "mode": "markdown"}, "title": ""}
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    steps += [{"color": "red", "value": value} for _, value in item.limits[:1]]
    return {
        **at,
        "type": "timeseries",
        "title": item.title,
        "datasource": _SOURCE,
        "fieldConfig": {
            "defaults": {
                "custom": {"thresholdsStyle": {"mode": "line" if item.limits else "off"}},
                "thresholds": {"mode": "absolute", "steps": steps},
                "unit": item.unit or "short",
            },
            "overrides": [],
        },
        "targets": [_target(index, line, item.period_seconds) for index, line in enumerate(item.lines)],
    }


def _target(index: int, line: Line, period_seconds: int) -> dict[str, Any]:
    target: dict[str, Any] = {
        "datasource": _SOURCE,
        "hide": line.hidden,
        "id": line.id,
        "label": line.label,
        "matchExact": True,
        "metricQueryType": 0,
        "period": str(period_seconds),
        "queryMode": "Metrics",
        "refId": _reference(index),
        "region": "$region",
    }
    if line.series is None:
        return {**target, "expression": line.expression, "metricEditorMode": 1}
    metric = line.series.metric
    return {
        **target,
        "dimensions": {name: line.series.dimensions[name] for name in metric.dimensions},
        "expression": "",
        "metricEditorMode": 0,
        "metricName": metric.name,
        "namespace": metric.namespace,
        "statistic": line.series.statistic,
    }


def _reference(index: int) -> str:
    """A, B, … Z, AA, AB, … as Grafana counts its queries."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
