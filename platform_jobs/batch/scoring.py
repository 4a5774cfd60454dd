"""A chunk's predictions: as Parquet for those who use them, as log records for those who watch the model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from platform_jobs import answering, tables
from platform_jobs.answering import Answers
from platform_jobs.artifact import LoadedModel
from platform_jobs.batch.scope import Scope
from platform_jobs.encoding import encode_frame
from platform_jobs.errors import JobError
from platform_jobs.outcomes import class_text
from platform_jobs.prediction_log import BATCH, Record

COLUMNS: Final = ("prediction", "probability", "probabilities", "prediction_id", "model_version", "as_of")
"""What stands beside an entity's keys."""
_SAME: Final = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


@dataclass(frozen=True)
class Scored:
    """A chunk's predictions."""

    body: bytes
    """Parquet; the same rows and model give the same bytes."""
    records: Sequence[Record]


@dataclass(frozen=True)
class Scorer:
    """Scores with one version, as of one time."""

    scope: Scope
    model: LoadedModel

    def score(self, frame: pd.DataFrame, name: str) -> Scored:
        """Scores entities with their features; `name` is the chunk's, unique among all that is ever logged.

        Raises:
            JobError: reason `no-answer` if the model answers with something that is no number.
        """
        if frame.empty:
            found = Answers([], [], None)
        else:
            found = answering.answer(self.model, encode_frame(self.model.features, frame))
            if not np.isfinite(_numbers(found)).all():
                raise JobError("no-answer", f"model {self.model.name} answers with what is no number")
        ids = [f"{name}/{number}" for number in range(len(frame))]
        table = self._table(frame, found, ids)
        return Scored(tables.parquet_bytes(table), list(self._records(frame, found, ids)))

    def _table(self, frame: pd.DataFrame, found: Answers, ids: Sequence[str]) -> pa.Table:
        count, keys = len(frame), [key.name for key in self.scope.keys]
        columns: dict[str, pa.Array] = {key: pa.array(frame[key], pa.string()) for key in keys}
        regression = self.model.task == "regression"
        kind = pa.float64() if regression else class_type(self.model.classes)
        as_text = not regression and kind == pa.string()
        predictions = [class_text(item) for item in found.predictions] if as_text else found.predictions
        columns["prediction"] = pa.array(predictions, kind)
        if not regression:
            columns["probability"] = pa.array(found.confidences, pa.float64())
            names = answering.class_names(self.model)
            each = [] if found.probabilities is None else found.probabilities.tolist()
            columns["probabilities"] = pa.array(
                [list(zip(names, row, strict=True)) for row in each], pa.map_(pa.string(), pa.float64())
            )
        columns["prediction_id"] = pa.array(ids, pa.string())
        columns["model_version"] = pa.array([self.model.digest] * count, pa.string())
        columns["as_of"] = pa.array([self.scope.as_of] * count, pa.timestamp("us", tz="UTC"))
        return pa.table(columns)

    def _records(self, frame: pd.DataFrame, found: Answers, ids: Sequence[str]) -> Iterator[Record]:
        keys = [key.name for key in self.scope.keys]
        entities = _plain_rows(frame, keys)
        inputs = _plain_rows(frame, [feature.name for feature in self.model.features])
        rows = zip(ids, entities, inputs, found.predictions, found.confidences, strict=True)
        for identity, entity, features, prediction, sure in rows:
            yield Record(
                id=identity,
                at=self.scope.as_of,
                model=self.model.name,
                variant=BATCH,
                version=self.model.digest,
                entity=entity,
                features=features,
                prediction=prediction,
                probability=sure,
            )


def class_type(classes: Sequence[Any]) -> pa.DataType:
    """The column type of predicted classes: their own, or text where they have none in common."""
    kinds = {type(item) for item in classes}
    return _SAME.get(next(iter(kinds)), pa.string()) if len(kinds) == 1 else pa.string()


def check_keys(keys: Sequence[str]) -> None:
    """An entity's keys stand beside its prediction.

    Raises:
        JobError: reason `name-clash`.
    """
    clashes = [key for key in keys if key in COLUMNS]
    if clashes:
        raise JobError(
            "name-clash",
            f"join keys {', '.join(clashes)} are called like columns of predictions; rename them",
        )


def _numbers(found: Answers) -> Any:
    return np.asarray(found.predictions, dtype=float) if found.probabilities is None else found.probabilities


def _plain_rows(frame: pd.DataFrame, names: Sequence[str]) -> list[Mapping[str, Any]]:
    """Rows as JSON says them: null where a value is not known."""
    columns = [
        [None if missing else value for value, missing in zip(column.tolist(), column.isna(), strict=True)]
        for column in (frame[name] for name in names)
    ]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
