"""What SQS emits of queues that an alarm looks at: how many messages wait, each minute and on a change."""

import sys
from collections.abc import Iterator
from typing import Any, Final

from twin.aws.cloud import clock
from twin.aws.cloud.client import ACCOUNT
from twin.aws.cloud.gateway import Event, Gateway
from twin.aws.cloud.live.alarms.series import backends

NAMESPACE: Final = "AWS/SQS"
WAITING: Final = "ApproximateNumberOfMessagesVisible"
_EVERY_SECONDS: Final = 60


class QueueMetrics:
    """Looks at queues, and turns what waits in them into metrics."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], tuple[int, float]] = {}
        self._gateway: Gateway | None = None

    def attach(self, gateway: Gateway) -> None:
        """Keeps the metrics in the gateway's journal."""
        self._gateway = gateway
        gateway.on_event("queue-metrics", _put)

    def flush(self) -> None:
        """Puts what waits now, where it has changed or was last told a minute ago."""
        assert self._gateway is not None  # noqa: S101  (attached before it starts)
        with self._gateway.lock:
            now = clock.real_now()
            for region, queue, waiting in list(_watched()):
                known, at = self._told.get((region, queue), (None, 0.0))
                if waiting != known or (waiting and now - at >= _EVERY_SECONDS):
                    self._told[region, queue] = (waiting, now)
                    self._gateway.happened("queue-metrics", region=region, queue=queue, waiting=waiting)


def _watched() -> Iterator[tuple[str, str, int]]:
    """The region, name and waiting messages of each queue that an alarm names."""
    module: Any = sys.modules.get("moto.sqs.models")
    if module is None:
        return
    for region, backend in sorted(backends().items()):
        named = {
            dimension.value
            for alarm in backend.alarms.values()
            if alarm.namespace == NAMESPACE
            for dimension in alarm.dimensions
            if dimension.name == "QueueName"
        }
        queues = module.sqs_backends[ACCOUNT][region].queues
        for name in sorted(named & set(queues)):
            yield region, name, queues[name].approximate_number_of_messages


def _put(event: Event) -> None:
    backends()[event["region"]].put_metric_data(
        NAMESPACE,
        [
            {
                "MetricName": WAITING,
                "Dimensions": [{"Name": "QueueName", "Value": event["queue"]}],
                "Unit": "Count",
                "Value": event["waiting"],
            }
        ],
    )
