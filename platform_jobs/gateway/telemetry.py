"""What the gateway counts: the metrics of `platform_jobs.metrics`, for Prometheus and for CloudWatch.

Counted once, in Prometheus's client; CloudWatch is sent what has changed since it was last told.
"""

import asyncio
import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from platform_jobs import metrics
from platform_jobs.log import WARNING, event
from platform_jobs.metrics import Metric

if TYPE_CHECKING:
    from platform_jobs.aws import Clients

LATENCY_BUCKETS: Final = (
    *(1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 125, 150, 200, 250),
    *(300, 400, 500, 600, 800, 1000, 1500, 2000, 3000, 5000, 10000),
)
"""Upper bounds, milliseconds."""
PUBLISH_SECONDS: Final = 60.0
_PER_CALL: Final = 500
"""Data points of one PutMetricData; AWS takes 1,000, and 1 MB."""
_OWN: Final = tuple(metric for metric in metrics.ALL if metric.emitted_by == "gateway")


def prometheus_name(metric: Metric) -> str:
    """`VariantErrors` → `stagecraft_variant_errors`; what is counted ends with `_total` when it is shown."""
    words = re.sub(r"(?<!^)(?=[A-Z])", "_", metric.name).lower()
    return f"stagecraft_{words}" + ("_milliseconds" if metric.unit == metrics.MILLISECONDS else "")


class Telemetry:
    """The gateway's metrics."""

    def __init__(self, stack: str) -> None:
        self.stack = stack
        self.registry = CollectorRegistry()
        self._made: dict[str, Any] = {}
        for metric in _OWN:
            labels = [dimension.lower() for dimension in metric.dimensions]
            self._made[metric.name] = _kind(metric)(
                prometheus_name(metric), metric.meaning, labels, registry=self.registry, **_more(metric)
            )

    def touch(self, metric: Metric, **dimensions: str) -> None:
        """Makes a count appear, as 0: an alarm must tell nothing from nothing known."""
        self._of(metric, dimensions)

    def count(self, metric: Metric, **dimensions: str) -> None:
        """Adds one to a count."""
        self._of(metric, dimensions).inc()

    def took(self, metric: Metric, milliseconds: float, **dimensions: str) -> None:
        """Notes how long something took."""
        self._of(metric, dimensions).observe(milliseconds)

    @contextmanager
    def waiting(self, **dimensions: str) -> Iterator[None]:
        """A request that waits for its answer."""
        gauge = self._of(metrics.WAITING, dimensions)
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()

    def exposition(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self.registry)

    def _of(self, metric: Metric, dimensions: Mapping[str, str]) -> Any:
        named = {"stack": self.stack, **dimensions}
        return self._made[metric.name].labels(**named)


def _kind(metric: Metric) -> Any:
    if metric.unit == metrics.MILLISECONDS:
        return Histogram
    return Gauge if metric is metrics.WAITING else Counter


def _more(metric: Metric) -> dict[str, Any]:
    return {"buckets": LATENCY_BUCKETS} if metric.unit == metrics.MILLISECONDS else {}


class CloudWatchPublisher:
    """Sends CloudWatch what has been counted since it was last told."""

    def __init__(
        self, clients: "Clients", telemetry: Telemetry, every_seconds: float = PUBLISH_SECONDS
    ) -> None:
        self._client: Any = clients.client("cloudwatch")
        self._telemetry = telemetry
        self._every = every_seconds
        self._told: dict[Any, float] = {}

    async def run(self) -> None:
        """Publishes until it is cancelled, and then once more."""
        try:
            while True:
                await asyncio.sleep(self._every)
                await self.flush()
        finally:
            # What was counted last is told too; the event loop is about to end.
            with contextlib.suppress(Exception):
                await asyncio.shield(asyncio.to_thread(self.publish))

    async def flush(self) -> None:
        """Sends what has changed; what cannot be sent is told the next time."""
        try:
            await asyncio.to_thread(self.publish)
        except Exception as error:  # counted on, and told the next time
            event("gateway", "metrics-not-published", WARNING, reason=type(error).__name__)

    def publish(self) -> None:
        """Sends what has changed. Raises what the call raises; what was not sent stays for the next time."""
        now = dict(self._readings())
        data = [datum for metric in _OWN for datum in self._data(metric, now)]
        for start in range(0, len(data), _PER_CALL):
            self._client.put_metric_data(
                Namespace=metrics.NAMESPACE, MetricData=data[start : start + _PER_CALL]
            )
        self._told = now

    def _readings(self) -> Iterable[tuple[Any, float]]:
        for family in self._telemetry.registry.collect():
            for sample in family.samples:
                if not sample.name.endswith(("_created", "_sum", "_count")):
                    yield (family.name, tuple(sorted(sample.labels.items()))), sample.value

    def _data(self, metric: Metric, now: Mapping[Any, float]) -> list[dict[str, Any]]:
        name = prometheus_name(metric)
        mine = {labels: value for (family, labels), value in now.items() if family == name}
        if metric.unit == metrics.MILLISECONDS:
            return self._distributions(metric, name, mine)
        gauge = metric is metrics.WAITING
        return [
            _datum(
                metric, dict(labels), Value=value if gauge else value - self._told.get((name, labels), 0.0)
            )
            for labels, value in sorted(mine.items())
        ]

    def _distributions(self, metric: Metric, name: str, mine: Mapping[Any, float]) -> list[dict[str, Any]]:
        """Histograms as values and counts: the bound of each bucket, and how many more fell in it."""
        grouped: dict[Any, list[tuple[float, float]]] = {}
        for labels, value in mine.items():
            plain = dict(labels)
            bound = float(plain.pop("le"))
            new = value - self._told.get((name, labels), 0.0)
            grouped.setdefault(tuple(sorted(plain.items())), []).append((bound, new))
        data = []
        for labels, buckets in sorted(grouped.items()):
            values, counts, below = [], [], 0.0
            for bound, cumulative in sorted(buckets):
                if cumulative > below:
                    values.append(min(bound, LATENCY_BUCKETS[-1] * 2.0))
                    counts.append(cumulative - below)
                below = cumulative
            if values:
                data.append(_datum(metric, dict(labels), Values=values, Counts=counts))
        return data


def _datum(metric: Metric, labels: Mapping[str, str], **values: Any) -> dict[str, Any]:
    values_of = {name: labels[name.lower()] for name in metric.dimensions}
    return {
        "MetricName": metric.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in metric.ordered(values_of)],
        "Unit": metric.unit,
        **values,
    }
