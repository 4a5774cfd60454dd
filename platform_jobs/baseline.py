"""A version's baseline: how its training data and its answers are distributed, counted when it is trained.

It lies with the artifact, under the model's digest, so a live version is always compared with the very data
that it learnt from, however the feature store has moved on. It holds counts, no rows.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from platform_jobs import bins, layout
from platform_jobs.bins import Bins, Counts
from platform_jobs.commits import json_bytes
from platform_jobs.errors import JobError

if TYPE_CHECKING:
    from platform_jobs.aws import Bucket
    from platform_jobs.dataset import Dataset

FORMAT: Final = 1
ARROW: Final = {"string": pa.string(), "int": pa.float64(), "float": pa.float64(), "bool": pa.bool_()}
"""How logged values are read. Whole numbers as floats: JSON does not tell 1 from 1.0."""


@dataclass(frozen=True)
class Distribution:
    """One column's bins, and how many reference rows each holds."""

    name: str
    type: str
    bins: Bins
    counts: tuple[int, ...]

    @classmethod
    def learn(cls, name: str, kind: str, column: Any) -> "Distribution":
        """Bins and counts of an Arrow column."""
        found = bins.learn(kind, column)
        return cls(name, kind, found, tuple(found.count(column).tolist()))

    def empty(self) -> Counts:
        """Counts of no rows yet."""
        return np.zeros(self.bins.size, dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """For `from_json`."""
        return {"name": self.name, "type": self.type, **self.bins.to_json(), "counts": list(self.counts)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Distribution":
        """As `to_json` wrote it."""
        return cls(value["name"], value["type"], bins.bins_of(value), tuple(value["counts"]))


@dataclass(frozen=True)
class Baseline:
    """What a version's captured answers are compared with."""

    data_version: str
    classes: tuple[Any, ...]
    """The label's values in the model's order, the positive one last; none for regression."""
    features: tuple[Distribution, ...]
    prediction: Distribution
    """Of the answers to held-out rows."""
    confidence: Distribution | None
    """Of the probability of the predicted class, on held-out rows; None for regression."""

    def to_json(self) -> bytes:
        """The baseline as it is stored."""
        return json_bytes(
            {
                "format": FORMAT,
                "data_version": self.data_version,
                "classes": list(self.classes),
                "features": [item.to_json() for item in self.features],
                "prediction": self.prediction.to_json(),
                "confidence": None if self.confidence is None else self.confidence.to_json(),
            }
        )

    @classmethod
    def from_json(cls, body: bytes) -> "Baseline":
        """As `to_json` wrote it."""
        value = json.loads(body)
        confidence = value["confidence"]
        return cls(
            data_version=value["data_version"],
            classes=tuple(value["classes"]),
            features=tuple(Distribution.from_json(item) for item in value["features"]),
            prediction=Distribution.from_json(value["prediction"]),
            confidence=None if confidence is None else Distribution.from_json(confidence),
        )


def of_training(
    data: "Dataset", names: Sequence[str], classes: Sequence[Any], model: Any, held_out: Any
) -> Baseline:
    """Counts a training set and a fitted model's answers to its held-out rows.

    Args:
        data: the training set; all its rows count, held out or not.
        names: the model's features.
        classes: the label's values in the model's order; empty for regression.
        model: the fitted estimator.
        held_out: the held-out rows, encoded.
    """
    kinds = {field.name: field.type for field in data.fields}
    features = [
        Distribution.learn(name, kinds[name], pa.array(data.frame[name], from_pandas=True)) for name in names
    ]
    confidence = None
    if classes:
        probabilities = model.predict_proba(held_out)
        confidence = Distribution.learn("confidence", "float", pa.array(probabilities.max(axis=1)))
        answers = pa.array([classes[place] for place in probabilities.argmax(axis=1)])
        kind = data.label.type
    else:
        answers, kind = pa.array(model.predict(held_out)), "float"
    # A class is a category, whatever its type: 0 and 1 are names here.
    found = bins.CategoryBins.learn(answers) if classes else bins.NumberBins.learn(answers)
    prediction = Distribution("prediction", kind, found, tuple(found.count(answers).tolist()))
    return Baseline(data.version, tuple(classes), tuple(features), prediction, confidence)


def load(artifacts: "Bucket", model: str, digest: str, data_version: str) -> Baseline:
    """The baseline of a version, by its model's digest.

    Raises:
        JobError: reason `no-baseline` if it is not there or of another format, `altered` if it is not of
            the data that the version's lineage names.
    """
    key = layout.baseline_key(model, digest)
    body = artifacts.get(key)
    if body is None or json.loads(body).get("format") != FORMAT:
        raise JobError(
            "no-baseline",
            f"{artifacts.uri(key)} is not there, or of another format than {FORMAT}: the version was trained "
            "by other code than this; train and release a new one",
        )
    found = Baseline.from_json(body)
    if found.data_version != data_version:
        raise JobError(
            "altered",
            f"{artifacts.uri(key)} is of data {found.data_version}, but the version was trained on "
            f"{data_version}",
        )
    return found
