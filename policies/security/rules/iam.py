"""Permissions: what they allow, and who may use them."""

import re
from collections.abc import Iterator
from typing import Any, Final

from policies.catalogue import About, Findings, joined_rule
from policies.iam_documents import Statement, statements
from policies.resources import Resource, Stack
from policies.security.actions import escalations, unrestricted_actions
from policies.settings import Settings
from policies.values import CannotJudge, for_each

ROLE: Final = "aws:iam:Role"
_POLICY_PROPERTY: Final = {
    "aws:iam:Policy": "policy",
    "aws:iam:RolePolicy": "policy",
    "aws:iam:UserPolicy": "policy",
    "aws:iam:GroupPolicy": "policy",
    "aws:ssoadmin:PermissionSetInlinePolicy": "inlinePolicy",
}
_ATTACHMENTS: Final = {
    "aws:iam:PolicyAttachment": "policyArn",
    "aws:iam:RolePolicyAttachment": "policyArn",
    "aws:iam:UserPolicyAttachment": "policyArn",
    "aws:iam:GroupPolicyAttachment": "policyArn",
    "aws:iam:RolePolicyAttachmentsExclusive": "policyArns",
    "aws:iam:UserPolicyAttachmentsExclusive": "policyArns",
    "aws:iam:GroupPolicyAttachmentsExclusive": "policyArns",
    "aws:ssoadmin:ManagedPolicyAttachment": "managedPolicyArn",
}
_WITH_POLICY: Final = (*_POLICY_PROPERTY, ROLE)
_ADMIN: Final = re.compile(r"^arn:aws[a-z-]*:iam::aws:policy/AdministratorAccess$")
_WHOLE_ACCOUNT: Final = re.compile(r"^(\d{12}|arn:aws[a-z-]*:iam::\d{12}:root)")
_SHOWN: Final = 5

Document = tuple[Statement, ...]


def _documents(resource: Resource) -> Iterator[tuple[str, Any]]:
    """The permission documents that a resource holds, and where."""
    if resource.type == ROLE:
        for inline in resource.props.blocks("inlinePolicies", "inlinePolicy"):
            yield f"inline policy {inline.text('name')!r}", inline.raw_get("policy")
    else:
        prop = _POLICY_PROPERTY[resource.type]
        yield prop, resource.props.raw_get(prop)


def _read(resource: Resource) -> Iterator[Document]:
    for path, document in _documents(resource):
        yield statements(document, path)


@joined_rule(
    About(
        id="S8",
        name="policy-is-not-admin",
        title="Nobody is an administrator",
        remedy="Allow the actions and resources that are needed, and attach no AdministratorAccess.",
        references=("CKV_AWS_62", "CKV_AWS_274"),
        severity="critical",
    ),
    types=(*_WITH_POLICY, *_ATTACHMENTS),
)
def policy_is_not_admin(resource: Resource, _stack: Stack, _settings: Settings) -> Findings:
    """Every action on every resource, written out or as AWS's managed policy."""
    prop = "managedPolicyArns" if resource.type == ROLE else _ATTACHMENTS.get(resource.type)
    if prop is not None and resource.props.unknown(prop):
        # A policy of this program is judged where it is written.
        if not resource.dependencies(prop):
            raise CannotJudge(f"{prop} is not known yet")
    elif prop is not None and any(_ADMIN.match(str(arn)) for arn in _known_texts(resource, prop)):
        yield "AWS's policy AdministratorAccess is attached"
    if resource.type in _WITH_POLICY:
        yield from for_each(
            _documents(resource), lambda item: _admin_statements(statements(item[1], item[0]))
        )


def _known_texts(resource: Resource, prop: str) -> list[Any]:
    value = resource.props.raw_get(prop)
    return value if isinstance(value, list) else [] if value is None else [value]


def _admin_statements(document: Document) -> Findings:
    for statement in document:
        if statement.allows and {"*", "*:*"} & set(statement.actions) and "*" in statement.resources:
            yield f"{statement.label} allows every action on every resource"


@joined_rule(
    About(
        id="S9",
        name="policy-names-actions",
        title="No policy allows every action",
        remedy="List the actions that are needed instead of `*`.",
        references=("CKV_AWS_63",),
        severity="high",
    ),
    types=_WITH_POLICY,
)
def policy_names_actions(resource: Resource, _stack: Stack, _settings: Settings) -> Findings:
    """A `*` action, whatever the resource."""

    def check(item: tuple[str, Any]) -> Findings:
        for statement in statements(item[1], item[0]):
            if statement.allows and {"*", "*:*"} & set(statement.actions):
                yield f"{statement.label} allows every action"

    yield from for_each(_documents(resource), check)


