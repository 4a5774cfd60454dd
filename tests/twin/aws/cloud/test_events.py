"""EventBridge rules reach their targets, and services tell of their changes."""

import json
from typing import Any

import pytest

from tests.twin.aws.cloud.conftest import Cloud, wait_for
from tests.twin.aws.cloud.test_functions import create
from tests.twin.aws.cloud.test_jobs import ends, set_up, submit


def rule(cloud: Cloud, pattern: dict[str, Any], *targets: dict[str, Any], state: str = "ENABLED") -> None:
    events = cloud.client("events")
    events.put_rule(Name="rule", EventPattern=json.dumps(pattern), State=state)
    numbered = [{"Id": str(number), **target} for number, target in enumerate(targets)]
    events.put_targets(Rule="rule", Targets=numbered)


def put(cloud: Cloud, **detail: Any) -> None:
    entry = {"Source": "mine", "DetailType": "thing", "Detail": json.dumps(detail)}
    answer = cloud.client("events").put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0


@pytest.mark.slow
def test_events_start_functions_executions_and_jobs(cloud: Cloud) -> None:
    function = create(cloud, "store")
    cloud.client("s3").create_bucket(Bucket="results")
    set_up(cloud, ["say", "hello"])
    states = cloud.client("stepfunctions")
    machine = states.create_state_machine(
        name="loop",
        roleArn=cloud.client("iam").get_role(RoleName="runs")["Role"]["Arn"],
        definition=json.dumps({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}),
    )["stateMachineArn"]
    queue = "arn:aws:batch:us-east-1:123456789012:job-queue/queue"
    rule(
        cloud,
        {"source": ["mine"], "detail": {"go": [True]}},
        {"Arn": function, "InputPath": "$.detail"},
        {"Arn": machine, "RoleArn": "arn:aws:iam::123456789012:role/runs", "Input": '{"fixed": 1}'},
        {"Arn": queue, "BatchParameters": {"JobDefinition": "job", "JobName": "from-event"}},
    )
    put(cloud, go=False)
    put(cloud, go=True, n=1)

    def stored() -> Any:
        listed = cloud.client("s3").list_objects_v2(Bucket="results").get("Contents", [])
        return [each["Key"] for each in listed]

    wait_for(stored, ["from-function"])
    body = cloud.client("s3").get_object(Bucket="results", Key="from-function")["Body"].read()
    assert json.loads(body) == {"go": True, "n": 1}
    wait_for(lambda: len(states.list_executions(stateMachineArn=machine)["executions"]), 1)
    (execution,) = states.list_executions(stateMachineArn=machine)["executions"]
    told = states.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(told["input"]) == {"fixed": 1}
    batch = cloud.client("batch")
    any_name = [{"name": "JOB_NAME", "values": ["from-event"]}]
    wait_for(lambda: len(batch.list_jobs(jobQueue="queue", filters=any_name)["jobSummaryList"]), 1)


@pytest.mark.slow
def test_services_tell_of_their_changes(cloud: Cloud) -> None:
    sqs, sagemaker = cloud.client("sqs"), cloud.client("sagemaker")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    target = {"Arn": "arn:aws:sqs:us-east-1:123456789012:heard"}
    rule(cloud, {"source": ["aws.sagemaker", "aws.batch"]}, target)

    def heard(count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < count:
            messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=15, MaxNumberOfMessages=10)
            found += [json.loads(each["Body"]) for each in messages["Messages"]]
        return found

    sagemaker.create_model_package_group(ModelPackageGroupName="churn")
    arn = sagemaker.create_model_package(ModelPackageGroupName="churn")["ModelPackageArn"]
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    events = heard(2)
    assert {each["detail-type"] for each in events} == {"SageMaker Model Package State Change"}
    assert [each["detail"]["ModelApprovalStatus"] for each in events] == [
        "PendingManualApproval",
        "Approved",
    ]
    set_up(cloud, ["say", "hello"])
    ends(cloud, submit(cloud), "SUCCEEDED")
    assert [each["detail"]["status"] for each in heard(2)] == ["RUNNING", "SUCCEEDED"]


def test_a_disabled_rule_matches_nothing(cloud: Cloud) -> None:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    target = {"Arn": "arn:aws:sqs:us-east-1:123456789012:heard"}
    rule(cloud, {"source": ["mine"]}, target, state="DISABLED")
    put(cloud, n=1)
    cloud.client("events").enable_rule(Name="rule")
    put(cloud, n=2)
    messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, MaxNumberOfMessages=10)["Messages"]
    assert [json.loads(each["Body"])["detail"]["n"] for each in messages] == [2]
