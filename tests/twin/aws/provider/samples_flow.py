"""Schedules, scaling, secrets, streams and state machines."""

import json

from tests.twin.aws.provider.samples import ACCOUNT, BUCKET, QUEUE, ROLE, Made, Sample, resource_policy

KEY_ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/5fd0b4c4-4a83-4d46-9c2e-0a4a70d6a6a5"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/flow"
STREAM = ("aws:kinesis/stream:Stream", {"shardCount": 1})
SECRET = ("aws:secretsmanager/secret:Secret", {"recoveryWindowInDays": 0})
TABLE = (
    "aws:dynamodb/table:Table",
    {
        "attributes": [{"name": "id", "type": "S"}],
        "hashKey": "id",
        "readCapacity": 1,
        "writeCapacity": 1,
    },
)
SCALED = {
    "serviceNamespace": "dynamodb",
    "scalableDimension": "dynamodb:table:ReadCapacityUnits",
}
TARGET = (
    "aws:appautoscaling/target:Target",
    lambda made: {**SCALED, "resourceId": f"table/{made['t'].id}", "minCapacity": 1, "maxCapacity": 5},
)


def machine(*, comment: str = "it", next_state: str = "done") -> str:
    states = {
        "work": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sqs:listQueues",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "failed"}],
            "Next": next_state,
        },
        "done": {"Type": "Succeed"},
        "failed": {"Type": "Fail"},
    }
    return json.dumps({"Comment": comment, "StartAt": "work", "States": states})


def delivered(made: Made, **more: object) -> dict:
    return {
        "roleArn": ROLE_ARN,
        "bucketArn": made["b"].state["arn"],
        "prefix": "events/",
        "errorOutputPrefix": "errors/",
        "bufferingSize": 64,
        "bufferingInterval": 60,
        "compressionFormat": "GZIP",
        "kmsKeyArn": KEY_ARN,
        "cloudwatchLoggingOptions": {"enabled": True, "logGroupName": "/it", "logStreamName": "s3"},
        **more,
    }


