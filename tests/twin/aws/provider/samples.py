"""One example of every emulated type, and a change that AWS makes in place."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.twin.aws.provider.plugin import Resource
from twin.wire import Archive, Asset

Made = Mapping[str, Resource]
Inputs = Mapping[str, Any] | Callable[[Made], Mapping[str, Any]]

ACCOUNT = "123456789012"


@dataclass(frozen=True)
class Sample:
    """How to make one resource of a type."""

    token: str
    inputs: Inputs
    change: Inputs = field(default_factory=dict)
    """Inputs that an update changes in place (None takes one away)."""
    needs: Mapping[str, tuple[str, Inputs]] = field(default_factory=dict)
    """What must be there before: name → type and inputs; later ones may use earlier ones."""
    replaces: Mapping[str, Any] = field(default_factory=dict)
    """An input whose change must replace the resource."""
    lasting: bool = False
    """Whether the thing outlives its deletion (a setting that can only be reset)."""
    unreadable: frozenset[str] = frozenset()
    """Inputs that the cloud can not tell (an import lacks them)."""
    importable: bool = True
    """Whether an id is enough to find it."""
    reversible: bool = True
    """Whether a change can be taken back (a schema's earlier version can not become the latest again)."""
    label: str = ""


def policy(*actions: str, resource: str = "*") -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def resource_policy(action: str, resource: str, principal: Any = None) -> str:
    who = principal or {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    statement = {"Sid": "it", "Effect": "Allow", "Principal": who, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def values(inputs: Inputs, made: Made) -> dict[str, Any]:
    return dict(inputs(made) if callable(inputs) else inputs)


BUCKET = ("aws:s3/bucket:Bucket", {"forceDestroy": True})
QUEUE = ("aws:sqs/queue:Queue", {})
KEY = ("aws:kms/key:Key", {})
ROLE = ("aws:iam/role:Role", {"assumeRolePolicy": trust("ec2.amazonaws.com")})

S3 = [
    Sample(
        "aws:s3/bucket:Bucket",
        {"tags": {"owner": "a"}, "forceDestroy": True},
        {"forceDestroy": False},
        replaces={"bucket": "another-name-for-it"},
    ),
    Sample("aws:s3/bucketV2:BucketV2", {"objectLockEnabled": True}, replaces={"objectLockEnabled": False}),
    Sample(
        "aws:s3/bucketVersioning:BucketVersioning",
        lambda made: {"bucket": made["b"].id, "versioningConfiguration": {"status": "Enabled"}},
        {"versioningConfiguration": {"status": "Suspended"}},
        {"b": BUCKET},
        {"bucket": "other-bucket"},
        lasting=True,
    ),
    Sample(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        lambda made: {
            "bucket": made["b"].id,
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {
                        "sseAlgorithm": "aws:kms",
                        "kmsMasterKeyId": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1",
                    },
                    "bucketKeyEnabled": True,
                }
            ],
        },
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]},
        {"b": BUCKET},
    ),
    Sample(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        lambda made: {"bucket": made["b"].id, "blockPublicAcls": True, "blockPublicPolicy": True},
        {"ignorePublicAcls": True, "blockPublicAcls": None},
        {"b": BUCKET},
    ),
    Sample(
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        lambda made: {"bucket": made["b"].id, "rule": {"objectOwnership": "BucketOwnerEnforced"}},
        {"rule": {"objectOwnership": "ObjectWriter"}},
        {"b": BUCKET},
    ),
    Sample(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        lambda made: {
            "bucket": made["b"].id,
            "rules": [
                {
                    "id": "old",
                    "status": "Enabled",
                    "filter": {"and": {"prefix": "raw/", "tags": {"a": "1", "b": "2"}}},
                    "transitions": [{"days": 30, "storageClass": "STANDARD_IA"}],
                    "expiration": {"days": 90},
                    "noncurrentVersionExpiration": {"noncurrentDays": 7},
                },
                {
                    "id": "uploads",
                    "status": "Enabled",
                    "filter": {},
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 3},
                },
            ],
        },
        {
            "rules": [
                {"id": "old", "status": "Enabled", "filter": {"prefix": "x/"}, "expiration": {"days": 9}}
            ]
        },
        {"b": BUCKET},
    ),
    Sample(
        "aws:s3/bucketPolicy:BucketPolicy",
        lambda made: {
            "bucket": made["b"].id,
            "policy": resource_policy("s3:GetObject", f"arn:aws:s3:::{made['b'].id}/*"),
        },
        lambda made: {"policy": resource_policy("s3:*", f"arn:aws:s3:::{made['b'].id}/*")},
        {"b": BUCKET},
    ),
    Sample(
        "aws:s3/bucketLogging:BucketLogging",
        lambda made: {"bucket": made["b"].id, "targetBucket": made["logs"].id, "targetPrefix": "a/"},
        {"targetPrefix": "b/"},
        {
            "b": BUCKET,
            "logs": BUCKET,
            "grant": (
                "aws:s3/bucketPolicy:BucketPolicy",
                lambda made: {
                    "bucket": made["logs"].id,
                    "policy": resource_policy(
                        "s3:PutObject",
                        f"arn:aws:s3:::{made['logs'].id}/*",
                        {"Service": "logging.s3.amazonaws.com"},
                    ),
                },
            ),
        },
    ),
    Sample(
        "aws:s3/bucketNotification:BucketNotification",
        lambda made: {
            "bucket": made["b"].id,
            "queues": [
                {
                    "id": "new",
                    "queueArn": made["q"].state["arn"],
                    "events": ["s3:ObjectCreated:*"],
                    "filterPrefix": "raw/",
                }
            ],
        },
        lambda made: {
            "queues": [{"id": "new", "queueArn": made["q"].state["arn"], "events": ["s3:ObjectRemoved:*"]}]
        },
        {"b": BUCKET, "q": QUEUE},
    ),
    Sample(
        "aws:s3/bucketObject:BucketObject",
        lambda made: {"bucket": made["b"].id, "key": "a/b.txt", "content": "hello"},
        {"content": "world"},
        {"b": BUCKET},
        unreadable=frozenset({"content"}),
    ),
    Sample(
        "aws:s3/bucketObjectv2:BucketObjectv2",
        lambda made: {
            "bucket": made["b"].id,
            "key": "a.json",
            "content": "{}",
            "contentType": "application/json",
            "tags": {"a": "b"},
            "metadata": {"x": "y"},
        },
        {"content": "[]", "metadata": {"x": "z"}},
        {"b": BUCKET},
        unreadable=frozenset({"content"}),
    ),
    Sample(
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
        lambda made: {
            "bucket": made["b"].id,
            "rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 3}},
        },
        {"rule": {"defaultRetention": {"mode": "COMPLIANCE", "years": 1}}},
        {"b": ("aws:s3/bucket:Bucket", {"objectLockEnabled": True})},
        lasting=True,
    ),
    Sample(
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        lambda made: {
            "bucket": made["b"].id,
            "role": f"arn:aws:iam::{ACCOUNT}:role/copy",
            "rules": [
                {
                    "id": "all",
                    "status": "Enabled",
                    "priority": 1,
                    "filter": {"prefix": ""},
                    "deleteMarkerReplication": {"status": "Disabled"},
                    "destination": {"bucket": made["c"].state["arn"], "storageClass": "STANDARD_IA"},
                }
            ],
        },
        {"role": f"arn:aws:iam::{ACCOUNT}:role/copy-more"},
        {
            "b": BUCKET,
            "c": BUCKET,
            **{
                f"v{name}": (
                    "aws:s3/bucketVersioning:BucketVersioning",
                    lambda made, name=name: {
                        "bucket": made[name].id,
                        "versioningConfiguration": {"status": "Enabled"},
                    },
                )
                for name in "bc"
            },
        },
    ),
    Sample(
        "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration",
        lambda made: {
            "bucket": made["b"].id,
            "corsRules": [
                {"allowedMethods": ["GET"], "allowedOrigins": ["https://a.example"], "maxAgeSeconds": 5}
            ],
        },
        {"corsRules": [{"allowedMethods": ["PUT"], "allowedOrigins": ["*"]}]},
        {"b": BUCKET},
    ),
    Sample(
        "aws:s3/bucketAccelerateConfiguration:BucketAccelerateConfiguration",
        lambda made: {"bucket": made["b"].id, "status": "Enabled"},
        {"status": "Suspended"},
        {"b": BUCKET},
        lasting=True,
    ),
]

