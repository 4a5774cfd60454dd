"""What must not be deleted by mistake."""

from typing import Final

from policies.catalogue import About, Findings, resource_rule
from policies.resources import Resource
from policies.settings import Settings

STATEFUL: Final = (
    "aws:cognito:UserPool",
    "aws:docdb:Cluster",
    "aws:dynamodb:Table",
    "aws:ecr:Repository",
    "aws:efs:FileSystem",
    "aws:kms:Key",
    "aws:msk:Cluster",
    "aws:neptune:Cluster",
    "aws:opensearch:Domain",
    "aws:rds:Cluster",
    "aws:rds:Instance",
    "aws:s3:Bucket",
    "aws:s3tables:TableBucket",
    "aws:sagemaker:FeatureGroup",
    "aws:sagemaker:ModelPackageGroup",
)
"""What holds something that cannot be made again from the program."""

_OWN_PROTECTION: Final = ("deletionProtection", "deletionProtectionEnabled")


@resource_rule(
    About(
        id="G9",
        name="stateful-resource-is-protected",
        title="Stateful resources of production are protected against deletion",
        remedy="Set the resource option protect=True (or the service's own deletion protection).",
        severity="high",
    ),
    types=STATEFUL,
)
def stateful_resource_is_protected(resource: Resource, settings: Settings) -> Findings:
    """Pulumi's own protection, or the service's."""
    if not settings.is_prod:
        return
    if not resource.protected and not _protects_itself(resource):
        yield "it can be deleted: it is neither protected nor has it deletion protection"
    if resource.props.flag("forceDestroy") or resource.props.flag("forceDelete"):
        yield "forceDestroy lets it be deleted with everything in it"


def _protects_itself(resource: Resource) -> bool:
    for name in _OWN_PROTECTION:
        if resource.props.given(name):
            # Cognito writes ACTIVE where others write true.
            return resource.props.text(name).lower() in ("true", "active")
    return False
