"""Puts metrics into CloudWatch: only those that `metrics` declares, with their unit and dimensions."""

import datetime
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from platform_jobs.metrics import NAMESPACE, Metric

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import MetricDatumTypeDef

    from platform_jobs.aws import Clients

_MOST_DATA: Final = 500
"""Data a call; CloudWatch takes 1,000 and 1 MB."""
_MOST_VALUES: Final = 150
"""Different values that one datum may carry."""


@dataclass(frozen=True)
class Datum:
    """Values of a metric at one time. `values`: value → how often it was seen."""

    metric: Metric
    values: Mapping[float, int]
    dimensions: Mapping[str, str]
    at: datetime.datetime

    @classmethod
    def of(
        cls, metric: Metric, value: float, dimensions: Mapping[str, str], at: datetime.datetime
    ) -> "Datum":
        """A single value."""
        return cls(metric, {value: 1}, dimensions, at)

    def to_requests(self) -> "Iterator[MetricDatumTypeDef]":
        """The datum as CloudWatch takes it; in several where it has too many values for one."""
        known = {value: count for value, count in sorted(self.values.items()) if math.isfinite(value)}
        items = iter(known.items())
        while part := list(itertools.islice(items, _MOST_VALUES)):
            yield {
                "MetricName": self.metric.name,
                "Dimensions": [
                    {"Name": name, "Value": value} for name, value in self.metric.ordered(self.dimensions)
                ],
                "Timestamp": self.at,
                "Unit": self.metric.unit,
                "Values": [value for value, _ in part],
                "Counts": [float(count) for _, count in part],
            }


def put(clients: "Clients", data: Iterable[Datum]) -> int:
    """Sends data; returns how many there were. What is no finite number is left out."""
    requests = (request for datum in data for request in datum.to_requests())
    sent = 0
    while batch := list(itertools.islice(requests, _MOST_DATA)):
        clients.cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=batch)
        sent += len(batch)
    return sent
