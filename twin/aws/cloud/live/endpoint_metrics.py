"""What SageMaker emits of endpoints: counted as requests are answered, put as metrics every few seconds."""

import sys
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from twin.aws.cloud.client import ACCOUNT
from twin.aws.cloud.gateway import Event, Gateway

NAMESPACE: Final = "AWS/SageMaker"
_MICROSECONDS: Final = 1_000_000
_STEP: Final = 1_000
"""Latencies are kept to the millisecond, so that a thousand requests are some dozens of values."""


@dataclass
class _Counts:
    """The requests of one variant since the last time."""

    calls: int = 0
    client_errors: int = 0
    server_errors: int = 0
    latencies: Counter[int] = field(default_factory=Counter)
    """Microseconds → how many answers took so long."""


class EndpointMetrics:
    """Counts answers, and turns the counts into metrics."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], _Counts] = defaultdict(_Counts)
        self._guard = threading.Lock()
        self._gateway: Gateway | None = None

    def attach(self, gateway: Gateway) -> None:
        """Keeps the metrics in the gateway's journal."""
        self._gateway = gateway
        gateway.on_event("endpoint-metrics", _put)

    def answered(self, region: str, endpoint: str, variant: str, *, status: int, seconds: float) -> None:
        """One request was answered; `status` is the container's own, 500 if it gave none."""
        with self._guard:
            counts = self._counts[region, endpoint, variant]
            counts.calls += 1
            counts.client_errors += 400 <= status < 500
            counts.server_errors += status >= 500
            counts.latencies[round(seconds * _MICROSECONDS / _STEP) * _STEP] += 1

    def flush(self) -> None:
        """Puts what was counted since the last time."""
        with self._guard:
            counted, self._counts = self._counts, defaultdict(_Counts)
        for (region, endpoint, variant), counts in sorted(counted.items()):
            assert self._gateway is not None  # noqa: S101  (attached before anything is answered)
            self._gateway.happened(
                "endpoint-metrics",
                region=region,
                endpoint=endpoint,
                variant=variant,
                calls=counts.calls,
                client_errors=counts.client_errors,
                server_errors=counts.server_errors,
                latencies=sorted(counts.latencies.items()),
            )


def _put(event: Event) -> None:
    import moto.cloudwatch.models  # noqa: F401  (the first metric of a cloud may be this one)

    dimensions = [
        {"Name": "EndpointName", "Value": event["endpoint"]},
        {"Name": "VariantName", "Value": event["variant"]},
    ]
    calls = event["calls"]
    data: list[dict[str, Any]] = [
        {
            "MetricName": name,
            "Dimensions": dimensions,
            "Unit": "None",
            # One point a request, 0 or 1: so the average is the share, and the sum the number.
            "StatisticValues": {
                "SampleCount": calls,
                "Sum": count,
                "Minimum": float(count == calls),
                "Maximum": float(count > 0),
            },
        }
        for name, count in (
            ("Invocations", calls),
            ("Invocation4XXErrors", event["client_errors"]),
            ("Invocation5XXErrors", event["server_errors"]),
        )
    ]
    data.append(
        {
            "MetricName": "ModelLatency",
            "Dimensions": dimensions,
            "Unit": "Microseconds",
            "Values": [value for value, _ in event["latencies"]],
            "Counts": [count for _, count in event["latencies"]],
        }
    )
    sys.modules["moto.cloudwatch.models"].cloudwatch_backends[ACCOUNT][event["region"]].put_metric_data(
        NAMESPACE, data
    )
