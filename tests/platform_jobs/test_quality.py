import csv
import datetime
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from platform_jobs import demo_data, layout, quality
from platform_jobs.commits import load_commits
from platform_jobs.errors import JobError
from platform_jobs.ingest import ingest
from tests.platform_jobs.conftest import BUCKETS, World

ANCHOR = datetime.date(2026, 3, 1)
VIEW = "readings"
DECLARATION = {
    "name": VIEW,
    "entity": "device",
    "joinKeys": ["device"],
    "eventTime": "at",
    "ttlDays": 30,
    "fields": [
        {"name": "heat", "type": "float", "min": -50, "max": 150},
        {"name": "count", "type": "int", "nullable": True, "maxNullFraction": 0.5},
        {"name": "mode", "type": "string", "allowed": ["on", "off"]},
        {"name": "ok", "type": "bool"},
    ],
}
GOOD = "d1,2026-01-02T03:04:05Z,20.5,3,on,true"
HEADER = "device,at,heat,count,mode,ok"


def quarantined(world: World, view: str = VIEW) -> list[dict]:
    bodies = [
        body for key, body in world.objects("curated").items() if key.startswith(f"_quarantine/{view}/")
    ]
    return [json.loads(line) for body in bodies for line in body.decode().splitlines()]


def curated(world: World, view: str = VIEW) -> list[dict]:
    bucket = world.clients.bucket(BUCKETS["curated"])
    files = [file for commit in load_commits(bucket, view) for file in commit.files]
    tables = [pq.read_table(pa.BufferReader(bucket.get(file.key) or b"")) for file in files]
    return [row for table in tables for row in table.to_pylist()]


def test_real_data_passes_and_its_bad_rows_are_kept_with_their_reasons(demo: World):
    text = demo_data.to_csv(demo_data.with_bad_rows(demo_data.samples(ANCHOR), 7))
    demo.ingest(demo_data.VIEW, text)
    (report,) = quality.run(demo.clients, demo.quality(demo_data.VIEW))
    assert (report.rows_in, report.rows_good, report.rows_quarantined) == (576, 569, 7)
    found = quarantined(demo, demo_data.VIEW)
    reasons = {(item["field"], item["check"]) for row in found for item in row["reasons"]}
    assert reasons == {
        ("mean_radius", "min"),
        ("mean_texture", "type"),
        ("mean_area", "required"),
        ("malignant", "allowed"),
        ("sample_id", "required"),
        ("measured_at", "type"),
        ("mean_perimeter", "type"),
    }
    lines = list(csv.reader(text.splitlines()))
    for row in found:
        assert list(row["data"].values()) == lines[row["row"]]
        assert row["source"].startswith(f"s3://{BUCKETS['raw']}/{demo_data.VIEW}/ingest_date=")
    rows = {row["sample_id"]: row for row in curated(demo, demo_data.VIEW)}
    for sample in demo_data.samples(ANCHOR):
        assert rows[sample["sample_id"]]["mean_radius"] == sample["mean_radius"]


def test_a_row_gets_all_its_reasons(world: World):
    world.declare(DECLARATION)
    bad = "d2,2026-01-02T03:04:05Z,999,x,sideways,perhaps"
    world.ingest(VIEW, "\n".join([HEADER, GOOD, bad, *[GOOD.replace("d1", f"e{i}") for i in range(40)]]))
    quality.run(world.clients, world.quality(VIEW))
    (row,) = quarantined(world)
    assert row["row"] == 2
    assert [(item["field"], item["check"], item["message"]) for item in row["reasons"]] == [
        ("count", "type", "is not a whole number"),
        ("ok", "type", "is not true or false"),
        ("heat", "max", "is above 150"),
        ("mode", "allowed", "is none of on, off"),
    ]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (
            f"{HEADER}\n{GOOD}\nd2,2026-01-02T03:04:05Z,999,1,on,true\n",
            "1 of 2 rows are bad (50.0%, at most 5.0%)",
        ),
        ("device,at,heat\nd1,2026-01-02T03:04:05Z,3\n", "columns count, mode, ok are missing"),
        (
            f"{HEADER}\nd1,2026-01-02T03:04:05Z,3,,on,true\nd2,2026-01-02T03:04:05Z,3,,on,true\n",
            "count is missing in 100.0% of the rows (at most 50.0%)",
        ),
        ("device,device\n1,2\n", "the header names device more than once"),
    ],
)
def test_an_object_that_is_refused_leaves_nothing_in_curated(world: World, text: str, cause: str):
    world.declare(DECLARATION)
    world.ingest(VIEW, text, "bad.csv")
    world.ingest(VIEW, f"{HEADER}\n{GOOD}\n", "good.csv")
    with pytest.raises(JobError) as caught:
        quality.run(world.clients, world.quality(VIEW))
    assert caught.value.reason == "gate"
    assert "1 of 2 new objects" in str(caught.value)
    assert cause in str(caught.value)
    assert [row["device"] for row in curated(world)] == ["d1"]
    # It stays refused until someone does something about it.
    with pytest.raises(JobError, match="1 of 1 new objects"):
        quality.run(world.clients, world.quality(VIEW))


