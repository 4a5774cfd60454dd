"""How good a model is: on the whole, and for each group of people or things where one is declared."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from sklearn import metrics

SELECTION_METRIC: Final = {"binary": "roc_auc", "multiclass": "f1", "regression": "r2"}
"""What candidates are compared by, per task; more is better."""

DECLARED_NAMES: Final = {"roc_auc": "auc"}
"""Metrics that a model's declaration, and so its alarms, call by another name."""


def evaluate(task: str, model: Any, inputs: Any, truth: Any) -> dict[str, float]:
    """The metrics of a fitted model on rows that it has not seen."""
    if task == "regression":
        return scores(task, truth, model.predict(inputs))
    return scores(task, truth, model.predict(inputs), model.predict_proba(inputs))


def scores(task: str, truth: Any, predicted: Any, probabilities: Any = None) -> dict[str, float]:
    """The metrics of answers.

    Binary: f1, precision and recall are of the positive class, the last in order. Multiclass: f1 is the
    classes' mean. A metric that these rows cannot say (one class only) is left out.

    Args:
        task: `binary`, `multiclass` or `regression`.
        truth: places of the classes; for regression amounts.
        predicted: the same, as answered.
        probabilities: a column for each class. Default: not known, and no `roc_auc`.
    """
    if task == "regression":
        return {
            "mae": float(metrics.mean_absolute_error(truth, predicted)),
            "r2": float(metrics.r2_score(truth, predicted)) if len(truth) > 1 else 0.0,
            "rmse": float(metrics.root_mean_squared_error(truth, predicted)),
        }
    average = "binary" if task == "binary" else "macro"
    found = {
        "accuracy": float(metrics.accuracy_score(truth, predicted)),
        "f1": float(metrics.f1_score(truth, predicted, average=average, zero_division=0)),
        "precision": float(metrics.precision_score(truth, predicted, average=average, zero_division=0)),
        "recall": float(metrics.recall_score(truth, predicted, average=average, zero_division=0)),
    }
    if probabilities is not None and len(np.unique(truth)) == probabilities.shape[1]:
        score = probabilities[:, 1] if task == "binary" else probabilities
        found["roc_auc"] = float(metrics.roc_auc_score(truth, score, multi_class="ovr"))
    return found


def by_group(task: str, model: Any, inputs: Any, truth: Any, groups: Sequence[Any]) -> dict[str, Any]:
    """The metrics of each group, and the widest gaps between groups.

    Returns:
        `groups`: name → rows and metrics (and `positive_rate` for binary tasks); `disparity`: metric →
        largest minus smallest value over the groups.
    """
    labels = np.array([str(value) for value in groups])
    found: dict[str, dict[str, float]] = {}
    for name in sorted(set(labels.tolist())):
        chosen = labels == name
        values = evaluate(task, model, inputs[chosen], truth[chosen])
        if task == "binary":
            values["positive_rate"] = float(np.mean(model.predict(inputs[chosen])))
        found[name] = {"rows": float(chosen.sum()), **values}
    disparity = {}
    for metric in sorted({key for values in found.values() for key in values} - {"rows"}):
        known = [values[metric] for values in found.values() if metric in values]
        disparity[metric] = max(known) - min(known)
    return {"groups": found, "disparity": disparity}
