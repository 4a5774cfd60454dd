"""FeatureStore: features written once, read the same way online and offline."""

import json
from collections.abc import Callable
from typing import Any, Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import batch_job, feast, iam, naming
from components.batch_job import JobSpec
from components.checks import Problems
from components.context import by_name, current_cloud, data_options, declared_outputs, scope
from components.encryption import data_key
from components.feature_view import EVENT_DATE, FeatureView, check_views, columns, declaration
from components.logs import log_group

Known = dict[str, Any]

LOG_RETENTION_DAYS: Final = 30
FIRST_PARTITION: Final = "2000-01-01"
"""Where Athena's partition projection begins."""


class Materialisation(TypedDict):
    """The job that turns curated rows into features, offline and online."""

    image_uri: pulumi.Input[str]
    """Image whose command `materialise` does it."""
    source_bucket: pulumi.Input[str]
    """Name of the bucket with curated rows, under `<view>/`."""
    environment: NotRequired[dict[str, pulumi.Input[str]]]
    """Further environment variables."""
    vcpus: NotRequired[int]
    """vCPUs of a run; from 1 to 192. Default: 2."""
    memory_mib: NotRequired[int]
    """Memory of a run in MiB. Default: 3500."""


class FeatureStoreArgs(TypedDict):
    """Inputs of FeatureStore."""

    views: list[FeatureView]
    """Feature views to serve; at least one."""
    features_bucket: pulumi.Input[str]
    """Name of the bucket for offline features and declarations."""
    catalog_database: pulumi.Input[str]
    """Name of the Glue database for the offline tables."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key for data at rest, also the features bucket's. Default: a key is made, rotated yearly."""
    athena_workgroup: NotRequired[pulumi.Input[str]]
    """Workgroup that Feast's offline reads run in. Default: `primary`, the account's own."""
    materialisation: NotRequired[Materialisation]
    """The job that fills the stores. Default: none; fill them with the write policy."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take its data along. Default: false; tables are protected."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class FeatureStore(pulumi.ComponentResource):
    """Online (DynamoDB) and offline (Parquet on S3, in Glue) stores of a set of feature views.

    An idle store bills for what it keeps and nothing else: tables are on demand.
    """

    tables: pulumi.Output[dict[str, str]]
    """View → name of its DynamoDB table."""
    catalog_tables: pulumi.Output[dict[str, str]]
    """View → name of its Glue table."""
    offline_uris: pulumi.Output[dict[str, str]]
    """View → `s3://` prefix of its Parquet files."""
    views_uri: pulumi.Output[str]
    """`s3://` prefix of the views' declarations, `<view>.json`."""
    feast_uri: pulumi.Output[str]
    """`s3://` address of the ready `feature_store.yaml`."""
    feature_store_yaml: pulumi.Output[str]
    """The same file's text."""
    read_policy_arn: pulumi.Output[str]
    """Attach to any role that reads features."""
    write_policy_arn: pulumi.Output[str]
    """Attach to any role that writes features."""
    materialise_job_arn: pulumi.Output[str | None]
    """ARN of the materialisation's job definition; nothing without `materialisation`."""

    def __init__(self, name: str, args: FeatureStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stagecraft:index:FeatureStore", name, args, opts)
        _check(name, args)
        self._name = name
        self._views = args["views"]
        self._tags = args.get("tags", {})
        self._allow_data_loss = args.get("allow_data_loss", False)
        self._bucket = pulumi.Output.from_input(args["features_bucket"])
        self._database = pulumi.Output.from_input(args["catalog_database"])
        self._workgroup = args.get("athena_workgroup", "primary")
        self._cloud = current_cloud(self)
        self._key = data_key(self, name, args, self._cloud, purpose="Features at rest")
        self._tables = {view["name"]: self._online_table(view) for view in self._views}
        catalog = {view["name"]: self._offline_table(view) for view in self._views}
        for view in self._views:
            self._declaration(view)
        self.tables = by_name({key: table.name for key, table in self._tables.items()})
        self.catalog_tables = by_name({key: table.name for key, table in catalog.items()})
        self.offline_uris = by_name({view["name"]: self._uri(view["name"]) for view in self._views})
        self.views_uri = self._uri("_views")
        self.feature_store_yaml = self._feature_store_yaml()
        self.feast_uri = self._feast_files()
        self.read_policy_arn = self._policy("read", self._read_statements)
        self.write_policy_arn = self._policy("write", self._write_statements)
        self.materialise_job_arn = self._materialise_job(args)
        self.register_outputs(declared_outputs(self))

    def _online_table(self, view: FeatureView) -> aws.dynamodb.Table:
        return aws.dynamodb.Table(
            f"{self._name}-{view['name']}-online",
            billing_mode="PAY_PER_REQUEST",
            hash_key="entity_id",
            attributes=[aws.dynamodb.TableAttributeArgs(name="entity_id", type="S")],
            ttl=aws.dynamodb.TableTtlArgs(attribute_name="expires_at", enabled=True),
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
            server_side_encryption=aws.dynamodb.TableServerSideEncryptionArgs(
                enabled=True, kms_key_arn=self._key
            ),
            deletion_protection_enabled=not self._allow_data_loss,
            tags=self._tags,
            opts=data_options(self, self._allow_data_loss),
        )

    def _offline_table(self, view: FeatureView) -> aws.glue.CatalogTable:
        location = self._uri(view["name"])
        # Projection tells Athena the partitions: no crawler to run, no partition to add.
        return aws.glue.CatalogTable(
            f"{self._name}-{view['name']}-offline",
            name=naming.column_name(view["name"]),
            database_name=self._database,
            description=f"Offline features of view {view['name']}",
            table_type="EXTERNAL_TABLE",
            parameters={
                "EXTERNAL": "TRUE",
                "classification": "parquet",
                "projection.enabled": "true",
                f"projection.{EVENT_DATE}.format": "yyyy-MM-dd",
                f"projection.{EVENT_DATE}.range": f"{FIRST_PARTITION},NOW",
                f"projection.{EVENT_DATE}.type": "date",
                "storage.location.template": pulumi.Output.concat(
                    location, EVENT_DATE, "=${", EVENT_DATE, "}/"
                ),
            },
            partition_keys=[aws.glue.CatalogTablePartitionKeyArgs(name=EVENT_DATE, type="string")],
            storage_descriptor=aws.glue.CatalogTableStorageDescriptorArgs(
                location=location,
                input_format="org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                output_format="org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                ser_de_info=aws.glue.CatalogTableStorageDescriptorSerDeInfoArgs(
                    serialization_library="org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
                ),
                columns=[
                    aws.glue.CatalogTableStorageDescriptorColumnArgs(name=column, type=kind)
                    for column, kind in columns(view)
                ],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _declaration(self, view: FeatureView) -> None:
        self._object(
            f"{view['name']}-declaration",
            f"_views/{view['name']}.json",
            declaration(view),
            "application/json",
        )

    def _feature_store_yaml(self) -> pulumi.Output[str]:
        return pulumi.Output.all(
            region=self._cloud.region,
            bucket=self._bucket,
            database=self._database,
            workgroup=self._workgroup,
            tables=self.tables,
        ).apply(
            lambda known: feast.feature_store_yaml(
                project=naming.column_name(f"{scope()}_{self._name}"), **known
            )
        )

    def _feast_files(self) -> pulumi.Output[str]:
        definitions = pulumi.Output.all(database=self._database, catalog_tables=self.catalog_tables).apply(
            lambda known: feast.definitions(self._views, **known)
        )
        module = f"_feast/{feast.ONLINE_STORE_MODULE}.py"
        self._object("feast-definitions", "_feast/definitions.py", definitions, "text/x-python")
        self._object("feast-online-store", module, feast.online_store_module(), "text/x-python")
        configuration = self._object(
            "feast-configuration", "_feast/feature_store.yaml", self.feature_store_yaml, "application/yaml"
        )
        return pulumi.Output.format("s3://{0}/{1}", self._bucket, configuration.key)

    def _object(
        self, role: str, key: str, content: pulumi.Input[str], content_type: str
    ) -> aws.s3.BucketObjectv2:
        return aws.s3.BucketObjectv2(
            f"{self._name}-{role}",
            bucket=self._bucket,
            key=key,
            content=content,
            content_type=content_type,
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _uri(self, prefix: str) -> pulumi.Output[str]:
        return pulumi.Output.format("s3://{0}/{1}/", self._bucket, prefix)

    def _policy(self, role: str, statements: Callable[[Known], list[iam.Statement]]) -> pulumi.Output[str]:
        known = pulumi.Output.all(
            bucket=self._cloud.bucket_arn(self._bucket),
            key=self._key,
            tables=[table.arn for table in self._tables.values()],
            catalog=[
                self._cloud.arn("glue", "catalog"),
                self._cloud.arn("glue", pulumi.Output.concat("database/", self._database)),
                *(
                    self._cloud.arn(
                        "glue",
                        pulumi.Output.format(
                            "table/{0}/{1}", self._database, naming.column_name(view["name"])
                        ),
                    )
                    for view in self._views
                ),
            ],
        )
        return aws.iam.Policy(
            f"{self._name}-{role}",
            description=f"May {role} the features of {self._name}",
            policy=known.apply(lambda values: iam.document(*statements(values))),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        ).arn

    def _read_statements(self, known: Known) -> list[iam.Statement]:
        return [
            iam.allow(
                ["dynamodb:BatchGetItem", "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:Query"],
                known["tables"],
            ),
            iam.allow(
                ["glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions", "glue:GetTable"],
                known["catalog"],
            ),
            *iam.bucket_access(known["bucket"], read=["_feast/", "_views/", *self._prefixes]),
            iam.key_access(known["key"]),
        ]

    def _write_statements(self, known: Known) -> list[iam.Statement]:
        return [
            iam.allow(
                [
                    "dynamodb:BatchGetItem",
                    "dynamodb:BatchWriteItem",
                    "dynamodb:DeleteItem",
                    "dynamodb:DescribeTable",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:UpdateItem",
                ],
                known["tables"],
            ),
            *iam.bucket_access(
                known["bucket"],
                read=["_views/", *self._prefixes],
                write=self._prefixes,
                delete=self._prefixes,
            ),
            iam.key_access(known["key"]),
        ]

    @property
    def _prefixes(self) -> list[str]:
        return [f"{view['name']}/" for view in self._views]

    def _materialise_job(self, args: FeatureStoreArgs) -> pulumi.Output[str | None]:
        if "materialisation" not in args:
            return pulumi.Output.from_input(None)
        job = args["materialisation"]
        name = f"{self._name}-materialise"
        source = pulumi.Output.from_input(job["source_bucket"])
        reads_source = aws.iam.Policy(
            f"{name}-source",
            description=f"What {name} may read",
            policy=pulumi.Output.all(self._cloud.bucket_arn(source), self._key).apply(
                lambda known: iam.document(
                    *iam.bucket_access(known[0], read=self._prefixes), iam.key_access(known[1])
                )
            ),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        logs = log_group(
            self,
            f"{name}-logs",
            naming.log_group_name(pulumi.get_stack(), name),
            kms_key_arn=self._key,
            retention_days=LOG_RETENTION_DAYS,
            tags=self._tags,
        )
        definition, _role = batch_job.batch_job(
            self,
            name,
            JobSpec(
                image_uri=job["image_uri"],
                command=["materialise"],
                log_group=logs.name,
                environment={
                    "STAGECRAFT_STACK": pulumi.get_stack(),
                    "STAGECRAFT_CURATED_BUCKET": source,
                    "STAGECRAFT_FEATURES_BUCKET": self._bucket,
                    "STAGECRAFT_ONLINE_TABLES": self.tables.apply(
                        lambda tables: json.dumps(tables, sort_keys=True)
                    ),
                    "STAGECRAFT_VIEWS_PREFIX": self.views_uri,
                    **job.get("environment", {}),
                },
                vcpus=int(job.get("vcpus", batch_job.DEFAULT_VCPUS)),
                memory_mib=int(job.get("memory_mib", batch_job.DEFAULT_MEMORY_MIB)),
            ),
            cloud=self._cloud,
            policies={"source": reads_source.arn, "write": self.write_policy_arn},
            tags=self._tags,
        )
        return definition.apply(lambda arn: arn)


def _check(name: str, args: FeatureStoreArgs) -> None:
    problems = Problems("FeatureStore", name)
    if problems.shape(args, FeatureStoreArgs):
        check_views(problems, args["views"])
        if "materialisation" in args:
            problems.between("materialisation.vcpus", args["materialisation"].get("vcpus"), 1, 192)
            problems.between(
                "materialisation.memoryMib", args["materialisation"].get("memory_mib"), 256, 3145728
            )
    problems.raise_if_any()