SQS = [
    Sample(
        "aws:sqs/queue:Queue",
        {"visibilityTimeoutSeconds": 60, "tags": {"a": "b"}},
        {"visibilityTimeoutSeconds": None, "delaySeconds": 5},
        replaces={"fifoQueue": True},
    ),
    Sample("aws:sqs/queue:Queue", {"fifoQueue": True, "contentBasedDeduplication": True}, label="fifo"),
    Sample(
        "aws:sqs/queuePolicy:QueuePolicy",
        lambda made: {
            "queueUrl": made["q"].id,
            "policy": resource_policy("sqs:SendMessage", made["q"].state["arn"]),
        },
        lambda made: {"policy": resource_policy("sqs:*", made["q"].state["arn"])},
        {"q": QUEUE},
        replaces={"queueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/x"},
    ),
    Sample(
        "aws:sqs/redrivePolicy:RedrivePolicy",
        lambda made: {
            "queueUrl": made["q"].id,
            "redrivePolicy": json.dumps(
                {"deadLetterTargetArn": made["dead"].state["arn"], "maxReceiveCount": 3}
            ),
        },
        lambda made: {
            "redrivePolicy": json.dumps(
                {"deadLetterTargetArn": made["dead"].state["arn"], "maxReceiveCount": 4}
            ),
        },
        {"q": QUEUE, "dead": QUEUE},
    ),
]

