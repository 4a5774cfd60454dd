"""Joins outcomes to the predictions that they belong to."""

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from platform_jobs import monitoring, outcomes
from platform_jobs.aws import Bucket
from platform_jobs.baseline import ARROW, Baseline
from platform_jobs.captured import Lines
from platform_jobs.window import Window

if TYPE_CHECKING:
    from platform_jobs.views import View

ENTITY: Final = "entity_key"
"""Join keys and values as one text."""


def predictions(
    artifacts: Bucket, model: str, span: Window, keys: Sequence[str], extra: Mapping[str, pa.DataType]
) -> pd.DataFrame:
    """The answers that callers got in a window, one row an answer, by time.

    Returns:
        `id`, `at`, `variant`, `step`, `version`, `entity_key` and the extra columns.
    """
    columns = {
        "id": pa.string(),
        "variant": pa.string(),
        "step": pa.string(),
        "version": pa.string(),
        "entity": pa.struct([(key, pa.string()) for key in keys]),
        **extra,
    }
    lines = monitoring.predictions(artifacts, model, span)
    tables = [table.filter(monitoring.is_seen(table)) for table in lines.tables(columns)]
    frame = _frame(tables, columns, keys)
    return frame.drop_duplicates("id").sort_values("at", kind="stable", ignore_index=True)


def answer_columns(known: Baseline) -> dict[str, pa.DataType]:
    """`prediction` and `probability` as a baseline's version logs them."""
    kind = pa.int64() if known.prediction.type == "int" else ARROW[known.prediction.type]
    return {"prediction": kind, "probability": pa.float64()}


def happened(artifacts: Bucket, model: str, span: Window, keys: Sequence[str]) -> pd.DataFrame:
    """The outcomes of a window, each once.

    Returns:
        `id`, `at`, `kind`, `prediction`, `label`, `value` and `entity_key`, by time.
    """
    columns = {
        "id": pa.string(),
        "kind": pa.string(),
        "prediction": pa.string(),
        "label": pa.string(),
        "value": pa.float64(),
        "entity": pa.struct([(key, pa.string()) for key in keys]),
    }
    lines = Lines(artifacts, outcomes.prefix(model), span)
    frame = _frame(list(lines.tables(columns)), columns, keys)
    return frame.drop_duplicates("id", keep="last").sort_values("at", kind="stable", ignore_index=True)


def attributed(found: pd.DataFrame, asked: pd.DataFrame, within: datetime.timedelta) -> pd.DataFrame:
    """The outcomes that belong to one of the predictions.

    Args:
        found: outcomes, as `happened` gives them.
        asked: predictions, as `predictions` gives them.
        within: how long after a prediction an outcome still belongs to it.

    Returns:
        The outcomes' columns, with `prediction` naming the id in every row. One that names an entity belongs
        to its last prediction before it.
    """
    named = found[found["prediction"].notna()]
    named = named.merge(asked[["id", "at"]].rename(columns={"id": "prediction", "at": "asked_at"}))
    named = named[named["at"] - named["asked_at"] <= within].drop(columns="asked_at")
    by_entity = found[found["prediction"].isna() & found[ENTITY].notna()].drop(columns="prediction")
    right = asked.loc[asked[ENTITY].notna(), ["at", ENTITY, "id"]].rename(columns={"id": "prediction"})
    joined = _as_of(by_entity, right, within, "backward")
    joined = joined[joined["prediction"].notna()]
    return pd.concat([named, joined[named.columns]], ignore_index=True)


def later_labels(
    history: pd.DataFrame, view: "View", label: str, asked: pd.DataFrame, within: datetime.timedelta
) -> pd.DataFrame:
    """Labels that the feature store learnt after predictions: `prediction` (the id) and `label` (its value).

    Of an entity's labels the first one at or after a prediction counts.
    """
    known = history.loc[history[label].notna(), [*view.join_keys, view.event_time, label]].copy()
    known[ENTITY] = _entity_texts(pa.Table.from_pandas(known[list(view.join_keys)]), view.join_keys)
    known = known.rename(columns={view.event_time: "at", label: "label"})
    known = known[["at", ENTITY, "label"]].sort_values("at", kind="stable")
    asked = asked.loc[asked[ENTITY].notna(), ["at", ENTITY, "id"]].rename(columns={"id": "prediction"})
    joined = _as_of(asked, known, within, "forward")
    return joined.loc[joined["label"].notna(), ["prediction", "label"]].reset_index(drop=True)


def _as_of(
    left: pd.DataFrame,
    right: pd.DataFrame,
    within: datetime.timedelta,
    direction: Literal["backward", "forward"],
) -> pd.DataFrame:
    """Each row with the nearest one of its entity on the right; pandas fails where neither side has a row."""
    if left.empty:
        return left.reindex(columns=[*left.columns, *(name for name in right if name not in left)])
    return pd.merge_asof(left, right, on="at", by=ENTITY, direction=direction, tolerance=pd.Timedelta(within))


def _frame(
    tables: Sequence[pa.Table], columns: Mapping[str, pa.DataType], keys: Sequence[str]
) -> pd.DataFrame:
    schema = pa.schema({"at": pa.string(), **columns})
    table = pa.concat_tables([item.select(schema.names) for item in tables]) if tables else None
    table = schema.empty_table() if table is None else table
    entity = _entity_texts(_flattened(table["entity"].combine_chunks(), keys), keys)
    frame: pd.DataFrame = table.drop_columns("entity").to_pandas(types_mapper=_NULLABLE.get)
    frame["at"] = pd.to_datetime(frame["at"], utc=True, format="ISO8601").astype("datetime64[us, UTC]")
    frame[ENTITY] = entity
    return frame


_NULLABLE: Final = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}


def _flattened(entity: Any, keys: Sequence[str]) -> pa.Table:
    return pa.table({key: pc.struct_field(entity, [place]) for place, key in enumerate(keys)})


def _entity_texts(table: pa.Table, keys: Sequence[str]) -> "pd.Series[str]":
    """`key=value` of each join key, by name; missing where any of them is."""
    parts = [pc.binary_join_element_wise(f"{key}", table[key].cast(pa.string()), "=") for key in sorted(keys)]
    joined = pc.binary_join_element_wise(*parts, "|") if parts else pa.nulls(table.num_rows, pa.string())
    found: pd.Series[str] = joined.to_pandas().astype("str")
    return found
