"""Features as the numbers that a model takes: one way in for training and serving, so they cannot differ.

Needs numpy only: a server must not wait for pandas.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from platform_jobs.views import Field

if TYPE_CHECKING:
    import pandas as pd

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]

MOST_CATEGORIES: Final = 254
"""Categories that a text feature keeps, the most frequent ones; the others count as missing."""


@dataclass(frozen=True)
class Feature:
    """One input of a model. Text features have the categories that were seen in training."""

    name: str
    type: str
    categories: tuple[str, ...] | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Feature":
        """Reads a feature out of a model's metadata."""
        categories = value.get("categories")
        return cls(value["name"], value["type"], None if categories is None else tuple(categories))


def learn(fields: Iterable[Field], frame: "pd.DataFrame") -> tuple[Feature, ...]:
    """The features of the fields, with the categories that occur in the training rows.

    Times are no inputs: as numbers they would only name the period that the model was trained in.
    """
    features = []
    for field in fields:
        if field.type == "timestamp":
            continue
        categories = None
        if field.type == "string":
            seen = Counter(frame[field.name].dropna().tolist())
            common = sorted(seen, key=lambda value: (-seen[value], value))[:MOST_CATEGORIES]
            categories = tuple(sorted(common))
        features.append(Feature(field.name, field.type, categories))
    return tuple(features)


def encode_frame(features: Sequence[Feature], frame: "pd.DataFrame") -> Matrix:
    """Rows of a frame as numbers; missing values and unknown categories are NaN."""
    matrix = np.full((len(frame), len(features)), np.nan)
    for place, feature in enumerate(features):
        column = frame[feature.name]
        if feature.categories is None:
            matrix[:, place] = column.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        else:
            codes = {value: float(code) for code, value in enumerate(feature.categories)}
            matrix[:, place] = [codes.get(value, math.nan) for value in column.tolist()]
    return matrix


class ProblemsError(ValueError):
    """Instances that a model cannot take: each problem with its instance (from 0), field and cause."""

    def __init__(self, problems: Sequence[Mapping[str, Any]]) -> None:
        super().__init__("; ".join(f"instance {item['instance']}: {item['problem']}" for item in problems))
        self.problems = list(problems)


def encode_instances(features: Sequence[Feature], instances: Sequence[Any]) -> Matrix:
    """Instances of a request as numbers, by feature name (objects) or in feature order (lists).

    Raises:
        ProblemsError: naming every instance and field that is wrong; at most 20 of them.
    """
    problems: list[dict[str, Any]] = []
    matrix = np.full((len(instances), len(features)), np.nan)
    names = {feature.name for feature in features}
    codes = [
        {value: float(code) for code, value in enumerate(feature.categories or ())} for feature in features
    ]

    def report(instance: int, field: str | None, problem: str) -> None:
        problems.append({"instance": instance, "field": field, "problem": problem})

    for number, instance in enumerate(instances):
        if isinstance(instance, Mapping):
            for name in instance:
                if name not in names:
                    report(number, str(name), f"{name} is no feature of this model")
            values = [instance.get(feature.name, _ABSENT) for feature in features]
        elif isinstance(instance, list):
            if len(instance) != len(features):
                report(number, None, f"has {len(instance)} values where the model takes {len(features)}")
                continue
            values = instance
        else:
            report(number, None, "must be an object of features or a list of values")
            continue
        for place, (feature, value) in enumerate(zip(features, values, strict=True)):
            if value is None:
                continue
            try:
                matrix[number, place] = _number(feature, value, codes[place])
            except ValueError as error:
                report(number, feature.name, f"{feature.name} {error}")
        if len(problems) >= _MOST_PROBLEMS:
            break
    if problems:
        raise ProblemsError(problems[:_MOST_PROBLEMS])
    return matrix


_ABSENT: Final = object()
_MOST_PROBLEMS: Final = 20


def _number(feature: Feature, value: Any, codes: Mapping[str, float]) -> float:
    if value is _ABSENT:
        raise ValueError("is missing (null stands for a value that is not known)")
    if feature.type == "string":
        if not isinstance(value, str):
            raise ValueError("must be a text")
        return codes.get(value, math.nan)
    if feature.type == "bool" and isinstance(value, bool):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be true or false" if feature.type == "bool" else "must be a number")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("must be a number that fits into 64 bits") from None
    if not math.isfinite(number):
        raise ValueError("must be a finite number")
    if feature.type == "bool" and number not in {0.0, 1.0}:
        raise ValueError("must be true or false")
    return number
