"""What brings data back."""

from policies.buckets import BUCKET, VERSIONING, attached
from policies.catalogue import About, Findings, joined_rule, resource_rule
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import any_of


@joined_rule(
    About(
        id="R1",
        name="bucket-keeps-versions",
        title="Buckets keep versions",
        remedy="Add a BucketVersioning for the bucket with status Enabled.",
        references=("CKV_AWS_21",),
    ),
    types=(BUCKET,),
)
def bucket_keeps_versions(bucket: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Inline or as a resource of its own."""
    inline = bucket.props.blocks("versioning", "versionings")
    if any_of(inline, lambda block: block.flag("enabled")):
        return
    separate = attached(stack, bucket, VERSIONING)
    if not any_of(
        separate, lambda item: item.props.block("versioningConfiguration").text("status").lower() == "enabled"
    ):
        yield "what is overwritten or deleted is gone: versioning is not enabled"


@resource_rule(
    About(
        id="R2",
        name="table-recovers",
        title="DynamoDB tables have point-in-time recovery",
        remedy="Set pointInTimeRecovery.enabled to true.",
        references=("CKV_AWS_28",),
    ),
    types=("aws:dynamodb:Table",),
)
def table_recovers(table: Resource, _settings: Settings) -> Findings:
    """Off unless asked for."""
    if not table.props.block("pointInTimeRecovery").flag("enabled"):
        yield "a bad write cannot be undone: it has no point-in-time recovery"


@resource_rule(
    About(
        id="R6",
        name="database-survives",
        title="Databases span zones, are backed up and protected against deletion",
        remedy="Set multiAz and deletionProtection to true, and backupRetentionPeriod to 1 to 35 days.",
        references=("CKV_AWS_157", "CKV_AWS_133", "CKV_AWS_293"),
        severity="high",
    ),
    types=("aws:rds:Instance", "aws:rds:Cluster"),
)
def database_survives(database: Resource, _settings: Settings) -> Findings:
    """RDS keeps backups for a day if nothing is said; a cluster's zones are its instances'."""
    props = database.props
    days = props.number("backupRetentionPeriod")
    if days is not None and not 0 < days <= 35:
        yield f"it has no backups: backupRetentionPeriod is {days:g}"
    if database.type == "aws:rds:Cluster":
        return
    if not props.flag("multiAz"):
        yield "it stops with its zone: multiAz is not true"
    if not props.flag("deletionProtection"):
        yield "it can be deleted by mistake: deletionProtection is not true"


@resource_rule(
    About(
        id="R11",
        name="stream-keeps-a-week",
        title="Kinesis streams keep records for a week",
        remedy="Set retentionPeriod to at least 168 hours.",
        references=("Kinesis.3",),
        options={
            "hours": {
                "type": "integer",
                "minimum": 24,
                "default": 168,
                "description": "The least there must be.",
            }
        },
    ),
    types=("aws:kinesis:Stream",),
)
def stream_keeps_a_week(stream: Resource, settings: Settings) -> Findings:
    """A day, unless told otherwise: less than a weekend."""
    hours = stream.props.number("retentionPeriod")
    kept = 24 if hours is None else hours
    if kept < settings["hours"]:
        yield f"a consumer that stands still for {kept:g} hours loses records"
