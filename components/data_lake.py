"""DataLake: raw, curated, features and artifacts buckets, and what finds and queries the data in them."""

from typing import Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import iam, naming
from components.bucket import BucketSettings, secure_bucket
from components.checks import Problems
from components.context import Cloud, current_cloud, declared_outputs, scope
from components.encryption import data_key

BUCKETS: Final = ("raw", "curated", "features", "artifacts")

DEFAULT_RETENTION_DAYS: Final[dict[str, dict[str, int]]] = {
    "raw": {"": 730},
    "curated": {"": 730},
    "features": {},
    "artifacts": {"athena/": 30, "captured/": 90, "checkpoints/": 14},
}
"""Bucket → prefix → days. Offline features get theirs from their view; model artifacts are kept."""

ACCESS_LOG_DAYS: Final = 365
DEFAULT_SCAN_LIMIT_GIB: Final = 10


class RetentionRule(TypedDict):
    """How long the objects under a prefix are kept."""

    bucket: str
    """`raw`, `curated`, `features` or `artifacts`."""
    prefix: NotRequired[str]
    """What the objects' keys start with. Default: the whole bucket."""
    days: int
    """Days after which they expire; from 1 to 36500."""


class DataLakeArgs(TypedDict):
    """Inputs of DataLake."""

    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key for data at rest. Default: a key is made, rotated yearly.

    A brought key's policy lets CloudWatch Logs, S3 access logs, EventBridge, Budgets and alarms use it, as
    `iam.key_policy` does.
    """
    retention: NotRequired[list[RetentionRule]]
    """Adds to the default or takes its place: raw and curated 730 days, captured data 90,
    query results 30, checkpoints 14."""
    scan_limit_gib: NotRequired[int]
    """The most that one Athena query may scan, in GiB; from 1 to 10240. Default: 10."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take its data along. Default: false; what holds data is protected."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class DataLake(pulumi.ComponentResource):
    """Encrypted, versioned buckets from raw data to artifacts, a Glue database and an Athena workgroup.

    Nothing in it bills while it is idle but the key, at $1 a month, and the data that is kept.
    """

    raw_bucket: pulumi.Output[str]
    """Name of the bucket for data as it came."""
    curated_bucket: pulumi.Output[str]
    """Name of the bucket for data that passed the quality gate."""
    features_bucket: pulumi.Output[str]
    """Name of the bucket for offline features."""
    artifacts_bucket: pulumi.Output[str]
    """Name of the bucket for models, checkpoints and query results."""
    access_logs_bucket: pulumi.Output[str]
    """Name of the bucket that the other buckets' access logs go to."""
    kms_key_arn: pulumi.Output[str]
    """ARN of the key of all data at rest."""
    catalog_database: pulumi.Output[str]
    """Name of the Glue database."""
    athena_workgroup: pulumi.Output[str]
    """Name of the Athena workgroup: results encrypted, scans limited, settings enforced."""

    ingest_policy_arn: pulumi.Output[str]
    """Attach to any role that brings data: it writes to the raw bucket and reads nothing."""
    curate_policy_arn: pulumi.Output[str]
    """Attach to the role of the quality gate: raw rows in, curated rows out."""

    def __init__(self, name: str, args: DataLakeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stagecraft:index:DataLake", name, args, opts)
        _check(name, args)
        self._name = name
        self._tags = args.get("tags", {})
        self._allow_data_loss = args.get("allow_data_loss", False)
        cloud = current_cloud(self)
        self.kms_key_arn = data_key(self, name, args, cloud, purpose="Data at rest")
        buckets = self._buckets(cloud, retention_days(args.get("retention", [])))
        self.raw_bucket = buckets["raw"]
        self.curated_bucket = buckets["curated"]
        self.features_bucket = buckets["features"]
        self.artifacts_bucket = buckets["artifacts"]
        self.access_logs_bucket = buckets["access-logs"]
        self.catalog_database = self._catalog()
        self.athena_workgroup = self._workgroup(cloud, args.get("scan_limit_gib", DEFAULT_SCAN_LIMIT_GIB))
        self.ingest_policy_arn = self._ingest_policy(cloud)
        self.curate_policy_arn = self._curate_policy(cloud)
        self.register_outputs(declared_outputs(self))

    def _buckets(self, cloud: Cloud, retention: dict[str, dict[str, int]]) -> dict[str, pulumi.Output[str]]:
        logs = secure_bucket(
            self,
            f"{self._name}-access-logs",
            BucketSettings({"": ACCESS_LOG_DAYS}, tiered=False),
            cloud=cloud,
            kms_key_arn=self.kms_key_arn,
            tags=self._tags,
            allow_data_loss=self._allow_data_loss,
        )
        made = {"access-logs": logs.bucket.id}
        for role in BUCKETS:
            made[role] = secure_bucket(
                self,
                f"{self._name}-{role}",
                BucketSettings(retention[role]),
                cloud=cloud,
                kms_key_arn=self.kms_key_arn,
                tags=self._tags,
                allow_data_loss=self._allow_data_loss,
                log_target=logs,
            ).bucket.id
        return made

    def _catalog(self) -> pulumi.Output[str]:
        # Athena takes no hyphen in a database's name, so Pulumi's own naming will not do.
        return aws.glue.CatalogDatabase(
            f"{self._name}-catalog",
            name=naming.column_name(f"{scope()}_{self._name}"),
            description=f"Tables of {self._name}",
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        ).name

    def _workgroup(self, cloud: Cloud, scan_limit_gib: int) -> pulumi.Output[str]:
        return aws.athena.Workgroup(
            f"{self._name}-queries",
            description=f"Queries on {self._name}",
            force_destroy=self._allow_data_loss,
            configuration=aws.athena.WorkgroupConfigurationArgs(
                enforce_workgroup_configuration=True,
                publish_cloudwatch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=scan_limit_gib * 1024**3,
                result_configuration=aws.athena.WorkgroupConfigurationResultConfigurationArgs(
                    output_location=pulumi.Output.format("s3://{0}/athena/", self.artifacts_bucket),
                    expected_bucket_owner=cloud.account,
                    encryption_configuration=aws.athena.WorkgroupConfigurationResultConfigurationEncryptionConfigurationArgs(
                        encryption_option="SSE_KMS", kms_key_arn=self.kms_key_arn
                    ),
                ),
            ),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        ).name

    def _ingest_policy(self, cloud: Cloud) -> pulumi.Output[str]:
        known = pulumi.Output.all(raw=cloud.bucket_arn(self.raw_bucket), key=self.kms_key_arn)
        return self._policy(
            "ingest",
            known.apply(
                lambda at: iam.document(*iam.bucket_access(at["raw"], write=[""]), iam.key_access(at["key"]))
            ),
        )

    def _curate_policy(self, cloud: Cloud) -> pulumi.Output[str]:
        known = pulumi.Output.all(
            raw=cloud.bucket_arn(self.raw_bucket),
            curated=cloud.bucket_arn(self.curated_bucket),
            features=cloud.bucket_arn(self.features_bucket),
            key=self.kms_key_arn,
        )
        return self._policy(
            "curate",
            known.apply(
                lambda at: iam.document(
                    *iam.bucket_access(at["raw"], read=[""]),
                    *iam.bucket_access(at["curated"], read=[""], write=[""]),
                    *iam.bucket_access(at["features"], read=["_views/"]),
                    iam.key_access(at["key"]),
                )
            ),
        )

    def _policy(self, role: str, document: pulumi.Output[str]) -> pulumi.Output[str]:
        return aws.iam.Policy(
            f"{self._name}-{role}",
            description=f"May {role} data of {self._name}",
            policy=document,
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        ).arn


def retention_days(rules: list[RetentionRule]) -> dict[str, dict[str, int]]:
    """Bucket → prefix → days: the defaults, with the rules given in their place."""
    merged = {bucket: dict(prefixes) for bucket, prefixes in DEFAULT_RETENTION_DAYS.items()}
    for rule in rules:
        merged[rule["bucket"]][rule.get("prefix", "")] = int(rule["days"])
    return merged


def _check(name: str, args: DataLakeArgs) -> None:
    problems = Problems("DataLake", name)
    if problems.shape(args, DataLakeArgs):
        problems.between("scanLimitGib", args.get("scan_limit_gib"), 1, 10240, "GiB")
        for index, rule in enumerate(args.get("retention", [])):
            path = f"retention[{index}]"
            problems.one_of(f"{path}.bucket", rule["bucket"], BUCKETS)
            problems.between(f"{path}.days", rule["days"], 1, 36500, "days")
            prefix = rule.get("prefix", "")
            if prefix.startswith("/"):
                problems.add(f"{path}.prefix", prefix, "keys do not start with '/'; leave it out")
    problems.raise_if_any()
