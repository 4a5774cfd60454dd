import datetime
import json

import pytest

from platform_jobs import demo_data, materialise, quality
from platform_jobs.errors import JobError
from platform_jobs.features import online
from platform_jobs.offline import OfflineStore
from platform_jobs.views import View, parse_view
from tests.platform_jobs.conftest import BUCKETS, World

ANCHOR = datetime.date(2026, 3, 1)
NOW = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
VIEW = demo_data.VIEW


def fill(world: World, rows: list[dict], name: str = "a.csv", days: int = 0) -> None:
    world.ingest(VIEW, demo_data.to_csv(rows), name, now=NOW + datetime.timedelta(days=days))
    quality.run(world.clients, world.quality(VIEW))


def view_of_demo() -> View:
    return parse_view(demo_data.declaration())


def store(world: World) -> OfflineStore:
    return OfflineStore(world.clients.bucket(BUCKETS["features"]), view_of_demo())


def served(world: World, *samples: str) -> list[dict]:
    views, tables = [view_of_demo()], {VIEW: f"online-{VIEW}"}
    return [
        item.values
        for item in online(world.clients, views, tables, [{"sample_id": name} for name in samples])
    ]


def test_real_data_reaches_both_stores_and_both_say_the_same(demo: World):
    rows = demo_data.samples(ANCHOR)
    fill(demo, rows)
    result = materialise.run(demo.clients, demo.materialise(VIEW), now=NOW)
    assert (result.rows, result.entities_written, len(result.partitions)) == (569, 569, 28)
    history = store(demo).read()
    assert len(history) == 569
    for row, values in zip(rows, served(demo, *(row["sample_id"] for row in rows)), strict=True):
        assert values == {name: row[name] for name in demo_data.columns()}  # bit for bit, and no label
    assert history["malignant"].sum() == 212
    again = materialise.run(demo.clients, demo.materialise(VIEW), now=NOW)
    assert (again.partitions, again.entities_written) == ((), 0)


def test_only_dates_with_news_are_rebuilt_and_corrections_count(demo: World):
    rows = demo_data.samples(ANCHOR)[::5]
    fill(demo, rows)
    materialise.run(demo.clients, demo.materialise(VIEW), now=NOW)
    corrected = {**rows[3], "mean_radius": 1.5}
    late = {**rows[4], "mean_radius": 2.5, "measured_at": "2026-02-01T00:00:00Z"}
    fill(demo, [corrected, late], "b.csv", days=1)
    result = materialise.run(demo.clients, demo.materialise(VIEW), now=NOW)
    assert result.partitions == (rows[3]["measured_at"][:10],)
    history = store(demo).read(["sample_id", "mean_radius", "measured_at"]).set_index("sample_id")
    assert history.loc[rows[3]["sample_id"], "mean_radius"] == 1.5
    assert history.loc[rows[4]["sample_id"], "mean_radius"].tolist() == [2.5, rows[4]["mean_radius"]]
    first, second = served(demo, rows[3]["sample_id"], rows[4]["sample_id"])
    assert (first["mean_radius"], second["mean_radius"]) == (1.5, rows[4]["mean_radius"])


def test_a_run_that_died_is_run_again(demo: World):
    fill(demo, demo_data.samples(ANCHOR)[::5])

    class CrashError(Exception):
        pass

    left = 50

    def crash(**_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise CrashError

    events = demo.clients.dynamodb.meta.events
    events.register("before-call.dynamodb.PutItem", crash)
    with pytest.raises(CrashError):
        materialise.run(demo.clients, demo.materialise(VIEW), now=NOW)
    events.unregister("before-call.dynamodb.PutItem", crash)
    with pytest.raises(JobError, match="run `materialise` for it first"):
        store(demo).read()
    result = materialise.run(demo.clients, demo.materialise(VIEW), now=NOW)
    assert result.entities_written == 114
    assert len(store(demo).read()) == 114


def test_a_changed_declaration_rebuilds_everything(demo: World):
    fill(demo, demo_data.samples(ANCHOR)[::5])
    materialise.run(demo.clients, demo.materialise(VIEW), now=NOW)
    before = store(demo).version()
    declaration = demo_data.declaration()
    declaration["fields"].append({"name": "clinic", "type": "string", "nullable": True})
    prefix = demo.clients.bucket(BUCKETS["features"])
    prefix.put(f"_views/{VIEW}.json", json.dumps(declaration).encode(), content_type="application/json")
    result = materialise.run(demo.clients, demo.materialise(VIEW), now=NOW)
    assert len(result.partitions) == 28
    assert store(demo).version() != before
    assert OfflineStore(prefix, parse_view(declaration)).read()["clinic"].isna().all()


def test_entities_past_their_ttl_stay_offline(demo: World):
    fill(demo, demo_data.samples(ANCHOR)[::5])
    later = NOW + datetime.timedelta(days=400)
    result = materialise.run(demo.clients, demo.materialise(VIEW), now=later)
    assert (result.rows, result.entities_written, result.entities_expired) == (114, 0, 114)


def test_without_curated_rows_it_fails(demo: World):
    with pytest.raises(JobError, match="run `quality` for it first"):
        materialise.run(demo.clients, demo.materialise(VIEW))
