"""Batch runs of other models: of several views, of classes with names, of amounts."""

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from platform_jobs import demo_data, materialise, quality, release, review
from platform_jobs.errors import JobError
from platform_jobs.release import PointerNames
from platform_jobs.train import Trained
from tests.platform_jobs import training
from tests.platform_jobs.batch import given, log_lines, score, written
from tests.platform_jobs.conftest import World, make_world
from tests.platform_jobs.served import END, POINTERS, Served


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with mock_aws():
        yield make_world(tmp_path)


def live(world: World, **overrides: str) -> Served:
    """Trains on what is prepared, and releases it."""
    world.environ["STAGECRAFT_POINTER_PREFIX"] = POINTERS
    trained: Trained = training.run(world, STAGECRAFT_ITERATIONS="10", **overrides)
    clients = world.clients
    review.approve(clients, training.GROUP, trained.arn, "kim", "good", lineage_table=training.LINEAGE)
    release.release(clients, training.GROUP, PointerNames.of(POINTERS, "screening"), trained.arn)
    return Served(world, trained.arn, trained.artifact_uri.split("/")[-2], trained.data_version)


def test_classes_with_names(world: World) -> None:
    declaration, rows = training.wine()
    training.prepare(world, declaration, rows)
    served = live(world, STAGECRAFT_MODEL_TASK="multiclass")
    frame = written(served, score(served, STAGECRAFT_CHUNK_ROWS="50")).set_index("bottle")
    truth = {row["bottle"]: row["cultivar"] for row in rows}
    assert len(frame) == len(rows)
    right = [truth[bottle] == prediction for bottle, prediction in frame["prediction"].items()]
    assert sum(right) / len(rows) > 0.9
    first = dict(frame["probabilities"].iloc[0])
    assert set(first) == {"c0", "c1", "c2"}
    assert sum(first.values()) == pytest.approx(1)
    assert first[frame["prediction"].iloc[0]] == frame["probability"].iloc[0]


def test_amounts(world: World) -> None:
    declaration, rows = training.wine()
    for field in declaration["fields"]:
        field["label"] = field["name"] == "proline"
        if field["name"] == "cultivar":
            field["label"] = False
    training.prepare(world, declaration, rows)
    served = live(world, STAGECRAFT_MODEL_TASK="regression")
    frame = written(served, score(served)).set_index("bottle")
    assert "probability" not in frame
    truth = {row["bottle"]: row["proline"] for row in rows}
    errors = [abs(truth[bottle] - amount) for bottle, amount in frame["prediction"].items()]
    assert sum(errors) / len(errors) < 200
    assert {line["probability"] for line in log_lines(served)} == {None}


SHOPS: dict[str, Any] = {
    "name": "shops",
    "joinKeys": ["shop"],
    "eventTime": "counted_at",
    "ttlDays": 30,
    "fields": [{"name": "visitors", "type": "int"}],
}
SALES: dict[str, Any] = {
    "name": "sales",
    "joinKeys": ["shop", "product"],
    "eventTime": "sold_at",
    "fields": [
        {"name": "price", "type": "float"},
        {"name": "sold", "type": "int", "allowed": [0, 1], "label": True},
    ],
}
MOMENT = (END - datetime.timedelta(days=3)).isoformat()


def sales(count: int) -> list[dict[str, Any]]:
    return [
        {
            "shop": f"shop{number % 7}",
            "product": f"p{number}",
            "sold_at": MOMENT,
            "price": number % 10,
            "sold": int(number % 10 < 5),
        }
        for number in range(count)
    ]


def of_two_views(world: World, shops: dict[str, str]) -> Served:
    """A model of sales in shops; each shop was counted at a time of its own."""
    world.declare(SHOPS)
    rows = [
        {"shop": shop, "counted_at": at, "visitors": 10 + number}
        for number, (shop, at) in enumerate(shops.items())
    ]
    world.ingest("shops", demo_data.to_csv(rows), name="shops.csv", now=training.NOW)
    quality.run(world.clients, world.quality("shops"))
    materialise.run(world.clients, world.materialise("shops"), now=training.NOW)
    training.prepare(world, SALES, sales(140))
    world.environ["STAGECRAFT_MODEL_VIEWS"] = json.dumps(["sales", "shops"])
    return live(world)


def test_views_of_different_keys_come_together_in_every_chunk(world: World) -> None:
    counted = {f"shop{number}": (END - datetime.timedelta(days=5)).isoformat() for number in range(5)}
    counted["shop5"] = (END - datetime.timedelta(days=40)).isoformat()  # aged out; shop6 never was counted
    served = of_two_views(world, counted)
    found = score(served, STAGECRAFT_CHUNK_ROWS="20")
    assert (found.predictions, len(found.chunks)) == (140, 7)
    lines = log_lines(served)
    visitors = {line["entity"]["shop"]: line["features"]["visitors"] for line in lines}
    assert visitors == {**{f"shop{n}": 10 + n for n in range(5)}, "shop5": None, "shop6": None}
    assert {tuple(sorted(line["entity"])) for line in lines} == {("product", "shop")}
    # What any view knows is enough to be known; a shop that was never counted sells nothing new.
    place = given(served, "shop,product\nshop1,new\nshop6,new\n")
    some = score(served, name="some", STAGECRAFT_ENTITIES_URI=place, STAGECRAFT_MAX_BAD_FRACTION="0.5")
    assert (some.predictions, some.reasons) == (1, {"unknown": 1})


def test_a_view_that_changed_under_the_model_is_said(world: World) -> None:
    declaration, rows = training.wine()
    training.prepare(world, declaration, rows)
    served = live(world, STAGECRAFT_MODEL_TASK="multiclass")
    declaration["fields"] = [field for field in declaration["fields"] if field["name"] != "alcohol"]
    bucket = world.environ["STAGECRAFT_FEATURES_BUCKET"]
    body = json.dumps(declaration).encode()
    world.clients.bucket(bucket).put("_views/wines.json", body, content_type="application/json")
    with pytest.raises(JobError, match="no longer declare alcohol"):
        score(served)
