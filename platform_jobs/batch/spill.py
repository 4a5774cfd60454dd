"""Tables on local disk, divided by entity: what is larger than memory is worked on a part at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from platform_jobs import tables
from platform_jobs.views import Field

_HASH_KEY: Final = "stagecraft-chunk"
"""pandas takes 16 characters. Another one would divide other runs' entities otherwise."""


@dataclass(frozen=True)
class Spill:
    """A folder of tables in as many parts. Rows whose `keys` are equal are in the same part of each table."""

    folder: Path
    parts: int
    keys: Sequence[str]
    """Without any there must be one part."""

    def add(self, table: str, columns: Sequence[Field], frame: pd.DataFrame) -> None:
        """Adds rows, each to the part that its entity belongs to."""
        places = self._places(frame)
        order = np.argsort(places, kind="stable")
        rows = _arrow(columns, frame.iloc[order])
        present, starts = np.unique(places[order], return_index=True)
        ends = [*starts[1:], len(places)]
        for part, start, end in zip(present.tolist(), starts.tolist(), ends, strict=True):
            self._append(table, part, rows.slice(start, end - start))

    def put(self, table: str, columns: Sequence[Field], part: int, frame: pd.DataFrame) -> None:
        """Adds rows to a part."""
        self._append(table, part, _arrow(columns, frame))

    def read(self, table: str, columns: Sequence[Field], part: int) -> pd.DataFrame:
        """The rows of a part, in the order they were added."""
        path = self._path(table, part)
        found = [tables.schema_of(columns).empty_table()]
        if path.exists():
            with pa.OSFile(str(path)) as file:
                size = file.size()
                while file.tell() < size:
                    found.append(pa.ipc.open_stream(file).read_all())
        return tables.typed_frame(pa.concat_tables(found), columns)

    def _places(self, frame: pd.DataFrame) -> Any:
        if self.parts == 1:
            return np.zeros(len(frame), dtype=np.int64)
        hashed = pd.util.hash_pandas_object(frame[list(self.keys)], index=False, hash_key=_HASH_KEY)
        return (hashed.to_numpy() % np.uint64(self.parts)).astype(np.int64)

    def _append(self, table: str, part: int, rows: pa.Table) -> None:
        path = self._path(table, part)
        path.parent.mkdir(parents=True, exist_ok=True)
        # A stream says where it ends, so one after another they are one file.
        with path.open("ab") as file, pa.ipc.new_stream(file, rows.schema) as stream:
            stream.write_table(rows)

    def _path(self, table: str, part: int) -> Path:
        return self.folder / table / f"{part:05d}.arrow"


def _arrow(columns: Sequence[Field], frame: pd.DataFrame) -> pa.Table:
    rows = pa.Table.from_pandas(frame, schema=tables.schema_of(columns), preserve_index=False)
    return rows.replace_schema_metadata(None)
