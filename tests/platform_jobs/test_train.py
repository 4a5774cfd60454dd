import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from platform_jobs import artifact, dataset, demo_data, registry
from platform_jobs.errors import Interrupted, JobError
from platform_jobs.offline import OfflineStore
from platform_jobs.train import Trained
from platform_jobs.views import parse_view
from tests.platform_jobs.conftest import BUCKETS, World, make_world
from tests.platform_jobs.training import ANCHOR, GROUP, LINEAGE, After, prepare, run


@pytest.fixture(scope="module")
def screening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The demo's data, ready to train on."""
    with mock_aws():
        world = make_world(tmp_path_factory.mktemp("screening"))
        prepare(world, demo_data.declaration(), demo_data.samples(ANCHOR))
        yield world


def unpacked(world: World, trained: Trained, folder: Path) -> Path:
    bucket = world.clients.bucket(BUCKETS["artifacts"])
    body = bucket.get(trained.artifact_uri.removeprefix(f"s3://{bucket.name}/"))
    assert body is not None
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def test_a_model_of_real_data_is_registered_with_all_that_made_it(screening: World, tmp_path: Path):
    trained = run(screening, AWS_BATCH_JOB_ID="job-1", STAGECRAFT_METRIC_FLOORS='{"f1": 0.9}')
    assert trained.metrics["accuracy"] > 0.93
    assert trained.metrics["roc_auc"] > 0.97
    version = registry.describe(screening.clients, trained.arn)
    assert (version.group, version.status) == (GROUP, "PendingManualApproval")
    assert version.metrics == pytest.approx(trained.metrics, abs=1e-5)
    assert version.floors == {"f1": 0.9}
    assert version.properties["artifact_sha256"] == trained.artifact_sha256
    package = screening.clients.sagemaker.describe_model_package(ModelPackageName=trained.arn)
    container = package["InferenceSpecification"]["Containers"][0]
    assert container["ModelDataUrl"] == trained.artifact_uri
    report = package["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]
    stored = json.loads(screening.objects("artifacts")[report.removeprefix(f"s3://{BUCKETS['artifacts']}/")])
    assert stored["metrics"] == trained.metrics
    lineage = registry.lineage(screening.clients, LINEAGE, trained.arn)
    assert lineage is not None
    assert lineage["data_version"] == trained.data_version
    assert lineage["feature_views"].keys() == {demo_data.VIEW}
    assert lineage["artifact"] == {"uri": trained.artifact_uri, "sha256": trained.artifact_sha256}
    assert lineage["metrics"] == trained.metrics

    folder = unpacked(screening, trained, tmp_path)
    model = artifact.load(folder, container["Environment"]["STAGECRAFT_MODEL_DIGEST"])
    assert [feature.name for feature in model.features] == demo_data.columns()  # and no label among them
    assert model.classes == (0, 1)
    with pytest.raises(JobError, match="not the registered one"):
        artifact.load(folder, "0" * 64)


def test_a_run_that_is_tried_again_registers_one_version(screening: World):
    first = run(screening, AWS_BATCH_JOB_ID="job-2")
    again = run(screening, AWS_BATCH_JOB_ID="job-2")
    other = run(screening, AWS_BATCH_JOB_ID="job-3")
    assert again.arn == first.arn
    assert other.arn != first.arn
    assert other.artifact_sha256 == first.artifact_sha256  # same data, code and seed
    assert run(screening, STAGECRAFT_SEED="5").artifact_sha256 != first.artifact_sha256


def test_checkpoints_are_written_on_time_and_damaged_ones_are_not_used(screening: World):
    screening_checkpoint = {"STAGECRAFT_CHECKPOINT_MINUTES": "0.0000001"}
    with pytest.raises(Interrupted):
        run(screening, After(3), **screening_checkpoint)
    (key,) = screening.keys("artifacts", "checkpoints/")
    bucket = screening.clients.bucket(BUCKETS["artifacts"])
    bucket.put(key, (bucket.get(key) or b"")[:-1], content_type="application/octet-stream")
    assert run(screening).metrics["f1"] > 0.9
    assert screening.keys("artifacts", "checkpoints/") == []


def test_nobody_is_on_both_sides_of_the_split(screening: World):
    store = OfflineStore(screening.clients.bucket(BUCKETS["features"]), parse_view(demo_data.declaration()))
    data = dataset.load([store], None, seed=1, folds=3)
    again = dataset.load([store], None, seed=1, folds=3)
    assert (data.test == again.test).all()
    assert 0.1 < data.test.mean() < 0.3
    assert set(data.frame["sample_id"][data.test]).isdisjoint(data.frame["sample_id"][~data.test])
