"""Keys."""

from policies.catalogue import About, Findings, joined_rule, resource_rule
from policies.iam_documents import Statement, statements
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import for_each

KEY = "aws:kms:Key"


@resource_rule(
    About(
        id="S6",
        name="key-rotates",
        title="Keys rotate",
        remedy="Set enableKeyRotation to true.",
        references=("CKV_AWS_7",),
    ),
    types=(KEY,),
)
def key_rotates(key: Resource, _settings: Settings) -> Findings:
    """KMS rotates a symmetric key only if told to; other kinds cannot be rotated."""
    if key.props.text("customerMasterKeySpec", default="SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        return
    if not key.props.flag("enableKeyRotation"):
        yield "its material is never renewed: enableKeyRotation is not true"


@joined_rule(
    About(
        id="S7",
        name="key-policy-names-principals",
        title="Key policies allow nobody in general",
        remedy="Name the principals in the key's policy, or add a condition.",
        references=("CKV_AWS_33",),
        severity="critical",
    ),
    types=(KEY, "aws:kms:KeyPolicy", "aws:kms:ReplicaKey", "aws:kms:ExternalKey"),
)
def key_policy_names_principals(key: Resource, _stack: Stack, _settings: Settings) -> Findings:
    """Without a policy KMS lets the account decide, which is sound."""
    yield from for_each(statements(key.props.raw_get("policy"), "policy"), _open_to_anyone)


def _open_to_anyone(statement: Statement) -> Findings:
    if statement.allows and statement.everyone and not statement.conditions:
        yield f"{statement.label} lets anyone use the key"
