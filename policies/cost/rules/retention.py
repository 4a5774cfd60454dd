"""What data costs that is written all the time and read for a while: features, captured requests."""

from policies.buckets import bucket_of_uri, expires
from policies.catalogue import About, Findings, joined_rule
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import CannotJudge

ENDPOINT_CONFIGURATION = "aws:sagemaker:EndpointConfiguration"
FEATURE_GROUP = "aws:sagemaker:FeatureGroup"


@joined_rule(
    About(
        id="C16",
        name="captured-data-has-retention",
        title="Offline features and captured data have a retention",
        remedy="Give the bucket an enabled lifecycle rule that expires the prefix that is written to.",
    ),
    types=(ENDPOINT_CONFIGURATION, FEATURE_GROUP),
)
def captured_data_has_retention(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """What an endpoint captures and a feature group appends is never deleted by SageMaker."""
    if resource.type == ENDPOINT_CONFIGURATION:
        prop, what = "dataCaptureConfig", "captured data"
        capture = resource.props.block(prop)
        if not capture or not capture.flag("enableCapture", default=True):
            return
        uri = capture.text("destinationS3Uri")
    else:
        prop, what = "offlineStoreConfig", "the offline store"
        uri = resource.props.block(prop).block("s3StorageConfig").text("s3Uri")
    if not uri:
        return
    bucket, prefix = bucket_of_uri(stack, resource, prop, uri)
    if bucket is None:
        raise CannotJudge(f"the bucket of {uri} is not part of this stack")
    if not expires(stack, bucket, prefix):
        yield f"{what} at {uri} is kept for ever: no lifecycle rule of bucket {bucket.name} expires it"
