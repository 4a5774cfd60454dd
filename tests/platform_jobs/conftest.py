"""A cloud of moto's with the buckets and tables that the components would make."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from platform_jobs import demo_data
from platform_jobs.aws import Clients
from platform_jobs.ingest import ingest
from platform_jobs.materialise import MaterialiseSettings
from platform_jobs.quality import QualitySettings
from platform_jobs.settings import load

REGION = "us-east-1"
BUCKETS = {zone: f"acme-{zone}" for zone in ("raw", "curated", "features", "artifacts")}


@dataclass
class World:
    """What a deployed environment looks like to a job."""

    clients: Clients
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def declare(self, declaration: dict[str, Any]) -> None:
        name = declaration["name"]
        self.clients.bucket(BUCKETS["features"]).put(
            f"_views/{name}.json", json.dumps(declaration).encode(), content_type="application/json"
        )
        self.clients.dynamodb.create_table(
            TableName=f"online-{name}",
            KeySchema=[{"AttributeName": "entity_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "entity_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        tables = json.loads(self.environ.get("STAGECRAFT_ONLINE_TABLES", "{}"))
        self.environ["STAGECRAFT_ONLINE_TABLES"] = json.dumps({**tables, name: f"online-{name}"})

    def settings(self, kind: type[Any], **overrides: str) -> Any:
        return load(kind, {**self.environ, **overrides})

    def ingest(self, view: str, text: str, name: str = "rows.csv", **options: Any) -> Any:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return ingest(self.clients, BUCKETS["raw"], view, path, **options)

    def quality(self, view: str, **overrides: str) -> QualitySettings:
        return self.settings(QualitySettings, STAGECRAFT_VIEW=view, **overrides)

    def materialise(self, view: str, **overrides: str) -> MaterialiseSettings:
        return self.settings(MaterialiseSettings, STAGECRAFT_VIEW=view, **overrides)

    def keys(self, zone: str, prefix: str = "") -> list[str]:
        return [item.key for item in self.clients.bucket(BUCKETS[zone]).list(prefix)]

    def objects(self, zone: str) -> dict[str, bytes]:
        bucket = self.clients.bucket(BUCKETS[zone])
        return {key: bucket.get(key) or b"" for key in self.keys(zone)}


def make_world(folder: Path) -> World:
    """A fresh cloud, inside `mock_aws`."""
    clients = Clients(region=REGION)
    for name in BUCKETS.values():
        clients.s3.create_bucket(Bucket=name)
    environ = {f"STAGECRAFT_{zone.upper()}_BUCKET": name for zone, name in BUCKETS.items()}
    environ["STAGECRAFT_STACK"] = "test"
    environ["STAGECRAFT_VIEWS_PREFIX"] = f"s3://{BUCKETS['features']}/_views/"
    return World(clients, folder, environ)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh cloud for one test."""
    with mock_aws():
        yield make_world(tmp_path)


@pytest.fixture
def demo(world: World) -> World:
    """The same with the demo's view declared."""
    world.declare(demo_data.declaration())
    return world
