"""One example of every emulated type, and a change that AWS makes in place."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.twin.aws.provider.plugin import Resource

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

SAMPLES = [*IAM, *KMS, *S3, *SQS, *SSM]
