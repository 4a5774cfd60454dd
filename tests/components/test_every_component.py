"""What holds of every component, whatever it makes."""

import importlib
import inspect
import json
import keyword
from typing import Any

import pulumi
import pytest

import components
from tests.components.examples import KEY, NAMES, TAGS, make
from tests.components.recording import Registration, run

BILLED_BY_THE_HOUR = {
    "aws:ec2/instance:Instance",
    "aws:ec2/natGateway:NatGateway",
    "aws:eks/cluster:Cluster",
    "aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer",
    "aws:sagemaker/notebookInstance:NotebookInstance",
}
KEYLESS = ("DeliveryRoles",)
"""Hold nothing that could be encrypted."""
KEYED = tuple(name for name in NAMES if name not in KEYLESS)
STATEFUL = {"Bucket", "Key", "ModelPackageGroup", "Repository", "Table"}


def _resource_class(token: str) -> Any:
    package, member = token.split(":")[1].split("/", maxsplit=1)[0], token.rsplit(":", maxsplit=1)[-1]
    package = f"{package}_" if keyword.iskeyword(package) else package
    return getattr(importlib.import_module(f"pulumi_aws.{package}"), member)


def _policies(resources: list[Registration]) -> list[dict[str, Any]]:
    keys = ("assumeRolePolicy", "policy")
    documents = [resource.inputs[key] for resource in resources for key in keys if key in resource.inputs]
    return [document for document in map(json.loads, documents) if "Statement" in document]


@pytest.mark.parametrize("name", NAMES)
def test_what_takes_tags_has_them(name: str) -> None:
    recording = run(lambda: make(name))
    for resource in recording.resources:
        if resource.type.startswith("aws:") and hasattr(_resource_class(resource.type), "tags"):
            assert TAGS.items() <= resource.inputs.get("tags", {}).items(), resource.name


@pytest.mark.parametrize("name", NAMES)
def test_children_are_named_for_the_component_and_are_its_children(name: str) -> None:
    recording = run(lambda: make(name))
    for resource in recording.resources[1:]:
        assert resource.name.startswith("it-"), resource.name
        assert recording.options[resource.name].parent is not None


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"Cluster"}))
def test_nothing_bills_by_the_hour(name: str) -> None:
    recording = run(lambda: make(name))
    assert not BILLED_BY_THE_HOUR & {resource.type for resource in recording.resources}
    assert all(endpoint.inputs["vpcEndpointType"] == "Gateway" for endpoint in recording.of("VpcEndpoint"))
    assert all(
        each.inputs["computeResources"]["minVcpus"] == 0 for each in recording.of("ComputeEnvironment")
    )
    assert all(
        "serverlessConfig" in variant
        for each in recording.of("EndpointConfiguration")
        for variant in each.inputs["productionVariants"]
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_same_program_registers_the_same_in_the_same_order(name: str) -> None:
    first, second = (run(lambda: make(name)) for _ in range(2))
    assert list(first.options) == list(second.options)
    assert sorted(first.resources, key=str) == sorted(second.resources, key=str)


@pytest.mark.parametrize("name", KEYED)
def test_a_key_is_made_unless_one_is_brought(name: str) -> None:
    assert len(run(lambda: make(name)).of("Key")) == 1
    brought = run(lambda: make(name, kms_key_arn=KEY))
    assert not brought.of("Key")
    assert KEY in json.dumps([resource.inputs for resource in brought.resources[1:]])


@pytest.mark.parametrize("name", KEYED)
def test_data_is_protected_until_the_switch_is_set(name: str) -> None:
    safe, lossy = run(lambda: make(name)), run(lambda: make(name, allow_data_loss=True))
    for recording, protected in ((safe, True), (lossy, False)):
        for resource in recording.resources:
            if resource.type.split(":")[-1] in STATEFUL:
                assert recording.options[resource.name].protect is protected, resource.name
                switches = ("forceDestroy", "forceDelete")
                assert all(resource.inputs.get(key, not protected) is not protected for key in switches)
                assert resource.inputs.get("deletionProtectionEnabled", protected) is protected


@pytest.mark.parametrize("name", NAMES)
def test_policies_grant_no_wildcard_action_and_trust_named_services(name: str) -> None:
    for document in _policies(run(lambda: make(name)).resources):
        for statement in document["Statement"]:
            actions, sid = statement["Action"], statement.get("Sid")
            actions = [actions] if isinstance(actions, str) else actions
            if statement["Effect"] == "Deny" or sid in ("AccountDecides", "StackServices"):
                continue
            assert not any(action == "*" or action.endswith(":*") for action in actions)
            principal = statement.get("Principal")
            assert principal is None or "*" not in principal.values()
            if "sts:AssumeRole" in actions and principal not in NO_SOURCE_ACCOUNT:
                assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


NO_SOURCE_ACCOUNT = [{"Service": "ec2.amazonaws.com"}, {"Service": "lambda.amazonaws.com"}]
"""These services say for no account that they work for it."""

DESCRIBED = (
    "AvailabilityZones",
    "CapacityReservations",
    "Images",
    "InstanceStatus",
    "InstanceTypeOfferings",
    "InstanceTypes",
    "Instances",
    "LaunchTemplates",
    "PlacementGroups",
    "SecurityGroups",
    "SpotPriceHistory",
    "Subnets",
)
UNSCOPED = {
    # The service takes no resource for these.
    "batch:DescribeJobs",
    "cloudwatch:GetMetricData",
    "cloudwatch:GetMetricStatistics",
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "ecs:DiscoverPollEndpoint",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "sagemaker:ListEndpointConfigs",
    "sagemaker:ListEndpoints",
    "sagemaker:ListModels",
    "sagemaker:ListNotebookInstances",
    "sts:GetCallerIdentity",
    "iam:ListInstanceProfiles",
    "pricing:GetProducts",
    # Karpenter and its watch look before they buy.
    *(f"ec2:Describe{what}" for what in DESCRIBED),
}


@pytest.mark.parametrize("name", NAMES)
def test_only_actions_without_resources_are_granted_on_everything(name: str) -> None:
    for resource in run(lambda: make(name)).resources:
        if resource.type not in ("aws:iam/policy:Policy", "aws:iam/rolePolicy:RolePolicy"):
            continue
        for statement in json.loads(resource.inputs["policy"])["Statement"]:
            if "*" in statement["Resource"] and "Condition" not in statement:
                assert set(statement["Action"]) <= UNSCOPED, resource.name


@pytest.mark.parametrize("name", NAMES)
def test_it_previews_when_nothing_is_known_yet(name: str) -> None:
    assert run(lambda: make(name), preview=True).resources


@pytest.mark.parametrize("name", NAMES)
def test_every_output_is_declared_registered_and_documented(name: str) -> None:
    component = getattr(components, name)
    declared = set(inspect.get_annotations(component))
    recording = run(lambda: make(name))
    assert declared <= set(recording.outputs)
    assert recording.registered_outputs["it"] == declared


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_input_is_refused_with_a_suggestion(name: str) -> None:
    with pytest.raises(pulumi.InputPropertiesError, match="did you mean 'tags'"):
        run(lambda: make(name, tgas={}))
