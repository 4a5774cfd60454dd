"""The data points of a region, by series: read from moto's store, each once."""

import sys
from collections import defaultdict
from typing import Any, Final

from twin.aws.cloud.client import ACCOUNT
from twin.aws.cloud.live.alarms.points import Key, Point, from_moto

KEPT_SECONDS: Final = 16 * 86_400
"""How far back anything looks: two weeks of a band, and its newest periods."""


class SeriesIndex:
    """Points by series; it follows moto's list, which only grows until a state is loaded in its place."""

    def __init__(self) -> None:
        self._points: dict[str, dict[Key, list[Point]]] = {}
        self._read: dict[str, tuple[int, int]] = {}

    def of(self, region: str, now: float) -> dict[Key, list[Point]]:
        """The region's points by series. Call with the cloud's lock held."""
        stored = _stored(region)
        identity, read = self._read.get(region, (0, 0))
        if identity != id(stored) or read > len(stored):
            self._points[region], read = defaultdict(list), 0
        index = self._points[region]
        for datum in stored[read:]:
            key, point = from_moto(datum)
            index[key].append(point)
        self._read[region] = (id(stored), len(stored))
        oldest = now - KEPT_SECONDS
        for points in index.values():
            if points and points[0].at < oldest:
                points[:] = [point for point in points if point.at >= oldest]
        return index


def backends() -> dict[str, Any]:
    """Moto's CloudWatch by region, as far as it was used; nothing is loaded for the question."""
    module: Any = sys.modules.get("moto.cloudwatch.models")
    return {} if module is None else dict(module.cloudwatch_backends[ACCOUNT].items())


def _stored(region: str) -> list[Any]:
    found: list[Any] = backends()[region].metric_data
    return found
