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
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from platform_jobs import artifact, registry
from platform_jobs.onnx_model import OnnxModel
from platform_jobs.optimise import largest_drop, optimise, to_onnx
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


class Unheard(LogisticRegression):
    """No converter knows it."""


def test_what_cannot_be_expressed_stays_as_it_is():
    model, inputs, truth = fitted(load_breast_cancer(), Unheard(max_iter=5000))
    found = optimise(model, "binary", inputs, truth)
    assert found.form is None
    assert found.refused["onnx"].startswith("cannot be expressed")
    assert found.report == {"refused": found.refused}


numbers = st.floats(0, 1)


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
