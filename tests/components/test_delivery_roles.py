"""Whom the delivery's roles trust, and what a delivery can and cannot do."""

import json
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import delivery_documents as documents
from components.delivery_roles import DELIVERY_PATH
from policies.iam_documents import matches
from tests.components.examples import make
from tests.components.recording import run

BOUNDARY = "arn:aws:iam::123456789012:policy/stagecraft-delivery/boundary"
RIGHTS = json.loads(
    documents.deploy_rights(
        partition="aws",
        account="123456789012",
        region="eu-west-1",
        path="/stagecraft-prod/",
        boundary=BOUNDARY,
    )
)["Statement"]
WORDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9-]{0,12}", fullmatch=True)


def trust(recording: Any, role: str) -> dict[str, Any]:
    """The one statement of a role's trust."""
    document = json.loads(recording.one("Role", role).inputs["assumeRolePolicy"])
    (statement,) = document["Statement"]
    return dict(statement)


def test_claims_are_spelled_out() -> None:
    recording = run(lambda: make("DeliveryRoles"))
    plan, deploy = trust(recording, "it-plan-role"), trust(recording, "it-deploy-role")
    claim = "token.actions.githubusercontent.com"
    assert plan["Condition"]["StringEquals"] == {
        f"{claim}:aud": "sts.amazonaws.com",
        f"{claim}:sub": ["repo:acme/product:pull_request", "repo:acme/product:ref:refs/heads/main"],
    }
    assert deploy["Condition"]["StringEquals"][f"{claim}:sub"] == ["repo:acme/product:environment:prod"]


@given(
    owner=WORDS, name=WORDS, branches=st.sets(WORDS, min_size=1, max_size=3), environment=WORDS | st.just("")
)
def test_no_claim_is_a_pattern_or_another_repository(
    owner: str, name: str, branches: set[str], environment: str
) -> None:
    claims = documents.subjects(
        f"{owner}/{name}", pull_requests=True, branches=branches, environment=environment
    )
    assert all(claim.startswith(f"repo:{owner}/{name}:") for claim in claims)
    assert not any(letter in claim for claim in claims for letter in "*?")


def _allowed(action: str, resource: str, context: dict[str, str]) -> bool:
    """Whether the deploying role may: only what IAM itself would look at in these documents."""
    for statement in RIGHTS:
        if not any(matches(action, pattern) for pattern in statement["Action"]):
            continue
        if not any(matches(resource, pattern) for pattern in statement["Resource"]):
            continue
        wanted = statement.get("Condition", {}).get("StringEquals", {})
        if all(
            context.get(key) in ([value] if isinstance(value, str) else value)
            for key, value in wanted.items()
        ):
            return True
    return False


OWN, OTHER = (
    f"arn:aws:iam::123456789012:role{path}some-role"
    for path in (
        "/stagecraft-prod/",
        "/",
    )
)
DELIVERYS = f"arn:aws:iam::123456789012:role{DELIVERY_PATH}delivery-deploy-role"
BOUNDED = {"iam:PermissionsBoundary": BOUNDARY}


@pytest.mark.parametrize("action", ["iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"])
def test_roles_are_made_under_the_path_and_with_the_boundary_only(action: str) -> None:
    assert _allowed(action, OWN, BOUNDED)
    assert not _allowed(action, OWN, {})
    assert not _allowed(
        action, OWN, {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}
    )
    for role in (OTHER, DELIVERYS):
        assert not _allowed(action, role, BOUNDED)


@pytest.mark.parametrize(
    "action",
    [
        "iam:CreateAccessKey",
        "iam:CreateUser",
        "iam:DeleteRolePermissionsBoundary",
        "iam:UpdateAssumeRolePolicy",
        "iam:PassRole",
        "iam:DeleteRole",
        "iam:UpdateOpenIDConnectProviderThumbprint",
        "organizations:LeaveOrganization",
        "sts:AssumeRole",
    ],
)
def test_a_delivery_cannot_change_its_own_or_anyone_elses_rights(action: str) -> None:
    for role in (OTHER, DELIVERYS):
        assert not _allowed(action, role, {**BOUNDED, "iam:PassedToService": "lambda.amazonaws.com"})
    policy = f"arn:aws:iam::123456789012:policy{DELIVERY_PATH}boundary"
    assert not _allowed("iam:CreatePolicyVersion", policy, BOUNDED)


def test_services_are_used_in_the_stacks_own_region_only() -> None:
    here, there = {"aws:RequestedRegion": "eu-west-1"}, {"aws:RequestedRegion": "ap-south-1"}
    assert _allowed("s3:CreateBucket", "arn:aws:s3:::any", here)
    assert not _allowed("s3:CreateBucket", "arn:aws:s3:::any", there)


def test_the_stacks_roles_can_do_nothing_of_iam_but_pass_roles() -> None:
    ceiling = json.loads(documents.ceiling("eu-west-1"))["Statement"]
    assert {
        action for each in ceiling for action in each["Action"] if action.startswith(("iam:", "sts:"))
    } == {"iam:PassRole"}


@pytest.mark.parametrize("rights", [documents.ceiling("eu-west-1"), json.dumps({"Statement": RIGHTS})])
def test_documents_fit_into_a_managed_policy(rights: str) -> None:
    assert len("".join(rights.split())) <= 6144


def test_the_accounts_provider_is_made_unless_it_is_brought() -> None:
    assert len(run(lambda: make("DeliveryRoles")).of("OpenIdConnectProvider")) == 1
    arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    brought = run(lambda: make("DeliveryRoles", oidc_provider_arn=arn))
    assert not brought.of("OpenIdConnectProvider")
    assert trust(brought, "it-deploy-role")["Principal"] == {"Federated": arn}


def test_bad_inputs_are_told_all_at_once() -> None:
    with pytest.raises(pulumi.InputPropertiesError) as caught:
        run(
            lambda: make(
                "DeliveryRoles", repository="acme/*", branch="rel*", provider="gitlab", environment="?"
            )
        )
    for path in ("repository", "branch", "provider", "environment"):
        assert f"  {path}: " in str(caught.value)
