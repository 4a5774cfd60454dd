"""Reads raw files as chunks of text cells, whatever their format, without losing a row.

Every cell becomes text (None where there is nothing), so that types are decided in one place, by the view's
declaration, and not by a guess that differs from file to file. Rows that the format itself makes unreadable
come out as `Malformed`.
"""

import csv
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from platform_jobs.errors import JobError

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS: Final = 50_000
LONGEST_CELL: Final = 1 << 20
_FORMATS: Final = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True)
class Malformed:
    """A row that cannot be taken apart: its number (from 1), what is wrong, and what stood there."""

    number: int
    problem: str
    original: Any


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file. `cells` is indexed by row number, from 1; `original` gives a row as it was."""

    cells: "pd.DataFrame"
    original: Callable[[int], Any]
    malformed: list[Malformed] = field(default_factory=list)


def format_of(name: str) -> str:
    """The format that a file's name says.

    Raises:
        JobError: reason `unknown-format`.
    """
    suffix = Path(name).suffix.lower()
    if suffix not in _FORMATS:
        raise JobError(
            "unknown-format",
            f"{name}: the format {suffix or '(no suffix)'} is not known; give one of {', '.join(_FORMATS)}",
        )
    return _FORMATS[suffix]


def count(path: Path, file_format: str) -> int:
    """How many rows a file holds, readable or not.

    Raises:
        JobError: reason `unreadable` where not even that can be said.
    """
    if file_format == "parquet":
        return int(_parquet(path).metadata.num_rows)
    if file_format == "jsonl":
        with path.open("rb") as file:
            return sum(1 for line in file if line.strip())
    with _csv_file(path) as file:
        return sum(1 for _ in _csv_rows(path, file))


def read(path: Path, file_format: str, chunk_rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """The file's rows, in order, a chunk at a time.

    Raises:
        JobError: reason `unreadable` or `bad-columns` where the file as a whole cannot be read.
    """
    readers = {"csv": _read_csv, "jsonl": _read_json_lines, "parquet": _read_parquet}
    return readers[file_format](path, chunk_rows)


def _frame(data: dict[str, list[str | None]], numbers: list[int]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        {name: pd.array(values, dtype="str") for name, values in data.items()}, index=pd.Index(numbers)
    )


def _csv_file(path: Path) -> IO[str]:
    # Bytes that are no UTF-8 are carried as lone surrogates: the row is found and kept, not the file refused.
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _csv_rows(path: Path, file: IO[str]) -> Iterator[list[str]]:
    """The rows after the header; blank lines are no rows."""
    return itertools.islice(_csv_records(path, file), 1, None)


def _csv_records(path: Path, file: IO[str]) -> Iterator[list[str]]:
    csv.field_size_limit(LONGEST_CELL)
    try:
        for record in csv.reader(file):
            if record:
                yield record
    except csv.Error as error:
        raise JobError("unreadable", f"{path.name} is no CSV that can be read: {error}") from None


def _check_columns(path: Path, columns: list[str]) -> None:
    if not all(columns):
        raise JobError("bad-columns", f"{path.name}: a column of the header has no name")
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise JobError("bad-columns", f"{path.name}: the header names {', '.join(twice)} more than once")


def _is_clean(cells: list[str]) -> bool:
    """Whether the text was UTF-8."""
    return not any("\udc80" <= letter <= "\udcff" for cell in cells if not cell.isascii() for letter in cell)


def _read_csv(path: Path, chunk_rows: int) -> Iterator[Chunk]:
    with _csv_file(path) as file:
        records = _csv_records(path, file)
        header = next(records, None)
        if header is None:
            return
        columns = [name.strip() for name in header]
        _check_columns(path, columns)
        first = 1
        while batch := list(itertools.islice(records, chunk_rows)):
            malformed: list[Malformed] = []
            numbers: list[int] = []
            good: list[list[str]] = []
            for number, record in enumerate(batch, start=first):
                if len(record) != len(columns):
                    problem = f"has {len(record)} cells where the header names {len(columns)}"
                elif not _is_clean(record):
                    problem = "is not UTF-8"
                else:
                    numbers.append(number)
                    good.append(record)
                    continue
                malformed.append(Malformed(number, problem, record))
            data: dict[str, list[str | None]] = {
                name: [record[place].strip() or None for record in good] for place, name in enumerate(columns)
            }
            yield Chunk(_frame(data, numbers), _csv_original(columns, batch, first), malformed)
            first += len(batch)


def _csv_original(columns: list[str], batch: list[list[str]], first: int) -> Callable[[int], Any]:
    return lambda number: dict(zip(columns, batch[number - first], strict=True))


def _as_text(value: Any) -> str | None:
    """A JSON value as a cell; structures stay JSON, which no type but string takes."""
    if value is None or isinstance(value, str):
        return (value or "").strip() or None
    return json.dumps(value)


def _read_json_lines(path: Path, chunk_rows: int) -> Iterator[Chunk]:
    with path.open("rb") as file:
        lines = (line.rstrip(b"\r\n") for line in file if line.strip())
        first = 1
        while batch := list(itertools.islice(lines, chunk_rows)):
            objects: dict[int, dict[str, Any]] = {}
            malformed: list[Malformed] = []
            for number, line in enumerate(batch, start=first):
                try:
                    value = json.loads(line)
                except ValueError:
                    malformed.append(
                        Malformed(number, "is not JSON", line.decode("utf-8", "surrogateescape"))
                    )
                    continue
                if isinstance(value, dict):
                    objects[number] = value
                else:
                    malformed.append(Malformed(number, "is not a JSON object", value))
            columns = list(dict.fromkeys(name for item in objects.values() for name in item))
            data = {name: [_as_text(item.get(name)) for item in objects.values()] for name in columns}
            yield Chunk(_frame(data, list(objects)), objects.__getitem__, malformed)
            first += len(batch)


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise JobError("unreadable", f"{path.name} is no Parquet that can be read: {error}") from None


def _read_parquet(path: Path, chunk_rows: int) -> Iterator[Chunk]:
    import pyarrow as pa
    import pyarrow.compute as pc

    file = _parquet(path)
    columns = list(file.schema_arrow.names)
    _check_columns(path, columns)
    nested = [name for name in columns if pa.types.is_nested(file.schema_arrow.field(name).type)]
    if nested:
        raise JobError("bad-columns", f"{path.name}: columns {', '.join(nested)} are nested; flatten them")
    first = 1
    try:
        for batch in file.iter_batches(batch_size=chunk_rows):
            numbers = list(range(first, first + batch.num_rows))
            data: dict[str, list[str | None]] = {}
            for name, column in zip(columns, batch.columns, strict=True):
                if pa.types.is_dictionary(column.type):
                    column = column.dictionary_decode()  # noqa: PLW2901
                text = pc.utf8_trim_whitespace(column.cast(pa.string()))
                data[name] = [value or None for value in text.to_pylist()]
            yield Chunk(_frame(data, numbers), _parquet_original(batch, first))
            first += batch.num_rows
    except pa.ArrowException as error:
        raise JobError("unreadable", f"{path.name} is no Parquet that can be read: {error}") from None


def _parquet_original(batch: Any, first: int) -> Callable[[int], Any]:
    return lambda number: batch.slice(number - first, 1).to_pylist()[0]
