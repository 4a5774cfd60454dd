"""Batch inference for real: a deployed stack, a live model, machines taken away, rows that are unfit."""

import io
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from cli.batch_jobs import BatchJobs
from platform_jobs import demo_data
from platform_jobs.aws import Bucket, Clients
from tests.cli_driver import CHECKOUT, Stagecraft
from twin.aws.cloud.client import ensure_cloud, reclaim_host, session

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

JOB = "predict-screening"
SAMPLES = 569
REGION = "us-east-1"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stagecraft]:
    """Our own program with its alarms, and a version live."""
    folder = tmp_path_factory.mktemp("batch")
    stack = yaml.safe_load((CHECKOUT / "stacks" / "Pulumi.local.yaml").read_text())
    stack["config"]["stagecraft:capabilities"] = {"monitors": True, "slo-alarms": True}
    (folder / "Pulumi.yaml").write_text(f'name: stagecraft\nruntime: python\nmain: "{CHECKOUT}/stacks"\n')
    (folder / "Pulumi.local.yaml").write_text(yaml.safe_dump(stack))
    command = Stagecraft(folder / "home", project=folder)
    try:
        assert command.run("up", "--yes", "--json").object["ok"]
        command.run("demo", "--bad-rows", "0")
        yield command
    finally:
        command.close()


def clients_of(command: Stagecraft) -> Clients:
    return Clients(session=session(ensure_cloud(command.home / "local" / "cloud").endpoint, REGION))


def artifacts(command: Stagecraft) -> Bucket:
    buckets = command.run("outputs", "buckets", "--json").object
    return clients_of(command).bucket(buckets["artifacts"])


def predictions(bucket: Bucket, run: str) -> pd.DataFrame:
    """What a run wrote, by sample."""
    parts = [item.key for item in bucket.list("batch/screening/version=1/") if f"run={run}/" in item.key]
    tables = [pq.read_table(io.BytesIO(bucket.get(key) or b"")).to_pandas() for key in parts]
    return pd.concat(tables).sort_values("sample_id", ignore_index=True)


def logged(bucket: Bucket, run: str) -> Counter[str]:
    """How often the prediction log has each sample of a run."""
    keys = [item.key for item in bucket.list("predictions/screening/") if run in item.key]
    lines = [json.loads(line) for key in keys for line in (bucket.get(key) or b"").splitlines()]
    return Counter(line["entity"]["sample_id"] for line in lines)


def test_a_run_whose_machines_are_taken_away_scores_everyone_once(deployed: Stagecraft) -> None:
    clients, bucket = clients_of(deployed), artifacts(deployed)
    outputs = deployed.run("outputs", "--json").object
    as_of = pd.Timestamp.now(tz="UTC").isoformat()
    jobs = BatchJobs(outputs, clients)
    run = jobs.submit(JOB, {"STAGECRAFT_CHUNK_ROWS": "50", "STAGECRAFT_AS_OF": as_of}, job_name=JOB)
    cloud = ensure_cloud(deployed.home / "local" / "cloud").endpoint
    for number, grace in ((2, 60), (6, 0)):  # with notice, and without
        reclaim_host(cloud, REGION, run, grace_seconds=grace, when=[f'"number": {number},'])
    found = jobs.wait(JOB, run)
    assert len(found["attempts"]) == 3
    assert found["attempts"][0]["container"]["exitCode"] == 143

    whole = deployed.run("predict-batch", "--as-of", as_of, "--json").object
    assert (whole["rows"], whole["predictions"], whole["put_aside"]) == (SAMPLES, SAMPLES, 0)
    result = json.loads(bucket.get(f"batch/screening/_runs/{run}.json") or b"")
    assert result["predictions"] == SAMPLES
    assert len(result["chunks"]) == 12
    mine, other = predictions(bucket, run), predictions(bucket, whole["run"])
    assert mine["sample_id"].is_unique
    columns = ["sample_id", "prediction", "probability", "model_version", "as_of"]
    pd.testing.assert_frame_equal(mine[columns], other[columns])
    once = dict.fromkeys((f"s{number:04d}" for number in range(1, SAMPLES + 1)), 1)
    assert logged(bucket, run) == logged(bucket, whole["run"]) == once
    assert list(bucket.list("checkpoints/predict-screening/")) == []
    truth = {row[demo_data.KEY]: row[demo_data.LABEL] for row in demo_data.samples()}
    right = [truth[row.sample_id] == row.prediction for row in mine.itertuples()]
    assert sum(right) / SAMPLES > 0.95

    assert "batch-screening" in deployed.run("schedule", "list").out
    deployed.run("schedule", "run", "batch-screening")
    assert len(list(bucket.list("batch/screening/_runs/"))) == 3
    said = deployed.run("predict-batch").out
    assert "screening version 1 scored 569 of 569" in said
    assert "1,000 predictions cost $" in said


def test_unfit_rows_fail_the_run_and_someone_hears_of_it(deployed: Stagecraft) -> None:
    bucket = artifacts(deployed)
    rows: list[dict[str, Any]] = demo_data.samples()[:100]
    for row in rows:
        row.pop(demo_data.EVENT_TIME)
        row.pop(demo_data.LABEL)
    for row in rows[:20]:
        row["mean_radius"] = -1
    bucket.put("in/rows.csv", demo_data.to_csv(rows).encode(), content_type="text/csv")
    place = f"{bucket.uri('in/')}"
    failed = deployed.run("predict-batch", "--rows", place, code=1)
    assert "20 of 100 rows are bad (20.0%, at most 5.0%)" in failed.all
    assert "mean_radius:min 20" in failed.all
    deadline = time.monotonic() + 60
    while "Batch predictions of screening failed" not in (told := deployed.run("alerts").out):
        assert time.monotonic() < deadline, told
        time.sleep(1)
    assert "batch-predictions.md" in told
    queue = deployed.run("outputs", "batch", "--json").object["screening"]["deadLetterQueue"]
    letters = clients_of(deployed).client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(letters[0]["Body"])["detail"]["jobName"] == JOB


def test_what_is_misunderstood_is_told_at_once(deployed: Stagecraft) -> None:
    wrong = deployed.run("predict-batch", "--as-of", "now", "--rows", "here", "--entities", "s3://b/", code=2)
    for said in ("--as-of now: expected a time", "--rows here: expected s3://", "give one of them"):
        assert said in wrong.all
    assert "no model 'churn'; --model: screening" in deployed.run("predict-batch", "-m", "churn", code=2).all
