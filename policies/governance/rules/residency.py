"""Where data may be."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from policies.buckets import BUCKET, REPLICATION
from policies.catalogue import About, Findings, joined_rule
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.tags import known_label
from policies.values import CannotJudge, Props

TABLE: Final = "aws:dynamodb:Table"
STORES: Final = (
    BUCKET,
    TABLE,
    "aws:dynamodb:GlobalTable",
    "aws:ecr:Repository",
    "aws:efs:FileSystem",
    "aws:elasticache:ReplicationGroup",
    "aws:glue:CatalogDatabase",
    "aws:kinesis:FirehoseDeliveryStream",
    "aws:kinesis:Stream",
    "aws:opensearch:Domain",
    "aws:rds:Cluster",
    "aws:rds:Instance",
    "aws:redshift:Cluster",
    "aws:s3tables:TableBucket",
    "aws:sagemaker:FeatureGroup",
    "aws:secretsmanager:Secret",
)
"""What holds data of users."""

_REGION: Final = re.compile(r"^[a-z]{2,3}(-[a-z]+)+-\d$")
_ARN_REGION: Final = re.compile(r"^arn:[^:]*:[^:]*:([a-z0-9-]+):")


@joined_rule(
    About(
        id="G2",
        name="data-stays-in-its-region",
        title="Data stays in the regions allowed for its classification",
        remedy="Put the store and every replica of it into an allowed region (option `regions`).",
        severity="critical",
        options={
            "regions": {
                "type": "object",
                "default": {},
                "description": "Data classification → regions it may be in (`eu-*`); `*` is for all others.",
            },
            "bound": {
                "type": "array",
                "items": {"type": "string"},
                "default": ["personal", "sensitive", "restricted", "confidential"],
                "description": "Classifications whose copies stay in the store's geography (`eu`, `us`).",
            },
        },
    ),
    types=STORES,
)
def data_stays_in_its_region(store: Resource, stack: Stack, settings: Settings) -> Findings:
    """The store's own region, and every region that it is copied to."""
    classification = known_label(store, "dataClassification")
    if classification is None:
        return  # that it must have one is another rule
    allowed = settings["regions"].get(classification) or settings["regions"].get("*")
    here = _region(store)
    if allowed and here is None:
        raise CannotJudge("its region is not told, neither by itself nor by its provider")
    if allowed and here is not None and not _within(here, allowed):
        yield f"{classification} data in {here}; allowed is {', '.join(allowed)}"
    if not allowed and classification in settings["bound"] and here is not None:
        allowed = [f"{here.partition('-')[0]}-*"]
    for copy, region in _copies(store, stack):
        if allowed and not _within(region, allowed):
            yield f"{copy} takes {classification} data to {region}; allowed is {', '.join(allowed)}"


def _within(region: str, allowed: list[str]) -> bool:
    return any(fnmatchcase(region, pattern) for pattern in allowed)


def _region(resource: Resource) -> str | None:
    for props in (resource.props, resource.provider_props):
        if props.stated("region"):
            return props.text("region")
    match = _ARN_REGION.match("" if resource.props.unknown("arn") else resource.props.text("arn"))
    return match.group(1) if match else None


def _copies(store: Resource, stack: Stack) -> Iterator[tuple[str, str]]:
    """What copies the store's data, and to which region."""
    for replica in store.props.blocks("replicas"):
        region = replica.text("regionName")
        if region:
            yield f"a replica of {store.name}", region
    if store.type == BUCKET:
        for configuration in stack.referrers(store, REPLICATION, "bucket"):
            for rule in configuration.props.blocks("rules", "rule"):
                yield from _replica(configuration, "rules", rule.block("destination"), stack)
        for block in store.props.blocks("replicationConfiguration", "replicationConfigurations"):
            for rule in block.blocks("rules", "rule"):
                yield from _replica(store, "replicationConfiguration", rule.block("destination"), stack)
    for copy in stack.referrers(store, "aws:dynamodb:TableReplica", "globalTableArn"):
        where = _region(copy)
        if where:
            yield copy.name, where


def _replica(owner: Resource, prop: str, destination: Props, stack: Stack) -> Iterator[tuple[str, str]]:
    value = "" if destination.unknown("bucket") else destination.text("bucket")
    for target in stack.targets(owner, prop, (BUCKET,), value):
        region = _region(target)
        if region:
            yield f"replication to {target.name}", region
    # A bucket elsewhere often says in its name where it is.
    named = next((part for part in re.findall(r"[a-z]{2}-[a-z]+-\d", value)), "")
    if named and _REGION.match(named):
        yield f"replication to {value}", named
