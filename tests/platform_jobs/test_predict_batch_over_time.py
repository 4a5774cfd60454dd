"""What is learnt, corrected or released while a batch run lasts, or after its time."""

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from platform_jobs import materialise, quality, release, review
from platform_jobs.aws import Bucket
from platform_jobs.demo_data import to_csv
from platform_jobs.errors import Interrupted
from platform_jobs.release import PointerNames
from tests.platform_jobs import training
from tests.platform_jobs.batch import log_lines, score
from tests.platform_jobs.conftest import make_world
from tests.platform_jobs.served import END, HOUR, POINTERS, VIEW, Served, customers, serve, taken
from tests.platform_jobs.training import After


@pytest.fixture
def other(tmp_path: Any) -> Iterator[Served]:
    """A live model of its own, whose data a test may change."""
    with mock_aws():
        yield serve(make_world(tmp_path), rows=200)


def observe(served: Served, rows: list[dict[str, Any]], at: datetime.datetime, name: str) -> None:
    data = [{**taken(row), "observed_at": at.isoformat()} for row in rows]
    served.world.ingest(VIEW, to_csv(data), name=name, now=training.NOW + HOUR)
    quality.run(served.world.clients, served.world.quality(VIEW))
    materialise.run(served.world.clients, served.world.materialise(VIEW), now=training.NOW)


def test_features_are_those_of_the_time(other: Served) -> None:
    loyal = {"logins": 60, "spend": 5.0, "region": "north", "premium": True, "age_band": "60+", "churned": 0}
    gone = {**loyal, "logins": 0, "spend": 900.0}
    someone = [{"customer_id": "c1-7", **gone}]
    new = [{"customer_id": "new", **loyal}]
    observe(other, someone, END - 5 * HOUR, "later.csv")
    observe(other, new, END - 3 * HOUR, "new.csv")
    logged: dict[str, dict[str, Any]] = {}
    for name, hours in (("before", 6), ("between", 4), ("after", 0)):
        found = score(other, name=name, STAGECRAFT_AS_OF=(END - hours * HOUR).isoformat())
        lines = {line["entity"]["customer_id"]: line for line in log_lines(other) if name in line["id"]}
        assert len(lines) == found.predictions == (201 if name == "after" else 200)
        logged[name] = lines["c1-7"]["features"]
    assert logged["before"] == {
        key: value
        for key, value in list(customers(8, seed=1))[7].items()
        if key not in {"customer_id", "churned"}
    }
    assert logged["between"]["logins"] == logged["after"]["logins"] == 0


def test_data_that_changes_under_a_run_leaves_no_mixture(other: Served) -> None:
    with pytest.raises(Interrupted):
        score(other, After(3), STAGECRAFT_CHUNK_ROWS="50")
    changed = [{**row, "logins": 0, "spend": 900.0} for row in customers(200, seed=1)]
    observe(other, changed, END - HOUR, "corrected.csv")
    found = score(other, now=END + HOUR, STAGECRAFT_CHUNK_ROWS="50")
    assert len(found.chunks) == 4
    lines = log_lines(other)
    assert len(lines) == 200
    assert {line["features"]["logins"] for line in lines} == {0}


def test_a_release_under_a_run_does_not_change_its_version(other: Served) -> None:
    with pytest.raises(Interrupted):
        score(other, After(2), STAGECRAFT_CHUNK_ROWS="50")
    trained = training.run(other.world, STAGECRAFT_ITERATIONS="10", STAGECRAFT_SEED="3")
    clients = other.world.clients
    review.approve(clients, training.GROUP, trained.arn, "kim", "good", lineage_table=training.LINEAGE)
    release.release(clients, training.GROUP, PointerNames.of(POINTERS, "screening"), trained.arn)
    assert score(other, STAGECRAFT_CHUNK_ROWS="50").version == other.arn
    assert score(other, name="next").version == trained.arn


def test_features_that_are_corrected_while_they_are_read_are_read_again(
    other: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrected = [{**row, "logins": 0, "spend": 900.0} for row in customers(200, seed=1)]
    original, first = Bucket.get, [True]

    def get(self: Bucket, key: str) -> bytes | None:
        if key.endswith("/features.parquet") and first.pop():
            monkeypatch.setattr(Bucket, "get", original)
            observe(other, corrected, END - datetime.timedelta(days=10), "corrected.csv")
        return original(self, key)

    monkeypatch.setattr(Bucket, "get", get)
    found = score(other, now=END + 2 * HOUR, STAGECRAFT_CHUNK_ROWS="50")
    assert not first
    assert (found.rows, found.predictions) == (200, 200)
    assert {line["features"]["logins"] for line in log_lines(other)} == {0}
