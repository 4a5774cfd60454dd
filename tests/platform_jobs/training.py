"""What tests of training share: data that is ready to train on, and a run."""

import datetime
import json
from typing import Any

from sklearn.datasets import load_wine

from platform_jobs import demo_data, materialise, quality, train
from platform_jobs.checkpoint import Interruption
from platform_jobs.train import Trained, TrainSettings
from tests.platform_jobs.conftest import BUCKETS, World

ANCHOR = datetime.date(2026, 3, 1)
NOW = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
GROUP = "acme-screening"
LINEAGE = "acme-lineage"


def prepare(world: World, declaration: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Everything that comes before training."""
    view = declaration["name"]
    world.declare(declaration)
    world.ingest(view, demo_data.to_csv(rows), now=NOW)
    quality.run(world.clients, world.quality(view))
    materialise.run(world.clients, world.materialise(view), now=NOW)
    world.clients.sagemaker.create_model_package_group(ModelPackageGroupName=GROUP)
    world.clients.dynamodb.create_table(
        TableName=LINEAGE,
        KeySchema=[{"AttributeName": "model_package_arn", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "model_package_arn", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    world.environ |= {
        "STAGECRAFT_MODEL": "screening",
        "STAGECRAFT_MODEL_VIEWS": json.dumps([view]),
        "STAGECRAFT_MODEL_PACKAGE_GROUP": GROUP,
        "STAGECRAFT_LINEAGE_TABLE": LINEAGE,
        "STAGECRAFT_IMAGE_URI": "123456789012.dkr.ecr.us-east-1.amazonaws.com/platform:1",
        "STAGECRAFT_CHECKPOINT_URI": f"s3://{BUCKETS['artifacts']}/checkpoints/train-screening/",
    }


def run(world: World, interruption: Interruption | None = None, **overrides: str) -> Trained:
    return train.run(world.clients, world.settings(TrainSettings, **overrides), interruption)


class After(Interruption):
    """Asks to stop after so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = steps
        self.requested = steps <= 1

    def check(self) -> None:
        super().check()
        self._left -= 1
        self.requested = self._left <= 1


def wine() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    bunch = load_wine()
    names = [name.replace("/", "_") for name in bunch.feature_names]
    rows = [
        {
            "bottle": f"b{number}",
            "tasted": "2026-02-01T00:00:00Z",
            **{name: float(value) for name, value in zip(names, values, strict=True)},
            "region": ["north", "south", "west"][number % 3],
            "organic": "true" if number % 2 else "false",
            "cultivar": f"c{target}",
        }
        for number, (values, target) in enumerate(zip(bunch.data, bunch.target, strict=True))
    ]
    fields: list[dict[str, Any]] = [{"name": name, "type": "float"} for name in names]
    fields += [{"name": "region", "type": "string"}, {"name": "organic", "type": "bool"}]
    fields += [{"name": "cultivar", "type": "string", "label": True}]
    return {"name": "wines", "joinKeys": ["bottle"], "eventTime": "tasted", "fields": fields}, rows
