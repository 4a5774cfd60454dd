"""Renews the values in `charts/charts.json` of the charts whose Go module can be had."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from twin.kubernetes.renewal.modules import download

_TABLE: Final = Path(__file__).parents[1] / "charts" / "charts.json"
_USED: Final = re.compile(r"\.Values((?:\.\w+)+)")


def renew() -> int:
    """Writes the table anew. Returns how many of its charts tell their values."""
    charts = json.loads(_TABLE.read_text())
    renewed = 0
    for chart in charts:
        source = chart.get("source")
        if source is None:
            continue
        folder = download(source["module"], source["version"]) / source["folder"]
        values = yaml.safe_load((folder / "values.yaml").read_text())
        for template in sorted((folder / "templates").rglob("*")):
            if template.is_file():
                for path in _USED.findall(template.read_text()):
                    _mention(values, path[1:].split("."))
        chart["values"] = _keys(values, "", frozenset(source["closed"]))
        renewed += 1
    _TABLE.write_text(json.dumps(charts, indent=1) + "\n")
    return renewed


def _mention(values: dict[str, Any], path: list[str]) -> None:
    """Adds a value that a template reads and `values.yaml` leaves out, such as one without a default."""
    for key in path[:-1]:
        inner = values.get(key)
        if not isinstance(inner, dict):
            if inner is not None:
                return
            inner = values[key] = {}
        values = inner
    values.setdefault(path[-1], None)


def _keys(values: Mapping[str, Any], path: str, closed: frozenset[str]) -> dict[str, Any]:
    found = {}
    for key, value in sorted(values.items()):
        inner = f"{path}.{key}" if path else key
        found[key] = _keys(value, inner, closed) if isinstance(value, dict) and inner in closed else None
    return found