KMS = [
    Sample(
        "aws:kms/key:Key",
        {"description": "it", "enableKeyRotation": True, "deletionWindowInDays": 7, "tags": {"a": "b"}},
        {"description": "that", "enableKeyRotation": False},
        replaces={"multiRegion": True},
    ),
    Sample(
        "aws:kms/alias:Alias",
        lambda made: {"targetKeyId": made["k"].state["arn"]},
        lambda made: {"targetKeyId": made["l"].id},
        {"k": KEY, "l": KEY},
        {"name": "alias/other"},
    ),
]

SSM = [
    Sample(
        "aws:ssm/parameter:Parameter",
        {"name": "/stagecraft/x/y", "type": "String", "value": "1", "tags": {"a": "b"}},
        {"value": "2", "description": "number"},
        replaces={"name": "/stagecraft/z"},
    ),
    Sample(
        "aws:ssm/parameter:Parameter",
        {"type": "SecureString", "value": "hidden"},
        {"value": "more"},
        label="secure",
    ),
]

IAM = [
    Sample(
        "aws:iam/role:Role",
        {
            "assumeRolePolicy": trust("ec2.amazonaws.com"),
            "description": "it",
            "tags": {"a": "b"},
            "inlinePolicies": [{"name": "in", "policy": policy("s3:GetObject")}],
            "managedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
        },
        {
            "assumeRolePolicy": trust("batch.amazonaws.com"),
            "maxSessionDuration": 7200,
            "inlinePolicies": [{"name": "out", "policy": policy("s3:PutObject")}],
            "managedPolicyArns": ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"],
        },
        replaces={"path": "/other/"},
        unreadable=frozenset({"inlinePolicies", "managedPolicyArns"}),
    ),
    Sample(
        "aws:iam/policy:Policy",
        {"policy": policy("s3:GetObject"), "description": "it"},
        {"policy": policy("s3:GetObject", "s3:PutObject")},
        replaces={"description": "that"},
    ),
    Sample(
        "aws:iam/rolePolicy:RolePolicy",
        lambda made: {"role": made["r"].id, "policy": policy("s3:GetObject")},
        {"policy": policy("s3:PutObject")},
        {"r": ROLE},
        {"name": "other"},
    ),
    Sample(
        "aws:iam/userPolicy:UserPolicy",
        lambda made: {"user": made["u"].id, "policy": policy("s3:GetObject")},
        {"policy": policy("s3:PutObject")},
        {"u": ("aws:iam/user:User", {})},
    ),
    Sample(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        lambda made: {"role": made["r"].id, "policyArn": made["p"].id},
        {},
        {"r": ROLE, "p": ("aws:iam/policy:Policy", {"policy": policy("s3:GetObject")})},
        {"role": "other"},
    ),
    Sample(
        "aws:iam/userPolicyAttachment:UserPolicyAttachment",
        lambda made: {"user": made["u"].id, "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        {},
        {"u": ("aws:iam/user:User", {})},
    ),
    Sample(
        "aws:iam/instanceProfile:InstanceProfile",
        lambda made: {"role": made["r"].id},
        lambda made: {"role": made["s"].id},
        {"r": ROLE, "s": ROLE},
    ),
    Sample(
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        {
            "url": "https://token.actions.example",
            "clientIdLists": ["sts.amazonaws.com"],
            "thumbprintLists": ["6938fd4d98bab03faadb97b34396831e3780aea1"],
        },
        {"thumbprintLists": ["a031c46782e6e6c662c2c87c76da9aa62ccabd8e"]},
        replaces={"url": "https://other.example"},
    ),
    Sample(
        "aws:iam/user:User",
        {"forceDestroy": True, "path": "/people/"},
        {"forceDestroy": False},
    ),
]

DYNAMODB = [
    Sample(
        "aws:dynamodb/table:Table",
        {
            "attributes": [
                {"name": "id", "type": "S"},
                {"name": "at", "type": "N"},
                {"name": "g", "type": "S"},
            ],
            "billingMode": "PAY_PER_REQUEST",
            "hashKey": "id",
            "rangeKey": "at",
            "globalSecondaryIndexes": [{"name": "by-g", "hashKey": "g", "projectionType": "ALL"}],
            "ttl": {"attributeName": "expires", "enabled": True},
            "pointInTimeRecovery": {"enabled": True},
            "serverSideEncryption": {
                "enabled": True,
                "kmsKeyArn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/5fd0b4c4-4a83-4d46-9c2e-0a4a70d6a6a5",
            },
            "tags": {"a": "b"},
        },
        {
            "deletionProtectionEnabled": False,
            "streamEnabled": True,
            "streamViewType": "NEW_IMAGE",
            "pointInTimeRecovery": {"enabled": False},
        },
        replaces={"rangeKey": None, "hashKey": "at"},
    ),
    Sample(
        "aws:dynamodb/table:Table",
        {
            "attributes": [{"name": "id", "type": "S"}],
            "hashKey": "id",
            "readCapacity": 2,
            "writeCapacity": 3,
        },
        {"readCapacity": 5},
        label="provisioned",
    ),
    Sample(
        "aws:dynamodb/tableItem:TableItem",
        lambda made: {
            "tableName": made["t"].id,
            "hashKey": "id",
            "item": json.dumps({"id": {"S": "1"}, "n": {"N": "5"}}),
        },
        {"item": json.dumps({"id": {"S": "1"}, "n": {"N": "6"}})},
        {
            "t": (
                "aws:dynamodb/table:Table",
                {
                    "attributes": [{"name": "id", "type": "S"}],
                    "billingMode": "PAY_PER_REQUEST",
                    "hashKey": "id",
                },
            )
        },
        importable=False,
    ),
]

DATABASE = ("aws:glue/catalogDatabase:CatalogDatabase", {})
COLUMNS = [{"name": "id", "type": "string"}, {"name": "n", "type": "bigint", "comment": "how many"}]
GLUE = [
    Sample(
        "aws:glue/catalogDatabase:CatalogDatabase",
        {"description": "it", "locationUri": "s3://bucket/x/", "parameters": {"a": "b"}, "tags": {"a": "b"}},
        {"description": "that"},
        replaces={"name": "other"},
    ),
    Sample(
        "aws:glue/catalogTable:CatalogTable",
        lambda made: {
            "databaseName": made["d"].state["name"],
            "tableType": "EXTERNAL_TABLE",
            "parameters": {"EXTERNAL": "TRUE"},
            "partitionKeys": [{"name": "day", "type": "string"}],
            "storageDescriptor": {
                "location": "s3://bucket/x/",
                "inputFormat": "in",
                "outputFormat": "out",
                "serDeInfo": {"serializationLibrary": "lib", "parameters": {"a": "1"}},
                "columns": COLUMNS,
            },
        },
        {"description": "it", "parameters": {"EXTERNAL": "TRUE", "x": "y"}},
        {"d": DATABASE},
        {"databaseName": "other"},
    ),
    Sample(
        "aws:glue/registry:Registry",
        {"registryName": "it", "description": "it", "tags": {"a": "b"}},
        {},
        replaces={"registryName": "other"},
    ),
    Sample(
        "aws:glue/schema:Schema",
        lambda made: {
            "schemaName": "events",
            "registryArn": made["r"].id,
            "dataFormat": "JSON",
            "compatibility": "BACKWARD",
            "schemaDefinition": '{"type": "object"}',
        },
        {"schemaDefinition": '{"type": "object", "properties": {"a": {"type": "string"}}}'},
        {"r": ("aws:glue/registry:Registry", {"registryName": "of-schemas"})},
        {"dataFormat": "AVRO"},
        reversible=False,
    ),
]

ATHENA = [
    Sample(
        "aws:athena/workgroup:Workgroup",
        {
            "forceDestroy": True,
            "description": "it",
            "configuration": {
                "enforceWorkgroupConfiguration": True,
                "publishCloudwatchMetricsEnabled": True,
                "bytesScannedCutoffPerQuery": 1_000_000_000,
                "resultConfiguration": {
                    "outputLocation": "s3://bucket/results/",
                    "encryptionConfiguration": {
                        "encryptionOption": "SSE_KMS",
                        "kmsKeyArn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1",
                    },
                },
            },
        },
        {
            "description": "that",
            "configuration": {
                "enforceWorkgroupConfiguration": True,
                "publishCloudwatchMetricsEnabled": True,
                "bytesScannedCutoffPerQuery": 2_000_000_000,
                "resultConfiguration": {"outputLocation": "s3://bucket/other/"},
            },
        },
        replaces={"name": "other"},
    ),
]

TOPIC = ("aws:sns/topic:Topic", {})
SNS = [
    Sample(
        "aws:sns/topic:Topic",
        {"displayName": "it", "kmsMasterKeyId": "alias/aws/sns", "tags": {"a": "b"}},
        {"displayName": "that"},
        replaces={"fifoTopic": True},
    ),
    Sample(
        "aws:sns/topicPolicy:TopicPolicy",
        lambda made: {"arn": made["t"].id, "policy": resource_policy("sns:Publish", made["t"].id)},
        lambda made: {"policy": resource_policy("sns:Subscribe", made["t"].id)},
        {"t": TOPIC},
    ),
    Sample(
        "aws:sns/topicSubscription:TopicSubscription",
        lambda made: {
            "topic": made["t"].id,
            "protocol": "sqs",
            "endpoint": made["q"].state["arn"],
            "filterPolicy": '{"kind": ["a"]}',
        },
        {"rawMessageDelivery": True, "filterPolicy": '{"kind": ["b"]}'},
        {"t": TOPIC, "q": QUEUE},
        {"protocol": "lambda"},
    ),
]

GROUP = ("aws:cloudwatch/logGroup:LogGroup", {})
RULE = ("aws:cloudwatch/eventRule:EventRule", {"scheduleExpression": "rate(1 day)"})
CLOUDWATCH = [
    Sample(
        "aws:cloudwatch/logGroup:LogGroup",
        {"retentionInDays": 30, "tags": {"a": "b"}},
        {"retentionInDays": 7},
        replaces={"name": "/other"},
    ),
    Sample(
        "aws:cloudwatch/logStream:LogStream",
        lambda made: {"logGroupName": made["g"].id},
        {},
        {"g": GROUP},
        {"name": "other"},
    ),
    Sample(
        "aws:cloudwatch/logMetricFilter:LogMetricFilter",
        lambda made: {
            "logGroupName": made["g"].id,
            "pattern": "ERROR",
            "metricTransformation": {"name": "errors", "namespace": "it", "value": "1"},
        },
        {"pattern": "WARN"},
        {"g": GROUP},
    ),
    Sample(
        "aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter",
        lambda made: {
            "logGroup": made["g"].id,
            "filterPattern": "x",
            "destinationArn": made["s"].state["arn"],
            "roleArn": made["r"].state["arn"],
        },
        {"filterPattern": "y"},
        {
            "g": GROUP,
            "s": ("aws:kinesis/stream:Stream", {"shardCount": 1}),
            "r": ROLE,
        },
    ),
    Sample(
        "aws:cloudwatch/logResourcePolicy:LogResourcePolicy",
        {
            "policyName": "it",
            "policyDocument": resource_policy("logs:PutLogEvents", "*", {"Service": "events.amazonaws.com"}),
        },
        {"policyDocument": resource_policy("logs:CreateLogStream", "*", {"Service": "events.amazonaws.com"})},
    ),
    Sample(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {
            "alarmDescription": "it",
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 2,
            "metricName": "Errors",
            "namespace": "AWS/Lambda",
            "period": 60,
            "statistic": "Sum",
            "threshold": 1.5,
            "dimensions": {"FunctionName": "it"},
            "treatMissingData": "notBreaching",
            "alarmActions": [f"arn:aws:sns:us-east-1:{ACCOUNT}:it"],
            "tags": {"a": "b"},
        },
        {"threshold": 3, "evaluationPeriods": 1},
        replaces={"name": "other"},
    ),
    Sample(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 1,
            "threshold": 0.05,
            "metricQueries": [
                {"id": "rate", "expression": "errors / calls", "label": "rate", "returnData": True},
                *(
                    {
                        "id": name,
                        "metric": {
                            "metricName": name.title(),
                            "namespace": "AWS/SageMaker",
                            "period": 300,
                            "stat": "Sum",
                            "dimensions": {"EndpointName": "it", "VariantName": "live"},
                        },
                    }
                    for name in ("errors", "calls")
                ),
            ],
        },
        {"threshold": 0.1},
        label="queries",
    ),
    Sample(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {
            "comparisonOperator": "GreaterThanUpperThreshold",
            "evaluationPeriods": 3,
            "thresholdMetricId": "usual",
            "metricQueries": [
                {"id": "usual", "expression": "ANOMALY_DETECTION_BAND(calls, 3)", "returnData": True},
                {
                    "id": "calls",
                    "returnData": True,
                    "metric": {
                        "metricName": "Invocations",
                        "namespace": "AWS/SageMaker",
                        "period": 300,
                        "stat": "Sum",
                        "dimensions": {"EndpointName": "it", "VariantName": "live"},
                    },
                },
            ],
        },
        {"evaluationPeriods": 5},
        label="anomaly",
    ),
    Sample(
        "aws:cloudwatch/compositeAlarm:CompositeAlarm",
        lambda made: {
            "alarmName": "it",
            "alarmDescription": "it",
            "alarmRule": f'ALARM("{made["a"].id}") AND NOT OK("{made["a"].id}")',
            "alarmActions": [f"arn:aws:sns:us-east-1:{ACCOUNT}:it"],
            "actionsSuppressor": {"alarm": made["a"].id, "waitPeriod": 60, "extensionPeriod": 120},
            "tags": {"a": "b"},
        },
        {"alarmRule": "FALSE", "actionsSuppressor": None},
        {
            "a": (
                "aws:cloudwatch/metricAlarm:MetricAlarm",
                {
                    "comparisonOperator": "GreaterThanThreshold",
                    "evaluationPeriods": 1,
                    "metricName": "Errors",
                    "namespace": "AWS/Lambda",
                    "period": 60,
                    "statistic": "Sum",
                    "threshold": 1,
                },
            )
        },
        {"alarmName": "other"},
    ),
    Sample(
        "aws:cloudwatch/dashboard:Dashboard",
        {"dashboardName": "it", "dashboardBody": '{"widgets": []}'},
        {"dashboardBody": '{"widgets": [{"type": "text", "properties": {"markdown": "x"}}]}'},
        replaces={"dashboardName": "other"},
    ),
    Sample(
        "aws:cloudwatch/eventRule:EventRule",
        {"eventPattern": '{"source": ["aws.s3"]}', "description": "it", "tags": {"a": "b"}},
        {"eventPattern": '{"source": ["aws.ec2"]}', "state": "DISABLED"},
        replaces={"name": "other"},
    ),
    Sample(
        "aws:cloudwatch/eventTarget:EventTarget",
        lambda made: {"rule": made["r"].id, "arn": made["q"].state["arn"], "input": '{"a": 1}'},
        {"input": '{"a": 2}', "retryPolicy": {"maximumRetryAttempts": 3}},
        {"r": RULE, "q": QUEUE},
        {"targetId": "other"},
    ),
    Sample(
        "aws:cloudwatch/eventTarget:EventTarget",
        lambda made: {
            "rule": made["r"].id,
            "arn": f"arn:aws:batch:us-east-1:{ACCOUNT}:job-queue/it",
            "roleArn": made["role"].state["arn"],
            "batchTarget": {"jobDefinition": "it:1", "jobName": "it", "jobAttempts": 2},
        },
        {"batchTarget": {"jobDefinition": "it:2", "jobName": "it", "jobAttempts": 2}},
        {"r": RULE, "role": ROLE},
        label="batch",
    ),
    Sample("aws:cloudwatch/eventBus:EventBus", {"description": "it"}, {}, replaces={"name": "other"}),
    Sample(
        "aws:cloudwatch/eventArchive:EventArchive",
        {
            "eventSourceArn": f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default",
            "retentionDays": 5,
        },
        {"retentionDays": 7},
        replaces={"name": "other"},
    ),
]

