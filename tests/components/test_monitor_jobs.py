"""The jobs that watch: what they are told, what they may do, when they run."""

import json

import pulumi
import pytest

from tests.components.examples import example, make
from tests.components.recording import run


@pytest.fixture(scope="module")
def recording():
    return run(lambda: make("Monitoring"))


def container(recording, job):
    return json.loads(recording.one("JobDefinition", f"it-{job}-job").inputs["containerProperties"])


def told(recording, job):
    return {each["name"]: each["value"] for each in container(recording, job)["environment"]}


def test_each_model_with_views_has_a_job_and_all_views_have_one(recording):
    assert set(recording.outputs["job_definition_arns"]) == {
        "watch-churn",
        "watch-ranking",
        "silent-failures",
    }
    assert container(recording, "watch-churn")["command"] == ["watch"]
    assert container(recording, "silent-failures")["command"] == ["silent-failures"]


def test_a_model_s_job_is_told_of_the_model(recording):
    environment = told(recording, "watch-churn")
    assert environment["STAGECRAFT_MODEL"] == "churn"
    assert environment["STAGECRAFT_MODEL_VIEWS"] == '["activity"]'
    assert environment["STAGECRAFT_MODEL_GROUP_BY"] == "age_band"
    assert environment["STAGECRAFT_DRIFT_THRESHOLD"] == "0.2"
    assert environment["STAGECRAFT_WINDOW_HOURS"] == "24"
    assert environment["STAGECRAFT_SERVING_HOURLY_COST_USD"] == "0.23"
    assert environment["STAGECRAFT_SERVING_REQUEST_COST_USD"] == "0.000004"
    assert environment["STAGECRAFT_POINTER_PREFIX"] == "/stagecraft/test/models/"


def test_each_view_and_model_has_its_schedule(recording):
    schedules = {each.name: each.inputs for each in recording.of("Schedule")}
    assert set(schedules) == {"it-watch-churn", "it-watch-ranking", "it-silent-failures-activity"}
    assert {each["scheduleExpression"] for each in schedules.values()} == {"rate(24 hours)"}
    target = schedules["it-silent-failures-activity"]["target"]
    assert target["arn"] == "arn:aws:scheduler:::aws-sdk:batch:submitJob"
    given = json.loads(target["input"])
    assert given["JobQueue"].endswith("job-queue/pool")
    assert given["ContainerOverrides"] == {"Environment": [{"Name": "STAGECRAFT_VIEW", "Value": "activity"}]}


def test_the_schedules_role_submits_these_jobs_and_nothing_else(recording):
    (statement,) = json.loads(recording.one("RolePolicy", "it-schedules-policy").inputs["policy"])[
        "Statement"
    ]
    assert statement["Action"] == ["batch:SubmitJob"]
    assert not {"*", "arn:aws:batch:us-east-1:123456789012:*"} & set(statement["Resource"])
    assert len(statement["Resource"]) == 4


def test_a_job_reads_its_own_model_and_overwrites_no_version(recording):
    policy = json.loads(recording.one("Policy", "it-watch-churn-rights").inputs["policy"])
    writes = [
        resource
        for each in policy["Statement"]
        if "s3:PutObject" in each["Action"]
        for resource in each["Resource"]
    ]
    assert writes == [
        "arn:aws:s3:::artifacts/monitoring/churn/*",
        "arn:aws:s3:::artifacts/models/churn/*/explanation.json",
    ]
    assert "ranking" not in json.dumps(policy)


def test_without_jobs_there_are_none():
    args = {key: value for key, value in example("Monitoring").items() if key != "jobs"}
    from components import Monitoring

    without = run(lambda: Monitoring("it", args))
    assert not without.of("JobDefinition")
    assert without.outputs["job_definition_arns"] == {}


def test_hours_are_held_to():
    jobs = {**example("Monitoring")["jobs"], "hours": 0}
    with pytest.raises(pulumi.InputPropertiesError) as raised:
        run(lambda: make("Monitoring", jobs=jobs))
    assert [each["property_path"] for each in raised.value.errors] == ["jobs.hours"]
