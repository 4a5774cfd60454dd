"""From a data set to the numbers to learn from, and those to be tested on."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from platform_jobs import encoding
from platform_jobs.dataset import Dataset
from platform_jobs.errors import JobError
from platform_jobs.estimators import Problem
from platform_jobs.views import NUMERIC


@dataclass(frozen=True)
class Trial:
    """Rows of entities that the model has not seen, and each row's group if groups were asked for."""

    inputs: Any
    truth: Any
    groups: list[Any] | None


@dataclass(frozen=True)
class Task:
    """What to learn, how it will be judged, and the classes' values in the model's order (none: a number)."""

    problem: Problem
    trial: Trial
    classes: list[Any]


def pose(data: Dataset, task: str, *, group_by: str | None, seed: int, iterations: int) -> Task:
    """Makes a learning task of a data set.

    Raises:
        JobError: reason `bad-label`, `no-features`, `no-group` or `too-few-rows`.
    """
    truth, classes = _truth(task, data)
    train, held_out = data.frame[~data.test], data.frame[data.test]
    features = encoding.learn(data.fields, train)
    if not features:
        raise JobError("no-features", "the model's views declare no field that it can take as an input")
    if group_by is not None and group_by not in {field.name for field in data.fields}:
        raise JobError("no-group", f"STAGECRAFT_MODEL_GROUP_BY={group_by} is no field of the model's views")
    if not len(held_out):
        raise JobError("too-few-rows", "no entity fell to the test side: more entities are needed")
    problem = Problem(
        task=task,
        features=features,
        inputs=encoding.encode_frame(features, train),
        truth=truth[~data.test],
        folds=data.folds[~data.test],
        seed=seed,
        iterations=iterations,
    )
    if classes and len(np.unique(problem.truth)) < len(classes):
        raise JobError("too-few-rows", f"not every value of {data.label.name} is among the training rows")
    groups = None if group_by is None else held_out[group_by].tolist()
    return Task(problem, Trial(encoding.encode_frame(features, held_out), truth[data.test], groups), classes)


def _truth(task: str, data: Dataset) -> tuple[Any, list[Any]]:
    label = data.label
    column = data.frame[label.name]
    if task == "regression":
        if label.type not in NUMERIC:
            raise JobError("bad-label", f"label {label.name} is {label.type}; regression needs a number")
        return column.to_numpy(dtype=float), []
    if label.type in {"float", "timestamp"}:
        raise JobError("bad-label", f"label {label.name} is {label.type}; {task} needs int, string or bool")
    values = column.tolist()
    classes = sorted(set(values))
    if len(classes) < 2:
        raise JobError("bad-label", f"label {label.name} has one value only: there is nothing to learn")
    if task == "binary" and len(classes) > 2:
        found = f"{len(classes)} values"
        raise JobError("bad-label", f"label {label.name} has {found}; binary takes 2: declare multiclass")
    places = {value: place for place, value in enumerate(classes)}
    return np.array([places[value] for value in values]), classes
