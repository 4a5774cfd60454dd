"""Students: smaller models that learn a large one's answers, doubts included, instead of the outcomes.

What the large one has learnt of noise it does not pass on, so few and shallow trees come close to many.
Whether close enough is not said here: a student is compared like any other smaller form (`optimise`).
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import threadpoolctl  # type: ignore[import-untyped]
from sklearn.base import clone

SIZES: Final = ((8, 0.2), (16, 0.4))
"""Leaves of a tree, and trees as a share of the teacher's; the smallest first."""
LARGEST_LESSON: Final = 200_000
"""Answers that a student learns from, at most: more of them make it slow, and no better."""
_FEWEST_TREES: Final = 10


def students(teacher: Any, inputs: Any, seed: int) -> Iterator[tuple[int, Any]]:
    """Fitted students, each with its trees' leaves; none of what is small already, or no boosted trees.

    Args:
        teacher: A fitted estimator.
        inputs: Rows to ask it about, as it was fitted on; outcomes are not needed.
        seed: Of what is drawn by chance: the same one gives the same students.
    """
    if not hasattr(teacher, "_predictors"):
        return
    trees = int(teacher.max_iter)
    rows, answers, weights = _lesson(teacher, inputs, seed)
    for leaves, share in SIZES:
        fewer = max(_FEWEST_TREES, round(trees * share))
        if fewer >= trees:
            continue
        # Fewer steps have to be longer ones to get as far.
        rate = min(0.3, teacher.learning_rate * trees / fewer / 2)
        student = clone(teacher).set_params(
            max_iter=fewer, max_leaf_nodes=leaves, learning_rate=rate, warm_start=False, random_state=seed
        )
        with threadpoolctl.threadpool_limits({"blas": 1, "openmp": 1}):
            student.fit(rows, answers, sample_weight=weights)
        yield leaves, student


def _lesson(teacher: Any, inputs: Any, seed: int) -> tuple[Any, Any, Any]:
    """Rows, what to answer, and how much each counts: a row stands there once a class, by its probability."""
    classes = len(teacher.classes_) if hasattr(teacher, "classes_") else 1
    most = max(1, LARGEST_LESSON // classes)
    if len(inputs) > most:
        chosen = np.random.default_rng(seed).choice(len(inputs), most, replace=False)
        inputs = inputs[np.sort(chosen)]
    if classes == 1:
        return inputs, teacher.predict(inputs), None
    weights = teacher.predict_proba(inputs)
    return (
        np.repeat(inputs, classes, axis=0),
        np.tile(teacher.classes_, len(inputs)),
        weights.reshape(-1),
    )
