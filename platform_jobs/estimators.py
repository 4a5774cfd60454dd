"""Training in steps that can be interrupted between any two of them.

Two candidates are compared by cross-validation: a regularised linear model and gradient-boosted trees. The
state after each step is all there is: going on from a stored one gives the same model as never stopping,
because the steps are the same either way.
"""

import pickle
from collections.abc import Iterator
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
    """Boosting iterations of `model`."""
    model: Any = None
    """What is being fitted: of the fold under way, then of the chosen candidate on all rows."""
    finished: bool = False
    steps: int = 0
    """Steps done. The same data, settings and seed take the same steps."""

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
    """Goes on from a state, and yields it after each step until it is finished.

    A step is a linear fit, or a round of boosting: no part of a long training is too long to be saved.
    """
    threads = 1 if problem.inputs.size < _SMALL else None
    for _ in _stages(problem, state, threads):
        state.steps += 1
        yield state


def _stages(problem: Problem, state: State, threads: int | None) -> Iterator[None]:
    """Every fold of every candidate, then the best one on all rows."""
    for name in CANDIDATES:
        scores = state.scores.setdefault(name, [])
        while len(scores) < FOLDS:
            fold = len(scores)
            if not _tells(problem, fold):
                scores.append(0.0)
                yield
                continue
            for fitted in _fit(problem, name, state, problem.folds != fold, threads):
                if fitted:
                    with _threads(threads):
                        scores.append(_fold_score(problem, state.model, fold))
                    state.model, state.iterations = None, 0
                yield
    for fitted in _fit(problem, state.chosen, state, slice(None), threads):
        state.finished = fitted
        yield


def _fit(problem: Problem, name: str, state: State, rows: Any, threads: int | None) -> Iterator[bool]:
    """Fits `state.model` on some rows; yields after each round whether that was the last."""
    inputs, truth = problem.inputs[rows], problem.truth[rows]
    if name == "linear":
        with _threads(threads):
            state.model = _stored(_linear(problem).fit(inputs, truth))
        yield True
        return
    model = state.model if state.model is not None else _trees(problem)
    for done in range(state.iterations, problem.iterations, ROUND):
        state.iterations = min(done + ROUND, problem.iterations)
        with _threads(threads):
            model.set_params(max_iter=state.iterations).fit(inputs, truth)
        state.model = model = _stored(model)
        yield state.iterations == problem.iterations


def _stored(model: Any) -> Any:
    """The model as it would come out of a checkpoint.

    A pickle tells which equal values are one object, and storing changes that: so that the artifact's bytes
    do not depend on whether a run was interrupted, every step stores.
    """
    return pickle.loads(pickle.dumps(model))  # noqa: S301 - our own object of a moment ago


def _threads(limit: int | None) -> Any:
    # BLAS adds up in an order that depends on its threads: one thread, one result.
    return threadpoolctl.threadpool_limits({"blas": 1} if limit is None else {"blas": 1, "openmp": limit})


def _tells(problem: Problem, fold: int) -> bool:
    """Whether a fold can tell the candidates apart: it has rows, and the others have something to learn."""
    held_out = problem.folds == fold
    return bool(held_out.any()) and len(np.unique(problem.truth[~held_out])) > 1


def _fold_score(problem: Problem, model: Any, fold: int) -> float:
    held_out = problem.folds == fold
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
