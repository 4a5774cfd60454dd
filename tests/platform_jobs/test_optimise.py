"""Smaller forms of models: as good as the original on rows that it has not seen, or not taken."""

import json
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from platform_jobs import artifact, distil, registry
from platform_jobs.onnx_model import OnnxModel
from platform_jobs.optimise import Optimised, largest_drop, optimise, to_onnx
from platform_jobs.serve import Predictor
from tests.platform_jobs.conftest import BUCKETS, World
from tests.platform_jobs.training import prepare, run, wine


def fitted(data: Any, estimator: Any) -> tuple[Any, Any, Any]:
    """A model of every other row, and the rows between."""
    return estimator.fit(data.data[::2], data.target[::2]), data.data[1::2], data.target[1::2]


NETWORK = make_pipeline(
    StandardScaler(), MLPClassifier(hidden_layer_sizes=(64, 32), max_iter=300, random_state=1)
)
CASES = {
    "linear": ("binary", load_breast_cancer, make_pipeline(StandardScaler(), LogisticRegression()), "onnx"),
    "ridge": ("regression", load_diabetes, Ridge(), "onnx"),
    "trees": ("regression", load_diabetes, HistGradientBoostingRegressor(max_iter=30), "onnx"),
    "network": ("multiclass", load_wine, NETWORK, "onnx-int8"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_smaller_form_answers_like_the_model(case: str):
    task, load, estimator, wanted = CASES[case]
    model, inputs, truth = fitted(load(), estimator)
    found = optimise(model, task, inputs, truth, tolerance=0.02)
    assert found.form is not None, found.refused
    assert found.form.name == wanted
    assert found.form.agreement > 0.97
    smaller = OnnxModel(found.form.body)
    if task == "regression":
        assert np.allclose(smaller.predict(inputs), model.predict(inputs), rtol=1e-3)
    else:
        loose = 0.1 if wanted == "onnx-int8" else 1e-4
        assert np.allclose(smaller.predict_proba(inputs), model.predict_proba(inputs), atol=loose)
        assert np.allclose(smaller.predict_proba(inputs).sum(axis=1), 1)
    assert to_onnx(model, inputs.shape[1]) == to_onnx(model, inputs.shape[1])


def test_quantised_is_smaller_and_gives_way_to_plain_where_it_loses_too_much():
    model, inputs, truth = fitted(load_wine(), NETWORK)
    taken = optimise(model, "multiclass", inputs, truth, tolerance=0.02).form
    assert taken is not None
    assert len(taken.body) < len(to_onnx(model, inputs.shape[1])) / 1.5
    # Outcomes that only the original gives: whatever differs from it loses.
    probed = np.random.default_rng(1).normal(inputs.mean(axis=0), inputs.std(axis=0) * 3, (20000, 13))
    strict = optimise(model, "multiclass", probed, model.predict(probed), tolerance=0.0005)
    assert strict.form is not None
    assert strict.form.name == "onnx"
    assert "a metric loses" in strict.refused["onnx-int8"]


def mixed(rows: int, seed: int) -> tuple[Any, Any]:
    """Two numbers and two categories, any of which may be missing; an outcome that hangs on both kinds."""
    chance = np.random.default_rng(seed)
    plan, region = chance.integers(0, 40, rows).astype(float), chance.integers(0, 5, rows).astype(float)
    numbers = chance.normal(size=(rows, 2))
    truth = np.isin(plan % 7, (1, 3, 4)) ^ (numbers[:, 0] > 0.3 * region)
    inputs = np.column_stack([numbers[:, 0], plan, numbers[:, 1], region])
    inputs[chance.random(inputs.shape) < 0.05] = np.nan
    return inputs, truth.astype(int)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_trees_on_categories_answer_like_the_model_also_where_a_category_is_new(task: str):
    inputs, truth = mixed(3000, seed=3)
    outcome = truth + (inputs[:, 2] > 1) if task == "multiclass" else truth
    build = HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
    model = build(categorical_features=[1, 3], max_iter=40, early_stopping=False, random_state=1)
    model.fit(inputs[::2], outcome[::2])
    found = optimise(model, task, inputs[1::2], outcome[1::2])
    assert found.form is not None, found.refused
    assert found.form.agreement > 0.9999
    asked = inputs[1::2].copy()
    for place, strange in enumerate((39.0, 40.0, 255.0, np.nan)):
        asked[place * 50 : (place + 1) * 50, 1] = strange
    smaller = OnnxModel(found.form.body)
    answer = "predict" if task == "regression" else "predict_proba"
    assert np.allclose(getattr(smaller, answer)(asked), getattr(model, answer)(asked), atol=1e-5)
    assert to_onnx(model, 4) == to_onnx(model, 4)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_student_that_answers_as_well_is_taken_and_is_much_smaller(task: str):
    inputs, truth = mixed(12000 if task == "multiclass" else 6000, seed=8)
    chance = np.random.default_rng(9)
    outcome: Any = truth ^ (chance.random(len(truth)) < 0.1)
    if task == "multiclass":
        outcome = outcome + (inputs[:, 2] > 1)
    elif task == "regression":
        outcome = truth + chance.normal(scale=0.3, size=len(truth))
    build = HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
    model = build(categorical_features=[1, 3], max_iter=100, early_stopping=False, random_state=1)
    model.fit(inputs[::2], outcome[::2])

    def taken(tolerance: float) -> Optimised:
        lesson = inputs[::2]
        return optimise(model, task, inputs[1::2], outcome[1::2], lesson=lesson, seed=1, tolerance=tolerance)

    found = taken(0.02)
    assert found.form is not None
    assert found.form.name.startswith("onnx-distilled-"), found.report
    assert found.form.drop <= 0.02
    assert found.form.agreement >= 0.95
    assert len(found.form.body) * 3 < len(to_onnx(model, 4))
    again = taken(0.02).form
    assert again is not None
    assert again.body == found.form.body  # the same seed gives the same student


def test_a_student_that_loses_too_much_or_answers_otherwise_gives_way():
    inputs, truth = mixed(1500, seed=10)
    model = HistGradientBoostingClassifier(
        categorical_features=[1, 3], max_iter=100, early_stopping=False, random_state=1
    ).fit(inputs[::2], truth[::2])
    # Outcomes that only the model itself gives: a student loses whatever it does otherwise.
    strict = optimise(model, "binary", inputs[1::2], model.predict(inputs[1::2]), lesson=inputs[::2], seed=1)
    assert strict.form is not None
    assert strict.form.name == "onnx"
    assert "a metric loses" in strict.refused["onnx-distilled-8"]
    # Outcomes that are mostly noise, which the model has learnt: a student is no worse, and another model.
    noisy = truth + np.random.default_rng(2).normal(scale=2, size=len(truth))
    learnt = HistGradientBoostingRegressor(
        categorical_features=[1, 3], max_iter=100, early_stopping=False, random_state=1
    ).fit(inputs[::2], noisy[::2])
    other = optimise(
        learnt, "regression", inputs[1::2], noisy[1::2], lesson=inputs[::2], seed=1, tolerance=0.5
    )
    assert other.form is not None
    assert other.form.name == "onnx"
    assert "of its answers are the model's" in other.refused["onnx-distilled-8"]


def test_what_is_small_or_no_trees_has_no_students():
    inputs, truth = mixed(400, seed=11)
    small = HistGradientBoostingClassifier(categorical_features=[1, 3], max_iter=10).fit(inputs, truth)
    assert list(distil.students(small, inputs, 1)) == []
    model, rows, _truth = fitted(load_wine(), NETWORK)
    assert list(distil.students(model, rows, 1)) == []


def test_trees_of_which_none_splits_on_the_categories_and_trees_of_categories_alone():
    inputs, truth = mixed(1000, seed=4)
    idle = np.column_stack([inputs[:, 0], np.zeros(1000)])
    for asked, categorical in ((idle, [1]), (inputs[:, [1, 3]], [0, 1])):
        model = HistGradientBoostingClassifier(categorical_features=categorical, max_iter=5).fit(asked, truth)
        found = OnnxModel(to_onnx(model, 2)).predict_proba(asked)
        assert np.allclose(found, model.predict_proba(asked), atol=1e-5)


def test_categories_that_are_no_codes_are_refused_and_the_model_stays():
    inputs, truth = mixed(400, seed=5)
    inputs[:, 3] += 0.5
    model = HistGradientBoostingClassifier(categorical_features=[3], max_iter=5).fit(inputs, truth)
    found = optimise(model, "binary", inputs, truth)
    assert found.form is None
    assert found.refused["onnx"] == "cannot be expressed: ValueError"


def test_a_version_of_trees_on_categories_serves_from_its_smaller_form(world: World, tmp_path: Path):
    inputs, truth = mixed(800, seed=6)
    names = ("load", "plan", "noise", "region")
    fields: list[dict[str, Any]] = [
        {"name": name, "type": "string" if name in {"plan", "region"} else "float", "nullable": True}
        for name in names
    ]
    fields.append({"name": "left", "type": "int", "allowed": [0, 1], "label": True})
    rows = [
        {
            "account": f"a{number}",
            "seen": "2026-02-01T00:00:00Z",
            **{
                name: ""
                if np.isnan(value)
                else f"{name[0]}{value:g}"
                if name in {"plan", "region"}
                else value
                for name, value in zip(names, values, strict=True)
            },
            "left": int(outcome),
        }
        for number, (values, outcome) in enumerate(zip(inputs.tolist(), truth, strict=True))
    ]
    prepare(world, {"name": "use", "joinKeys": ["account"], "eventTime": "seen", "fields": fields}, rows)
    trained = run(world, STAGECRAFT_OPTIMISE="true")
    version = registry.describe(world.clients, trained.arn)
    assert version.properties["candidate"] == "trees"
    assert version.properties["optimised"].startswith("onnx")
    key = trained.artifact_uri.removeprefix(f"s3://{BUCKETS['artifacts']}/")
    body = world.clients.bucket(BUCKETS["artifacts"]).get(key)
    assert body is not None
    with tarfile.open(fileobj=BytesIO(body)) as tar:
        tar.extractall(tmp_path, filter="data")
    digest = version.properties["model_digest"]
    asked = [{name: None if row[name] == "" else row[name] for name in names} for row in rows[:100]]
    asked[0]["plan"] = "never heard of"
    told = [
        Predictor(artifact.load(tmp_path, digest, optimised=optimised)).invoke(
            json.dumps({"instances": asked}).encode(), "application/json"
        )["predictions"]
        for optimised in (False, True)
    ]
    same = [first["prediction"] == second["prediction"] for first, second in zip(*told, strict=True)]
    assert np.mean(same) >= 0.95


class Unheard(LogisticRegression):
    """No converter knows it."""


def test_what_cannot_be_expressed_stays_as_it_is():
    model, inputs, truth = fitted(load_breast_cancer(), Unheard(max_iter=5000))
    found = optimise(model, "binary", inputs, truth)
    assert found.form is None
    assert found.refused["onnx"].startswith("cannot be expressed")
    assert found.report == {"refused": found.refused}


numbers = st.floats(0, 1).map(lambda value: round(value, 6))  # nobody measures finer


@given(before=st.dictionaries(st.sampled_from(["f1", "accuracy", "mae"]), numbers, min_size=1), loss=numbers)
def test_a_drop_is_the_worst_loss_and_gains_do_not_make_up_for_it(before: dict[str, float], loss: float):
    assert largest_drop(before, before) == 0
    better = {name: value / 2 if name == "mae" else value + 1 for name, value in before.items()}
    assert largest_drop(before, better) == 0
    name = min(before)
    worse = {**better, name: before[name] * (1 + loss) if name == "mae" else before[name] - loss}
    assert largest_drop(before, worse) == pytest.approx(
        loss if before[name] or name != "mae" else 0, abs=1e-6
    )
    assert largest_drop(before, {}) == float("inf")


def test_a_trained_version_carries_its_smaller_form_and_serves_from_it(world: World, tmp_path: Path):
    prepare(world, *wine())
    world.environ["STAGECRAFT_MODEL_TASK"] = "multiclass"
    trained = run(world, STAGECRAFT_OPTIMISE="true")
    version = registry.describe(world.clients, trained.arn)
    assert version.properties["optimised"] == "onnx"
    bucket = world.clients.bucket(BUCKETS["artifacts"])
    prefix = trained.artifact_uri.removeprefix(f"s3://{bucket.name}/").rpartition("/")[0]
    report = json.loads(bucket.get(f"{prefix}/evaluation.json") or b"")["optimised"]
    assert report["form"] == "onnx"
    assert report["largest_drop"] <= 0.005
    body = bucket.get(f"{prefix}/model.tar.gz")
    assert body is not None
    with tarfile.open(fileobj=BytesIO(body)) as tar:
        tar.extractall(tmp_path, filter="data")
    digest = version.properties["model_digest"]
    original = artifact.load(tmp_path, digest)
    smaller = artifact.load(tmp_path, digest, optimised=True)
    assert (original.optimised, smaller.optimised) == (False, True)
    _view, rows = wine()
    names = {feature.name: feature for feature in original.features}
    instances = [
        {
            name: row[name] == "true" if feature.type == "bool" else row[name]
            for name, feature in names.items()
        }
        for row in rows[:40]
    ]
    # A value that is not known, too.
    instances[0]["magnesium"] = None
    asked = json.dumps({"instances": instances}).encode()
    answers = [
        Predictor(model).invoke(asked, "application/json")["predictions"] for model in (original, smaller)
    ]
    assert [item["prediction"] for item in answers[0]] == [item["prediction"] for item in answers[1]]
    assert all(
        first["probability"] == pytest.approx(second["probability"], abs=1e-4)
        for first, second in zip(*answers, strict=True)
    )
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(Exception, match="is not the registered one"):
        artifact.load(tmp_path, digest, optimised=True)
