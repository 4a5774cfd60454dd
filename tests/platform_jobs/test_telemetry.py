"""Metrics as CloudWatch has them after they were put."""

import datetime
import math

import pytest

from platform_jobs import metrics, telemetry
from platform_jobs.telemetry import Datum
from tests.platform_jobs.conftest import World

AT = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
OF_MODEL = {"Stack": "test", "Model": "screening"}


def statistics(world: World, metric: metrics.Metric, dimensions: dict[str, str]) -> list[dict[str, float]]:
    answer = world.clients.cloudwatch.get_metric_statistics(
        Namespace=metrics.NAMESPACE,
        MetricName=metric.name,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=AT - datetime.timedelta(hours=1),
        EndTime=AT + datetime.timedelta(hours=1),
        Period=60,
        Statistics=["SampleCount", "Sum", "Maximum"],
    )
    return [{key: point[key] for key in ("SampleCount", "Sum", "Maximum")} for point in answer["Datapoints"]]


def test_what_is_put_can_be_read(world: World):
    sent = telemetry.put(
        world.clients,
        [
            Datum.of(metrics.FEATURE_DRIFT, 0.25, {**OF_MODEL, "Feature": "age"}, AT),
            Datum(metrics.LATENCY, {12.5: 3, 80.0: 1}, OF_MODEL, AT),
            Datum.of(metrics.PREDICTION_DRIFT, math.nan, OF_MODEL, AT),
        ],
    )
    assert sent == 2
    assert statistics(world, metrics.FEATURE_DRIFT, {**OF_MODEL, "Feature": "age"}) == [
        {"SampleCount": 1, "Sum": 0.25, "Maximum": 0.25}
    ]
    assert statistics(world, metrics.LATENCY, OF_MODEL)[0]["Maximum"] == 80
    listed = world.clients.cloudwatch.list_metrics(Namespace=metrics.NAMESPACE)["Metrics"]
    assert {item["MetricName"] for item in listed} == {"FeatureDrift", "Latency"}


def test_many_values_are_spread_over_several_data():
    datum = Datum(metrics.LATENCY, {float(value): 2 for value in range(400)}, OF_MODEL, AT)
    requests = list(datum.to_requests())
    assert [len(request["Values"]) for request in requests] == [150, 150, 100]
    assert sum(sum(request["Counts"]) for request in requests) == 800


@pytest.mark.parametrize(
    "dimensions", [{"Stack": "test"}, {**OF_MODEL, "Feature": "age"}, {"Stack": "test", "Model": ""}]
)
def test_other_dimensions_than_the_declared_ones_are_refused(dimensions: dict[str, str]):
    with pytest.raises(ValueError, match="Latency takes the dimensions Stack, Model"):
        list(Datum.of(metrics.LATENCY, 1, dimensions, AT).to_requests())


def test_the_table_is_what_cloudwatch_can_hold():
    assert len(metrics.BY_NAME) == len(metrics.ALL) > 25
    for metric in metrics.ALL:
        # What a machine tells of its GPUs knows a cluster, and no stack.
        assert metric.dimensions[0] == (
            metrics.CLUSTER if metrics.POOL in metric.dimensions else metrics.STACK
        )
        assert metric.name.isascii()
        assert metric.meaning
