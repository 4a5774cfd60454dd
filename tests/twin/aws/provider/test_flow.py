"""What schedules, scaling, secrets, streams and state machines refuse, and how they behave."""

import json

import pytest

from tests.twin.aws.provider.plugin import Plugin
from tests.twin.aws.provider.samples_flow import KEY_ARN, ROLE_ARN, SCALED, SECRET, machine
from twin.wire import Secret

FIREHOSE = "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream"
MACHINE = "aws:sfn/stateMachine:StateMachine"
POLICY = "aws:appautoscaling/policy:Policy"
SCHEDULE = "aws:scheduler/schedule:Schedule"
STREAM = "aws:kinesis/stream:Stream"
TARGET = "aws:appautoscaling/target:Target"
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"


def scheduled(expression: str, **window: object) -> dict:
    return {
        "scheduleExpression": expression,
        "flexibleTimeWindow": window or {"mode": "OFF"},
        "target": {"arn": "arn:aws:sqs:us-east-1:123456789012:q", "roleArn": ROLE_ARN},
    }


def scaled(**more: object) -> dict:
    return {**SCALED, "resourceId": "table/t", **more}


def states(**found: dict) -> dict:
    document = {"StartAt": next(iter(found)), "States": found}
    return {"roleArn": ROLE_ARN, "definition": json.dumps(document)}


def delivering(**more: object) -> dict:
    target = {"roleArn": ROLE_ARN, "bucketArn": "arn:aws:s3:::b", **more}
    return {"destination": "extended_s3", "extendedS3Configuration": target}


@pytest.mark.parametrize(
    ("token", "inputs", "path", "said"),
    [
        (SCHEDULE, scheduled("every day"), "scheduleExpression", "rate(1 hour)"),
        (SCHEDULE, scheduled("rate(1 hours)"), "scheduleExpression", "write rate(1 hour)"),
        (SCHEDULE, scheduled("rate(5 minute)"), "scheduleExpression", "write rate(5 minutes)"),
        (SCHEDULE, scheduled("cron(0 3 * * * *)"), "scheduleExpression", "exactly one"),
        (SCHEDULE, scheduled("at(2030-02-31T00:00:00)"), "scheduleExpression", "no moment"),
        (
            SCHEDULE,
            scheduled("rate(1 hour)", mode="FLEXIBLE"),
            "flexibleTimeWindow.maximumWindowInMinutes",
            "FLEXIBLE",
        ),
        (TARGET, scaled(minCapacity=5, maxCapacity=2), "minCapacity", "above maxCapacity"),
        (TARGET, {**scaled(minCapacity=1, maxCapacity=2), "resourceId": "t"}, "resourceId", "table/"),
        (
            TARGET,
            {**scaled(minCapacity=1, maxCapacity=2), "serviceNamespace": "sagemaker"},
            "scalableDimension",
            "sagemaker:",
        ),
        (
            POLICY,
            scaled(policyType="TargetTrackingScaling"),
            "targetTrackingScalingPolicyConfiguration",
            "missing",
        ),
        (
            POLICY,
            scaled(
                policyType="TargetTrackingScaling",
                targetTrackingScalingPolicyConfiguration={"targetValue": 1},
            ),
            "targetTrackingScalingPolicyConfiguration",
            "0 metrics",
        ),
        (SECRET[0], {"recoveryWindowInDays": 3}, "recoveryWindowInDays", "7 to 30"),
        (SECRET[0], {"name": "a b"}, "name", "letters"),
        (VERSION, {"secretId": "s"}, "secretString", "missing"),
        (VERSION, {"secretId": "s", "secretBinary": "not base64!"}, "secretBinary", "Base64"),
        (STREAM, {}, "shardCount", "ON_DEMAND"),
        (
            STREAM,
            {"shardCount": 1, "streamModeDetails": {"streamMode": "ON_DEMAND"}},
            "shardCount",
            "PROVISIONED",
        ),
        (STREAM, {"shardCount": 1, "retentionPeriod": 12}, "retentionPeriod", "24 to 8760"),
        (STREAM, {"shardCount": 1, "encryptionType": "KMS"}, "kmsKeyId", "missing"),
        (STREAM, {"shardCount": 1, "kmsKeyId": KEY_ARN}, "kmsKeyId", "KMS"),
        (FIREHOSE, {**delivering(), "destination": "redshift"}, "destination", "extended_s3"),
        (FIREHOSE, delivering(bufferingSize=500), "extendedS3Configuration.bufferingSize", "128"),
        (
            FIREHOSE,
            delivering(dynamicPartitioningConfiguration={"enabled": True}),
            "extendedS3Configuration.bufferingSize",
            "at least 64",
        ),
        (FIREHOSE, delivering(compressionFormat="RAR"), "extendedS3Configuration.compressionFormat", "GZIP"),
        (MACHINE, {"roleArn": ROLE_ARN, "definition": "start"}, "definition", "JSON"),
        (MACHINE, {"roleArn": ROLE_ARN, "definition": machine(next_state="gone")}, "definition", "'gone'"),
        (MACHINE, states(a={"Type": "Pass"}), "definition", "goes nowhere"),
        (MACHINE, states(a={"Type": "Pass", "End": True}, b={"Type": "Fail"}), "definition", "/b is never"),
        (MACHINE, states(a={"Type": "Nap", "End": True}), "definition", "Type"),
        (
            MACHINE,
            states(a={"Type": "Map", "End": True, "ItemProcessor": {"StartAt": "x", "States": {}}}),
            "definition",
            "/a/ItemProcessor has no States",
        ),
        (
            MACHINE,
            {
                **states(a={"Type": "Succeed"}),
                "loggingConfiguration": {
                    "level": "ALL",
                    "logDestination": "arn:aws:logs:us-east-1:1:log-group:x",
                },
            },
            "loggingConfiguration.logDestination",
            ":*",
        ),
    ],
)
def test_what_aws_would_refuse_is_refused(
    plugin: Plugin, token: str, inputs: dict, path: str, said: str
) -> None:
    failures = plugin.check(token, inputs).failures
    assert said in failures.get(path, ""), failures


