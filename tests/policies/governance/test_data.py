"""G2, G9: where data may be, and that it is not deleted by mistake."""

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
TABLE = "aws:dynamodb/table:Table"
REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
PERSONAL = {"dataClassification": "personal"}
EUROPE = {"data-stays-in-its-region": {"regions": {"personal": ["eu-*"]}}}
PROTECTED = {"options": {"protect": True}}


def provider(region):
    return {"provider": {"type": "pulumi:providers:aws", "properties": {"region": region}}}


def table(region="eu-west-1", **properties):
    return resource(TABLE, "users", tags=PERSONAL, region=region, **properties)


def replication(target):
    return resource(
        REPLICATION, "copy", bucket="users", rules=[{"status": "Enabled", "destination": {"bucket": target}}]
    )


USERS = resource(BUCKET, "users", tags=PERSONAL, region="eu-west-1")

CASES = [
    passes("G2", "in an allowed region", table(), overrides=EUROPE),
    passes(
        "G2",
        "the provider's region",
        resource(TABLE, tags=PERSONAL) | provider("eu-central-1"),
        overrides=EUROPE,
    ),
    passes(
        "G2",
        "data of another class",
        resource(TABLE, tags={"dataClassification": "public"}, region="us-east-1"),
        overrides=EUROPE,
    ),
    passes("G2", "not classified", resource(TABLE, region="us-east-1"), overrides=EUROPE),
    passes("G2", "a replica in the geography", table(replicas=[{"regionName": "eu-north-1"}])),
    passes(
        "G2",
        "public data may travel",
        resource(
            TABLE,
            tags={"dataClassification": "public"},
            region="eu-west-1",
            replicas=[{"regionName": "us-east-1"}],
        ),
    ),
    passes(
        "G2",
        "replication within",
        USERS,
        resource(BUCKET, "copy", region="eu-north-1"),
        replication("arn:aws:s3:::copy"),
    ),
    fails("G2", "elsewhere", table("us-east-1"), overrides=EUROPE),
    fails("G2", "a replica elsewhere", table(replicas=[{"regionName": "us-east-1"}])),
    fails(
        "G2",
        "replication elsewhere",
        USERS,
        resource(BUCKET, "copy", region="us-east-1"),
        replication("arn:aws:s3:::copy"),
    ),
    fails(
        "G2",
        "replication elsewhere, by dependency",
        USERS,
        resource(BUCKET, "copy", region="us-east-1"),
        replication(UNKNOWN) | depends("copy", "rules") | {"propertyDependencies": {"rules": ["copy"]}},
    ),
    fails(
        "G2",
        "replication to a bucket that names its region",
        USERS,
        replication("arn:aws:s3:::acme-us-west-2-copy"),
    ),
    open_question("G2", "no region told", resource(TABLE, tags=PERSONAL), overrides=EUROPE),
    open_question("G2", "unknown region", table(UNKNOWN), overrides=EUROPE),
    passes("G9", "protected", resource(TABLE) | PROTECTED),
    passes("G9", "its own protection", resource(TABLE, deletionProtectionEnabled=True)),
    passes("G9", "a database's own", resource("aws:rds/instance:Instance", deletionProtection="true")),
    passes("G9", "a user pool's own", resource("aws:cognito/userPool:UserPool", deletionProtection="ACTIVE")),
    passes("G9", "outside production", resource(TABLE), environment="dev"),
    passes("G9", "not stateful", resource("aws:lambda/function:Function")),
    fails("G9", "explicitly off", resource(TABLE, deletionProtectionEnabled=False)),
    fails("G9", "destroyed with its content", resource(BUCKET, forceDestroy=True) | PROTECTED),
    missing("G9", "nothing said", resource(BUCKET)),
    open_question("G9", "unknown", resource(TABLE, deletionProtectionEnabled=UNKNOWN)),
]


@parametrized(CASES)
def test_rule(governance, case):
    case.check(governance)
