"""The real Feast reads and writes what FeatureStore made, against the twin."""

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from components import FeatureStore
from tests.cli_driver import CHECKOUT
from tests.components.examples import view
from tests.components.recording import run
from twin.aws.cloud.client import ensure_cloud, process_environment, session, stop_cloud

FEAST = CHECKOUT / ".venv" / "feast" / "bin" / "python"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FEAST.exists(), reason="Feast is not installed: `make .venv/.feast` does it"),
]
REGION = "us-east-1"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The feature repository as it lies in the bucket."""
    args = {"views": [view()], "features_bucket": "features", "catalog_database": "lake"}
    recording = run(lambda: FeatureStore("it", args))
    for written in recording.of("BucketObjectv2"):
        folder, _, name = written.inputs["key"].partition("/")
        if folder == "_feast":
            (tmp_path / name).write_text(written.inputs["content"])
    return tmp_path


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    """A twin's cloud with the store's tables, and one entity in them."""
    cloud = ensure_cloud(tmp_path / "cloud", idle_seconds=120, live=False)
    aws = session(cloud.endpoint, REGION)
    aws.client("s3").create_bucket(Bucket="features")
    aws.client("dynamodb").create_table(
        TableName="it-activity-online",
        KeySchema=[{"AttributeName": "entity_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "entity_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    aws.resource("dynamodb").Table("it-activity-online").put_item(
        Item={
            "entity_id": "c1",
            "event_time": "2026-11-20T00:00:00+00:00",
            "sessions": 7,
            "minutes": Decimal("12.5"),
            "plan": "paid",
        }
    )
    yield cloud.endpoint
    stop_cloud(tmp_path / "cloud")


def test_feast_reads_what_the_platform_wrote_and_writes_as_the_platform_does(
    repository: Path, endpoint: str
) -> None:
    written = {
        "customer_id": "c2",
        "observed_at": "2026-11-20T00:00:00+00:00",
        "sessions": 1,
        "minutes": 0.5,
        "plan": "free",
    }
    asked = {"read": ["c1", "nobody", "c1"], "write": written}
    done = subprocess.run(
        [FEAST, CHECKOUT / "tests" / "components" / "feast_client.py", json.dumps(asked)],
        cwd=repository,
        env={**process_environment(endpoint, REGION, os.environ), "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout.splitlines()[-1])
    assert read["sessions"] == [7, None, 7]
    assert read["minutes"] == [12.5, None, 12.5]
    assert read["plan"] == ["paid", None, "paid"]
    table = session(endpoint, REGION).resource("dynamodb").Table("it-activity-online")
    assert table.get_item(Key={"entity_id": "c2"})["Item"] == {
        "entity_id": "c2",
        "event_time": written["observed_at"],
        "expires_at": int(datetime.fromisoformat(written["observed_at"]).timestamp()) + 30 * 86400,
        "sessions": 1,
        "minutes": Decimal("0.5"),
        "plan": "free",
    }
