"""What the page reads from a cloud: metrics, alarms and objects of a real one."""

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest

from cli.overview.cloud import CloudReader
from components.endpoint import VARIANT
from platform_jobs.aws import Clients
from stacks.settings import Model, Serving
from twin.aws.cloud.client import ensure_cloud, session, stop_cloud

REGION = "us-east-1"
CHURN = Model.model_validate(
    {
        "name": "churn",
        "features": ["activity"],
        "slo": {"availability": 99.0, "latencyP95Ms": 300},
        "monitor": {"drift": {"threshold": 0.1}, "accuracy": {"metric": "auc", "floor": 0.9}},
    }
)
OUTPUTS = {
    "models": {"churn": {"endpoint": "acme-churn", "livePointer": "/pointers/live"}},
    "buckets": {"artifacts": "artifacts"},
    "alarms": {"churn-drift": "monitoring-churn-drift-1"},
}


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    folder = tmp_path_factory.mktemp("seen") / "cloud"
    endpoint = ensure_cloud(folder, idle_seconds=120, live=False).endpoint
    made = Clients(session=session(endpoint, REGION), endpoint_url=endpoint)
    made.s3.create_bucket(Bucket="artifacts")
    dimensions = [{"Name": "EndpointName", "Value": "acme-churn"}, {"Name": "VariantName", "Value": VARIANT}]
    slow, fast = 900_000.0, 20_000.0
    for name, values in (
        ("Invocations", [1.0] * 100),
        ("Invocation5XXErrors", [1.0] * 2 + [0.0] * 98),
        ("ModelLatency", [slow] * 10 + [fast] * 90),
    ):
        made.cloudwatch.put_metric_data(
            Namespace="AWS/SageMaker",
            MetricData=[{"MetricName": name, "Dimensions": dimensions, "Values": values}],  # type: ignore[typeddict-item]
        )
    made.cloudwatch.put_metric_alarm(
        AlarmName="monitoring-churn-drift-1",
        AlarmDescription="churn drifts",
        Namespace="Stagecraft",
        MetricName="FeatureDriftMax",
        Period=60,
        Statistic="Maximum",
        EvaluationPeriods=1,
        Threshold=0.1,
        ComparisonOperator="GreaterThanThreshold",
    )
    made.cloudwatch.put_composite_alarm(AlarmName="other", AlarmRule='ALARM("monitoring-churn-drift-1")')
    made.ssm.put_parameter(
        Name="/pointers/live", Type="String", Value="arn:aws:sagemaker:x:1:model-package/c/3"
    )
    yield made
    stop_cloud(folder)


def stored(clients: Clients, about: str, job: str, day: int, **told: Any) -> None:
    result = {"window": {"end": f"2026-03-{day:02}T00:00:00+00:00"}, **told}
    clients.s3.put_object(
        Bucket="artifacts",
        Key=f"monitoring/{about}/{job}/2026-03-{day:02}T00-00-00Z.json",
        Body=json.dumps(result).encode(),
    )


def test_a_models_promises_are_read_from_its_endpoints_metrics(clients):
    reader = CloudReader(clients, OUTPUTS, now())
    found = reader.model("local", CHURN)
    availability, latency = found.promises
    assert (availability.requests, availability.bad) == (100, 2)
    assert (latency.requests, latency.bad) == (100, pytest.approx(10))
    assert not availability.kept
    assert [(hour.requests, hour.errors) for hour in found.traffic] == [(100, 2)]
    assert found.latency_p95_ms == pytest.approx(900)


def test_what_cannot_be_read_is_noted_and_the_rest_is_told(clients):
    reader = CloudReader(clients, OUTPUTS, now())
    found = reader.model("local", CHURN)
    assert found.status == ""
    endpoint, explanation = reader.unknown
    assert endpoint.startswith("the endpoint of churn cannot be read")
    assert explanation.startswith("the explanation of churn cannot be read: there is no model version")
    assert found.promises[0].requests == 100


def test_a_models_history_is_read_from_what_its_jobs_left(clients):
    for day, value in ((2, 0.05), (3, 0.3)):
        column = {"name": "age", "drift": value, "bins": ["a"], "reference": [9], "current": [9]}
        stored(clients, "churn", "drift", day, predictions=500, features=[column], answers=[], threshold=0.2)
    stored(clients, "churn", "accuracy", 3, measures={"roc_auc": 0.85})
    stored(clients, "churn", "accuracy", 4, measures="none")
    reader = CloudReader(clients, OUTPUTS, now())
    found = reader.model("local", CHURN)
    assert found.drift is not None
    assert (found.drift.threshold, found.drift.over) == (0.1, ("age",))
    assert found.drift.features[0].values == (0.05, 0.3)
    assert [(each.name, each.bad) for each in found.quality] == [("auc", True)]
    assert any("2026-03-04T00-00-00Z.json" in problem for problem in reader.unknown)
    stored(clients, "activity", "silent-failures", 3, rows=7)
    assert reader.view("activity").rows == 7
    assert reader.view("never").rows is None