def test_all_flaws_of_a_definition_at_once(plugin: Plugin) -> None:
    inputs = states(a={"Type": "Pass", "Next": "c"}, b={"Type": "Task", "End": True})
    said = plugin.check(MACHINE, inputs).failures["definition"]
    for flaw in ("'c'", "/b has no Resource", "/b is never reached"):
        assert flaw in said


def test_a_secret_value_stays_secret(plugin: Plugin) -> None:
    secret = plugin.make(*SECRET)
    version = plugin.make(VERSION, {"secretId": secret.id, "secretString": "hidden"}, name="v")
    assert isinstance(version.raw["secretString"], Secret)
    assert version.state["secretString"] == "hidden"
    assert version.state["versionStages"] == ["AWSCURRENT"]


def test_a_newer_value_takes_the_stage(plugin: Plugin) -> None:
    secret = plugin.make(*SECRET)
    first = plugin.make(VERSION, {"secretId": secret.id, "secretString": "one"}, name="v")
    second = plugin.make(VERSION, {"secretId": secret.id, "secretString": "two"}, name="w")
    assert second.state["versionStages"] == ["AWSCURRENT"]
    assert plugin.read(first).state["versionStages"] == ["AWSPREVIOUS"]
    plugin.delete(first)
    assert plugin.read(first) is None


def test_a_deleted_secret_is_gone_while_it_can_still_be_restored(plugin: Plugin) -> None:
    secret = plugin.make(SECRET[0], {"recoveryWindowInDays": 7}, name="kept")
    plugin.delete(secret)
    assert plugin.read(secret) is None
    plugin.delete(secret)


def test_a_stream_goes_on_demand_and_back(plugin: Plugin) -> None:
    stream = plugin.make(STREAM, {"shardCount": 2})
    on_demand = {name: value for name, value in stream.inputs.items() if name != "shardCount"}
    on_demand["streamModeDetails"] = {"streamMode": "ON_DEMAND"}
    changed = plugin.update(stream, on_demand)
    assert changed.state["streamModeDetails"] == {"streamMode": "ON_DEMAND"}
    assert not changed.state.get("shardCount")
    assert not plugin.diff(changed, on_demand).changed


def test_a_published_machine_has_a_version(plugin: Plugin) -> None:
    made = plugin.make(MACHINE, {"roleArn": ROLE_ARN, "definition": machine()})
    assert made.state["status"] == "ACTIVE"
    assert made.state["description"] == "it"
    assert "stateMachineVersionArn" not in made.state
