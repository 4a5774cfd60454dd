"""C11, C12, C14, C15, C16: what is kept for ever, and what is paid for while nobody uses it."""

import json

from tests.policies.cases import (
    UNKNOWN,
    depends,
    fails,
    missing,
    open_question,
    parametrized,
    passes,
    resource,
)

BUCKET = "aws:s3/bucket:Bucket"
BUCKET_V2 = "aws:s3/bucketV2:BucketV2"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
LIFECYCLE_V2 = "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2"
REPOSITORY = "aws:ecr/repository:Repository"
IMAGES = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
TABLE = "aws:dynamodb/table:Table"
TARGET = "aws:appautoscaling/target:Target"
SCALING = "aws:appautoscaling/policy:Policy"
CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
FEATURES = "aws:sagemaker/featureGroup:FeatureGroup"

EXPIRE = {"id": "expire", "status": "Enabled", "expiration": {"days": 30}}
ABORT = {
    "id": "abort",
    "status": "Enabled",
    "filter": {"prefix": ""},
    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
}
RULES = json.dumps({"rules": [{"rulePriority": 1, "selection": {}, "action": {"type": "expire"}}]})


def bucket(name="raw", **properties):
    return resource(BUCKET, name, **properties)


def lifecycle(*rules, bucket_value="raw"):
    return resource(LIFECYCLE, "rules", bucket=bucket_value, rules=list(rules))


def without(rule, *keys):
    return {key: value for key, value in rule.items() if key not in keys}


TABLE_IN_GLUE = "aws:glue/catalogTable:CatalogTable"
FEATURE_TABLE = resource(
    TABLE_IN_GLUE,
    "activity",
    description="Offline features of activity",
    storageDescriptor={"location": "s3://raw/activity/"},
    parameters={"storage.location.template": "s3://raw/activity/day=${day}/"},
)
CAPTURE = {"enableCapture": True, "destinationS3Uri": "s3://raw/captured/churn"}

