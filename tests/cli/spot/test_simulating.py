"""`stagecraft simulate spot`, as a user calls it."""

import json
from pathlib import Path

import pytest

from cli.batch_jobs import BatchJobs
from platform_jobs import demo_data
from platform_jobs.aws import Clients
from platform_jobs.ingest import ingest
from tests.cli_driver import Stagecraft
from twin.aws.cloud.client import ensure_cloud, session


def give_data(stagecraft: Stagecraft, folder: Path) -> None:
    """What `stagecraft demo` does before it trains."""
    outputs = stagecraft.run("outputs", "--json").object
    endpoint = ensure_cloud(stagecraft.home / "local" / "cloud").endpoint
    clients = Clients(session=session(endpoint, "us-east-1"), region="us-east-1")
    rows = demo_data.write(folder / "rows.csv", bad_rows=0)
    ingest(clients, outputs["buckets"]["raw"], demo_data.VIEW, rows, source="a test")
    jobs = BatchJobs(outputs, clients)
    for job in ("quality", "materialise"):
        jobs.wait(job, jobs.submit(job, {"STAGECRAFT_VIEW": demo_data.VIEW}, job_name=job))


def test_what_cannot_be_asked_is_refused(stagecraft: Stagecraft) -> None:
    refused = stagecraft.run("simulate", "spot", code=2)
    assert "stack 'local' is not deployed; `stagecraft up --stack local` deploys it" in refused.err
    refused = stagecraft.run("simulate", "spot", "--stack", "prod", code=2)
    assert "a stack called local, not 'prod'" in refused.err
    assert "Traceback" not in refused.all


@pytest.mark.slow
def test_an_interrupted_training_comes_to_the_same_model(stagecraft: Stagecraft, tmp_path: Path) -> None:
    stagecraft.run("up", "--yes")
    refused = stagecraft.run("simulate", "spot", "--interruptions", "9", code=2)
    assert "feature view cell_measurements has no data to train on" in refused.err
    assert "--interruptions 9: the job train-screening has 5 attempts" in refused.err
    refused = stagecraft.run("simulate", "spot", "--model", "churn", code=2)
    assert "--model churn: the stack trains no such model; it trains: screening" in refused.err

    give_data(stagecraft, tmp_path)
    before = stagecraft.inventory("local")
    out = tmp_path / "report.json"
    ran = stagecraft.run(
        "simulate", "spot", "--model", "screening", "--interruptions", "2", "--seed", "3", "--json", str(out)
    )
    assert "2 interruptions survived; the same model as without" in ran.out
    assert stagecraft.inventory("local") == before

    report = json.loads(out.read_text())
    assert report["sameModel"]
    warned, killed, last = report["attempts"]
    assert [each["exitCode"] for each in report["attempts"]] == [143, None, 0]
    assert (warned["notice"], killed["notice"], last["notice"]) == (True, False, None)
    # After a notice nothing is done again.
    assert killed["resumedAtStep"] == warned["reachedStep"] > 0
    assert warned["hoursLost"] == pytest.approx(2 / 60, abs=1e-3)
    # Without one: what the last checkpoint does not hold, which is never older than its interval and a step.
    assert killed["resumedAtStep"] <= last["resumedAtStep"] <= killed["reachedStep"]
    assert killed["hoursLost"] <= report["checkpointMinutes"] / 60 + killed["longestStepHours"] + 1e-3
    assert last["reachedStep"] == report["steps"]
    assert report["spotUsd"] < report["onDemandUsd"]
