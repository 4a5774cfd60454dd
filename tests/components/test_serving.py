"""Endpoint, ImageRepository and CostGuard."""

import json

import pulumi
import pytest

from components import Endpoint
from tests.components.examples import PACKAGE, make
from tests.components.recording import run

REALTIME = {"instance_type": "ml.m6i.large", "instance_count": 2}


def test_a_version_is_served_without_a_machine_standing():
    endpoint = run(lambda: make("Endpoint"))
    model = endpoint.one("Model").inputs
    assert model["containers"][0]["modelPackageName"] == PACKAGE
    configuration = endpoint.one("EndpointConfiguration").inputs
    (variant,) = configuration["productionVariants"]
    assert variant["serverlessConfig"] == {"memorySizeInMb": 2048, "maxConcurrency": 5}
    assert configuration["kmsKeyArn"].endswith(":it-key")
    assert endpoint.one("Endpoint", "it-endpoint").inputs["name"] == "stagecraft-test-it"


def test_serverless_knows_no_isolation_and_instances_have_it():
    assert run(lambda: make("Endpoint")).one("Model").inputs["enableNetworkIsolation"] is False
    hosted = run(lambda: make("Endpoint", instances=REALTIME)).one("Model").inputs
    assert hosted["enableNetworkIsolation"] is True


def test_without_a_version_all_is_there_but_the_endpoint():
    args = {"model": "churn", "artifacts_bucket": "artifacts"}
    endpoint = run(lambda: Endpoint("it", args))
    kinds = {each.type.split(":")[-1] for each in endpoint.resources[1:]}
    assert kinds == {"Key", "Alias", "LogGroup", "Role", "RolePolicy", "Policy"}
    assert endpoint.outputs["endpoint_name"] == "stagecraft-test-it"
    assert endpoint.outputs["endpoint_arn"] is None


def test_a_release_changes_the_model_and_nothing_else():
    def shape(version):
        recording = run(lambda: make("Endpoint", model_package_arn=f"{PACKAGE[:-1]}{version}"))
        return {each.name: each.inputs for each in recording.resources[1:]}

    first, second = shape(1), shape(2)
    assert [name for name in first if first[name] != second[name]] == ["it-model"]


def test_the_container_reads_its_own_model_only():
    policy = json.loads(run(lambda: make("Endpoint")).one("RolePolicy").inputs["policy"])
    reads = next(each for each in policy["Statement"] if each["Action"] == ["s3:GetObject"])
    assert reads["Resource"] == ["arn:aws:s3:::artifacts/models/churn/*"]
    assert not [each for each in policy["Statement"] if "s3:PutObject" in each["Action"]]


def test_instances_capture_what_they_answer():
    capture = {"uri": "s3://artifacts/captured/churn/", "sampling_percent": 20}
    endpoint = run(lambda: make("Endpoint", instances=REALTIME, capture=capture))
    config = endpoint.one("EndpointConfiguration").inputs["dataCaptureConfig"]
    assert config["initialSamplingPercentage"] == 20
    assert config["kmsKeyId"].endswith(":it-key")
    policy = endpoint.one("RolePolicy").inputs["policy"]
    assert "arn:aws:s3:::artifacts/captured/churn/*" in policy


def test_alarms_tell_somebody_what_to_do():
    alarms = run(lambda: make("Endpoint")).of("MetricAlarm")
    assert {alarm.inputs["metricName"] for alarm in alarms} == {"Invocation5XXErrors", "ModelLatency"}
    for alarm in alarms:
        assert alarm.inputs["alarmActions"] == ["arn:t"]
        assert alarm.inputs["actionsEnabled"] is True
        assert "https://runbooks.example.com/endpoint" in alarm.inputs["alarmDescription"]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"capture": {"uri": "s3://a/b/"}}, "capture"),
        ({"memory_mib": 1000}, "memoryMib"),
        ({"max_concurrency": 0}, "maxConcurrency"),
        ({"model_package_arn": "none"}, "modelPackageArn"),
        ({"instances": {"instance_type": "m6i.large"}}, "instances.instanceType"),
        ({"model": "my_model"}, "model"),
    ],
)
def test_what_aws_would_refuse_is_refused(changes, path):
    with pytest.raises(pulumi.InputPropertiesError) as raised:
        run(lambda: make("Endpoint", **changes))
    assert [each["property_path"] for each in raised.value.errors] == [path]


