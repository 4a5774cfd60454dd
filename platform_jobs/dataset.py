"""A model's training data: labels, the features known at their times, and who is held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from platform_jobs.errors import JobError
from platform_jobs.features import training_frame
from platform_jobs.hashing import sha256
from platform_jobs.offline import OfflineStore
from platform_jobs.views import Field, View

TEST_PERCENT: Final = 20
FEWEST_ROWS: Final = 20


@dataclass(frozen=True)
class Dataset:
    """Labelled rows, each with its features; `test` says which are held out, `folds` how the others split.

    All rows of an entity are on the same side, so a model is never tested on someone it was trained on.
    """

    frame: pd.DataFrame
    label: Field
    fields: tuple[Field, ...]
    test: Any
    folds: Any
    version: str
    """Hash of the histories that the rows come from."""


def load(stores: Sequence[OfflineStore], label: str | None, *, seed: int, folds: int) -> Dataset:
    """Reads the histories of a model's views and joins them to the labels.

    Args:
        stores: offline stores of the model's views.
        label: the label field to predict. Default: the only one there is.
        seed: of the split.
        folds: number of cross-validation folds.

    Raises:
        JobError: reason `no-label`, `no-features` or `too-few-rows`.
    """
    views = [store.view for store in stores]
    home, target = label_view(views, label)
    histories = [(store.view, store.read()) for store in stores]
    labels = next(history for view, history in histories if view is home)
    labels = labels.loc[labels[target.name].notna(), [*home.join_keys, home.event_time, target.name]]
    if len(labels) < FEWEST_ROWS:
        found = f"{len(labels)} rows with a {target.name}"
        raise JobError("too-few-rows", f"view {home.name} has {found}; {FEWEST_ROWS} are needed")
    frame = training_frame(labels, home.event_time, histories)
    entities = frame[list(home.join_keys)].agg("|".join, axis=1)
    return Dataset(
        frame=frame,
        label=target,
        fields=tuple(field for view in views for field in view.features),
        test=_buckets(entities, f"test:{seed}", 100) < TEST_PERCENT,
        folds=_buckets(entities, f"fold:{seed}", folds),
        version=sha256("\n".join(store.version() for store in stores).encode()),
    )


def label_view(views: Sequence[View], label: str | None) -> tuple[View, Field]:
    """The view that holds a label, and the label's field.

    Raises:
        JobError: reason `no-label` if it is not declared, or left out where there is not exactly one.
    """
    declared = [(view, field) for view in views for field in view.labels]
    chosen = [item for item in declared if label in {None, item[1].name}]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(f"{view.name}.{field.name}" for view, field in declared) or "none"
    asked = "STAGECRAFT_MODEL_LABEL is not set" if label is None else f"label {label} is not declared once"
    raise JobError("no-label", f"{asked}; the model's views declare the labels: {names}")


def _buckets(entities: "pd.Series[str]", salt: str, count: int) -> Any:
    """A number below `count` for each entity, always the same one."""
    known = {entity: int(sha256(f"{salt}:{entity}".encode())[:12], 16) % count for entity in set(entities)}
    return np.array([known[entity] for entity in entities])
