"""The real Feast reads and writes what FeatureStore made; where it is installed."""

import sys
from decimal import Decimal

import pytest

from tests.components.examples import view
from tests.components.recording import run

pytest.importorskip("feast", reason="Feast is the user's own (pip install 'feast[aws]')")
pytestmark = pytest.mark.slow


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The feature repository as it lies in the bucket, with its tables in a mocked account."""
    import boto3
    from moto import mock_aws

    from components import FeatureStore

    args = {"views": [view()], "features_bucket": "features", "catalog_database": "lake"}
    recording = run(lambda: FeatureStore("it", args))
    for written in recording.of("BucketObjectv2"):
        folder, _, name = written.inputs["key"].partition("/")
        if folder == "_feast":
            (tmp_path / name).write_text(written.inputs["content"])
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "test")
    monkeypatch.syspath_prepend(str(tmp_path))
    with mock_aws():
        boto3.client("s3", "us-east-1").create_bucket(Bucket="features")
        boto3.client("dynamodb", "us-east-1").create_table(
            TableName="it-activity-online",
            KeySchema=[{"AttributeName": "entity_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "entity_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield tmp_path
    for name in ("definitions", "stagecraft_online_store"):
        sys.modules.pop(name, None)


@pytest.fixture
def store(repository, monkeypatch):
    import definitions
    from feast import FeatureStore
    from feast.infra.offline_stores.contrib.athena_offline_store.athena_source import AthenaSource

    # Athena is not mocked: Feast would ask it for the columns, which the definitions name.
    monkeypatch.setattr(AthenaSource, "validate", lambda self, config: None)
    monkeypatch.setattr(AthenaSource, "get_table_column_names_and_types", lambda self, config: [])
    store = FeatureStore(repo_path=str(repository))
    store.apply([definitions.entity_customer_id, definitions.activity])
    return store


def test_feast_reads_what_the_platform_materialised(store):
    import boto3

    boto3.resource("dynamodb", "us-east-1").Table("it-activity-online").put_item(
        Item={
            "entity_id": "c1",
            "event_time": "2026-11-20T00:00:00+00:00",
            "sessions": 7,
            "minutes": Decimal("12.5"),
            "plan": "paid",
        }
    )
    features = ["activity:sessions", "activity:minutes", "activity:plan"]
    rows = [{"customer_id": "c1"}, {"customer_id": "nobody"}, {"customer_id": "c1"}]
    read = store.get_online_features(features=features, entity_rows=rows).to_dict()
    assert read["sessions"] == [7, None, 7]
    assert read["minutes"] == [12.5, None, 12.5]
    assert read["plan"] == ["paid", None, "paid"]


def test_what_feast_writes_lies_as_the_platform_has_it(store):
    import boto3
    import pandas as pd

    row = {
        "customer_id": "c2",
        "observed_at": pd.Timestamp("2026-11-20", tz="UTC"),
        "sessions": 1,
        "minutes": 0.5,
        "plan": "free",
    }
    store.write_to_online_store("activity", pd.DataFrame([row]))
    table = boto3.resource("dynamodb", "us-east-1").Table("it-activity-online")
    item = table.get_item(Key={"entity_id": "c2"})["Item"]
    assert item == {
        "entity_id": "c2",
        "event_time": "2026-11-20T00:00:00+00:00",
        "expires_at": int(row["observed_at"].timestamp()) + 30 * 86400,
        "sessions": 1,
        "minutes": Decimal("0.5"),
        "plan": "free",
    }