def test_a_wider_limit_lets_a_refused_object_pass(world: World):
    world.declare(DECLARATION)
    world.ingest(VIEW, f"{HEADER}\n{GOOD}\nd2,2026-01-02T03:04:05Z,999,1,on,true\n")
    with pytest.raises(JobError):
        quality.run(world.clients, world.quality(VIEW))
    (report,) = quality.run(world.clients, world.quality(VIEW, STAGECRAFT_MAX_BAD_FRACTION="0.5"))
    assert report.accepted


def test_the_view_may_declare_its_limit_and_its_duplicates_policy(world: World):
    world.declare({**DECLARATION, "maxBadFraction": 0.6, "duplicates": "fail"})
    world.ingest(VIEW, f"{HEADER}\n{GOOD}\n{GOOD}\n")
    with pytest.raises(JobError, match="1 rows repeat the keys and event time of another"):
        quality.run(world.clients, world.quality(VIEW))


def test_nothing_ingested_fails(world: World):
    world.declare(DECLARATION)
    with pytest.raises(JobError, match="nothing was ingested for view readings") as caught:
        quality.run(world.clients, world.quality(VIEW))
    assert caught.value.reason == "empty"


def test_an_undeclared_view_fails(world: World):
    with pytest.raises(JobError, match="feature view readings is not declared"):
        quality.run(world.clients, world.quality(VIEW))


def test_an_altered_object_is_refused(world: World):
    world.declare(DECLARATION)
    ingested = world.ingest(VIEW, f"{HEADER}\n{GOOD}\n")
    world.clients.bucket(BUCKETS["raw"]).put(ingested.key, b"device\n", content_type="text/csv")
    with pytest.raises(JobError, match="not what its name says"):
        quality.run(world.clients, world.quality(VIEW))


def test_rows_that_the_format_makes_unreadable_are_kept(world: World):
    world.declare({**DECLARATION, "maxBadFraction": 1.0})
    raw = world.clients.bucket(BUCKETS["raw"])
    body = f"{HEADER}\n{GOOD}\nd2,too,short\n\nd3,2026-01-02T03:04:05Z,1,1,\xe9,true\n".encode("latin-1")
    raw.put(f"{VIEW}/from-a-stream.csv", body, content_type="text/csv")
    empty = dict.fromkeys(HEADER.split(","), "")
    lines = [json.dumps(empty), "{not json", "[1]"]
    raw.put(f"{VIEW}/more.jsonl", "\n".join(lines).encode(), content_type="application/jsonl")
    reports = quality.run(world.clients, world.quality(VIEW))
    assert [(item.rows_in, item.rows_good, item.rows_quarantined) for item in reports] == [
        (3, 1, 2),
        (3, 0, 3),
    ]
    problems = [reason["message"] for row in quarantined(world) for reason in row["reasons"]]
    assert "has 3 cells where the header names 6" in problems
    assert "is not UTF-8" in problems
    assert "is not JSON" in problems
    assert "is not a JSON object" in problems
    assert next(row["data"] for row in quarantined(world) if row["data"] == "{not json")


def test_formats_agree(world: World):
    world.declare(DECLARATION)
    whole = {"device": "d1", "at": "2026-01-02T03:04:05.000006Z", "heat": 0.1, "count": 2**53 + 1}
    rows = [
        {**whole, "mode": "on", "ok": True},
        {**whole, "device": "d2", "count": None, "mode": "off", "ok": False},
    ]
    csv_text = "\n".join(
        [HEADER, *(",".join("" if v is None else str(v) for v in row.values()) for row in rows)]
    )
    world.ingest(VIEW, csv_text, "a.csv")
    world.ingest(VIEW, "\n".join(json.dumps(row) for row in rows), "b.jsonl")
    path = world.folder / "c.parquet"
    times = [{**row, "at": datetime.datetime.fromisoformat(str(row["at"]))} for row in rows]
    pq.write_table(pa.Table.from_pylist(times), path)
    ingest(world.clients, BUCKETS["raw"], VIEW, path)
    reports = quality.run(world.clients, world.quality(VIEW))
    assert [item.rows_good for item in reports] == [2, 2, 2]
    found = [{key: value for key, value in row.items() if key != "_row"} for row in curated(world)]
    expected = [{**row, "at": datetime.datetime.fromisoformat(str(row["at"]))} for row in rows]
    assert found == expected * 3


