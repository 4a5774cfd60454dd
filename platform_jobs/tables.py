"""Tables of a view: Arrow schema, frames and Parquet bytes that come out the same every time."""

import io
from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from platform_jobs.views import Field, View

FRAME_TYPES: Final = {
    "string": "str",
    "int": "Int64",
    "float": "float64",
    "bool": "boolean",
    "timestamp": "datetime64[us, UTC]",
}
_ARROW_TYPES: Final = {
    "string": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
_MAPPED: Final = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
ROW_NUMBER: Final = "_row"
"""Curated rows carry the number they had in their raw object; it is no feature."""


def arrow_schema(view: View, *, row_number: bool = False) -> pa.Schema:
    """The view's columns as Arrow types, in declared order."""
    fields = list(schema_of(view.columns))
    return pa.schema([*fields, pa.field(ROW_NUMBER, pa.int64())] if row_number else fields)


def schema_of(columns: Sequence[Field]) -> pa.Schema:
    """Columns as Arrow types, in their order."""
    return pa.schema([pa.field(column.name, _ARROW_TYPES[column.type]) for column in columns])


def to_parquet(frame: pd.DataFrame, schema: pa.Schema) -> bytes:
    """The frame as Parquet; equal rows give equal bytes."""
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    return parquet_bytes(table.replace_schema_metadata(None))


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as Parquet; equal rows give equal bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def from_parquet(body: bytes, view: View, columns: list[str] | None = None) -> pd.DataFrame:
    """A view's rows out of Parquet, with the view's own types.

    A column that an older file lacks (the view has grown since) comes out empty.
    """
    wanted = [column for column in view.columns if columns is None or column.name in columns]
    extra = [ROW_NUMBER] if columns is not None and ROW_NUMBER in columns else []
    file = pq.ParquetFile(io.BytesIO(body))
    present = set(file.schema_arrow.names)
    names = [name for name in [*(column.name for column in wanted), *extra] if name in present]
    frame = typed_frame(file.read(columns=names), wanted)
    return frame[[*(column.name for column in wanted), *extra]]


def typed_frame(table: pa.Table, columns: Sequence[Field]) -> pd.DataFrame:
    """An Arrow table as a frame in which these columns have the types that they declare; others stay."""
    # Straight into nullable integers: by way of floats, long ones would be rounded.
    frame: pd.DataFrame = table.to_pandas(types_mapper=_MAPPED.get)
    for column in columns:
        kind: Any = FRAME_TYPES[column.type]
        if column.name in frame:
            frame[column.name] = frame[column.name].astype(kind)
        else:
            frame[column.name] = pd.Series([None] * len(frame), dtype=kind)
    return frame


def empty_frame(view: View) -> pd.DataFrame:
    """No rows, with the view's columns and types."""
    return pd.DataFrame(
        {column.name: pd.Series([], dtype=FRAME_TYPES[column.type]) for column in view.columns}
    )


def event_dates(times: Any) -> Any:
    """The UTC date of each event time, as `YYYY-MM-DD`."""
    return times.dt.strftime("%Y-%m-%d")
