"""Who may deliver, and what a delivery may do: documents as pure functions of names."""

from collections.abc import Iterable, Mapping
from typing import Final

from components import iam
from components.iam import Statement

GITHUB: Final = "token.actions.githubusercontent.com"
GITHUB_URL: Final = f"https://{GITHUB}"
AUDIENCE: Final = "sts.amazonaws.com"
GLOBAL_REGION: Final = "us-east-1"
"""Where AWS's global services (IAM, budgets, Route 53) are asked."""

SERVICES: Final = (
    "access-analyzer",
    "application-autoscaling",
    "aps",
    "athena",
    "autoscaling",
    "batch",
    "budgets",
    "ce",
    "cloudtrail",
    "cloudwatch",
    "config",
    "dynamodb",
    "ec2",
    "ecr",
    "ecs",
    "eks",
    "elasticloadbalancing",
    "events",
    "firehose",
    "glue",
    "grafana",
    "kinesis",
    "kms",
    "lambda",
    "logs",
    "route53",
    "s3",
    "sagemaker",
    "sagemaker-mlflow",
    "scheduler",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "states",
    "xray",
)
"""What stacks of Stagecraft are made of; no IAM, no Organizations, no users, no billing."""

_ROLE_CONTENT: Final = (
    "iam:AttachRolePolicy",
    "iam:CreateRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
)
"""Whatever changes what a role may do: IAM lets these be held to roles with a certain boundary."""

_ROLE_FORM: Final = (
    "iam:DeleteRole",
    "iam:TagRole",
    "iam:UntagRole",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateRole",
    "iam:UpdateRoleDescription",
)
_POLICIES: Final = (
    "iam:CreatePolicy",
    "iam:CreatePolicyVersion",
    "iam:DeletePolicy",
    "iam:DeletePolicyVersion",
    "iam:SetDefaultPolicyVersion",
    "iam:TagPolicy",
    "iam:UntagPolicy",
)
_PROFILES: Final = (
    "iam:AddRoleToInstanceProfile",
    "iam:CreateInstanceProfile",
    "iam:DeleteInstanceProfile",
    "iam:RemoveRoleFromInstanceProfile",
    "iam:TagInstanceProfile",
    "iam:UntagInstanceProfile",
)
_READS: Final = (
    "iam:GetInstanceProfile",
    "iam:GetOpenIDConnectProvider",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListInstanceProfilesForRole",
    "iam:ListPolicyVersions",
    "iam:ListRolePolicies",
    "iam:ListRoleTags",
)
_READ_KINDS: Final = ("instance-profile", "oidc-provider", "policy", "role")


def subjects(repository: str, *, pull_requests: bool, branches: Iterable[str], environment: str) -> list[str]:
    """The claims `sub` of GitHub's tokens that a role takes: spelled out, no pattern in them.

    A job that runs in an environment has the environment as its subject, not its branch: then the
    environment's own protection rules say which branches get there.
    """
    found = [f"repo:{repository}:pull_request"] if pull_requests else []
    if environment:
        found.append(f"repo:{repository}:environment:{environment}")
    else:
        found.extend(f"repo:{repository}:ref:refs/heads/{branch}" for branch in sorted(branches))
    return found


def github_trust(provider_arn: str, claims: Iterable[str]) -> str:
    """Only these workflows of this repository, and only with tokens made for AWS."""
    return iam.document(
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": provider_arn},
            "Condition": {
                "StringEquals": {f"{GITHUB}:aud": AUDIENCE, f"{GITHUB}:sub": sorted(claims)},
            },
        }
    )


def ceiling(region: str) -> str:
    """The boundary of the stack's own roles: the services it is made of, here, and nothing of IAM."""
    return iam.document(
        _services([region]), iam.allow(["iam:PassRole"], ["*"], conditions=_passed_to_services())
    )


def deploy_rights(*, partition: str, account: str, region: str, path: str, boundary: str) -> str:
    """What a deployment does: the stack's services, and roles under the stack's path with its boundary.

    Roles outside the path, the delivery's own among them, are out of reach: a deployment can give nobody,
    and itself, more than the boundary.
    """
    own = {
        kind: f"arn:{partition}:iam::{account}:{kind}{path}*"
        for kind in ("role", "policy", "instance-profile")
    }
    with_boundary = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    return iam.document(
        _services(sorted({region, GLOBAL_REGION})),
        iam.allow(
            _READS,
            [
                *(f"arn:{partition}:iam::{account}:{kind}/*" for kind in _READ_KINDS),
                f"arn:{partition}:iam::aws:policy/*",
            ],
        ),
        iam.allow(_ROLE_CONTENT, [own["role"]], conditions=with_boundary),
        iam.allow(_ROLE_FORM, [own["role"]]),
        iam.allow(_POLICIES, [own["policy"]]),
        iam.allow(_PROFILES, [own["instance-profile"]]),
        iam.allow(["iam:PassRole"], [own["role"]], conditions=_passed_to_services()),
        iam.allow(
            ["iam:CreateServiceLinkedRole"], [f"arn:{partition}:iam::{account}:role/aws-service-role/*"]
        ),
    )


def plan_rights(*, state_bucket: str | None, state_key: str | None) -> str:
    """What a preview reads beside settings of resources: the state, and who it is."""
    statements: list[Statement] = [iam.allow(["sts:GetCallerIdentity"], ["*"])]
    if state_bucket is not None:
        statements.extend(iam.bucket_access(state_bucket, read=[""]))
    if state_key is not None:
        statements.append(iam.allow(["kms:Decrypt", "kms:DescribeKey"], [state_key]))
    return iam.document(*statements)


def _services(regions: list[str]) -> Statement:
    return iam.allow(
        [f"{service}:*" for service in SERVICES],
        ["*"],
        sid="StackServices",
        conditions={"StringEquals": {"aws:RequestedRegion": regions}},
    )


def _passed_to_services() -> Mapping[str, Mapping[str, list[str]]]:
    services = ("batch", "ec2", "ecs-tasks", "eks", "events", "firehose", "lambda", "pods.eks", "sagemaker")
    more = ("scheduler", "states", "vpc-flow-logs")
    return {
        "StringEquals": {"iam:PassedToService": [f"{each}.amazonaws.com" for each in sorted(services + more)]}
    }
