"""Training in steps that can be interrupted between any two of them.

Two candidates are compared by cross-validation: a regularised linear model and gradient-boosted trees. The
state after each step is all there is: going on from a stored one gives the same model as never stopping,
because the steps are the same either way.
"""

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import threadpoolctl  # type: ignore[import-untyped]
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from platform_jobs.encoding import Feature
from platform_jobs.evaluate import SELECTION_METRIC, evaluate

CANDIDATES: Final = ("linear", "trees")
"""The simpler one first: it wins a tie."""
FOLDS: Final = 3
ROUND: Final = 10
"""Boosting iterations a step."""
_SMALL: Final = 500_000
"""Cells below which threads cost more than they bring."""


@dataclass
class State:
    """What training knows after a step."""

    scores: dict[str, list[float]] = field(default_factory=dict)
    iterations: int = 0
    model: Any = None
    finished: bool = False

    @property
    def chosen(self) -> str:
        """The candidate with the best mean score."""
        return max(
            CANDIDATES, key=lambda name: (round(float(np.mean(self.scores[name])), 9), name == CANDIDATES[0])
        )


@dataclass(frozen=True)
class Problem:
    """Rows to learn from. `folds` numbers each row's cross-validation fold, one for all rows of an entity."""

    task: str
    features: tuple[Feature, ...]
    inputs: Any
    truth: Any
    folds: Any
    seed: int
    iterations: int


def steps(problem: Problem, state: State) -> Iterator[State]:
    """Goes on from a state, and yields it after each step until it is finished."""
    threads = 1 if problem.inputs.size < _SMALL else None
    for name in CANDIDATES:
        scores = state.scores.setdefault(name, [])
        while len(scores) < FOLDS:
            with _threads(threads):
                scores.append(_fold_score(problem, name, len(scores)))
            yield state
    name = state.chosen
    if name == "linear":
        with _threads(threads):
            state.model = _stored(_linear(problem).fit(problem.inputs, problem.truth))
        state.finished = True
        yield state
        return
    model = state.model if state.model is not None else _trees(problem)
    while state.iterations < problem.iterations:
        state.iterations = min(state.iterations + ROUND, problem.iterations)
        with _threads(threads):
            model.set_params(max_iter=state.iterations).fit(problem.inputs, problem.truth)
        state.model = model = _stored(model)
        state.finished = state.iterations == problem.iterations
        yield state


def _stored(model: Any) -> Any:
    """The model as it would come out of a checkpoint.

    A pickle tells which equal values are one object, and storing changes that: so that the artifact's bytes
    do not depend on whether a run was interrupted, every step stores.
    """
    return pickle.loads(pickle.dumps(model))  # noqa: S301 - our own object of a moment ago


def _threads(limit: int | None) -> Any:
    # BLAS adds up in an order that depends on its threads: one thread, one result.
    return threadpoolctl.threadpool_limits({"blas": 1} if limit is None else {"blas": 1, "openmp": limit})


def _fold_score(problem: Problem, name: str, fold: int) -> float:
    build: Callable[[Problem], Any] = _linear if name == "linear" else _trees
    model = build(problem)
    if name == "trees":
        model.set_params(max_iter=problem.iterations)
    held_out = problem.folds == fold
    if not held_out.any() or len(np.unique(problem.truth[~held_out])) < 2:
        return 0.0  # this fold cannot tell the candidates apart
    model.fit(problem.inputs[~held_out], problem.truth[~held_out])
    found = evaluate(problem.task, model, problem.inputs[held_out], problem.truth[held_out])
    return found.get(SELECTION_METRIC[problem.task], 0.0)


def _categorical(problem: Problem) -> list[int]:
    return [place for place, item in enumerate(problem.features) if item.categories is not None]


def _linear(problem: Problem) -> Any:
    categorical = _categorical(problem)
    numeric = [place for place in range(len(problem.features)) if place not in categorical]
    columns = ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()),
                numeric,
            ),
            ("categories", OneHotEncoder(handle_unknown="ignore"), categorical),
        ]
    )
    if problem.task == "regression":
        return make_pipeline(columns, Ridge(random_state=problem.seed))
    return make_pipeline(columns, LogisticRegression(max_iter=2000, random_state=problem.seed))


def _trees(problem: Problem) -> Any:
    build = HistGradientBoostingRegressor if problem.task == "regression" else HistGradientBoostingClassifier
    categorical = _categorical(problem)
    return build(
        categorical_features=categorical or None,
        early_stopping=False,
        random_state=problem.seed,
        warm_start=True,
    )
