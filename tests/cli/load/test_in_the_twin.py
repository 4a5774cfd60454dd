"""The gateway for real: endpoints of the twin, real models behind them, and one that is killed under load."""

import datetime
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from cli.load.drive import Target, drive
from cli.load.fronts import OwnGateway
from cli.load.plan import LoadPlan
from cli.load.report import LoadReport
from platform_jobs import artifact
from twin.aws.cloud.client import ensure_cloud, session, stop_cloud

REGION = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/any"


@dataclass(frozen=True)
class Serving:
    """A cloud with two versions of a model, each behind an endpoint of its own."""

    cloud: str
    aws: Any

    def target(self) -> Target:
        entities = [(f"c{number}", number % 50 / 50) for number in range(40)]
        front = OwnGateway(
            cloud=self.cloud,
            region=REGION,
            stack="test",
            model="churn",
            endpoint="live",
            declaration={
                "keys": ["customer_id"],
                "variants": [{"name": "live", "endpoint": "live"}],
                "ladder": ["live", "previous", "last-good", "default-answer"],
                "previous": {"endpoint": "previous"},
                "defaultAnswer": 0,
                "timeoutMs": 1500,
            },
            told={
                "STAGECRAFT_ARTIFACTS_BUCKET": "artifacts",
                "STAGECRAFT_GATEWAY_METRICS": "cloudwatch",
                "STAGECRAFT_GATEWAY_PUBLISH_SECONDS": "60",
            },
        )
        bodies = [
            json.dumps({"entity": {"customer_id": name}, "features": {"spend": spend}}).encode()
            for name, spend in entities
        ]
        return Target(front=front, model="churn", bodies=bodies)


def deploy(aws: Any, name: str, weight: float) -> None:
    inputs = np.linspace(0, 1, 50).reshape(-1, 1)
    model = LogisticRegression().fit(inputs, (inputs[:, 0] > weight).astype(int))
    metadata = {
        "model": "churn",
        "task": "binary",
        "features": [{"name": "spend", "type": "float"}],
        "classes": [0, 1],
    }
    packed = artifact.pack(model, metadata)
    key = f"models/{name}/model.tar.gz"
    aws.client("s3").put_object(Bucket="artifacts", Key=key, Body=packed.body)
    sagemaker = aws.client("sagemaker")
    container = {
        "Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/platform:1",
        "ModelDataUrl": f"s3://artifacts/{key}",
        "Environment": {"STAGECRAFT_MODEL_DIGEST": packed.digest},
    }
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {
        "VariantName": "live",
        "ModelName": name,
        "InitialVariantWeight": 1,
        "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5},
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("load") / "a cloud"
    cloud = ensure_cloud(folder)
    try:
        aws = session(cloud.endpoint, REGION)
        aws.client("s3").create_bucket(Bucket="artifacts")
        deploy(aws, "live", 0.5)
        deploy(aws, "previous", 0.4)
        for name in ("live", "previous"):
            aws.client("sagemaker").get_waiter("endpoint_in_service").wait(
                EndpointName=name, WaiterConfig={"Delay": 1}
            )
        yield Serving(cloud.endpoint, aws)
    finally:
        stop_cloud(folder)


def published(aws: Any, name: str, **dimensions: str) -> float:
    now = datetime.datetime.now(datetime.UTC)
    hour = datetime.timedelta(hours=1)
    wanted = {"Stack": "test", "Model": "churn", **dimensions}
    points = aws.client("cloudwatch").get_metric_statistics(
        Namespace="Stagecraft",
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in wanted.items()],
        StartTime=now - hour,
        EndTime=now + hour,
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


@pytest.mark.slow
def test_killing_the_live_model_under_load_loses_no_request_and_its_return_is_seen(serving: Serving):
    report: LoadReport = drive(serving.target(), LoadPlan(rps=20, seconds=20, kill_after=2))
    assert report.fault is not None
    assert len(report.fault.processes) == 1
    assert (report.lost, report.problems) == (0, {})
    answers = report.answers
    assert sum(answers.values()) == 400
    assert answers["live"] < 400, "the fault was felt"
    assert answers.get("previous", 0) + answers.get("last-good", 0) > 0
    assert report.counted == {**dict.fromkeys(report.counted, 0), **answers}, "the metrics agree"
    assert report.degraded_seconds is not None, "the live model is back, and the metrics show it"

    logged = serving.aws.client("s3").list_objects_v2(Bucket="artifacts", Prefix="predictions/churn/")
    lines = [
        json.loads(line)
        for item in logged["Contents"]
        for line in serving.aws.client("s3")
        .get_object(Bucket="artifacts", Key=item["Key"])["Body"]
        .read()
        .splitlines()
    ]
    assert sum(line["step"] == "live" for line in lines) >= answers["live"]
    assert len({line["version"] for line in lines if line["step"] == "live"}) == 1
    assert published(serving.aws, "Answers", Step="live") >= answers["live"]
    assert published(serving.aws, "Errors") == 0
