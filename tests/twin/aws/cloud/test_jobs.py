"""Batch jobs run their command for real."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.twin.aws.cloud.conftest import REGION, Cloud, wait_for
from twin.aws.cloud.client import CloudError, reclaim_host, stop_cloud
from twin.aws.cloud.live.batch import LOST_HOST


def set_up(cloud: Cloud, command: list[str], **definition: Any) -> None:
    batch = cloud.client("batch")
    batch.create_compute_environment(
        computeEnvironmentName="spot",
        type="MANAGED",
        computeResources={
            "type": "SPOT",
            "maxvCpus": 8,
            "subnets": ["subnet-1"],
            "instanceTypes": ["m6i.large"],
        },
    )
    batch.create_job_queue(
        jobQueueName="queue", priority=1, computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "spot"}]
    )
    define(cloud, command, **definition)


def define(cloud: Cloud, command: list[str], **definition: Any) -> None:
    container = {
        "image": "platform",
        "command": command,
        "environment": [{"name": "COLOUR", "value": "red"}, {"name": "SIZE", "value": "1"}],
        "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
    }
    cloud.client("batch").register_job_definition(
        jobDefinitionName="job", type="container", containerProperties=container, **definition
    )


def submit(cloud: Cloud, **more: Any) -> str:
    job_id: str = cloud.client("batch").submit_job(
        jobName="a-job", jobQueue="queue", jobDefinition="job", **more
    )["jobId"]
    return job_id


def told(cloud: Cloud, job_id: str) -> dict[str, Any]:
    (job,) = cloud.client("batch").describe_jobs(jobs=[job_id])["jobs"]
    return dict(job)


def ends(cloud: Cloud, job_id: str, status: str) -> dict[str, Any]:
    wait_for(lambda: told(cloud, job_id)["status"] in ("SUCCEEDED", "FAILED"), True)
    job = told(cloud, job_id)
    assert job["status"] == status, job
    return job


def log_of(cloud: Cloud, job: dict[str, Any]) -> list[str]:
    events = cloud.client("logs").get_log_events(
        logGroupName="/aws/batch/job", logStreamName=job["container"]["logStreamName"]
    )["events"]
    return [event["message"] for event in events]


def test_a_job_runs_its_command_and_logs(cloud: Cloud) -> None:
    set_up(cloud, ["say", "hello", "Ref::whom"], parameters={"whom": "world"})
    job = ends(cloud, submit(cloud, parameters={"whom": "you"}), "SUCCEEDED")
    assert log_of(cloud, job) == ["hello you"]
    assert job["container"]["exitCode"] == 0
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]
    listed = cloud.client("batch").list_jobs(jobQueue="queue", jobStatus="SUCCEEDED")["jobSummaryList"]
    assert [each["jobName"] for each in listed] == ["a-job"]


def test_a_job_has_its_containers_environment_and_no_other_cloud(
    monkeypatch: pytest.MonkeyPatch, new_cloud: Callable[..., Cloud]
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    monkeypatch.setenv("SECRET_OF_THE_SHELL", "x")
    cloud = new_cloud()
    set_up(cloud, ["environment"])
    overrides = [
        {"name": "SIZE", "value": "2"},
        {"name": "AWS_ENDPOINT_URL", "value": "https://example.com"},
    ]
    job_id = submit(cloud, containerOverrides={"environment": overrides})
    environment = json.loads("".join(log_of(cloud, ends(cloud, job_id, "SUCCEEDED"))))
    assert (environment["COLOUR"], environment["SIZE"]) == ("red", "2")
    assert (environment["AWS_BATCH_JOB_ID"], environment["AWS_BATCH_JOB_ATTEMPT"]) == (job_id, "1")
    assert environment["AWS_ENDPOINT_URL"] == cloud.endpoint
    assert environment["AWS_ACCESS_KEY_ID"] == "twin"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "SECRET_OF_THE_SHELL"} & set(environment)


def test_a_job_uses_the_cloud_it_runs_in(cloud: Cloud) -> None:
    set_up(cloud, ["put", "results", "key"])
    cloud.client("s3").create_bucket(Bucket="results")
    ends(cloud, submit(cloud), "SUCCEEDED")
    assert cloud.client("s3").get_object(Bucket="results", Key="key")["Body"].read() == b"from the job"


def test_failures_are_retried_as_the_strategy_says(cloud: Cloud) -> None:
    set_up(cloud, ["fail-until", "3"], retryStrategy={"attempts": 5})
    job = ends(cloud, submit(cloud), "SUCCEEDED")
    assert [each["container"]["exitCode"] for each in job["attempts"]] == [1, 1, 0]
    define(cloud, ["exit", "9"], retryStrategy={"attempts": 2})
    job = ends(cloud, submit(cloud), "FAILED")
    assert [each["container"]["exitCode"] for each in job["attempts"]] == [9, 9]
    assert job["statusReason"] == "Essential container in task exited"
    only_ones = [{"onExitCode": "1", "action": "RETRY"}, {"onExitCode": "*", "action": "EXIT"}]
    define(cloud, ["exit", "9"], retryStrategy={"attempts": 3, "evaluateOnExit": only_ones})
    assert len(ends(cloud, submit(cloud), "FAILED")["attempts"]) == 1


@pytest.mark.slow
def test_a_job_is_ended_when_it_takes_too_long_or_is_told_to(cloud: Cloud) -> None:
    set_up(cloud, ["sleep", "60"], timeout={"attemptDurationSeconds": 1}, retryStrategy={"attempts": 3})
    job = ends(cloud, submit(cloud), "FAILED")
    assert job["statusReason"] == "Job attempt duration exceeded timeout"
    assert len(job["attempts"]) == 1
    job_id = submit(cloud, timeout={"attemptDurationSeconds": 60})
    wait_for(lambda: told(cloud, job_id)["status"], "RUNNING")
    cloud.client("batch").terminate_job(jobId=job_id, reason="changed my mind")
    assert ends(cloud, job_id, "FAILED")["statusReason"] == "changed my mind"
    wait_for(cloud.processes, [])


SPOT: list[dict[str, str]] = [
    {"onStatusReason": "Host EC2*", "action": "RETRY"},
    {"onExitCode": "143", "action": "RETRY"},
    {"onReason": "*", "action": "EXIT"},
]


@pytest.mark.slow
def test_hosts_are_taken_back_with_notice_and_without_each_from_another_attempt(cloud: Cloud) -> None:
    set_up(cloud, ["linger", "3"], retryStrategy={"attempts": 3, "evaluateOnExit": SPOT})
    job_id = submit(cloud)
    for grace in (60, 0):
        reclaim_host(cloud.endpoint, REGION, job_id, grace_seconds=grace, when=["here", "nowhere"])
    attempts = ends(cloud, job_id, "SUCCEEDED")["attempts"]
    assert [each["container"].get("exitCode") for each in attempts] == [143, None, 0]
    assert [each["statusReason"] for each in attempts] == [
        "Essential container in task exited",
        LOST_HOST,
        "Essential container in task exited",
    ]


@pytest.mark.slow
def test_a_host_is_taken_back_at_once_whatever_the_job_makes_of_the_notice(cloud: Cloud) -> None:
    set_up(cloud, ["stay"], retryStrategy={"attempts": 1})
    job_id = submit(cloud)
    wait_for(lambda: told(cloud, job_id)["status"], "RUNNING")
    wait_for(lambda: log_of(cloud, told(cloud, job_id)), ["here to stay"])
    reclaim_host(cloud.endpoint, REGION, job_id, grace_seconds=0.2)
    assert ends(cloud, job_id, "FAILED")["statusReason"] == LOST_HOST
    for gone in (job_id, "no-such-job"):
        for when in ((), ("here",)):
            with pytest.raises(CloudError, match=f"job {gone} has no host in {REGION}"):
                reclaim_host(cloud.endpoint, REGION, gone, grace_seconds=1, when=when)


@pytest.mark.slow
def test_jobs_wait_for_what_they_depend_on(cloud: Cloud) -> None:
    set_up(cloud, ["sleep", "0.5"])
    first = submit(cloud)
    second = submit(cloud, dependsOn=[{"jobId": first}])
    ended = ends(cloud, second, "SUCCEEDED")
    assert ended["startedAt"] >= told(cloud, first)["stoppedAt"]
    define(cloud, ["exit", "1"])
    failing = submit(cloud)
    assert ends(cloud, submit(cloud, dependsOn=[{"jobId": failing}]), "FAILED")["attempts"] == []


def test_an_array_runs_each_of_its_children(cloud: Cloud) -> None:
    set_up(cloud, ["environment"])
    job_id = submit(cloud, arrayProperties={"size": 3})
    assert ends(cloud, job_id, "SUCCEEDED")["arrayProperties"]["statusSummary"] == {"SUCCEEDED": 3}
    children = cloud.client("batch").list_jobs(arrayJobId=job_id, jobStatus="SUCCEEDED")["jobSummaryList"]
    indexes = [
        json.loads("".join(log_of(cloud, told(cloud, child["jobId"]))))["AWS_BATCH_JOB_ARRAY_INDEX"]
        for child in children
    ]
    assert sorted(indexes) == ["0", "1", "2"]


@pytest.mark.slow
def test_a_job_that_ran_when_the_cloud_ended_has_lost_its_host(cloud: Cloud) -> None:
    set_up(cloud, ["sleep", "60"])
    job_id = submit(cloud)
    wait_for(lambda: told(cloud, job_id)["status"], "RUNNING")
    stop_cloud(cloud.directory)
    job = ends(cloud, job_id, "FAILED")
    assert job["statusReason"].startswith("Host EC2")
    define(cloud, ["fail-until", "2"], retryStrategy={"attempts": 3})
    ends(cloud, submit(cloud), "SUCCEEDED")


def test_what_is_enabled_or_used_cannot_be_deleted(cloud: Cloud) -> None:
    set_up(cloud, ["say"])
    batch = cloud.client("batch")
    with pytest.raises(ClientError, match="must be DISABLED"):
        batch.delete_job_queue(jobQueue="queue")
    batch.update_compute_environment(computeEnvironment="spot", state="DISABLED")
    with pytest.raises(ClientError, match="existing JobQueue relationship"):
        batch.delete_compute_environment(computeEnvironment="spot")
    batch.update_job_queue(jobQueue="queue", state="DISABLED")
    with pytest.raises(ClientError, match="not ENABLED"):
        submit(cloud)
    batch.delete_job_queue(jobQueue="queue")
    batch.delete_compute_environment(computeEnvironment="spot")
    batch.deregister_job_definition(jobDefinition="job:1")
    assert cloud.inventory() == []


def test_a_job_that_failed_for_good_reaches_a_queue_by_its_definition(cloud: Cloud) -> None:
    """As components.BatchInference has it: any revision of one definition, and no other job."""
    set_up(cloud, ["exit", "9"], retryStrategy={"attempts": 2})
    sqs, events, batch = (cloud.client(service) for service in ("sqs", "events", "batch"))
    definition = batch.describe_job_definitions()["jobDefinitions"][0]["jobDefinitionArn"]
    url = sqs.create_queue(QueueName="letters")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {
        "source": ["aws.batch"],
        "detail-type": ["Batch Job State Change"],
        "detail": {
            "status": ["FAILED"],
            "jobDefinition": [{"prefix": definition.removesuffix("1")}],
        },
    }
    events.put_rule(Name="failed", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="failed", Targets=[{"Id": "1", "Arn": arn}])
    failed = submit(cloud)
    ends(cloud, failed, "FAILED")
    define(cloud, ["say", "hello"])
    ends(cloud, submit(cloud), "SUCCEEDED")
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [json.loads(each["Body"])["detail"]["jobId"] for each in messages] == [failed]
