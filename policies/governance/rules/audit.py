"""Who did what, kept where nobody can change it; and who may do what."""

import re
from typing import Any, Final

from policies.buckets import BUCKET, attached
from policies.catalogue import About, Findings, joined_rule
from policies.iam_documents import Statement, statements
from policies.keys import key_owner
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.tags import tags_of
from policies.values import CannotJudge

TRAIL: Final = "aws:cloudtrail:Trail"
ROLE: Final = "aws:iam:Role"
OBJECT_LOCK: Final = "aws:s3:BucketObjectLockConfiguration"

_DUTIES: Final[dict[str, tuple[str, ...]]] = {
    "data": ("glue", "athena", "lakeformation", "dynamodb", "kinesis", "firehose"),
    "ML": ("sagemaker", "bedrock"),
    "platform": ("eks", "ec2", "iam", "organizations", "cloudformation", "batch"),
}
"""What each team administers, as IAM services."""

_CHANGES: Final = re.compile(
    r"^(\*|(create|delete|put|update|modify|attach|detach|register|terminate|run)\w*\*?)", re.I
)
_PEOPLE: Final = re.compile(r"saml-provider/|:user/|assumed-role/|AWSReservedSSO|federated-user/")


@joined_rule(
    About(
        id="G10",
        name="audit-trail-is-complete",
        title="Audit trails take in all regions, are validated, encrypted, watched and locked",
        remedy=(
            "Set isMultiRegionTrail, enableLogFileValidation, kmsKeyId and cloudWatchLogsGroupArn, and "
            "object lock on the trail's bucket."
        ),
        references=("CKV_AWS_67", "CKV_AWS_36", "CKV_AWS_35", "CKV2_AWS_10"),
        severity="high",
        stage="govern",
    ),
    types=(TRAIL,),
)
def audit_trail_is_complete(trail: Resource, stack: Stack, _settings: Settings) -> Findings:
    """All of these are off unless asked for."""
    props = trail.props
    if not props.flag("isMultiRegionTrail"):
        yield "it sees one region only"
    if not props.flag("enableLogFileValidation"):
        yield "nobody can tell whether its files were changed"
    if key_owner(trail, stack, "kmsKeyId", props, "kmsKeyId") != "customer":
        yield "its files are not encrypted with a key of yours"
    if not props.stated("cloudWatchLogsGroupArn"):
        yield "nothing watches it: it does not write to CloudWatch"
    buckets = stack.targets(trail, "s3BucketName", (BUCKET,))
    if not buckets:
        raise CannotJudge("its bucket is not part of this stack, so that its object lock is not known")
    if not any(_locked(bucket, stack) for bucket in buckets):
        yield "its files can be deleted: the bucket has no object lock"


def _locked(bucket: Resource, stack: Stack) -> bool:
    return (
        bucket.props.flag("objectLockEnabled")
        or bucket.props.stated("objectLockConfiguration")
        or bool(attached(stack, bucket, OBJECT_LOCK))
    )


@joined_rule(
    About(
        id="G13",
        name="team-role-is-bounded",
        title="Team roles have a permission boundary, and none spans data, ML and platform duties",
        remedy="Set permissionsBoundary on the role, and split what it may change by duty.",
        severity="high",
        stage="govern",
    ),
    types=(ROLE,),
)
def team_role_is_bounded(role: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Roles that people assume; those of services are held by what the service does."""
    if not _for_people(role):
        return
    if not role.props.stated("permissionsBoundary"):
        yield "what it may do can be widened without end: it has no permission boundary"
    duties = sorted(_duties(role, stack))
    if len(duties) > 1:
        yield f"it may change what belongs to {' and '.join(duties)}"


def _for_people(role: Resource) -> bool:
    if any(key.lower().rpartition(":")[2] in ("team", "duty") for key in tags_of(role)):
        return True
    return any(
        statement.allows and _trusts_people(statement)
        for statement in statements(role.props.raw_get("assumeRolePolicy"), "assumeRolePolicy")
    )


def _trusts_people(statement: Statement) -> bool:
    names = [*statement.principals.get("AWS", ()), *statement.principals.get("Federated", ())]
    return any(_PEOPLE.search(name) for name in names)


def _duties(role: Resource, stack: Stack) -> set[str]:
    found: set[str] = set()
    for path, document in _documents(role, stack):
        for statement in statements(document, path):
            if statement.allows:
                found |= {
                    duty
                    for duty, services in _DUTIES.items()
                    if any(_administers(action, services) for action in statement.actions)
                }
    return found


def _documents(role: Resource, stack: Stack) -> list[tuple[str, Any]]:
    """The permissions of a role, as far as they are part of the stack."""
    policies = list(stack.referrers(role, "aws:iam:RolePolicy", "role"))
    for attachment in stack.referrers(role, "aws:iam:RolePolicyAttachment", "role"):
        policies += stack.targets(attachment, "policyArn", ("aws:iam:Policy",))
    inline = [("an inline policy", block.raw_get("policy")) for block in role.props.blocks("inlinePolicies")]
    return inline + [(f"policy of {item.name}", item.props.raw_get("policy")) for item in policies]


def _administers(action: str, services: tuple[str, ...]) -> bool:
    service, _, name = action.lower().partition(":")
    if action == "*":
        return True
    return service in services and name != "passrole" and _CHANGES.match(name) is not None
