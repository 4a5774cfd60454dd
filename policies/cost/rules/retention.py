"""What data costs that is written all the time and read for a while: features, captured requests."""

import re

from policies.buckets import bucket_of_uri, expires
from policies.catalogue import About, Findings, joined_rule
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import CannotJudge

ENDPOINT_CONFIGURATION = "aws:sagemaker:EndpointConfiguration"
FEATURE_GROUP = "aws:sagemaker:FeatureGroup"
CATALOG_TABLE = "aws:glue:CatalogTable"

_WRITTEN = {
    ENDPOINT_CONFIGURATION: ("dataCaptureConfig", "captured data"),
    FEATURE_GROUP: ("offlineStoreConfig", "the offline store"),
    CATALOG_TABLE: ("storageDescriptor", "offline features"),
}
"""What holds the address, and what is written there."""

_FEATURES = re.compile(r"(^|[^a-z])features?([^a-z]|$)", re.IGNORECASE)


@joined_rule(
    About(
        id="C16",
        name="captured-data-has-retention",
        title="Offline features and captured data have a retention",
        remedy="Give the bucket an enabled lifecycle rule that expires the prefix that is written to.",
    ),
    types=(ENDPOINT_CONFIGURATION, FEATURE_GROUP, CATALOG_TABLE),
)
def captured_data_has_retention(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """What an endpoint captures and what features are appended is deleted by nobody but the bucket."""
    prop, what = _WRITTEN[resource.type]
    uri = _place(resource)
    if not uri:
        return
    bucket, prefix = bucket_of_uri(stack, resource, prop, uri)
    if bucket is None:
        raise CannotJudge(f"the bucket of {uri} is not part of this stack")
    if not expires(stack, bucket, prefix):
        yield f"{what} at {uri} is kept for ever: no lifecycle rule of bucket {bucket.name} expires it"


def _place(resource: Resource) -> str:
    """Where it writes; empty if it does not."""
    props = resource.props
    if resource.type == ENDPOINT_CONFIGURATION:
        capture = props.block("dataCaptureConfig")
        return (
            capture.text("destinationS3Uri")
            if capture and capture.flag("enableCapture", default=True)
            else ""
        )
    if resource.type == FEATURE_GROUP:
        return props.block("offlineStoreConfig").block("s3StorageConfig").text("s3Uri")
    said = " ".join([resource.name, *(props.text(name) for name in ("name", "description"))])
    if not _FEATURES.search(said.replace("_", " ")):
        return ""
    # Only what is partitioned grows for ever: the template's fixed part is where it does.
    template = props.block("parameters").text("storage.location.template")
    return template.partition("${")[0] or props.block("storageDescriptor").text("location")
