import json

import pytest

from tests.components.examples import make
from tests.components.recording import run


@pytest.fixture(scope="module")
def registry():
    models = [{"name": "churn", "tags": {"model": "test/churn"}}, {"name": "fraud"}]
    return run(lambda: make("ModelRegistry", models=models))


def test_each_model_has_a_group_and_two_pointers(registry):
    groups = {each.inputs["modelPackageGroupName"] for each in registry.of("ModelPackageGroup")}
    assert groups == {"stagecraft-test-churn", "stagecraft-test-fraud"}
    # pulumi_aws makes every parameter's value a secret.
    pointers = {each.inputs["name"]: each.inputs["value"]["value"] for each in registry.of("Parameter")}
    assert pointers == {
        f"/stagecraft/test/models/{model}/{role}": "none"
        for model in ("churn", "fraud")
        for role in ("live", "previous")
    }
    assert registry.one("ModelPackageGroup", "it-churn").inputs["tags"]["model"] == "test/churn"


def test_a_deployment_leaves_the_pointers_values_alone(registry):
    for pointer in registry.of("Parameter"):
        assert registry.options[pointer.name].ignore_changes == ["value"]


def test_approvals_reach_people(registry):
    rule = json.loads(registry.one("EventRule").inputs["eventPattern"])
    assert rule["detail-type"] == ["SageMaker Model Package State Change"]
    assert rule["detail"]["ModelPackageGroupName"] == ["stagecraft-test-churn", "stagecraft-test-fraud"]
    topic = registry.one("Topic")
    assert topic.inputs["kmsMasterKeyId"].endswith(":it-key")
    assert registry.one("EventTarget").inputs["arn"].endswith(topic.name)
    subscription = registry.one("TopicSubscription").inputs
    assert (subscription["protocol"], subscription["endpoint"]) == ("email", "ml@example.com")
    statements = json.loads(registry.one("TopicPolicy").inputs["policy"])["Statement"]
    assert [statement["Sid"] for statement in statements] == ["TlsOnly", "Events"]


def test_a_model_may_register_itself_and_no_other(registry):
    policy = json.loads(registry.one("Policy", "it-register-churn").inputs["policy"])
    assert "fraud" not in json.dumps(policy)
    create = next(each for each in policy["Statement"] if "sagemaker:CreateModelPackage" in each["Action"])
    assert create["Resource"] == [
        "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/stagecraft-test-churn",
        "arn:aws:sagemaker:us-east-1:123456789012:model-package/stagecraft-test-churn/*",
    ]


def test_only_who_approves_moves_pointers(registry):
    policies = {each.name: each.inputs["policy"] for each in registry.of("Policy")}
    assert [name for name, policy in policies.items() if "ssm:PutParameter" in policy] == ["it-approve"]
    assert [name for name, policy in policies.items() if "UpdateModelPackage" in policy] == ["it-approve"]


def test_the_lineage_is_keyed_by_version(registry):
    table = registry.one("Table").inputs
    assert table["hashKey"] == "model_package_arn"
    assert table["billingMode"] == "PAY_PER_REQUEST"
    assert table["pointInTimeRecovery"] == {"enabled": True}


def test_tracking_is_made_only_when_asked_for():
    assert not run(lambda: make("ModelRegistry", mlflow=False)).of("MlflowApp")
    app = run(lambda: make("ModelRegistry")).one("MlflowApp").inputs
    assert app["artifactStoreUri"] == "s3://artifacts/mlflow"
