"""Lambda functions and Step Functions executions run for real, and call back into the cloud."""

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.twin.aws.cloud.conftest import Cloud, wait_for
from tests.twin.aws.cloud.test_jobs import set_up
from twin.aws.cloud.client import stop_cloud

CODE = """
import json, os, time, boto3

def echo(event, context):
    print("got", json.dumps(event))
    return {"event": event, "name": context.function_name, "left": context.get_remaining_time_in_millis() > 0,
            "colour": os.environ["COLOUR"]}

def store(event, context):
    boto3.client("s3").put_object(Bucket="results", Key="from-function", Body=json.dumps(event).encode())

def fail(event, context):
    raise ValueError("no good")

def slow(event, context):
    time.sleep(30)

calls = []

def count(event, context):
    calls.append(context.aws_request_id)
    time.sleep(event.get("seconds", 0))
    if event.get("leave"):
        os._exit(7)
    return {"calls": len(calls), "different": len(set(calls)), "process": os.getpid()}
"""


def create(cloud: Cloud, name: str, **more: Any) -> str:
    iam = cloud.client("iam")
    try:
        role = iam.get_role(RoleName="runs")["Role"]["Arn"]
    except ClientError:
        trust = {"Version": "2012-10-17", "Statement": []}
        role = iam.create_role(RoleName="runs", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("code.py", "raise RuntimeError('the standard library is not the function')")
        archive.writestr("mine.py", CODE)
    arn: str = cloud.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Handler=f"mine.{name}",
        Role=role,
        Code={"ZipFile": buffer.getvalue()},
        Environment={"Variables": {"COLOUR": "red"}},
        **{"Timeout": 20, **more},
    )["FunctionArn"]
    return arn


def invoke(cloud: Cloud, name: str, event: Any) -> tuple[Any, str | None]:
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
    return json.loads(answer["Payload"].read()), answer.get("FunctionError")


def test_a_function_answers_with_what_its_code_returns(cloud: Cloud) -> None:
    create(cloud, "echo")
    answer, error = invoke(cloud, "echo", {"a": 1})
    assert error is None
    assert answer == {"event": {"a": 1}, "name": "echo", "left": True, "colour": "red"}
    events = cloud.client("logs").filter_log_events(logGroupName="/aws/lambda/echo")["events"]
    assert [event["message"] for event in events] == ['got {"a": 1}']


def test_a_functions_failure_is_told(cloud: Cloud) -> None:
    create(cloud, "fail")
    answer, error = invoke(cloud, "fail", {})
    assert (error, answer["errorType"], answer["errorMessage"]) == ("Unhandled", "ValueError", "no good")
    create(cloud, "slow", Timeout=1)
    answer, error = invoke(cloud, "slow", {})
    assert error == "Unhandled"
    assert "timed out after 1.00 seconds" in answer["errorMessage"]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        invoke(cloud, "nobody", {})


def test_an_environment_is_kept_for_the_next_invocation_until_the_function_changes(cloud: Cloud) -> None:
    create(cloud, "count")
    first, again = (invoke(cloud, "count", {})[0] for _ in range(2))
    assert (first["calls"], again["calls"], again["different"]) == (1, 2, 2)
    assert again["process"] == first["process"]
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda _: invoke(cloud, "count", {"seconds": 1})[0]["process"], range(2)))
    assert len(set(both)) == 2, "one invocation at a time in each"
    answer, error = invoke(cloud, "count", {"leave": True})
    assert (error, answer["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert "status 7" in answer["errorMessage"]
    cloud.client("lambda").update_function_configuration(FunctionName="count", MemorySize=256)
    assert invoke(cloud, "count", {})[0]["calls"] == 1
    streams = cloud.client("logs").describe_log_streams(logGroupName="/aws/lambda/count")["logStreams"]
    assert len(streams) == 3, "one an environment"


def test_a_function_that_cannot_be_loaded_says_so(cloud: Cloud) -> None:
    create(cloud, "nothing")
    answer, error = invoke(cloud, "nothing", {})
    assert (error, answer["errorType"]) == ("Unhandled", "AttributeError")


def test_a_topic_sets_off_a_function_that_uses_the_cloud(cloud: Cloud) -> None:
    arn = create(cloud, "store")
    s3, sns = cloud.client("s3"), cloud.client("sns")
    s3.create_bucket(Bucket="results")
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="hello")

    def keys() -> list[str]:
        return [each["Key"] for each in s3.list_objects_v2(Bucket="results").get("Contents", [])]

    wait_for(keys, ["from-function"])
    event = json.loads(s3.get_object(Bucket="results", Key="from-function")["Body"].read())
    assert event["Records"][0]["Sns"]["Message"] == "hello"


MACHINE = {
    "StartAt": "Call",
    "States": {
        "Call": {"Type": "Task", "Resource": "", "Next": "Put"},
        "Put": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:ssm:putParameter",
            "Parameters": {"Name": "/from/machine", "Value.$": "$.colour", "Type": "String"},
            "ResultPath": None,
            "End": True,
        },
    },
}


def execution_of(cloud: Cloud, machine: dict[str, Any]) -> str:
    states = cloud.client("stepfunctions")
    role = cloud.client("iam").get_role(RoleName="runs")["Role"]["Arn"]
    name = f"machine-{len(states.list_state_machines()['stateMachines'])}"
    arn = states.create_state_machine(name=name, definition=json.dumps(machine), roleArn=role)
    started: str = states.start_execution(stateMachineArn=arn["stateMachineArn"], input='{"a": 2}')[
        "executionArn"
    ]
    return started


