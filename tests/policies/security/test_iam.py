"""S6 to S13: keys, permissions and trust."""

import json

import pytest

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

KEY = "aws:kms/key:Key"
POLICY = "aws:iam/policy:Policy"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
GITHUB = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"


def allow(actions, resources, **more):
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def policy(*statements, kind=POLICY, **properties):
    return resource(kind, policy=document(*statements), **properties)


def role(*statements, **properties):
    return resource(ROLE, assumeRolePolicy=document(*statements), **properties)


def trust(principal, **more):
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}


def github(subject=None, operator="StringLike"):
    condition = {"StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}}
    if subject is not None:
        condition = {**condition, operator: {"token.actions.githubusercontent.com:sub": subject}}
    return role(
        {**trust({"Federated": GITHUB}), "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition}
    )


def inline(*statements):
    return resource(ROLE, inlinePolicies=[{"name": "p", "policy": document(*statements)}])


S3_ALL = allow("s3:GetObject", "arn:aws:s3:::raw/*")

CASES = [
    passes("S6", "on", resource(KEY, enableKeyRotation=True)),
    passes("S6", "an asymmetric key", resource(KEY, customerMasterKeySpec="RSA_2048")),
    passes("S6", "an HMAC key", resource(KEY, customerMasterKeySpec="HMAC_256")),
    fails("S6", "off", resource(KEY, enableKeyRotation=False)),
    fails("S6", "off for a stated spec", resource(KEY, customerMasterKeySpec="SYMMETRIC_DEFAULT")),
    missing("S6", "nothing said", resource(KEY)),
    open_question("S6", "unknown", resource(KEY, enableKeyRotation=UNKNOWN)),
    passes(
        "S7", "the account", policy(allow("kms:*", "*", Principal={"AWS": "arn:aws:iam::1:root"}), kind=KEY)
    ),
    passes("S7", "no policy", resource(KEY)),
    passes(
        "S7",
        "under a condition",
        policy(
            allow("kms:*", "*", Principal="*", Condition={"StringEquals": {"kms:CallerAccount": "1"}}),
            kind=KEY,
        ),
    ),
    passes(
        "S7",
        "a denial",
        policy({"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}, kind=KEY),
    ),
    fails("S7", "everyone", policy(allow("kms:*", "*", Principal="*"), kind=KEY)),
    fails("S7", "everyone in AWS", policy(allow("kms:*", "*", Principal={"AWS": ["*"]}), kind=KEY)),
    fails(
        "S7",
        "separate",
        policy(allow("kms:*", "*", Principal={"AWS": "*"}), kind="aws:kms/keyPolicy:KeyPolicy"),
    ),
    missing(
        "S7",
        "an effect that is not said",
        policy({"Principal": "*", "Action": "kms:*", "Resource": "*"}, kind=KEY),
    ),
    open_question("S7", "unknown", resource(KEY, policy=UNKNOWN)),
    passes("S8", "some actions", policy(S3_ALL)),
    passes("S8", "a denial", policy({"Effect": "Deny", "Action": "*", "Resource": "*"})),
    passes("S8", "another policy", resource(ATTACHMENT, policyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")),
    passes(
        "S8",
        "a policy of the program",
        resource(POLICY, "p", policy=document(S3_ALL)),
        resource(ATTACHMENT, policyArn=UNKNOWN) | depends("p", "policyArn"),
    ),
    fails("S8", "everything", policy(allow("*", "*"))),
    fails("S8", "everything in lists", policy(allow(["s3:Get*", "*"], ["*"]))),
    fails("S8", "a role's policy", policy(allow("*", "*"), kind=ROLE_POLICY)),
    fails("S8", "inline", inline(allow("*", "*"))),
    fails(
        "S8",
        "a permission set",
        resource(
            "aws:ssoadmin/permissionSetInlinePolicy:PermissionSetInlinePolicy",
            inlinePolicy=document(allow("*", "*")),
        ),
    ),
    fails("S8", "attached to a role", resource(ATTACHMENT, policyArn=ADMIN)),
    fails(
        "S8", "attached to several", resource("aws:iam/policyAttachment:PolicyAttachment", policyArn=ADMIN)
    ),
    fails(
        "S8",
        "attached by list",
        resource(ROLE, managedPolicyArns=["arn:aws:iam::aws:policy/ReadOnlyAccess", ADMIN]),
    ),
    fails(
        "S8",
        "in another partition",
        resource(ATTACHMENT, policyArn="arn:aws-cn:iam::aws:policy/AdministratorAccess"),
    ),
    fails(
        "S8",
        "attached to a permission set",
        resource("aws:ssoadmin/managedPolicyAttachment:ManagedPolicyAttachment", managedPolicyArn=ADMIN),
    ),
    missing("S8", "an effect that is not said", policy({"Action": "*", "Resource": "*"})),
    open_question("S8", "unknown document", resource(POLICY, policy=UNKNOWN)),
    open_question("S8", "unknown policy", resource(ATTACHMENT, policyArn=UNKNOWN)),
    passes("S9", "some actions", policy(S3_ALL)),
    passes("S9", "a service", policy(allow("s3:*", "arn:aws:s3:::raw"))),
    fails("S9", "every action on something", policy(allow("*", "arn:aws:s3:::raw"))),
    fails(
        "S9",
        "in a list",
        policy(allow(["s3:*", "*"], "arn:aws:s3:::raw"), kind="aws:iam/userPolicy:UserPolicy"),
    ),
    fails(
        "S9",
        "a single statement",
        resource(POLICY, policy=json.dumps({"Statement": allow("*", "arn:aws:s3:::raw")})),
    ),
    fails("S9", "an object", resource(POLICY, policy={"Statement": [allow("*", "arn:aws:s3:::raw")]})),
    missing("S9", "an effect that is not said", policy({"Action": "*", "Resource": "arn:aws:s3:::raw"})),
    open_question("S9", "unknown", resource(POLICY, policy=UNKNOWN)),
    passes("S10", "held to a bucket", policy(S3_ALL)),
    passes(
        "S10",
        "actions that take no resource",
        policy(allow(["ecr:GetAuthorizationToken", "cloudwatch:PutMetricData", "s3:ListAllMyBuckets"], "*")),
    ),
    passes(
        "S10",
        "under a condition",
        policy(allow("s3:GetObject", "*", Condition={"StringEquals": {"aws:ResourceTag/a": "b"}})),
    ),
    passes(
        "S10",
        "allowed and denied",
        policy(allow("s3:GetObject", "*"), {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}),
    ),
    fails("S10", "one action", policy(allow("s3:GetObject", "*"))),
    fails("S10", "by pattern", policy(allow("s3:Get*", ["arn:aws:s3:::a", "*"]))),
    fails("S10", "in lower case", policy(allow("s3:getobject", "*"))),
    fails("S10", "all but some", policy({"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"})),
    fails("S10", "inline", inline(allow("dynamodb:DeleteTable", "*"))),
    missing("S10", "an effect that is not said", policy({"Action": "s3:GetObject", "Resource": "*"})),
    open_question("S10", "unknown", resource(POLICY, policy=UNKNOWN)),
    open_question(
        "S10", "an unknown resource", resource(POLICY, policy={"Statement": [allow("s3:GetObject", UNKNOWN)]})
    ),
    passes("S11", "reading", policy(S3_ALL)),
    passes(
        "S11",
        "held to a role",
        policy(allow("iam:PassRole", "arn:aws:iam::1:role/job"), allow("sagemaker:CreateTrainingJob", "*")),
    ),
    passes("S11", "half of a way", policy(allow("iam:PassRole", "*"))),
    passes(
        "S11",
        "denied",
        policy(
            allow("iam:*", "*"), {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}, allow("s3:*", "*")
        ),
    ),
    fails("S11", "access keys", policy(allow("iam:CreateAccessKey", "*"))),
    fails("S11", "any policy", policy(allow(["iam:Attach*"], "*"))),
    fails("S11", "a role for a machine", policy(allow(["iam:PassRole", "ec2:RunInstances"], "*"))),
    fails("S11", "in two statements", policy(allow("iam:PassRole", "*"), allow("sagemaker:*", "*"))),
    fails("S11", "administrator", policy(allow("*", "*"))),
    fails("S11", "all but some", policy({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"})),
    missing("S11", "an effect that is not said", policy({"Action": "iam:PutRolePolicy", "Resource": "*"})),
    open_question("S11", "unknown", resource(POLICY, policy=UNKNOWN)),
    passes("S12", "a service", role(trust({"Service": "ec2.amazonaws.com"}))),
    passes("S12", "a role", role(trust({"AWS": "arn:aws:iam::123456789012:role/deploy"}))),
    passes("S12", "a denial", role({**trust({"AWS": "*"}), "Effect": "Deny"})),
    fails("S12", "everyone", role(trust({"AWS": "*"}))),
    fails("S12", "everyone as text", role(trust("*"))),
    fails("S12", "everyone in a list", role(trust({"AWS": ["arn:aws:iam::123456789012:role/a", "*"]}))),
    fails("S12", "a whole account", role(trust({"AWS": "arn:aws:iam::123456789012:root"}))),
    fails("S12", "an account's number", role(trust({"AWS": ["123456789012"]}))),
    fails("S12", "a single statement", resource(ROLE, assumeRolePolicy={"Statement": trust({"AWS": "*"})})),
    missing(
        "S12", "an effect that is not said", role({"Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"})
    ),
    open_question("S12", "unknown", resource(ROLE, assumeRolePolicy=UNKNOWN)),
    passes("S13", "a repository", github("repo:acme/shop:*")),
    passes("S13", "a branch", github("repo:acme/shop:ref:refs/heads/main", "StringEquals")),
    passes("S13", "numbers that are never given again", github("repo:acme@12/shop@34:ref:refs/heads/main")),
    passes("S13", "several", github(["repo:acme/shop:*", "repo:acme/site:*"])),
    passes("S13", "another provider", role(trust({"Federated": "arn:aws:iam::1:oidc-provider/gitlab.com"}))),
    fails("S13", "no subject", github()),
    fails("S13", "any subject", github("*")),
    fails("S13", "any repository", github("repo:*")),
    fails("S13", "any repository of names that begin so", github("repo:acme*")),
    fails("S13", "a claim that others can have", github("environment:prod")),
    fails("S13", "one of several", github(["repo:acme/shop:*", "*"])),
    fails("S13", "only a name", github("main")),
    missing("S13", "no condition", role(trust({"Federated": GITHUB}))),
    open_question("S13", "unknown", resource(ROLE, assumeRolePolicy=UNKNOWN)),
]


@parametrized(CASES)
def test_rule(security, case):
    case.check(security)


def test_the_actions_are_named(security):
    verdict = security.judge([policy(allow(["s3:Get*", "dynamodb:PutItem"], "*"))])
    (finding,) = (item for item in verdict.violations if item.id == "S10")
    assert finding.message.startswith("dynamodb:PutItem, s3:GetAccelerateConfiguration")


@pytest.mark.parametrize("size", [1_000_000])
def test_a_document_of_a_megabyte_is_judged(security, size):
    arns = [f"arn:aws:s3:::bucket-{number:08}/*" for number in range(size // 30)]
    verdict = security.judge([policy(allow("s3:GetObject", arns), allow("iam:CreateAccessKey", "*"))])
    assert {"S10", "S11"} <= verdict.ids
    assert verdict.cannot_judge == []
