"""`fetch-model` gives `serve` the registered model, or nothing."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from platform_jobs import artifact, registry, review
from platform_jobs.errors import JobError, SettingsError
from platform_jobs.fetch_model import FetchSettings, fetch
from platform_jobs.registry import Version
from platform_jobs.serve import ServeSettings
from platform_jobs.settings import load
from tests.platform_jobs.conftest import BUCKETS, World
from tests.platform_jobs.test_serve import MODEL, NAMES
from tests.platform_jobs.training import GROUP, LINEAGE

KEY = "models/screening/1/model.tar.gz"


@pytest.fixture
def registered(world: World) -> tuple[World, str, artifact.Artifact]:
    """A version of a real model, not decided about."""
    packed = artifact.pack(
        MODEL,
        {
            "model": "screening",
            "task": "binary",
            "features": [{"name": name, "type": "float"} for name in NAMES],
            "classes": [0, 1],
        },
    )
    bucket = world.clients.bucket(BUCKETS["artifacts"])
    bucket.put(KEY, packed.body, content_type="application/gzip")
    world.clients.sagemaker.create_model_package_group(ModelPackageGroupName=GROUP)
    world.clients.dynamodb.create_table(
        TableName=LINEAGE,
        KeySchema=[{"AttributeName": "model_package_arn", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "model_package_arn", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    version = Version(
        group=GROUP,
        model="screening",
        task="binary",
        label="malignant",
        run="run-1",
        artifact_uri=bucket.uri(KEY),
        artifact_sha256=packed.sha256,
        model_digest=packed.digest,
        image="platform:1",
        data_version="d",
        code_version="c",
        views={"cells": "v"},
        metrics={"f1": 0.9},
        floors={},
        quality_report=(bucket.uri("evaluation.json"), "0" * 64),
        bias_report=None,
        facts={},
    )
    return world, registry.register(world.clients, version, LINEAGE), packed


def approve(world: World, arn: str) -> None:
    review.approve(world.clients, GROUP, arn, "ada", "as good as it gets", lineage_table=LINEAGE)


def told(folder: Path, arn: str) -> FetchSettings:
    environ = {
        "STAGECRAFT_MODEL_PACKAGE": arn,
        "SM_MODEL_DIR": str(folder / "model"),
        "STAGECRAFT_MODEL_DIGEST_FILE": str(folder / "version" / "digest"),
    }
    return load(FetchSettings, environ)


def test_serve_loads_what_was_fetched_and_nothing_else(registered: Any, tmp_path: Path):
    world, arn, packed = registered
    approve(world, arn)
    config = told(tmp_path, arn)
    assert fetch(world.clients, config) == packed.digest
    serving = ServeSettings(model_dir=config.model_dir, digest_file=config.digest_file)
    loaded = artifact.load(serving.model_dir, serving.expected_digest)
    assert loaded.name == "screening"
    assert sorted(item.name for item in config.model_dir.iterdir()) == ["metadata.json", "model.joblib"]
    # Once more over the same folder, as a container that starts again does.
    assert fetch(world.clients, config) == packed.digest
    (config.model_dir / "metadata.json").write_text(json.dumps({"model": "other"}))
    with pytest.raises(JobError, match="is not the registered one"):
        artifact.load(serving.model_dir, serving.expected_digest)


def test_what_is_not_approved_missing_or_altered_is_not_served(registered: Any, tmp_path: Path):
    world, arn, _packed = registered
    config = told(tmp_path, arn)
    bucket = world.clients.bucket(BUCKETS["artifacts"])
    with pytest.raises(JobError, match="PendingManualApproval: approve it first"):
        fetch(world.clients, config)
    approve(world, arn)
    bucket.put(KEY, b"another model", content_type="application/gzip")
    with pytest.raises(JobError, match="is not the registered one") as caught:
        fetch(world.clients, config)
    assert caught.value.reason == "altered"
    bucket.delete(KEY)
    with pytest.raises(JobError, match="is not there"):
        fetch(world.clients, config)
    with pytest.raises(JobError, match="there is no model version"):
        fetch(world.clients, dataclasses.replace(config, version=f"{arn[:-1]}9"))
    assert not list(config.model_dir.iterdir())
    assert not config.digest_file.exists()


def test_serve_says_what_it_was_not_told(tmp_path: Path):
    with pytest.raises(SettingsError, match="STAGECRAFT_MODEL_DIGEST is not set"):
        _ = ServeSettings().expected_digest
    with pytest.raises(JobError, match="run `fetch-model` first"):
        _ = ServeSettings(digest_file=tmp_path / "digest").expected_digest