CASES = [
    passes("C11", "separate, by name", bucket(), lifecycle(EXPIRE)),
    passes(
        "C11",
        "separate, by physical name",
        bucket(bucket="acme-raw"),
        lifecycle(EXPIRE, bucket_value="acme-raw"),
    ),
    passes(
        "C11",
        "separate, by dependency",
        bucket(),
        lifecycle(EXPIRE, bucket_value=UNKNOWN) | depends("raw", "bucket"),
    ),
    passes("C11", "inline", bucket(lifecycleRules=[{"enabled": True, "expiration": {"days": 30}}])),
    passes(
        "C11", "V2", resource(BUCKET_V2, "raw"), resource(LIFECYCLE_V2, "r", bucket="raw", rules=[EXPIRE])
    ),
    passes("C11", "an interpolation", bucket(), lifecycle(EXPIRE, bucket_value="${raw.id}")),
    passes("C11", "one rule as an object", bucket(), resource(LIFECYCLE, "r", bucket="raw", rules=EXPIRE)),
    fails("C11", "disabled", bucket(), lifecycle({**EXPIRE, "status": "Disabled"})),
    fails("C11", "another bucket's", bucket(), bucket("other"), lifecycle(EXPIRE, bucket_value="other")),
    missing("C11", "nothing said", bucket()),
    missing("C11", "no rules", bucket(lifecycleRules=[])),
    open_question("C11", "unknown rules", bucket(), resource(LIFECYCLE, "r", bucket="raw", rules=UNKNOWN)),
    open_question("C11", "unknown inline rules", bucket(lifecycleRules=UNKNOWN)),
    passes("C12", "separate", bucket(), lifecycle(EXPIRE, ABORT)),
    passes("C12", "no filter", bucket(), lifecycle(without(ABORT, "filter"))),
    passes(
        "C12", "inline", bucket(lifecycleRules=[{"enabled": "true", "abortIncompleteMultipartUploadDays": 7}])
    ),
    passes("C12", "the lifecycle alone", lifecycle(ABORT, bucket_value="elsewhere")),
    passes("C12", "empty and", lifecycle({**ABORT, "filter": {"and": {"prefix": ""}}})),
    fails("C12", "only expires", bucket(), lifecycle(EXPIRE)),
    fails("C12", "disabled", lifecycle({**ABORT, "status": "Disabled"})),
    fails("C12", "for a prefix only", lifecycle({**ABORT, "filter": {"prefix": "tmp/"}})),
    fails("C12", "for a tag only", lifecycle({**ABORT, "filter": {"tag": {"key": "a", "value": "b"}}})),
    fails("C12", "for a size only", lifecycle({**ABORT, "filter": {"objectSizeGreaterThan": 5}})),
    fails(
        "C12",
        "for a prefix in and",
        lifecycle({**ABORT, "filter": {"and": {"prefix": "a", "tags": {"b": "c"}}}}),
    ),
    fails("C12", "for a prefix, old form", lifecycle(without(ABORT, "filter") | {"prefix": "tmp/"})),
    missing("C12", "nothing said", bucket()),
    open_question("C12", "unknown status", lifecycle({**ABORT, "status": UNKNOWN})),
    passes(
        "C14", "a policy", resource(REPOSITORY, "app"), resource(IMAGES, "p", repository="app", policy=RULES)
    ),
    passes(
        "C14",
        "by dependency",
        resource(REPOSITORY, "app"),
        resource(IMAGES, "p", repository=UNKNOWN, policy=json.loads(RULES)) | depends("app", "repository"),
    ),
    fails(
        "C14",
        "no rules",
        resource(REPOSITORY, "app"),
        resource(IMAGES, "p", repository="app", policy='{"rules":[]}'),
    ),
    missing("C14", "nothing said", resource(REPOSITORY, "app")),
    open_question(
        "C14",
        "unknown policy",
        resource(REPOSITORY, "app"),
        resource(IMAGES, "p", repository="app", policy=UNKNOWN),
    ),
    open_question(
        "C14", "no JSON", resource(REPOSITORY, "app"), resource(IMAGES, "p", repository="app", policy="{")
    ),
    passes("C15", "on demand", resource(TABLE, billingMode="PAY_PER_REQUEST")),
    passes(
        "C15",
        "autoscaled",
        resource(TABLE, "t", name="events", billingMode="PROVISIONED"),
        resource(TARGET, "s", serviceNamespace="dynamodb", resourceId="table/events"),
        resource(SCALING, "p", serviceNamespace="dynamodb", resourceId="table/events"),
    ),
    passes(
        "C15",
        "autoscaled, by a template's reference",
        resource(TABLE, "events"),
        resource(
            TARGET, "s", serviceNamespace="dynamodb", resourceId="table/${aws_dynamodb_table.events.name}"
        ),
        resource(SCALING, "p", resourceId="${aws_appautoscaling_target.s.resource_id}"),
    ),
    passes(
        "C15",
        "autoscaled, by dependency",
        resource(TABLE, "t"),
        resource(TARGET, "s", serviceNamespace="dynamodb", resourceId=UNKNOWN) | depends("t", "resourceId"),
        resource(SCALING, "p", resourceId=UNKNOWN) | depends("s", "resourceId"),
    ),
    fails("C15", "provisioned", resource(TABLE, billingMode="PROVISIONED", readCapacity=5)),
    fails(
        "C15",
        "another table is scaled",
        resource(TABLE, "t", name="events"),
        resource(TARGET, "s", serviceNamespace="dynamodb", resourceId="table/other"),
        resource(SCALING, "p", serviceNamespace="dynamodb", resourceId="table/other"),
    ),
    fails(
        "C15",
        "a target without a policy",
        resource(TABLE, "t", name="events"),
        resource(TARGET, "s", serviceNamespace="dynamodb", resourceId="table/events"),
    ),
    missing("C15", "AWS provisions", resource(TABLE)),
    open_question("C15", "unknown mode", resource(TABLE, billingMode=UNKNOWN)),
    passes(
        "C16",
        "captured requests expire",
        bucket(),
        lifecycle({**EXPIRE, "filter": {"prefix": "captured/"}}),
        resource(CONFIGURATION, dataCaptureConfig=CAPTURE),
    ),
    passes(
        "C16",
        "the offline store expires",
        bucket(),
        lifecycle(EXPIRE),
        resource(FEATURES, offlineStoreConfig={"s3StorageConfig": {"s3Uri": "s3://raw/features"}}),
    ),
    passes(
        "C16",
        "nothing captured",
        resource(CONFIGURATION, dataCaptureConfig={**CAPTURE, "enableCapture": False}),
    ),
    passes("C16", "no capture", resource(CONFIGURATION)),
    passes(
        "C16",
        "a table of features",
        bucket(),
        lifecycle({**EXPIRE, "filter": {"prefix": "activity/day="}}),
        FEATURE_TABLE,
    ),
    passes(
        "C16",
        "a table of something else",
        resource(TABLE_IN_GLUE, storageDescriptor={"location": "s3://raw/orders"}),
    ),
    fails("C16", "a table of features that stays", bucket(), lifecycle(ABORT), FEATURE_TABLE),
    passes("C16", "online only", resource(FEATURES, onlineStoreConfig={"enableOnlineStore": True})),
    fails(
        "C16",
        "another prefix expires",
        bucket(),
        lifecycle({**EXPIRE, "filter": {"prefix": "tmp/"}}),
        resource(CONFIGURATION, dataCaptureConfig=CAPTURE),
    ),
    missing("C16", "no lifecycle", bucket(), resource(CONFIGURATION, dataCaptureConfig=CAPTURE)),
    fails(
        "C16",
        "only aborts uploads",
        bucket(),
        lifecycle(ABORT),
        resource(CONFIGURATION, dataCaptureConfig=CAPTURE),
    ),
    open_question("C16", "a bucket elsewhere", resource(CONFIGURATION, dataCaptureConfig=CAPTURE)),
    open_question(
        "C16",
        "unknown place",
        resource(CONFIGURATION, dataCaptureConfig={**CAPTURE, "destinationS3Uri": UNKNOWN}),
    ),
]


@parametrized(CASES)
def test_rule(cost, case):
    case.check(cost)
