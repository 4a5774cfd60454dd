import json
from typing import Any

import pytest
from sklearn.datasets import load_diabetes

from platform_jobs.errors import Interrupted, JobError
from tests.platform_jobs.conftest import BUCKETS, World
from tests.platform_jobs.training import After, prepare, run, wine


@pytest.mark.slow
@pytest.mark.parametrize("stops", [[1], [7], [34, 1], [2, 30, 1, 1]])
def test_an_interrupted_run_goes_on_from_its_checkpoint_to_the_same_model(
    world: World, stops: list[int], monkeypatch: pytest.MonkeyPatch
):
    # Trees alone, so that the model itself is in the checkpoint.
    monkeypatch.setattr("platform_jobs.estimators.CANDIDATES", ("trees",))
    prepare(world, *wine())
    wanted = {"STAGECRAFT_MODEL_TASK": "multiclass", "STAGECRAFT_ITERATIONS": "95"}
    whole = run(world, **wanted)
    assert world.keys("artifacts", "checkpoints/") == []
    for steps in stops:
        with pytest.raises(Interrupted):
            run(world, After(steps), **wanted)
        assert len(world.keys("artifacts", "checkpoints/")) == 1
    resumed = run(world, **wanted)
    assert resumed.artifact_sha256 == whole.artifact_sha256
    assert world.keys("artifacts", "checkpoints/") == []


def test_other_tasks_train_and_groups_are_compared(world: World):
    prepare(world, *wine())
    trained = run(world, STAGECRAFT_MODEL_TASK="multiclass", STAGECRAFT_MODEL_GROUP_BY="region")
    assert trained.metrics["f1"] > 0.9
    package = world.clients.sagemaker.describe_model_package(ModelPackageName=trained.arn)
    key = package["ModelMetrics"]["Bias"]["Report"]["S3Uri"].removeprefix(f"s3://{BUCKETS['artifacts']}/")
    report = json.loads(world.objects("artifacts")[key])
    assert set(report["groups"]) == {"north", "south", "west"}
    assert 0 <= report["disparity"]["accuracy"] <= 1
    with pytest.raises(JobError, match="label cultivar has 3 values"):
        run(world, STAGECRAFT_MODEL_TASK="binary")
    with pytest.raises(JobError, match="label cultivar is string; regression needs a number"):
        run(world, STAGECRAFT_MODEL_TASK="regression")
    with pytest.raises(JobError, match=r"declare the labels: wines\.cultivar"):
        run(world, STAGECRAFT_MODEL_LABEL="quality")
    with pytest.raises(JobError, match="MODEL_GROUP_BY=cellar is no field"):
        run(world, STAGECRAFT_MODEL_TASK="multiclass", STAGECRAFT_MODEL_GROUP_BY="cellar")


def test_regression(world: World):
    bunch = load_diabetes()
    rows = [
        {
            "patient": f"p{number}",
            "at": "2026-02-01T00:00:00Z",
            **dict(zip(bunch.feature_names, map(float, values), strict=True)),
            "progression": float(target),
        }
        for number, (values, target) in enumerate(zip(bunch.data, bunch.target, strict=True))
    ]
    fields: list[dict[str, Any]] = [{"name": name, "type": "float"} for name in bunch.feature_names]
    fields.append({"name": "progression", "type": "float", "label": True})
    declaration = {"name": "patients", "joinKeys": ["patient"], "eventTime": "at", "fields": fields}
    prepare(world, declaration, rows)
    trained = run(world, STAGECRAFT_MODEL_TASK="regression")
    assert trained.metrics["r2"] > 0.3
    assert trained.metrics["rmse"] < 70
