"""A model that is live, and what its callers asked: customers who may leave, made from a seed."""

import datetime
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from platform_jobs import prediction_log, release, review
from platform_jobs.prediction_log import Record
from platform_jobs.release import PointerNames
from tests.platform_jobs import training
from tests.platform_jobs.conftest import BUCKETS, World

VIEW = "customers"
POINTERS = "/stagecraft/test/models/"
END = training.NOW
HOUR = datetime.timedelta(hours=1)
DECLARATION: dict[str, Any] = {
    "name": VIEW,
    "joinKeys": ["customer_id"],
    "eventTime": "observed_at",
    "fields": [
        {"name": "logins", "type": "int", "min": 0},
        {"name": "spend", "type": "float", "nullable": True},
        {"name": "region", "type": "string"},
        {"name": "premium", "type": "bool"},
        {"name": "age_band", "type": "string"},
        {"name": "churned", "type": "int", "allowed": [0, 1], "label": True},
    ],
}
REGIONS = ("north", "south", "east", "west")
BANDS = ("18-34", "35-59", "60+")


def customers(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Features and truth of customers; the same seed gives the same ones."""
    chance = np.random.default_rng(seed)
    for number in range(count):
        logins = int(chance.poisson(8))
        spend = float(np.round(chance.gamma(2.0, 30.0), 2))
        leaving = 1 / (1 + np.exp(0.6 * (logins - 6) + 0.01 * (spend - 60)))
        yield {
            "customer_id": f"c{seed}-{number}",
            "logins": logins,
            "spend": spend if chance.random() > 0.05 else None,
            "region": str(chance.choice(REGIONS, p=(0.6, 0.25, 0.1, 0.05))),
            "premium": bool(chance.random() < 0.3),
            "age_band": str(chance.choice(BANDS)),
            "churned": int(chance.random() < leaving),
        }


def taken(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as a CSV has it."""
    spend = "" if row["spend"] is None else row["spend"]
    return {**row, "spend": spend, "premium": str(row["premium"]).lower()}


@dataclass
class Served:
    """A world with a live model."""

    world: World
    arn: str
    digest: str
    data_version: str

    def settings(self, kind: type[Any], **overrides: str) -> Any:
        known = {"STAGECRAFT_WINDOW_END": END.isoformat(), "STAGECRAFT_LINEAGE_TABLE": training.LINEAGE}
        return self.world.settings(kind, **{**known, **overrides})

    def asked(
        self,
        rows: list[Mapping[str, Any]],
        *,
        end: datetime.datetime = END,
        wrong: float = 0.0,
        **changes: Any,
    ) -> list[Record]:
        """Writes the log of an hour's requests; answers are the truth, except for a share of wrong ones."""
        chance = np.random.default_rng(len(rows))
        records = []
        for number, row in enumerate(rows):
            right = chance.random() >= wrong
            known: dict[str, Any] = {
                "id": f"{end:%d%H}-{changes.get('variant', 'live')}-{number}/0",
                "at": end - HOUR + datetime.timedelta(seconds=3600 * number / len(rows)),
                "model": "screening",
                "variant": "live",
                "version": self.digest,
                "entity": {"customer_id": row["customer_id"]},
                "features": {
                    name: value for name, value in row.items() if name not in {"customer_id", "churned"}
                },
                "prediction": row["churned"] if right else 1 - row["churned"],
                "probability": float(np.round(chance.uniform(0.5, 1), 3)),
                "latency_ms": 5.0,
            }
            records.append(Record(**{**known, **changes}))
        bucket = self.world.clients.bucket(BUCKETS["artifacts"])
        prediction_log.write(bucket, records, f"w-{changes.get('variant', 'live')}")
        return records

    def found(self, job: str) -> dict[str, Any]:
        """The newest result of a job."""
        key = max(self.world.keys("artifacts", f"monitoring/screening/{job}/"))
        return dict(json.loads(self.world.objects("artifacts")[key]))

    def clean(self) -> None:
        """Takes logs, results and metrics away; the live model stays."""
        bucket = self.world.clients.bucket(BUCKETS["artifacts"])
        for zone in ("predictions/", "outcomes/", "monitoring/"):
            for key in self.world.keys("artifacts", zone):
                bucket.delete(key)
        self.metrics()

    def metrics(self) -> dict[str, dict[str, float]]:
        """Metric → other dimensions than stack and model → the newest value; what was put is taken away."""
        from moto.cloudwatch.models import cloudwatch_backends

        backend = cloudwatch_backends["123456789012"]["us-east-1"]
        found: dict[str, dict[str, float]] = {}
        for datum in backend.metric_data:
            rest = [item.value for item in datum.dimensions if item.name not in {"Stack", "Model"}]
            value = datum.value if datum.value is not None else datum.values[0]
            found.setdefault(datum.name, {})["/".join(rest)] = float(value)
        backend.metric_data.clear()
        return found


def serve(world: World, rows: int = 1500) -> Served:
    """Trains, approves and releases a model of customers."""
    observed = (END - datetime.timedelta(days=10)).isoformat()
    data = [{**taken(row), "observed_at": observed} for row in customers(rows, seed=1)]
    training.prepare(world, DECLARATION, data)
    world.environ["STAGECRAFT_POINTER_PREFIX"] = POINTERS
    trained = training.run(world, STAGECRAFT_ITERATIONS="20")
    review.approve(
        world.clients, training.GROUP, trained.arn, "kim", "good enough", lineage_table=training.LINEAGE
    )
    names = PointerNames.of(POINTERS, "screening")
    release.release(world.clients, training.GROUP, names, trained.arn)
    digest = trained.artifact_uri.split("/")[-2]
    return Served(world, trained.arn, digest, trained.data_version)
