"""S1 to S5: who reaches buckets, and with what they are encrypted."""

import json

from tests.policies.cases import (
    UNKNOWN,
    depends,
    fails,
    missing,
    open_question,
    parametrized,
    passes,
    resource,
)

BUCKET = "aws:s3/bucket:Bucket"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
ENCRYPTION_V2 = "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
LOGGING = "aws:s3/bucketLogging:BucketLogging"

RAW = resource(BUCKET, "raw")
ALL_FOUR = {
    "blockPublicAcls": True,
    "blockPublicPolicy": True,
    "ignorePublicAcls": True,
    "restrictPublicBuckets": True,
}
KMS = {
    "applyServerSideEncryptionByDefault": {
        "sseAlgorithm": "aws:kms",
        "kmsMasterKeyId": "arn:aws:kms:eu:1:key/a",
    }
}
TLS_ONLY = {
    "Sid": "TlsOnly",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::raw", "arn:aws:s3:::raw/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
READ = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::raw/*"}


def block(**change):
    return resource(BLOCK, "block", **{"bucket": "raw", **ALL_FOUR, **change})


def encryption(rule, kind=ENCRYPTION):
    return resource(kind, "encryption", bucket="raw", rules=[rule])


def policy(*statements, as_text=True):
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return resource(POLICY, "policy", bucket="raw", policy=json.dumps(document) if as_text else document)


def held(operator, key, value):
    return policy({**READ, "Condition": {operator: {key: value}}})


CASES = [
    passes("S1", "all four", RAW, block()),
    passes("S1", "as text", RAW, block(blockPublicAcls="true")),
    passes("S1", "by dependency", RAW, block(bucket=UNKNOWN) | depends("raw", "bucket")),
    passes(
        "S1",
        "on the account",
        RAW,
        resource("aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock", **ALL_FOUR),
    ),
    fails("S1", "one is off", RAW, block(restrictPublicBuckets=False)),
    fails("S1", "another bucket's", RAW, resource(BUCKET, "other"), block(bucket="other")),
    fails("S1", "the block alone", block(blockPublicPolicy=False)),
    missing("S1", "one is not said", resource(BLOCK, "block", bucket="raw", blockPublicAcls=True)),
    missing("S1", "nothing said", RAW),
    open_question("S1", "unknown", RAW, block(ignorePublicAcls=UNKNOWN)),
    passes("S2", "separate", RAW, encryption(KMS)),
    passes("S2", "V2", resource("aws:s3/bucketV2:BucketV2", "raw"), encryption(KMS, ENCRYPTION_V2)),
    passes("S2", "inline", resource(BUCKET, serverSideEncryptionConfiguration={"rule": KMS})),
    passes(
        "S2",
        "inline in V2's lists",
        resource(
            "aws:s3/bucketV2:BucketV2",
            serverSideEncryptionConfigurations=[
                {"rules": [{"applyServerSideEncryptionByDefaults": [{"sseAlgorithm": "aws:kms"}]}]}
            ],
        ),
    ),
    passes(
        "S2",
        "without naming a key",
        RAW,
        encryption({"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}),
    ),
    passes(
        "S2",
        "a key that is being made",
        RAW,
        encryption(
            {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": UNKNOWN}}
        ),
    ),
    fails(
        "S2", "AES256", RAW, encryption({"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}})
    ),
    fails(
        "S2",
        "AWS's own key",
        RAW,
        encryption(
            {
                "applyServerSideEncryptionByDefault": {
                    "sseAlgorithm": "aws:kms",
                    "kmsMasterKeyId": "alias/aws/s3",
                }
            }
        ),
    ),
    missing("S2", "S3 uses its own", RAW),
    open_question(
        "S2", "unknown", RAW, encryption({"applyServerSideEncryptionByDefault": {"sseAlgorithm": UNKNOWN}})
    ),
    passes("S3", "a text", RAW, policy(TLS_ONLY)),
    passes("S3", "an object", RAW, policy(TLS_ONLY, as_text=False)),
    passes(
        "S3",
        "a single statement",
        RAW,
        resource(POLICY, bucket="raw", policy=json.dumps({"Statement": TLS_ONLY})),
    ),
    passes("S3", "inline", resource(BUCKET, policy=json.dumps({"Statement": [TLS_ONLY]}))),
    passes(
        "S3",
        "other spellings",
        RAW,
        policy(
            {
                **TLS_ONLY,
                "Principal": {"AWS": ["*"]},
                "Action": ["*"],
                "Resource": "*",
                "Condition": {"BoolIfExists": {"AWS:SecureTransport": False}},
            }
        ),
    ),
    fails("S3", "allows instead", RAW, policy({**TLS_ONLY, "Effect": "Allow"})),
    fails(
        "S3",
        "for some only",
        RAW,
        policy({**TLS_ONLY, "Principal": {"AWS": "arn:aws:iam::123456789012:role/a"}}),
    ),
    fails("S3", "for reading only", RAW, policy({**TLS_ONLY, "Action": "s3:GetObject"})),
    fails("S3", "not for objects", RAW, policy({**TLS_ONLY, "Resource": "arn:aws:s3:::raw"})),
    fails(
        "S3",
        "the wrong way round",
        RAW,
        policy({**TLS_ONLY, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}),
    ),
    missing("S3", "no policy", RAW),
    open_question("S3", "unknown", RAW, resource(POLICY, bucket="raw", policy=UNKNOWN)),
    open_question("S3", "no JSON", RAW, resource(POLICY, bucket="raw", policy="not json")),
    passes(
        "S4", "a named principal", policy({**READ, "Principal": {"AWS": "arn:aws:iam::123456789012:role/a"}})
    ),
    passes("S4", "a denial of everyone", policy(TLS_ONLY)),
    passes("S4", "an organisation", held("StringEquals", "aws:PrincipalOrgID", "o-abc")),
    passes("S4", "an endpoint", held("StringLike", "aws:sourceVpce", ["vpce-1"])),
    passes("S4", "an ARN", held("ArnLike", "aws:PrincipalArn", "arn:aws:iam::123456789012:role/a*")),
    passes("S4", "no policy", RAW),
    fails("S4", "everyone", policy(READ)),
    fails(
        "S4",
        "everyone in a list",
        policy({**READ, "Principal": {"AWS": ["arn:aws:iam::123456789012:root", "*"]}}),
    ),
    fails(
        "S4",
        "everyone but one",
        policy(
            {
                "Effect": "Allow",
                "NotPrincipal": {"AWS": "arn:aws:iam::1:root"},
                "Action": "s3:*",
                "Resource": "*",
            }
        ),
    ),
    fails("S4", "inline", resource(BUCKET, policy={"Statement": READ})),
    fails("S4", "by address", held("IpAddress", "aws:SourceIp", "10.0.0.0/8")),
    fails("S4", "all ARNs", held("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/*")),
    fails("S4", "a negative condition", held("StringNotEquals", "aws:PrincipalOrgID", "o-abc")),
    fails("S4", "the second statement", policy(TLS_ONLY, READ)),
    missing(
        "S4", "no effect is Allow", policy({key: value for key, value in READ.items() if key != "Effect"})
    ),
    open_question("S4", "unknown", resource(POLICY, bucket="raw", policy=UNKNOWN)),
    open_question(
        "S4", "an unknown principal", policy({**READ, "Principal": {"AWS": UNKNOWN}}, as_text=False)
    ),
    passes("S5", "separate", RAW, resource(LOGGING, bucket="raw", targetBucket="logs")),
    passes("S5", "inline", resource(BUCKET, logging={"targetBucket": "logs"})),
    passes("S5", "inline in V2", resource("aws:s3/bucketV2:BucketV2", loggings=[{"targetBucket": "logs"}])),
    passes(
        "S5",
        "a bucket for logs",
        RAW,
        resource(BUCKET, "logs"),
        resource(LOGGING, bucket="raw", targetBucket="logs"),
    ),
    fails(
        "S5",
        "another bucket's",
        RAW,
        resource(BUCKET, "other"),
        resource(LOGGING, bucket="other", targetBucket="x"),
    ),
    missing("S5", "nothing said", RAW),
]


@parametrized(CASES)
def test_rule(security, case):
    case.check(security)


def test_access_logs_are_advisory_until_govern(security):
    levels = {
        stage: {item.level for item in security.judge([RAW], stage=stage).violations if item.id == "S5"}
        for stage in ("validate", "optimise", "govern", "scale")
    }
    assert levels == {
        "validate": {"advisory"},
        "optimise": {"advisory"},
        "govern": {"mandatory"},
        "scale": {"mandatory"},
    }
