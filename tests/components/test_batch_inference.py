"""BatchInference: what its job is told and may do, when it runs, and who hears that it did not."""

import json

import pulumi
import pytest

import components
from tests.components.examples import example, make
from tests.components.recording import run


@pytest.fixture(scope="module")
def batch():
    return run(lambda: make("BatchInference"))


@pytest.fixture(scope="module")
def lodger():
    """In a queue that is there already, with nothing but what must be said."""
    said = {key: value for key, value in example("BatchInference").items() if key not in OPTIONAL}
    return run(lambda: components.BatchInference("it", {**said, "queue_arn": QUEUE}))


QUEUE = "arn:aws:batch:us-east-1:123456789012:job-queue/pool"
OPTIONAL = ("schedule", "entities_uri", "hourly_cost_usd", "alarm")


def statements(recording, name, kind="Policy"):
    return json.loads(recording.one(kind, name).inputs["policy"])["Statement"]


def told(recording):
    container = json.loads(recording.one("JobDefinition").inputs["containerProperties"])
    return {item["name"]: item["value"] for item in container["environment"]}


def test_the_job_scores_by_the_spot_contract(batch):
    definition = batch.one("JobDefinition").inputs
    assert json.loads(definition["containerProperties"])["command"] == ["predict-batch"]
    assert {"action": "RETRY", "onStatusReason": "Host EC2*"} in definition["retryStrategy"][
        "evaluateOnExits"
    ]
    environment = told(batch)
    assert environment["STAGECRAFT_CHECKPOINT_URI"] == "s3://artifacts/checkpoints/predict-churn/"
    assert environment["STAGECRAFT_MODEL_VIEWS"] == '["activity"]'
    assert environment["STAGECRAFT_ENTITIES_URI"] == "s3://marketing/churn/who/"
    assert environment["STAGECRAFT_BATCH_HOURLY_COST_USD"] == "0.09"
    assert environment["STAGECRAFT_CHUNK_ROWS"] == "50000"
    assert environment["STAGECRAFT_MAX_BAD_FRACTION"] == "0.05"
    assert batch.outputs["output_uri"] == "s3://artifacts/batch/churn/"


def test_its_own_machines_are_spot_first(batch):
    kinds = {each.name: each.inputs["computeResources"] for each in batch.of("ComputeEnvironment")}
    assert {name: kind["type"] for name, kind in kinds.items()} == {"it-spot": "SPOT", "it-on-demand": "EC2"}
    assert {kind["maxVcpus"] for kind in kinds.values()} == {8}


def test_in_a_queue_that_is_there_it_brings_no_machines(lodger):
    assert not lodger.of("ComputeEnvironment")
    assert not lodger.of("Vpc")
    assert lodger.outputs["queue_arn"] == QUEUE
    assert not lodger.of("Schedule")
    assert not lodger.of("MetricAlarm")
    assert not {"STAGECRAFT_ENTITIES_URI", "STAGECRAFT_BATCH_HOURLY_COST_USD"} & set(told(lodger))


def test_the_job_writes_predictions_and_their_log_and_nothing_else(batch):
    found = statements(batch, "it-rights")
    writes = [place for each in found if "s3:PutObject" in each["Action"] for place in each["Resource"]]
    assert writes == ["arn:aws:s3:::artifacts/batch/churn/*", "arn:aws:s3:::artifacts/predictions/churn/*"]
    reads = [place for each in found if each["Action"] == ["s3:GetObject"] for place in each["Resource"]]
    assert reads == [
        "arn:aws:s3:::artifacts/batch/churn/*",
        "arn:aws:s3:::artifacts/models/churn/*",
        "arn:aws:s3:::marketing/churn/who/*",
    ]
    assert not [each for each in found if "s3:DeleteObject" in each["Action"]]
    (metrics,) = [each for each in found if each["Action"] == ["cloudwatch:PutMetricData"]]
    assert metrics["Condition"] == {"StringEquals": {"cloudwatch:namespace": "Stagecraft"}}
    deletes = [each for each in statements(batch, "it-checkpoints") if "s3:DeleteObject" in each["Action"]]
    assert [each["Resource"] for each in deletes] == [["arn:aws:s3:::artifacts/checkpoints/predict-churn/*"]]


def test_the_clock_submits_it_and_writes_down_what_it_could_not_submit(batch):
    schedule = batch.one("Schedule").inputs
    assert schedule["scheduleExpression"] == "cron(0 5 * * ? *)"
    assert schedule["target"]["arn"] == "arn:aws:scheduler:::aws-sdk:batch:submitJob"
    assert json.loads(schedule["target"]["input"])["JobName"] == "predict-churn"
    assert schedule["target"]["deadLetterConfig"]["arn"].endswith("it-dead-letters")
    assert schedule["target"]["retryPolicy"]["maximumRetryAttempts"] == 5
    actions = {
        action
        for each in statements(batch, "it-schedule-role-policy", "RolePolicy")
        for action in each["Action"]
    }
    assert actions == {
        "batch:SubmitJob",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:GenerateDataKey",
        "sqs:SendMessage",
    }


def test_a_failed_run_of_any_revision_waits_in_the_queue_and_is_told_of(batch):
    pattern = json.loads(batch.one("EventRule").inputs["eventPattern"])
    assert pattern["source"] == ["aws.batch"]
    assert pattern["detail"]["status"] == ["FAILED"]
    (definition,) = pattern["detail"]["jobDefinition"]
    assert definition["prefix"].endswith(":it-job:")
    assert batch.one("EventTarget").inputs["arn"].endswith("it-dead-letters")
    policy = json.loads(batch.one("QueuePolicy").inputs["policy"])
    assert {"Service": "events.amazonaws.com"} in [each["Principal"] for each in policy["Statement"]]
    alarm = batch.one("MetricAlarm").inputs
    assert (alarm["namespace"], alarm["metricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert alarm["threshold"] == 0
    assert alarm["alarmActions"] == ["arn:aws:sns:us-east-1:123456789012:tickets"]
    assert alarm["alarmDescription"].endswith("Runbook: docs/runbooks/batch-predictions.md")


def test_others_may_read_predictions_or_start_runs_and_no_more(batch):
    (listing, reading, key) = statements(batch, "it-read")
    assert reading["Resource"] == ["arn:aws:s3:::artifacts/batch/churn/*"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["batch/churn/*"]}}
    assert all(action.startswith("kms:") for action in key["Action"])
    (starting,) = statements(batch, "it-start")
    assert starting["Action"] == ["batch:SubmitJob"]
    assert len(starting["Resource"]) == 2


def test_every_bad_input_is_told_at_once():
    bad = {
        "model": "Churn!",
        "feature_views": [],
        "rows_uri": "s3://marketing/rows",
        "chunk_rows": 5,
        "max_bad_fraction": 2,
        "queue_arn": QUEUE,
        "machines": {"instance_types": ["m7i.xlarge"]},
        "alarm": {"topic_arn": "arn:topic", "runbook_url": "x"},
    }
    with pytest.raises(pulumi.InputPropertiesError) as raised:
        run(lambda: make("BatchInference", **bad))
    paths = [problem["property_path"] for problem in raised.value.errors or []]
    assert paths == [
        "model",
        "featureViews",
        "rowsUri",
        "rowsUri",
        "chunkRows",
        "maxBadFraction",
        "machines",
        "machines.instanceTypes",
    ]