def test_a_queues_messages_reach_their_function(cloud: Cloud) -> None:
    cloud.client("s3").create_bucket(Bucket="results")
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="work")["QueueUrl"]
    function = create(cloud, "store")
    source = "arn:aws:sqs:us-east-1:123456789012:work"
    cloud.client("lambda").create_event_source_mapping(FunctionName=function, EventSourceArn=source)
    sqs.send_message(QueueUrl=url, MessageBody="hello")

    def stored() -> list[str]:
        listed = cloud.client("s3").list_objects_v2(Bucket="results").get("Contents", [])
        return [each["Key"] for each in listed]

    wait_for(stored, ["from-function"])
    body = cloud.client("s3").get_object(Bucket="results", Key="from-function")["Body"].read()
    assert [each["body"] for each in json.loads(body)["Records"]] == ["hello"]


@pytest.mark.slow
def test_an_execution_calls_functions_and_services_and_is_kept(cloud: Cloud) -> None:
    arn = create(cloud, "echo")
    MACHINE["States"]["Call"]["Resource"] = arn  # type: ignore[index]
    execution = execution_of(cloud, MACHINE)
    describe = lambda: cloud.client("stepfunctions").describe_execution(executionArn=execution)  # noqa: E731
    wait_for(lambda: describe()["status"], "SUCCEEDED")
    assert json.loads(describe()["output"])["event"] == {"a": 2}
    parameter = cloud.client("ssm").get_parameter(Name="/from/machine")["Parameter"]
    assert parameter["Value"] == "red"
    before = describe()
    stop_cloud(cloud.directory)
    after = describe()
    assert {key: after[key] for key in ("status", "output", "startDate", "stopDate")} == {
        key: before[key] for key in ("status", "output", "startDate", "stopDate")
    }
    history = cloud.client("stepfunctions").get_execution_history(executionArn=execution)["events"]
    assert history[-1]["type"] == "ExecutionSucceeded"


@pytest.mark.slow
def test_an_execution_waits_for_its_token(cloud: Cloud) -> None:
    create(cloud, "echo")
    sqs, states = cloud.client("sqs"), cloud.client("stepfunctions")
    url = sqs.create_queue(QueueName="approvals")["QueueUrl"]
    machine = {
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                "Parameters": {"QueueUrl": url, "MessageBody": {"token.$": "$$.Task.Token"}},
                "End": True,
            }
        },
    }
    execution = execution_of(cloud, machine)
    messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=15)["Messages"]
    token = json.loads(messages[0]["Body"])["token"]
    states.send_task_success(taskToken=token, output='{"approved": true}')
    wait_for(lambda: states.describe_execution(executionArn=execution)["status"], "SUCCEEDED")


@pytest.mark.slow
def test_an_execution_that_ran_when_the_cloud_ended_is_aborted(cloud: Cloud) -> None:
    create(cloud, "echo")
    machine = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}
    execution = execution_of(cloud, machine)
    stop_cloud(cloud.directory)
    told = cloud.client("stepfunctions").describe_execution(executionArn=execution)
    assert told["status"] == "ABORTED"


def test_an_image_runs_its_handler(cloud: Cloud) -> None:
    create(cloud, "echo")
    role = cloud.client("iam").get_role(RoleName="runs")["Role"]["Arn"]
    cloud.client("lambda").create_function(
        FunctionName="image",
        PackageType="Image",
        Role=role,
        Code={"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/platform:1"},
        ImageConfig={"Command": ["drift"]},
    )
    assert invoke(cloud, "image", [1]) == ({"handler": "drift", "event": [1]}, None)


@pytest.mark.slow
def test_an_execution_waits_for_jobs_and_for_other_executions(cloud: Cloud) -> None:
    create(cloud, "echo")
    set_up(cloud, ["say", "hello"])

    def ended(machine: dict[str, Any]) -> dict[str, Any]:
        states = cloud.client("stepfunctions")
        execution = execution_of(cloud, machine)
        wait_for(lambda: states.describe_execution(executionArn=execution)["status"] != "RUNNING", True)
        return dict(states.describe_execution(executionArn=execution))

    def task(resource: str, **parameters: Any) -> dict[str, Any]:
        only = {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True}
        return {"StartAt": "Only", "States": {"Only": only}}

    submit = "arn:aws:states:::batch:submitJob.sync"
    told = ended(task(submit, JobName="job", JobQueue="queue", JobDefinition="job"))
    assert told["status"] == "SUCCEEDED", told
    assert json.loads(told["output"])["Container"]["ExitCode"] == 0
    failing = {"Command": ["exit", "3"]}
    told = ended(
        task(submit, JobName="job", JobQueue="queue", JobDefinition="job", ContainerOverrides=failing)
    )
    assert (told["status"], told["error"]) == ("FAILED", "States.TaskFailed")
    child = cloud.client("stepfunctions").list_state_machines()["stateMachines"][0]["stateMachineArn"]
    told = ended(task("arn:aws:states:::states:startExecution.sync:2", StateMachineArn=child, Input={}))
    assert told["status"] == "SUCCEEDED", told
