"""One raw object under the view's rules: its good rows as Parquet files, its bad rows, and the verdict.

Works on a local copy and writes only into a scratch folder; `quality` takes the result from there.
"""

import datetime
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from platform_jobs import layout, rows, schema, tables
from platform_jobs.commits import File, Source
from platform_jobs.errors import JobError
from platform_jobs.hashing import file_sha256, sha256
from platform_jobs.schema import Reason
from platform_jobs.views import View

_HASH_KEYS: Final = ("stagecraft-key-a", "stagecraft-key-b")


@dataclass(frozen=True)
class Report:
    """What the gate found in one raw object. The same object and rules give the same report."""

    view: str
    view_version: str
    source: str
    source_id: str
    ingested_at: str
    rows_in: int
    rows_good: int
    rows_quarantined: int
    failed_checks: dict[str, int]
    null_fractions: dict[str, float]
    undeclared_columns: tuple[str, ...]
    """Columns that the view does not name: they stay in raw and go no further."""
    missing_columns: tuple[str, ...]
    """Columns that the view names and the object lacks."""
    max_bad_fraction: float
    refusals: tuple[str, ...]
    """Why nothing of this object counts; empty if its good rows do."""

    @property
    def accepted(self) -> bool:
        """Whether the good rows count."""
        return not self.refusals


class Judgement:
    """Takes an object's chunks one after another; afterwards `files`, `quarantined` and `report()` hold."""

    def __init__(self, view: View, source: Source, max_bad_fraction: float, folder: Path) -> None:
        self.files: list[tuple[File, Path]] = []
        """Good rows: what they will be in the curated bucket, and where they lie now."""
        self.quarantined: list[dict[str, Any]] = []
        """Bad rows as they were, with source, row number and all reasons."""
        self._view = view
        self._source = source
        self._limit = max_bad_fraction
        self._folder = folder
        self._schema = tables.arrow_schema(view, row_number=True)
        self._latest = datetime.datetime.fromisoformat(source.ingested_at) + schema.CLOCK_SKEW
        self._rows_in = 0
        self._rows_good = 0
        self._failed_checks: Counter[str] = Counter()
        self._nulls: Counter[str] = Counter()
        self._columns: dict[str, None] = {}
        self._identities: set[int] = set()
        self._refusals: list[str] = []

    def judge(self, path: Path, content_hash: str | None) -> Report:
        """Judges a file; `content_hash` is what its content must be, where that is known."""
        try:
            if content_hash is not None and file_sha256(path) != content_hash:
                raise JobError("altered", "its content is not what its name says")
            for part, chunk in enumerate(rows.read(path, rows.format_of(path.name))):
                self._take(part, chunk)
        except JobError as error:
            self._refusals.append(str(error))
        else:
            self._gate()
        return self._report()

    def _take(self, part: int, chunk: rows.Chunk) -> None:
        self._rows_in += len(chunk.cells) + len(chunk.malformed)
        self._columns.update(dict.fromkeys(chunk.cells.columns))
        declared = [column.name for column in self._view.columns]
        cells = chunk.cells.reindex(columns=declared).astype("str")
        checked = schema.check(self._view, cells, self._latest)
        self._nulls.update(checked.nulls)
        good = self._without_duplicates(checked)
        self._rows_good += len(good)
        self._quarantine(chunk, checked.reasons)
        good = good.assign(**{tables.ROW_NUMBER: good.index.astype("int64")})
        for date, group in good.groupby(tables.event_dates(good[self._view.event_time]), sort=True):
            body = tables.to_parquet(group, self._schema)
            key = layout.curated_key(self._view.name, str(date), self._source.id, part)
            path = self._folder / f"good-{len(self.files)}.parquet"
            path.write_bytes(body)
            self.files.append((File(key, str(date), len(group), sha256(body)), path))

    def _quarantine(self, chunk: rows.Chunk, reasons: dict[int, list[Reason]]) -> None:
        bad: dict[int, tuple[list[Reason], Any]] = {
            item.number: ([Reason("", "malformed", item.problem)], item.original) for item in chunk.malformed
        }
        bad.update({number: (found, chunk.original(number)) for number, found in reasons.items()})
        for number, (found, original) in sorted(bad.items()):
            self._failed_checks.update(f"{reason.field}:{reason.check}".lstrip(":") for reason in found)
            self.quarantined.append(
                {
                    "source": self._source.uri,
                    "row": number,
                    "reasons": [reason._asdict() for reason in found],
                    "data": original,
                }
            )

    def _without_duplicates(self, checked: schema.Checked) -> pd.DataFrame:
        """Good rows whose keys and event time are new in this object; the others get a reason."""
        good = checked.good
        keys = good[[*self._view.join_keys, self._view.event_time]]
        # Two independent 64-bit hashes: a chance collision is out of the question even among a billion rows.
        high, low = (pd.util.hash_pandas_object(keys, index=False, hash_key=key) for key in _HASH_KEYS)
        twice: list[int] = []
        for number, first, second in zip(good.index, high.tolist(), low.tolist(), strict=True):
            identity = first << 64 | second
            if identity in self._identities:
                twice.append(number)
                message = "an earlier row has the same keys and event time"
                reason = Reason(self._view.event_time, "duplicate", message)
                checked.reasons.setdefault(number, []).append(reason)
            self._identities.add(identity)
        return good.drop(index=twice)

    def _gate(self) -> None:
        """The conditions on an object as a whole."""
        view, refuse = self._view, self._refusals.append
        if not self._rows_in:
            refuse("it holds no rows")
            return
        missing = self._missing()
        if missing:
            refuse(f"columns {', '.join(missing)} are missing")
            return
        bad = len(self.quarantined)
        if bad / self._rows_in > self._limit:
            share = f"{bad / self._rows_in:.1%}, at most {self._limit:.1%}"
            refuse(f"{bad} of {self._rows_in} rows are bad ({share})")
        for column in view.fields:
            nulls = self._nulls[column.name] / self._rows_in
            if column.nullable and nulls > column.max_null_fraction:
                share = f"{nulls:.1%} of the rows (at most {column.max_null_fraction:.1%})"
                refuse(f"{column.name} is missing in {share}")
        duplicates = self._failed_checks[f"{view.event_time}:duplicate"]
        if duplicates and view.duplicates == "fail":
            refuse(f"{duplicates} rows repeat the keys and event time of another")

    def _missing(self) -> list[str]:
        """Declared columns that were not there; of an object without any nothing can be said."""
        return [item.name for item in self._view.columns if self._columns and item.name not in self._columns]

    def _report(self) -> Report:
        if self._rows_in != self._rows_good + len(self.quarantined):
            raise AssertionError("rows were lost between raw and curated")
        declared = {column.name for column in self._view.columns}
        return Report(
            view=self._view.name,
            view_version=self._view.version,
            source=self._source.uri,
            source_id=self._source.id,
            ingested_at=self._source.ingested_at,
            rows_in=self._rows_in,
            rows_good=self._rows_good,
            rows_quarantined=len(self.quarantined),
            failed_checks=dict(sorted(self._failed_checks.items())),
            null_fractions={
                name: round(count / self._rows_in, 6) for name, count in sorted(self._nulls.items()) if count
            },
            undeclared_columns=tuple(sorted(name for name in self._columns if name not in declared)),
            missing_columns=tuple(self._missing()),
            max_bad_fraction=self._limit,
            refusals=tuple(self._refusals),
        )
