"""Batch runs, from a model's one declaration."""

import json
from decimal import Decimal
from typing import Any

import pytest

from pricing.snapshot import bundled
from stacks.settings import problems_of
from tests.components.recording import Recording
from tests.stacks.files import stack_file
from tests.stacks.test_program import deploy, deployed

WATCHED = {"monitors": True, "slo-alarms": True}


def told(recording: Recording, model: str) -> dict[str, str]:
    container = json.loads(recording.one("JobDefinition", f"batch-{model}-job").inputs["containerProperties"])
    return {each["name"]: each["value"] for each in container["environment"]}


def raw_with(batch: dict[str, Any], **settings: Any) -> dict[str, Any]:
    raw = {**stack_file("dev"), **{f"stagecraft:{name}": value for name, value in settings.items()}}
    for model in raw["stagecraft:models"]:
        model.pop("batch", None)
    raw["stagecraft:models"][1]["batch"] = batch
    return raw


def test_only_a_model_that_asks_for_it_is_scored_in_batch():
    recording = deploy("dev", live=True, raw=raw_with({}))
    assert list(recording.outputs["batch"]) == ["churn"]
    assert not [each for each in recording.of("Schedule") if each.name.startswith("batch-")]
    assert told(recording, "churn")["STAGECRAFT_MODEL"] == "churn"
    none = stack_file("dev")
    for model in none["stagecraft:models"]:
        model.pop("batch", None)
    assert "batch" not in deploy("dev", raw=none).outputs


@pytest.mark.parametrize("live", [False, True])
def test_the_clock_starts_nothing_before_a_version_is_live(live):
    recording = deployed("dev", live=live)
    schedules = [each.name for each in recording.of("Schedule") if each.name.startswith("batch-")]
    assert schedules == (["batch-screening-schedule"] if live else [])


def test_it_runs_where_the_quality_gate_does_and_brings_no_machines():
    recording = deployed("dev", live=True)
    queues = recording.outputs["jobQueues"]
    assert queues["predict-screening"] == queues["quality"]
    assert len(recording.of("JobQueue")) == 1


def test_what_is_declared_is_what_the_job_is_told():
    batch = {
        "rows": "s3://crm/churn/rows/",
        "chunkRows": 10_000,
        "maxBadFraction": 0.1,
        "retentionDays": 30,
        "vcpus": 4,
        "memoryMib": 7000,
    }
    recording = deploy(
        "dev", live=True, raw=raw_with(batch, maxVcpus=16, capabilities={"model-optimisation": True})
    )
    environment = told(recording, "churn")
    assert environment["STAGECRAFT_ROWS_URI"] == "s3://crm/churn/rows/"
    assert environment["STAGECRAFT_CHUNK_ROWS"] == "10000"
    assert environment["STAGECRAFT_MAX_BAD_FRACTION"] == "0.1"
    assert environment["STAGECRAFT_SERVE_OPTIMISED"] == "true"
    lifecycle = json.dumps(recording.one("BucketLifecycleConfiguration", "lake-artifacts-lifecycle").inputs)
    assert "batch/churn/" in lifecycle


def test_a_run_is_told_its_part_of_the_machine_that_is_bought_first():
    prices = bundled().on_demand("us-east-1")
    recording = deployed("dev", live=True)
    pool = recording.one("ComputeEnvironment", "pool-spot").inputs["computeResources"]["instanceTypes"]
    hourly = Decimal(told(recording, "screening")["STAGECRAFT_BATCH_HOURLY_COST_USD"])
    dearest = max(prices[name] for name in pool)
    assert 0 < hourly < dearest / 2  # half of a machine, and most of the time on spot


def test_failed_runs_are_told_to_whoever_watches():
    assert not [each for each in deployed("dev", live=True).of("MetricAlarm") if "batch" in each.name]
    recording = deploy("dev", live=True, raw=raw_with({}, capabilities=WATCHED))
    alarm = recording.one("MetricAlarm", "batch-churn-failed-runs").inputs
    assert alarm["alarmActions"] == [recording.outputs["topics"]["tickets"]]
    assert alarm["alarmDescription"].endswith("docs/runbooks/batch-predictions.md")


def test_language_models_are_not_scored_in_batch():
    raw = raw_with({"chunkRows": 200}, capabilities={"cluster": True}, image="sha256:" + "0" * 64)
    pods = {"runtime": "gpu", "image": f"vllm@sha256:{'0' * 64}"}
    raw["stagecraft:models"][1]["serving"] = {"mode": "cluster", "pods": pods}
    prometheus = {"url": "http://prometheus.monitoring.svc:9090", "namespace": "monitoring"}
    raw["stagecraft:cluster"] = {"prometheus": prometheus}
    (problem,) = problems_of(raw)
    assert problem.path == "stagecraft:models[1].batch"
    assert problem.value == {"chunkRows": 200}
    assert "leave it out where pods run vLLM" in problem.remedy


def test_the_pool_has_room_for_a_run_that_says_how_large_it_is():
    small = deployed("dev", live=True).one("ComputeEnvironment", "pool-spot").inputs["computeResources"]
    raw = raw_with({"vcpus": 8, "memoryMib": 60_000}, maxVcpus=64)
    large = (
        deploy("dev", live=True, raw=raw).one("ComputeEnvironment", "pool-spot").inputs["computeResources"]
    )
    assert set(large["instanceTypes"]) != set(small["instanceTypes"])