CLOUDTRAIL = [
    Sample(
        "aws:cloudtrail/trail:Trail",
        lambda made: {
            "s3BucketName": made["b"].id,
            "enableLogFileValidation": True,
            "isMultiRegionTrail": True,
            "eventSelectors": [
                {
                    "readWriteType": "All",
                    "includeManagementEvents": True,
                    "dataResources": [{"type": "AWS::S3::Object", "values": ["arn:aws:s3"]}],
                }
            ],
            "tags": {"a": "b"},
        },
        {"enableLogFileValidation": False, "enableLogging": False, "s3KeyPrefix": "audit"},
        {
            "b": BUCKET,
            "grant": (
                "aws:s3/bucketPolicy:BucketPolicy",
                lambda made: {
                    "bucket": made["b"].id,
                    "policy": resource_policy(
                        "s3:PutObject",
                        f"arn:aws:s3:::{made['b'].id}/*",
                        {"Service": "cloudtrail.amazonaws.com"},
                    ),
                },
            ),
        },
        {"name": "other"},
    ),
]

LAMBDA_ROLE = ("aws:iam/role:Role", {"assumeRolePolicy": trust("lambda.amazonaws.com")})
FUNCTION = (
    "aws:lambda/function:Function",
    lambda made: {
        "role": made["r"].state["arn"],
        "handler": "it.run",
        "runtime": "python3.12",
        "code": Archive({"it.py": Asset(text="def run(event, context): return 1")}),
    },
)
LAMBDA = [
    Sample(
        "aws:lambda/function:Function",
        lambda made: {
            "role": made["r"].state["arn"],
            "handler": "it.run",
            "runtime": "python3.12",
            "code": Archive({"it.py": Asset(text="def run(event, context): return 1")}),
            "environment": {"variables": {"A": "b"}},
            "memorySize": 256,
            "timeout": 10,
            "reservedConcurrentExecutions": 2,
            "tags": {"a": "b"},
        },
        {
            "memorySize": 512,
            "environment": {"variables": {"A": "c"}},
            "code": Archive({"it.py": Asset(text="def run(event, context): return 2")}),
            "reservedConcurrentExecutions": None,
        },
        {"r": LAMBDA_ROLE},
        {"packageType": "Image"},
        unreadable=frozenset({"code"}),
    ),
    Sample(
        "aws:lambda/permission:Permission",
        lambda made: {
            "function": made["f"].id,
            "action": "lambda:InvokeFunction",
            "principal": "events.amazonaws.com",
            "sourceArn": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/it",
        },
        {},
        {"r": LAMBDA_ROLE, "f": FUNCTION},
        {"principal": "s3.amazonaws.com"},
        importable=False,
    ),
    Sample(
        "aws:lambda/eventSourceMapping:EventSourceMapping",
        lambda made: {
            "functionName": made["f"].state["arn"],
            "eventSourceArn": made["q"].state["arn"],
            "batchSize": 5,
        },
        {"batchSize": 6, "enabled": False},
        {"r": LAMBDA_ROLE, "f": FUNCTION, "q": QUEUE},
    ),
    Sample(
        "aws:lambda/alias:Alias",
        lambda made: {"functionName": made["f"].id, "functionVersion": "$LATEST", "name": "live"},
        {"description": "it"},
        {"r": LAMBDA_ROLE, "f": FUNCTION},
        {"name": "other"},
    ),
    Sample(
        "aws:lambda/layerVersion:LayerVersion",
        {
            "layerName": "it",
            "code": Archive({"a.py": Asset(text="x = 1")}),
            "compatibleRuntimes": ["python3.12"],
        },
        {},
        {},
        {"layerName": "other"},
        unreadable=frozenset({"code"}),
    ),
]

SAMPLES = [*ATHENA, *CLOUDTRAIL, *CLOUDWATCH, *DYNAMODB, *GLUE, *IAM, *KMS, *LAMBDA, *S3, *SNS, *SQS, *SSM]
