"""What tables cost while nobody reads them."""

from policies.catalogue import About, Findings, joined_rule
from policies.resources import Resource, Stack, interpolated_names
from policies.settings import Settings

TABLE = "aws:dynamodb:Table"
_TARGET = "aws:appautoscaling:Target"
_POLICY = "aws:appautoscaling:Policy"


@joined_rule(
    About(
        id="C15",
        name="table-scales",
        title="DynamoDB tables are on demand or autoscaled",
        remedy="Set billingMode to PAY_PER_REQUEST, or give the table an appautoscaling Target and Policy.",
        references=("CKV2_AWS_16",),
    ),
    types=(TABLE,),
)
def table_scales(table: Resource, stack: Stack, _settings: Settings) -> Findings:
    """A table without a billing mode is provisioned: AWS bills its capacity whether it is used or not."""
    if table.props.text("billingMode", default="PROVISIONED").upper() == "PAY_PER_REQUEST":
        return
    targets = [target for target in stack.of(_TARGET) if _scales(target, table)]
    if not targets:
        yield "capacity is provisioned and nothing scales it"
    elif not any(_follows(policy, target) for policy in stack.of(_POLICY) for target in targets):
        yield "its scaling target has no scaling policy"


def _scales(target: Resource, table: Resource) -> bool:
    if target.props.text("serviceNamespace", default="dynamodb") != "dynamodb":
        return False
    if table.urn in target.dependencies("resourceId"):
        return True
    if target.props.unknown("resourceId"):
        return table.urn in target.dependencies()
    given = target.props.text("resourceId")
    said = {given.partition("/")[2].partition("/")[0], *interpolated_names(given)}
    names = {table.name} | {table.props.text(key) for key in ("name", "id") if not table.props.unknown(key)}
    return bool(said & (names - {""}))


def _follows(policy: Resource, target: Resource) -> bool:
    if target.urn in policy.dependencies("resourceId") or target.urn in policy.dependencies():
        return True
    if policy.props.unknown("resourceId") or target.props.unknown("resourceId"):
        return False
    given = policy.props.text("resourceId")
    return given == target.props.text("resourceId") or target.name in interpolated_names(given)