def test_images_are_immutable_scanned_and_encrypted():
    images = run(lambda: make("ImageRepository"))
    repository = images.one("Repository").inputs
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    assert repository["encryptionConfigurations"][0]["encryptionType"] == "KMS"
    rules = json.loads(images.one("LifecyclePolicy").inputs["policy"])["rules"]
    assert [rule["selection"]["tagStatus"] for rule in rules] == ["untagged", "any"]
    assert images.outputs["image_uri"].endswith("/it-repository:1.0.0")
    assert ".dkr-ecr.us-east-1.on.aws/" in images.outputs["job_image_uri"]


def test_an_image_by_digest():
    digest = "sha256:" + "a" * 64
    images = run(lambda: make("ImageRepository", version=digest))
    assert images.outputs["image_uri"].endswith(f"@{digest}")


def test_people_hear_of_money_in_time():
    guard = run(lambda: make("CostGuard"))
    whole = guard.one("Budget", "it-budget").inputs
    assert whole["limitAmount"] == "100.00"
    assert whole["costFilters"] == [{"name": "TagKeyValue", "values": ["user:stack$stagecraft-test"]}]
    told = [(each["notificationType"], each["threshold"]) for each in whole["notifications"]]
    assert told == [("ACTUAL", 50), ("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)]
    topic = guard.one("Topic").name
    assert all(each["subscriberSnsTopicArns"][0].endswith(topic) for each in whole["notifications"])
    assert guard.one("Budget", "it-churn-budget").inputs["limitAmount"] == "20.00"
    assert guard.one("AnomalySubscription").inputs["frequency"] == "IMMEDIATE"


def test_a_budget_counts_exactly_one_tag():
    with pytest.raises(pulumi.InputPropertiesError, match="exactly one"):
        run(lambda: make("CostGuard", tag_filter={"a": "1", "b": "2"}))


SCALING = {"max_count": 6}
QUIET = {"start": "cron(0 19 ? * MON-FRI *)", "end": "cron(0 6 ? * MON-FRI *)"}


def test_machines_follow_requests_between_the_least_and_the_most():
    endpoint = run(lambda: make("Endpoint", instances=REALTIME, scaling=SCALING))
    target = endpoint.one("Target").inputs
    assert target["resourceId"] == "endpoint/stagecraft-test-it/variant/live"
    assert (target["minCapacity"], target["maxCapacity"]) == (REALTIME["instance_count"], 6)
    tracked = scaling_policy(endpoint)["targetTrackingScalingPolicyConfiguration"]
    assert tracked["targetValue"] == 600
    metric = tracked["predefinedMetricSpecification"]["predefinedMetricType"]
    assert metric == "SageMakerVariantInvocationsPerInstance"
    assert not endpoint.of("ScheduledAction")


def scaling_policy(endpoint):
    return endpoint.one("Policy", "it-scaling-policy").inputs


def test_slow_answers_are_scaled_by_how_many_are_under_way():
    endpoint = run(lambda: make("Endpoint", instances=REALTIME, scaling={**SCALING, "concurrency": 4}))
    tracked = scaling_policy(endpoint)["targetTrackingScalingPolicyConfiguration"]
    assert tracked["targetValue"] == 4
    metric = tracked["predefinedMetricSpecification"]["predefinedMetricType"]
    assert metric == "SageMakerVariantConcurrentRequestsPerModelHighResolution"


def test_in_quiet_hours_few_machines_remain_and_then_the_usual_least_holds_again():
    scaling = {**SCALING, "quiet_hours": QUIET}
    endpoint = run(lambda: make("Endpoint", instances=REALTIME, scaling=scaling))
    actions = {each.name: each.inputs for each in endpoint.of("ScheduledAction")}
    quiet, busy = actions["it-quiet"], actions["it-busy"]
    assert quiet["schedule"] == QUIET["start"]
    assert quiet["scalableTargetAction"] == {"minCapacity": 1, "maxCapacity": 1}
    least = REALTIME["instance_count"]
    assert busy["scalableTargetAction"] == {"minCapacity": least, "maxCapacity": 6}


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        ({"scaling": SCALING}, ["scaling"]),
        ({"instances": REALTIME, "scaling": {"max_count": 1}}, ["scaling.maxCount"]),
        (
            {"instances": REALTIME, "scaling": {**SCALING, "quiet_hours": {**QUIET, "start": "19:00"}}},
            ["scaling.quietHours.start"],
        ),
    ],
)
def test_what_cannot_scale_is_refused(changes, paths):
    with pytest.raises(pulumi.InputPropertiesError) as raised:
        run(lambda: make("Endpoint", **changes))
    assert [each["property_path"] for each in raised.value.errors] == paths
