"""Types and rules of a view, applied to rows of text: what is good, and why the rest is not."""

import datetime
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from platform_jobs import tables
from platform_jobs.views import Field, View

_FLOAT: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_INT: Final = r"[+-]?\d+(?:\.0*)?"
_NOTHING: Final = ("nan", "null")
"""How writers of numbers spell a missing value; text columns keep these as they are."""
_TRUTH: Final = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
_INT64: Final = range(-(2**63), 2**63)
CLOCK_SKEW: Final = datetime.timedelta(days=1)
"""How far an event may lie after its ingestion: clocks and time zones differ, the future is a mistake."""


class Reason(NamedTuple):
    """Why a row is bad. It names no value: the row itself is kept next to it."""

    field: str
    check: str
    message: str


LONGEST_KEY: Final = 512
"""So that a key fits into DynamoDB's 2048 bytes, whatever its alphabet."""


@dataclass(frozen=True)
class Checked:
    """A chunk after the rules: good rows with their types, and the reasons of each bad row by its number."""

    good: pd.DataFrame
    reasons: dict[int, list[Reason]]
    nulls: dict[str, int]


def check(view: View, cells: pd.DataFrame, latest: datetime.datetime) -> Checked:
    """Types the cells and applies every rule, lazily: a bad row gets all its reasons.

    Args:
        view: the declaration.
        cells: text by row number; must have every column of the view.
        latest: the latest event time that can be true.
    """
    reasons: dict[int, list[Reason]] = defaultdict(list)
    typed: dict[str, pd.Series[Any]] = {}
    wrong: dict[str, set[int]] = {}
    nulls: dict[str, int] = {}
    for column in view.columns:
        values, bad = coerce(cells[column.name], column.type)
        typed[column.name] = values
        wrong[column.name] = set(cells.index[bad])
        nulls[column.name] = int((values.isna() & ~bad).sum())
        for number in cells.index[bad]:
            reasons[number].append(Reason(column.name, "type", f"is not {_WORDS[column.type]}"))
    frame = pd.DataFrame(typed, index=cells.index)
    for number, column_name, name in _failures(_pandera(view, latest), frame):
        if number not in wrong[column_name]:  # an unreadable cell is not a missing one as well
            reasons[number].append(_reason(view, column_name, name))
    good = frame.drop(index=[number for number in frame.index if number in reasons])
    return Checked(good, dict(reasons), nulls)


_WORDS: Final = {
    "string": "a text",
    "int": "a whole number",
    "float": "a finite number",
    "bool": "true or false",
    "timestamp": "an ISO 8601 time",
}


def _pandera(view: View, latest: datetime.datetime) -> pa.DataFrameSchema:
    """The view's rules as a pandera schema."""
    required = {*view.join_keys, view.event_time}
    columns = {}
    for column in view.columns:
        checks = []
        if column.minimum is not None:
            checks.append(pa.Check.ge(column.minimum, error="min"))
        if column.maximum is not None:
            checks.append(pa.Check.le(column.maximum, error="max"))
        if column.allowed is not None:
            checks.append(pa.Check.isin(list(column.allowed), error="allowed"))
        if column.name in view.join_keys:
            checks.append(pa.Check.str_length(max_value=LONGEST_KEY, error="length"))
            if len(view.join_keys) > 1:
                checks.append(pa.Check.str_matches(r"^[^|]*$", error="separator"))
        if column.name == view.event_time:
            checks.append(pa.Check.le(pd.Timestamp(latest), error="future"))
        columns[column.name] = pa.Column(
            tables.FRAME_TYPES[column.type],
            checks,
            nullable=column.nullable and column.name not in required,
        )
    return pa.DataFrameSchema(columns, strict=True)


def _failures(schema: pa.DataFrameSchema, frame: pd.DataFrame) -> list[tuple[int, str, str]]:
    """Row number, column and check of each failed cell, in row order."""
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        if cases["index"].isna().any():  # the schema as such does not fit: a mistake of ours, not of the data
            raise AssertionError(
                f"the frame of types does not fit its schema: {cases['check'].tolist()}"
            ) from None
        found = zip(cases["index"].astype(int), cases["column"], cases["check"], strict=True)
        return sorted(found, key=lambda case: case[0])
    return []


def _reason(view: View, column_name: str, name: str) -> Reason:
    column = next(item for item in view.columns if item.name == column_name)
    return Reason(column_name, *_explain(column, name))


def _explain(column: Field, name: str) -> tuple[str, str]:
    if name == "not_nullable":
        return "required", "is missing"
    messages: dict[str, Callable[[], str]] = {
        "min": lambda: f"is below {column.minimum}",
        "max": lambda: f"is above {column.maximum}",
        "allowed": lambda: f"is none of {', '.join(map(str, column.allowed or ()))}",
        "future": lambda: "lies after its ingestion",
        "length": lambda: f"is longer than {LONGEST_KEY} characters",
        "separator": lambda: "contains |, which separates join keys",
    }
    return name, messages[name]()


def coerce(cells: "pd.Series[Any]", kind: str) -> "tuple[pd.Series[Any], pd.Series[bool]]":
    """Text as a type: the values (missing where there is none), and which cells are no such value."""
    if kind == "string":
        return cells, pd.Series(False, index=cells.index)
    present = cells.notna()
    if kind in {"int", "float", "bool"}:
        present &= ~cells.str.lower().isin(_NOTHING)
    values: pd.Series[Any]
    if kind == "timestamp":
        values = pd.to_datetime(cells, format="ISO8601", utc=True, errors="coerce").dt.as_unit("us")
    elif kind == "bool":
        values = cells.str.lower().map(_TRUTH).astype("boolean")
    elif kind == "float":
        values = _floats(cells, present & cells.str.fullmatch(_FLOAT).fillna(False).astype(bool))
    else:
        values = _ints(cells, present & cells.str.fullmatch(_INT).fillna(False).astype(bool))
    return values, present & values.isna()


def _floats(cells: "pd.Series[Any]", readable: "pd.Series[bool]") -> "pd.Series[Any]":
    """Exact to the last bit: what was written is what is served."""
    values = np.full(len(cells), np.nan)
    chosen = readable.to_numpy()
    values[chosen] = cells.to_numpy(dtype=object)[chosen].astype(float)
    values[np.isinf(values)] = np.nan
    return pd.Series(values, index=cells.index)


def _ints(cells: "pd.Series[Any]", readable: "pd.Series[bool]") -> "pd.Series[Any]":
    """Through Python's integers: a long identifier must not be rounded on the way."""
    values: list[int | None] = [None] * len(cells)
    texts = cells.to_numpy(dtype=object)
    for place in np.flatnonzero(readable.to_numpy()):
        text = texts[place].partition(".")[0]
        if len(text) <= 20 and int(text) in _INT64:
            values[place] = int(text)
    return pd.Series(pd.array(values, dtype="Int64"), index=cells.index)