def test_a_model_in_the_cluster_is_judged_by_what_its_gateway_counts(clients):
    for name, values in (("Requests", [60.0]), ("SlowRequests", [6.0]), ("Latency", [40.0] * 20)):
        clients.cloudwatch.put_metric_data(
            Namespace="Stagecraft",
            MetricData=[
                {
                    "MetricName": name,
                    "Dimensions": [{"Name": "Stack", "Value": "local"}, {"Name": "Model", "Value": "churn"}],
                    "Values": values,
                }
            ],
        )
    declared = CHURN.model_copy(update={"serving": Serving(mode="cluster")})
    outputs = {
        "models": {"churn": {"endpoint": "none", "livePointer": "/pointers/live"}},
        "servingCluster": {"gatewayUrl": "http://gateway.serving:8080"},
    }
    reader = CloudReader(clients, outputs, now())
    found = reader.model("local", declared)
    assert reader.unknown == []
    assert (found.version, found.endpoint) == ("3", "http://gateway.serving:8080")
    availability, latency = found.promises
    assert (availability.requests, availability.bad) == (60, 0)
    assert (latency.requests, latency.bad) == (60, 6)
    assert [hour.requests for hour in found.traffic] == [60]
    assert found.latency_p95_ms == pytest.approx(40)


def test_with_a_fallback_promises_are_judged_where_callers_stand(clients):
    dimensions = [{"Name": "Stack", "Value": "front"}, {"Name": "Model", "Value": "churn"}]
    clients.cloudwatch.put_metric_data(
        Namespace="Stagecraft",
        MetricData=[{"MetricName": "Requests", "Dimensions": dimensions, "Values": [7.0]}],
    )
    reader = CloudReader(clients, OUTPUTS, now())
    found = reader.model("front", CHURN, fallback=True)
    assert [promise.requests for promise in found.promises] == [7, 7]
    assert found.endpoint == "acme-churn"


def released(clients: Clients, number: int, pointer: str) -> None:
    """A version with an explanation, whose second feature gets the more important the later it came."""
    made = clients.sagemaker.create_model_package(
        ModelPackageGroupName="ranking",
        InferenceSpecification={
            "Containers": [{"Image": "image", "ModelDataUrl": "s3://artifacts/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        CustomerMetadataProperties={"model_digest": f"d{number}"},
    )
    clients.ssm.put_parameter(Name=pointer, Type="String", Value=made["ModelPackageArn"])
    told = {
        "metric": "roc_auc",
        "score": 0.9,
        "rows": 50,
        "trained_on_this_data": True,
        "importances": [
            {"feature": "age", "mean": 0.1, "deviation": 0.01},
            {"feature": "spend", "mean": 0.05 * number, "deviation": 0.01},
        ],
    }
    clients.s3.put_object(
        Bucket="artifacts", Key=f"models/ranking/d{number}/explanation.json", Body=json.dumps(told).encode()
    )


def test_what_answers_are_worth_is_read_from_what_jobs_left(clients):
    clients.sagemaker.create_model_package_group(ModelPackageGroupName="ranking")
    released(clients, 1, "/pointers/ranking/previous")
    released(clients, 3, "/pointers/ranking/live")
    groups = {"groups": {"a": 50, "b": 50}, "small": {}, "told": {"a": 0.5, "b": 0.1}}
    stored(clients, "ranking", "bias", 3, attribute="region", disparity=0.4, **groups)
    stored(clients, "ranking", "kpis", 3, predictions=100, variants={}, ReturnOnCost=0.5)
    declared = Model.model_validate(
        {
            "name": "ranking",
            "features": ["activity"],
            "monitor": {
                "bias": {"attribute": "region", "maxDisparity": 0.2},
                "business": [{"metric": "returnOnCost", "floor": 1}],
            },
        }
    )
    pointers = {f"{name}Pointer": f"/pointers/ranking/{name}" for name in ("live", "previous")}
    outputs = {
        "models": {"ranking": pointers},
        "buckets": {"artifacts": "artifacts"},
        "jobs": {"watch-ranking": "arn"},
    }
    reader = CloudReader(clients, outputs, now())
    found = reader.model("local", declared)
    assert reader.unknown == []
    assert found.watched
    assert found.bias is not None
    assert (found.bias.bad, found.bias.groups[1].told) == (True, 0.1)
    assert found.worth is not None
    assert [figure.name for figure in found.worth.figures if figure.bad] == ["return on cost"]
    assert found.explanation is not None
    importances = [(item.feature, item.mean, item.before) for item in found.explanation.importances]
    assert importances == [("spend", pytest.approx(0.15), 0.05), ("age", 0.1, 0.1)]


def test_alarms_carry_the_names_that_outputs_give_them(clients):
    found = CloudReader(clients, OUTPUTS, now()).alarms()
    assert [(alarm.name, alarm.composite) for alarm in found] == [("churn-drift", False), ("other", True)]
    assert found[0].says == "churn drifts"


def test_a_model_that_is_not_live_is_asked_for_nothing(clients):
    reader = CloudReader(clients, {"models": {"churn": {"endpoint": "none"}}}, now())
    found = reader.model("local", CHURN)
    assert (found.endpoint, found.version, found.drift, reader.unknown) == ("", "", None, [])
    assert [promise.kept for promise in found.promises] == [None, None]