FLOW = [
    Sample(
        "aws:scheduler/schedule:Schedule",
        lambda made: {
            "scheduleExpression": "cron(0 3 ? * MON *)",
            "flexibleTimeWindow": {"mode": "FLEXIBLE", "maximumWindowInMinutes": 15},
            "description": "retrain",
            "target": {
                "arn": made["q"].state["arn"],
                "roleArn": ROLE_ARN,
                "input": '{"a": 1}',
                "retryPolicy": {"maximumEventAgeInSeconds": 600, "maximumRetryAttempts": 3},
            },
        },
        {
            "scheduleExpression": "rate(2 hours)",
            "flexibleTimeWindow": {"mode": "OFF"},
            "state": "DISABLED",
        },
        {"q": QUEUE},
        {"name": "other", "groupName": "other"},
    ),
    Sample("aws:scheduler/scheduleGroup:ScheduleGroup", {"tags": {"a": "b"}}, replaces={"name": "other"}),
    Sample(
        "aws:appautoscaling/target:Target",
        lambda made: {
            **SCALED,
            "resourceId": f"table/{made['t'].id}",
            "minCapacity": 1,
            "maxCapacity": 5,
            "tags": {"a": "b"},
        },
        {"maxCapacity": 9},
        {"t": TABLE},
        {"scalableDimension": "dynamodb:table:WriteCapacityUnits"},
        importable=False,
    ),
    Sample(
        "aws:appautoscaling/scheduledAction:ScheduledAction",
        lambda made: {
            **SCALED,
            "name": "evening",
            "resourceId": made["s"].state["resourceId"],
            "schedule": "cron(0 20 ? * MON-FRI *)",
            "timezone": "Europe/Berlin",
            "scalableTargetAction": {"minCapacity": 1, "maxCapacity": 2},
        },
        {"schedule": "cron(0 21 ? * MON-FRI *)", "scalableTargetAction": {"minCapacity": 1}},
        {"t": TABLE, "s": TARGET},
        {"name": "other"},
        importable=False,
    ),
    Sample(
        "aws:appautoscaling/policy:Policy",
        lambda made: {
            **SCALED,
            "resourceId": made["s"].state["resourceId"],
            "policyType": "TargetTrackingScaling",
            "targetTrackingScalingPolicyConfiguration": {
                "targetValue": 70,
                "scaleInCooldown": 60,
                "predefinedMetricSpecification": {"predefinedMetricType": "DynamoDBReadCapacityUtilization"},
            },
        },
        {
            "targetTrackingScalingPolicyConfiguration": {
                "targetValue": 50.5,
                "predefinedMetricSpecification": {"predefinedMetricType": "DynamoDBReadCapacityUtilization"},
            },
        },
        {"t": TABLE, "s": TARGET},
        {"name": "other"},
        importable=False,
    ),
    Sample(
        "aws:appautoscaling/policy:Policy",
        lambda made: {
            **SCALED,
            "resourceId": made["s"].state["resourceId"],
            "stepScalingPolicyConfiguration": {
                "adjustmentType": "ChangeInCapacity",
                "cooldown": 60,
                "metricAggregationType": "Maximum",
                "stepAdjustments": [{"metricIntervalUpperBound": "0", "scalingAdjustment": -1}],
            },
        },
        {},
        {"t": TABLE, "s": TARGET},
        importable=False,
        label="step",
    ),
    Sample(
        "aws:secretsmanager/secret:Secret",
        {
            "description": "it",
            "kmsKeyId": KEY_ARN,
            "recoveryWindowInDays": 7,
            "policy": resource_policy("secretsmanager:GetSecretValue", "*"),
            "tags": {"a": "b"},
        },
        {"description": "that", "policy": resource_policy("secretsmanager:DescribeSecret", "*")},
        replaces={"name": "other"},
    ),
    Sample(
        "aws:secretsmanager/secretVersion:SecretVersion",
        lambda made: {"secretId": made["s"].id, "secretString": "hidden"},
        {"versionStages": ["AWSCURRENT", "blue"]},
        {"s": SECRET},
        {"secretString": "other"},
        lasting=True,
    ),
    Sample(
        "aws:secretsmanager/secretPolicy:SecretPolicy",
        lambda made: {
            "secretArn": made["s"].id,
            "policy": resource_policy("secretsmanager:GetSecretValue", "*"),
        },
        {"policy": resource_policy("secretsmanager:DescribeSecret", "*")},
        {"s": SECRET},
        {"secretArn": "other"},
    ),
    Sample(
        "aws:kinesis/stream:Stream",
        {
            "shardCount": 2,
            "retentionPeriod": 48,
            "encryptionType": "KMS",
            "kmsKeyId": KEY_ARN,
            "shardLevelMetrics": ["IncomingBytes"],
            "tags": {"a": "b"},
        },
        {"retentionPeriod": 24, "shardCount": 4, "shardLevelMetrics": ["IncomingBytes", "OutgoingBytes"]},
        replaces={"name": "other"},
    ),
    Sample(
        "aws:kinesis/stream:Stream",
        {"streamModeDetails": {"streamMode": "ON_DEMAND"}},
        {"encryptionType": "KMS", "kmsKeyId": "alias/aws/kinesis"},
        label="on demand",
    ),
    Sample(
        "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream",
        lambda made: {
            "destination": "extended_s3",
            "extendedS3Configuration": delivered(made),
            "kinesisSourceConfiguration": {
                "kinesisStreamArn": made["s"].state["arn"],
                "roleArn": ROLE_ARN,
            },
            "tags": {"a": "b"},
        },
        lambda made: {"extendedS3Configuration": delivered(made, prefix="others/", bufferingSize=5)},
        {"b": BUCKET, "s": STREAM},
        {"name": "other"},
    ),
    Sample(
        "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream",
        lambda made: {
            "destination": "extended_s3",
            "extendedS3Configuration": {"roleArn": ROLE_ARN, "bucketArn": made["b"].state["arn"]},
            "serverSideEncryption": {
                "enabled": True,
                "keyType": "CUSTOMER_MANAGED_CMK",
                "keyArn": KEY_ARN,
            },
        },
        {},
        {"b": BUCKET},
        label="direct",
    ),
    Sample(
        "aws:sfn/stateMachine:StateMachine",
        lambda made: {
            "definition": machine(),
            "roleArn": made["r"].state["arn"],
            "loggingConfiguration": {
                "level": "ALL",
                "includeExecutionData": True,
                "logDestination": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/it:*",
            },
            "tracingConfiguration": {"enabled": True},
            "tags": {"a": "b"},
        },
        {"definition": machine(comment="that"), "tracingConfiguration": {"enabled": False}},
        {"r": ROLE},
        {"type": "EXPRESS"},
    ),
    Sample("aws:sfn/activity:Activity", {"tags": {"a": "b"}}, replaces={"name": "other"}),
]
