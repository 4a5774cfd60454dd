import datetime
import hashlib
import json
from pathlib import Path

import pytest

from platform_jobs.errors import JobError
from platform_jobs.ingest import ingest
from tests.platform_jobs.conftest import BUCKETS, World

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
TEXT = 'a,b\n1,"x\ny"\n\n2,z\n'


def test_a_file_is_kept_under_its_content_with_what_is_known_of_it(world: World):
    found = world.ingest("activity", TEXT, "März export (1).csv", source="crm nightly", now=NOW)
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    assert found.key == f"activity/ingest_date=2026-03-01/{digest}-M-rz-export-1-.csv"
    assert (found.rows, found.added) == (2, True)
    stored = world.clients.bucket(BUCKETS["raw"])
    assert stored.get(found.key) == TEXT.encode()
    assert stored.metadata(found.key) == {
        "source": "crm-nightly",
        "rows": "2",
        "sha256": digest,
        "ingested-at": "2026-03-01T12:00:00.000000+00:00",
    }


def test_the_same_content_is_kept_once_whatever_its_name_and_day(world: World):
    first = world.ingest("activity", TEXT, "a.csv", now=NOW)
    again = world.ingest("activity", TEXT, "b.csv", now=NOW + datetime.timedelta(days=3))
    assert (again.added, again.key) == (False, first.key)
    assert world.keys("raw") == [first.key]
    assert world.ingest("profile", TEXT, "a.csv", now=NOW).added  # another view's rows
    assert world.ingest("activity", TEXT + "3,q\n", "a.csv", now=NOW).added


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing.csv", None, "no-file"),
        ("rows.xlsx", b"1", "unknown-format"),
        ("rows", b"1", "unknown-format"),
        ("rows.csv", b"", "empty"),
        ("rows.csv", b"a,b\n\n", "empty"),
        ("rows.jsonl", b"\n \n", "empty"),
        ("rows.parquet", b"PAR1 and then nothing", "unreadable"),
    ],
)
def test_what_cannot_be_ingested_is_refused_and_nothing_is_kept(
    world: World, name: str, content: bytes | None, reason: str
):
    path = world.folder / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(JobError) as caught:
        ingest(world.clients, BUCKETS["raw"], "activity", path)
    assert caught.value.reason == reason
    assert name in str(caught.value)
    assert world.keys("raw") == []


def test_a_folder_is_refused(world: World):
    (world.folder / "rows.csv").mkdir()
    with pytest.raises(JobError, match="is a folder"):
        ingest(world.clients, BUCKETS["raw"], "activity", world.folder / "rows.csv")


def test_json_lines_are_counted_as_they_are(tmp_path: Path, world: World):
    lines = [json.dumps({"a": 1}), "not json", json.dumps({"a": 2})]
    assert world.ingest("activity", "\n".join(lines), "rows.ndjson").rows == 3
