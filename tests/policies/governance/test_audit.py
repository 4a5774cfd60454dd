"""G10, G13: the audit trail, and what people's roles may do."""

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

TRAIL = "aws:cloudtrail/trail:Trail"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
POLICY = "aws:iam/policy:Policy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"

LOCKED = resource("aws:s3/bucket:Bucket", "audit", objectLockEnabled=True)
COMPLETE = {
    "isMultiRegionTrail": True,
    "enableLogFileValidation": True,
    "kmsKeyId": "arn:aws:kms:eu:1:key/1",
    "cloudWatchLogsGroupArn": UNKNOWN,
    "s3BucketName": "audit",
}
PEOPLE = {"AWS": "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Data_1"}
BOUNDED = {"permissionsBoundary": "arn:aws:iam::123456789012:policy/boundary"}


def trail(**change):
    merged = {key: value for key, value in {**COMPLETE, **change}.items() if value is not None}
    return resource(TRAIL, **merged)


def role(principal=PEOPLE, **properties):
    trust = {"Statement": {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}}
    return resource(ROLE, "team", assumeRolePolicy=json.dumps(trust), **properties)


def may(*actions):
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "arn:aws:x:::y"}
    return {"policy": json.dumps({"Statement": [statement]})}


CASES = [
    passes("G10", "complete", LOCKED, trail()),
    passes(
        "G10",
        "object lock as a resource of its own",
        resource("aws:s3/bucket:Bucket", "audit"),
        resource("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", bucket="audit"),
        trail(),
    ),
    passes("G10", "before govern", resource(TRAIL), stage="optimise"),
    fails("G10", "one region", LOCKED, trail(isMultiRegionTrail=False)),
    fails("G10", "not validated", LOCKED, trail(enableLogFileValidation=False)),
    fails("G10", "AWS's key", LOCKED, trail(kmsKeyId="alias/aws/cloudtrail")),
    fails("G10", "not watched", LOCKED, trail(cloudWatchLogsGroupArn=None)),
    fails("G10", "not locked", resource("aws:s3/bucket:Bucket", "audit"), trail()),
    missing("G10", "nothing said", resource(TRAIL, s3BucketName="audit")),
    open_question("G10", "a bucket elsewhere", trail()),
    open_question("G10", "unknown", LOCKED, trail(isMultiRegionTrail=UNKNOWN)),
    passes("G13", "bounded", role(**BOUNDED)),
    passes("G13", "a service's", role({"Service": "sagemaker.amazonaws.com"})),
    passes(
        "G13",
        "one duty",
        role(**BOUNDED),
        resource(ROLE_POLICY, role="team", **may("sagemaker:CreateTrainingJob")),
    ),
    passes(
        "G13",
        "reads all",
        role(**BOUNDED),
        resource(ROLE_POLICY, role="team", **may("glue:Get*", "eks:Describe*", "sagemaker:*")),
    ),
    passes("G13", "before govern", role(), stage="optimise"),
    fails(
        "G13",
        "two duties",
        role(**BOUNDED),
        resource(ROLE_POLICY, role="team", **may("sagemaker:*", "eks:DeleteCluster")),
    ),
    fails(
        "G13",
        "two duties, attached",
        role(**BOUNDED),
        resource(POLICY, "wide", **may("glue:DeleteTable", "iam:CreateRole")),
        resource(ATTACHMENT, role=UNKNOWN, policyArn=UNKNOWN)
        | {"propertyDependencies": {"role": ["team"], "policyArn": ["wide"]}},
    ),
    fails("G13", "inline", role(**BOUNDED, inlinePolicies=[{"name": "p", **may("*")}])),
    fails("G13", "tagged as a team's", role({"Service": "ec2.amazonaws.com"}, tags={"team": "data"})),
    missing("G13", "no boundary", role()),
    open_question("G13", "unknown", resource(ROLE, assumeRolePolicy=UNKNOWN)),
    open_question(
        "G13",
        "an unknown policy",
        role(**BOUNDED),
        resource(ROLE_POLICY, policy=UNKNOWN, role=UNKNOWN) | depends("team", "role"),
    ),
]


@parametrized(CASES)
def test_rule(governance, case):
    case.check(governance)