def test_what_was_done_is_not_done_again(demo: World):
    demo.ingest(demo_data.VIEW, demo_data.to_csv(demo_data.samples(ANCHOR)))
    assert len(quality.run(demo.clients, demo.quality(demo_data.VIEW))) == 1
    before = demo.objects("curated")
    assert quality.run(demo.clients, demo.quality(demo_data.VIEW)) == []
    assert demo.objects("curated") == before


class CrashError(Exception):
    pass


@pytest.mark.parametrize("calls", [1, 2, 5, 12, 20])
def test_a_run_that_died_is_run_again_and_comes_to_the_same(demo: World, calls: int):
    moment = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)
    text = demo_data.to_csv(demo_data.with_bad_rows(demo_data.samples(ANCHOR), 5))
    demo.ingest(demo_data.VIEW, text, now=moment)
    left = calls

    def crash(**_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise CrashError

    events = demo.clients.s3.meta.events
    events.register("before-call.s3.PutObject", crash)
    with pytest.raises(CrashError):
        quality.run(demo.clients, demo.quality(demo_data.VIEW))
    events.unregister("before-call.s3.PutObject", crash)
    assert curated(demo, demo_data.VIEW) == []  # no commit, nothing counts
    quality.run(demo.clients, demo.quality(demo_data.VIEW))
    after = demo.objects("curated")
    bucket = demo.clients.bucket(BUCKETS["curated"])
    for key in after:
        bucket.delete(key)
    quality.run(demo.clients, demo.quality(demo_data.VIEW))
    assert demo.objects("curated") == after


cells = st.one_of(
    st.sampled_from(
        ["", "1", "-3", "2.5", "on", "off", "true", "2026-01-02T03:04:05Z", "nan", "é", "1e400", '"']
    ),
    st.text(max_size=6),
)


# No condition on the object as a whole: what is refused stays in raw, and its rows are in no table.
LENIENT = {
    **DECLARATION,
    "maxBadFraction": 1.0,
    "fields": [
        {**field, "maxNullFraction": 1.0} if field.get("nullable") else field
        for field in DECLARATION["fields"]
    ],
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(rows=[["d1", "2026-01-02T03:04:05Z", "1", "", "on", "true"]])
@example(rows=[["d1", "2026-01-02T03:04:05Z", "1", "2", "on", "true"]] * 2)
@given(rows=st.lists(st.lists(cells, min_size=1, max_size=7), min_size=1, max_size=12))
def test_no_row_is_ever_lost(world: World, rows: list[list[str]]):
    text = io.StringIO()
    csv.writer(text).writerows([HEADER.split(","), *rows])
    body = text.getvalue().encode("utf-8", "surrogatepass")
    if "STAGECRAFT_ONLINE_TABLES" not in world.environ:
        world.declare(LENIENT)
    for key in world.keys("curated"):
        world.clients.bucket(BUCKETS["curated"]).delete(key)
    world.clients.bucket(BUCKETS["raw"]).put(f"{VIEW}/x.csv", body, content_type="text/csv")
    (report,) = quality.run(world.clients, world.quality(VIEW))
    good, bad = curated(world), quarantined(world)
    assert report.rows_in == len(rows)
    assert sorted([row["_row"] for row in good] + [row["row"] for row in bad]) == list(
        range(1, len(rows) + 1)
    )
    assert all(row["reasons"] for row in bad)
    for row in bad:
        kept = list(row["data"].values()) if isinstance(row["data"], dict) else row["data"]
        assert kept == [
            cell.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
            for cell in rows[row["row"] - 1]
        ]


def test_the_key_of_a_commit_is_the_content(world: World):
    world.declare(DECLARATION)
    ingested = world.ingest(VIEW, f"{HEADER}\n{GOOD}\n")
    quality.run(world.clients, world.quality(VIEW))
    assert layout.commit_key(VIEW, ingested.sha256) in world.keys("curated")
    assert Path(ingested.key).name == f"{ingested.sha256}-rows.csv"
