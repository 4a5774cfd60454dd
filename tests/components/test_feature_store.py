import ast
import json

import pulumi
import pytest
import yaml

from tests.components.examples import make, view
from tests.components.recording import run


@pytest.fixture(scope="module")
def store():
    return run(lambda: make("FeatureStore"))


def test_the_online_table_serves_on_demand_and_forgets_in_time(store):
    table = store.one("Table").inputs
    assert table["billingMode"] == "PAY_PER_REQUEST"
    assert table["hashKey"] == "entity_id"
    assert table["ttl"] == {"attributeName": "expires_at", "enabled": True}
    assert table["pointInTimeRecovery"] == {"enabled": True}
    assert table["serverSideEncryption"]["kmsKeyArn"].endswith(":it-key")
    assert table["deletionProtectionEnabled"] is True


def test_the_offline_table_is_parquet_by_date(store):
    table = store.one("CatalogTable").inputs
    columns = {column["name"]: column["type"] for column in table["storageDescriptor"]["columns"]}
    assert columns == {
        "customer_id": "string",
        "observed_at": "timestamp",
        "sessions": "bigint",
        "minutes": "double",
        "plan": "string",
        "churned": "boolean",
    }
    assert table["partitionKeys"] == [{"name": "event_date", "type": "string"}]
    assert table["parameters"]["storage.location.template"] == (
        "s3://features/activity/event_date=${event_date}/"
    )
    assert table["storageDescriptor"]["location"] == "s3://features/activity/"


def test_the_declaration_is_what_the_jobs_read(store):
    from platform_jobs.views import parse_view

    written = store.one("BucketObjectv2", "it-activity-declaration").inputs
    assert written["key"] == "_views/activity.json"
    declared = json.loads(written["content"])
    assert declared["joinKeys"] == ["customer_id"]
    assert declared["fields"][1] == {
        "name": "minutes",
        "type": "float",
        "nullable": True,
        "maxNullFraction": 0.1,
    }
    parsed = parse_view(declared)
    assert [field.name for field in parsed.labels] == ["churned"]
    assert parsed.ttl_days == 30


def test_feast_is_told_of_the_tables_and_of_no_label(store):
    settings = yaml.safe_load(store.one("BucketObjectv2", "it-feast-configuration").inputs["content"])
    assert settings["online_store"]["tables"] == {"activity": "it-activity-online"}
    assert settings["offline_store"]["database"] == "lake"
    definitions = store.one("BucketObjectv2", "it-feast-definitions").inputs["content"]
    ast.parse(definitions)
    assert "'sessions'" in definitions
    assert "churned" not in definitions
    assert yaml.safe_load(store.outputs["feature_store_yaml"]) == settings


def test_the_job_may_read_curated_rows_and_write_features_only(store):
    role = store.one("Role", "it-materialise-role")
    assert json.loads(role.inputs["assumeRolePolicy"])["Statement"][0]["Principal"] == {
        "Service": "ecs-tasks.amazonaws.com"
    }
    source = json.loads(store.one("Policy", "it-materialise-source").inputs["policy"])
    assert [each["Action"] for each in source["Statement"]][:2] == [["s3:ListBucket"], ["s3:GetObject"]]
    assert source["Statement"][1]["Resource"] == ["arn:aws:s3:::curated/activity/*"]
    write = json.loads(store.one("Policy", "it-write").inputs["policy"])
    puts = [each for each in write["Statement"] if "s3:PutObject" in each["Action"]]
    assert puts[0]["Resource"] == ["arn:aws:s3:::features/activity/*"]


def test_the_job_is_told_what_the_contract_says(store):
    container = json.loads(store.one("JobDefinition").inputs["containerProperties"])
    environment = {item["name"]: item["value"] for item in container["environment"]}
    assert container["command"] == ["materialise"]
    assert environment == {
        "STAGECRAFT_STACK": "test",
        "STAGECRAFT_CURATED_BUCKET": "curated",
        "STAGECRAFT_FEATURES_BUCKET": "features",
        "STAGECRAFT_VIEWS_PREFIX": "s3://features/_views/",
        "STAGECRAFT_ONLINE_TABLES": '{"activity": "it-activity-online"}',
    }
    assert container["jobRoleArn"].endswith(":it-materialise-role")
    assert container["logConfiguration"]["options"]["awslogs-group"] == "/stagecraft/test/it-materialise"


def test_without_an_image_there_is_no_job():
    from components import FeatureStore

    args = {"views": [view()], "features_bucket": "features", "catalog_database": "lake"}
    store = run(lambda: FeatureStore("it", args))
    assert not store.of("JobDefinition")
    assert not store.of("Role")
    assert store.outputs["materialise_job_arn"] is None


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": "Activity"}, "views[0].name"),
        ({"join_keys": []}, "views[0].joinKeys"),
        ({"fields": []}, "views[0].fields"),
        ({"ttl_days": 0}, "views[0].ttlDays"),
        ({"event_time": "event_date"}, "views[0].columns"),
        ({"fields": [{"name": "a", "type": "double"}]}, "views[0].fields[0].type"),
        ({"fields": [{"name": "a", "type": "int", "min": 2, "max": 1}]}, "views[0].fields[0].min"),
        ({"fields": [{"name": "a", "type": "string", "max": 1}]}, "views[0].fields[0].min"),
        ({"fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}, "views[0].columns[3]"),
        (
            {"fields": [{"name": "a", "type": "int", "max_null_fraction": 0.5}]},
            "views[0].fields[0].maxNullFraction",
        ),
        ({"duplicates": "keep"}, "views[0].duplicates"),
    ],
)
def test_a_bad_view_is_named_by_its_place(changes, path):
    with pytest.raises(pulumi.InputPropertiesError) as raised:
        run(lambda: make("FeatureStore", views=[view(**changes)]))
    assert [each["property_path"] for each in raised.value.errors] == [path]
