"""What the reaper takes down, what it only tells of, and what it leaves alone."""

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest

from platform_jobs import reaper
from platform_jobs.aws import Clients
from platform_jobs.reaper import Finding, ReaperSettings, reap
from twin.aws.cloud.client import ensure_cloud, session, stop_cloud

NOW = datetime.datetime.now(datetime.UTC)
LATER = NOW + datetime.timedelta(days=3)
OURS = {"stack": "stagecraft-dev"}
SETTINGS = ReaperSettings(tag=("stack", "stagecraft-dev"), topic="arn:topic", stop_idle="yes")


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    folder = tmp_path_factory.mktemp("reaper") / "cloud"
    try:
        yield Clients(session=session(ensure_cloud(folder, live=False).endpoint, "us-east-1"))
    finally:
        stop_cloud(folder)


@pytest.fixture
def endpoints(clients: Clients) -> Iterator[Any]:
    """Makes endpoints; those that are left go with the test."""
    sagemaker: Any = clients.sagemaker
    role = "arn:aws:iam::123456789012:role/serving"
    made = []

    def make(name: str, tags: dict[str, str], *, machines: bool = False) -> None:
        sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": "i", "ModelDataUrl": "s3://b/k"}
        )
        hosting: dict[str, Any] = {"ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
        if machines:
            hosting = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{"VariantName": "live", "ModelName": name, **hosting}],
        )
        sagemaker.create_endpoint(
            EndpointName=name,
            EndpointConfigName=name,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        made.append(name)

    yield make
    for name in made:
        if name in standing(clients):
            sagemaker.delete_endpoint(EndpointName=name)
        sagemaker.delete_endpoint_config(EndpointConfigName=name)
        sagemaker.delete_model(ModelName=name)


def standing(clients: Clients) -> list[str]:
    return sorted(each["EndpointName"] for each in clients.sagemaker.list_endpoints()["Endpoints"])


def test_what_expired_goes_and_nothing_else(clients: Clients, endpoints: Any) -> None:
    today = NOW.date()
    endpoints("gone", {**OURS, "expires": (today - datetime.timedelta(days=1)).isoformat()})
    endpoints("last-day", {**OURS, "expires": today.isoformat()})
    endpoints("to-come", {**OURS, "expires": (NOW + datetime.timedelta(hours=1)).isoformat()})
    endpoints("another-stacks", {"stack": "other", "expires": "2020-01-01"})
    endpoints("forever", OURS)
    endpoints("unclear", {**OURS, "expires": "soon"})
    found = reap(clients, SETTINGS, NOW)
    assert [(each.id, each.done) for each in found] == [("gone", True), ("unclear", False)]
    assert "neither a day nor a time" in found[1].why
    assert standing(clients) == ["another-stacks", "forever", "last-day", "to-come", "unclear"]


def test_idle_machines_go_or_are_told_of(clients: Clients, endpoints: Any) -> None:
    endpoints("busy", OURS, machines=True)
    endpoints("idle", OURS, machines=True)
    endpoints("serverless", OURS)
    clients.cloudwatch.put_metric_data(
        Namespace="AWS/SageMaker",
        MetricData=[
            {
                "MetricName": "Invocations",
                "Dimensions": [
                    {"Name": "EndpointName", "Value": "busy"},
                    {"Name": "VariantName", "Value": "live"},
                ],
                "Timestamp": LATER - datetime.timedelta(hours=2),
                "Value": 3,
                "Unit": "None",
            }
        ],
    )
    assert reap(clients, SETTINGS, NOW) == []  # nothing has stood for a day yet
    told = ReaperSettings(tag=SETTINGS.tag, topic="arn:topic")
    why = "answered nothing for 24 hours"
    assert reap(clients, told, LATER) == [Finding(reaper.ENDPOINT, "idle", why, done=False)]
    assert "idle" in standing(clients)
    assert reap(clients, SETTINGS, LATER) == [Finding(reaper.ENDPOINT, "idle", why, done=True)]
    assert standing(clients) == ["busy", "serverless"]


def test_machines_and_people_hear_of_it(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    ec2, sns, sqs = (clients.client(name) for name in ("ec2", "sns", "sqs"))
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    tags = [{"Key": "stack", "Value": "stagecraft-dev"}, {"Key": "expires", "Value": "2020-01-01"}]
    instance = ec2.run_instances(
        ImageId=image,
        MinCount=1,
        MaxCount=1,
        InstanceType="m5.large",
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )["Instances"][0]["InstanceId"]
    topic = sns.create_topic(Name="costs")["TopicArn"]
    queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:heard")
    monkeypatch.setattr(reaper, "Clients", lambda: clients)
    monkeypatch.setenv("STAGECRAFT_REAPER_TAG", "stack=stagecraft-dev")
    monkeypatch.setenv("STAGECRAFT_REAPER_TOPIC", topic)
    (finding,) = reaper.handler({}, None)["findings"]
    assert (finding["id"], finding["done"]) == (instance, True)
    states = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]
    assert states["Name"] in ("shutting-down", "terminated")
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    told = json.loads(message["Body"])
    assert told["Subject"] == "stagecraft-dev: 1 taken down, 0 to look at"
    assert told["Message"] == f"taken down: EC2 instance {instance}: expired 2020-01-01"
    assert reaper.handler({}, None) == {"findings": []}
