"""The journal gives back what was written, and tells damage from a torn end."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin.aws.cloud.http import HttpRequest
from twin.aws.cloud.journal import CorruptJournalError, Journal, Record, read

TEXT = st.text(st.characters(codec="latin-1"), max_size=20)
REQUESTS = st.builds(
    HttpRequest,
    st.sampled_from(["GET", "POST", "PUT", "EVENT"]),
    TEXT,
    st.lists(st.tuples(TEXT, TEXT), max_size=4).map(tuple),
    st.binary(max_size=200),
)
INSTANTS = st.floats(0, 4e9, allow_nan=False)


def write(path: Path, entries: list[tuple[float, HttpRequest]]) -> list[Record]:
    path.unlink(missing_ok=True)
    records = [Record(number, *entry) for number, entry in enumerate(entries, 1)]
    journal = Journal(path)
    for record in records:
        journal.append(record)
    journal.close()
    return records


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(INSTANTS, REQUESTS), max_size=6))
def test_records_come_back_as_they_were(tmp_path: Path, entries: list[tuple[float, HttpRequest]]) -> None:
    records = write(tmp_path / "journal", entries)
    assert list(read(tmp_path / "journal")) == records


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(INSTANTS, REQUESTS), min_size=2, max_size=4), st.data())
def test_a_torn_end_costs_the_last_record_only(
    tmp_path: Path, entries: list[tuple[float, HttpRequest]], data: st.DataObject
) -> None:
    path = tmp_path / "journal"
    records = write(path, entries)
    whole = path.read_bytes()
    write(path, entries[:-1])
    before = len(path.read_bytes())
    path.write_bytes(whole[: data.draw(st.integers(before, len(whole) - 1))])
    assert list(read(path)) == records[:-1]
    assert len(path.read_bytes()) == before
    assert list(read(path)) == records[:-1]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(INSTANTS, REQUESTS), min_size=2, max_size=4), st.data())
def test_a_damaged_byte_is_never_taken_for_data(
    tmp_path: Path, entries: list[tuple[float, HttpRequest]], data: st.DataObject
) -> None:
    path = tmp_path / "journal"
    write(path, entries)
    whole = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(whole))
    with pytest.raises(CorruptJournalError):
        list(read(path))
    assert path.read_bytes() == bytes(whole)


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert list(read(tmp_path / "journal")) == []
    assert not (tmp_path / "journal").exists()


def test_a_cleared_journal_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    request = HttpRequest("GET", "/", (), b"")
    journal.append(Record(1, 1.0, request))
    journal.clear()
    journal.append(Record(2, 2.0, request))
    journal.close()
    assert [record.sequence for record in read(path)] == [2]
