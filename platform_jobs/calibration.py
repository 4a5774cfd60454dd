"""Whether confidence means what it says: of answers given with 80 %, four in five should be right."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

PARTS: Final = 10


@dataclass(frozen=True)
class Part:
    """Answers of like confidence."""

    rows: int
    confidence: float
    """Their mean confidence."""
    right: float
    """The share of them that was right."""


@dataclass(frozen=True)
class Calibration:
    """How well confidence and truth agree."""

    error: float
    """Expected calibration error: the mean distance of confidence and share right, weighed by rows."""
    parts: tuple[Part, ...]


def measure(confidence: Any, right: Any) -> Calibration:
    """The expected calibration error, over parts of equally many answers.

    Parts of equal width, as M. Naeini and others had them (Obtaining well calibrated probabilities using
    Bayesian binning, 2015), leave some with hardly a row where a model is sure of itself; equal numbers have
    less bias (J. Nixon and others, Measuring calibration in deep learning, 2019).

    Args:
        confidence: the probability of each predicted class, from 0 to 1; at least one.
        right: whether the prediction came true.
    """
    order = np.argsort(confidence, kind="stable")
    sure, true = np.asarray(confidence, dtype=float)[order], np.asarray(right, dtype=float)[order]
    parts = tuple(
        Part(len(rows), float(sure[rows].mean()), float(true[rows].mean()))
        for rows in np.array_split(np.arange(len(sure)), min(PARTS, len(sure)))
    )
    error = sum(part.rows * abs(part.confidence - part.right) for part in parts) / len(sure)
    return Calibration(float(error), parts)