@joined_rule(
    About(
        id="S10",
        name="policy-names-resources",
        title="No policy allows an action on every resource that could be held to some",
        remedy="Name the resources' ARNs instead of `*`, or add a condition.",
        references=("CKV_AWS_355",),
        severity="high",
    ),
    types=_WITH_POLICY,
)
def policy_names_resources(resource: Resource, _stack: Stack, _settings: Settings) -> Findings:
    """Only actions that take a resource at all; `NotAction` counts as all others."""

    def check(item: tuple[str, Any]) -> Findings:
        free = sorted(unrestricted_actions(statements(item[1], item[0])))
        if free:
            more = f" and {len(free) - _SHOWN} more" if len(free) > _SHOWN else ""
            yield f"{', '.join(free[:_SHOWN])}{more} allowed on every resource"

    yield from for_each(_documents(resource), check)


@joined_rule(
    About(
        id="S11",
        name="policy-allows-no-escalation",
        title="No policy lets its holder get more permissions",
        remedy="Hold iam:PassRole and changes of IAM to the roles, users and policies that are meant.",
        references=("CKV_AWS_286",),
        severity="critical",
    ),
    types=_WITH_POLICY,
)
def policy_allows_no_escalation(resource: Resource, _stack: Stack, _settings: Settings) -> Findings:
    """The known ways from some permissions on every resource to all permissions."""

    def check(item: tuple[str, Any]) -> Findings:
        ways = escalations(statements(item[1], item[0]))
        if ways:
            yield f"its holder {'; '.join(ways[:_SHOWN])}"

    yield from for_each(_documents(resource), check)


@joined_rule(
    About(
        id="S12",
        name="role-names-who-assumes-it",
        title="Roles name who may assume them",
        remedy="Name roles or services as principals, not `*` and not a whole account.",
        references=("CKV_AWS_60", "CKV_AWS_61"),
        severity="critical",
    ),
    types=(ROLE,),
)
def role_names_who_assumes_it(role: Resource, _stack: Stack, _settings: Settings) -> Findings:
    """An account's root stands for everyone in that account."""
    yield from for_each(statements(role.props.raw_get("assumeRolePolicy"), "assumeRolePolicy"), _open_trust)


def _open_trust(statement: Statement) -> Findings:
    if not statement.allows:
        return
    if statement.everyone:
        yield f"{statement.label} lets anyone assume the role"
    accounts = [name for name in statement.principals.get("AWS", ()) if _WHOLE_ACCOUNT.match(name)]
    if accounts:
        yield f"{statement.label} lets all of account {', '.join(accounts)} assume the role"


_GITHUB: Final = "oidc-provider/token.actions.githubusercontent.com"
_SUBJECT: Final = re.compile(r"^token\.actions\.githubusercontent\.com(?:/[a-z0-9_-]+)?:sub$")
_FORGEABLE: Final = ("workflow", "environment", "ref", "context", "head_ref", "base_ref")
_REPOSITORY: Final = re.compile(r"(\$\{)?[\w-]+(\.[\w-]+)*(\})?(@\d+)?/[^/]+")
"""Owner and repository, each perhaps with the number that GitHub never gives to another."""


@joined_rule(
    About(
        id="S13",
        name="github-trust-pins-repository",
        title="Roles for GitHub Actions pin the repository",
        remedy="Hold token.actions.githubusercontent.com:sub to `repo:OWNER/REPOSITORY:…`.",
        references=("CKV_AWS_393", "CKV_AWS_358"),
        severity="critical",
    ),
    types=(ROLE,),
)
def github_trust_pins_repository(role: Resource, _stack: Stack, _settings: Settings) -> Findings:
    """Without it, any repository on GitHub can assume the role."""
    yield from for_each(
        statements(role.props.raw_get("assumeRolePolicy"), "assumeRolePolicy"), _loose_subject
    )


def _loose_subject(statement: Statement) -> Findings:
    trusted = statement.principals.get("Federated", ())
    if not statement.allows or not any(_GITHUB in name for name in trusted):
        return
    subjects = [
        value
        for keys in statement.conditions.values()
        for key, values in keys.items()
        if _SUBJECT.match(key)
        for value in values
    ]
    if not subjects:
        yield f"{statement.label} trusts every repository on GitHub: no condition on the token's subject"
    for subject in subjects:
        if not _pins(subject):
            yield f"{statement.label} trusts subject {subject!r}, which others can have too"


def _pins(subject: str) -> bool:
    claim, _, value = subject.partition(":")
    value = value.partition(":")[0]
    if not value or value == "*" or claim.startswith(_FORGEABLE):
        return False
    return claim != "repo" or _REPOSITORY.match(value) is not None
