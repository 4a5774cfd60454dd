"""What is not known is said, and never counted as nothing."""

from decimal import Decimal

from pricing import Resource, bundled, estimate
from pricing.estimators import free, registry
from tests.pricing.stack import STACK, component, node_pool, resource


def reasons(*resources: Resource, region: str = "us-east-1") -> dict[str, str]:
    return {item.name: item.reason for item in estimate(resources, region=region).unpriced}


def test_an_unknown_type_is_unpriced_and_a_free_one_is_not() -> None:
    found = reasons(
        resource("aws:quantum/annealer:Annealer", "q"),
        resource("aws:iam/role:Role", "role"),
        resource("aws:ec2/vpc:Vpc", "vpc"),
        resource("aws:ssm/parameter:Parameter", "parameter"),
        resource("aws:budgets/budget:Budget", "budget"),
        resource("kubernetes:core/v1:ConfigMap", "map"),
    )
    assert found == {"q": "the type aws:quantum/annealer:Annealer is not known to the estimator"}


def test_components_the_stack_providers_and_local_resources_cost_nothing() -> None:
    stack = Resource(STACK, "pulumi:pulumi:Stack", "shop-dev")
    provider = Resource("urn:p", "pulumi:providers:aws", "default", {"region": "eu-west-1"})
    password = resource("random:index/randomPassword:RandomPassword", "password")
    found = estimate([stack, provider, component(), password], region="us-east-1")
    assert found.unpriced == ()
    assert found.amounts.worst == 0


def test_another_cloud_s_resource_is_unpriced() -> None:
    assert "bucket" in reasons(resource("gcp:storage/bucket:Bucket", "bucket"))
    custom = Resource("urn:x", "acme:index:Machine", "machine", custom=True)
    assert "machine" in reasons(custom)
    assert reasons(Resource("urn:x", "acme:index:Machine", "machine", custom=False)) == {}


def test_a_region_without_prices_prices_no_instance() -> None:
    group = resource(
        "aws:eks/nodeGroup:NodeGroup",
        scalingConfig={"minSize": 1, "desiredSize": 1, "maxSize": 1},
        instanceTypes=["m5.xlarge"],
    )
    assert reasons(group, region="sa-east-1") == {"it": "the price snapshot has no m5.xlarge in sa-east-1"}
    # The disks' price is another region's, and that is said.
    assert any("sa-east-1" in text for text in estimate([group], region="sa-east-1").assumptions)


def test_a_type_that_a_region_does_not_offer_is_unpriced_there() -> None:
    instance = resource("aws:ec2/instance:Instance", instanceType="p5.48xlarge")
    assert reasons(instance) == {}
    assert "eu-west-1" in reasons(instance, region="eu-west-1")["it"]


def test_a_pool_without_limits_has_no_worst_month() -> None:
    assert "no limits" in reasons(node_pool(types=["m5.xlarge"]))["pool"]
    assert "no limits" in reasons(node_pool(types=["m5.xlarge"], limits={"nvidia.com/gpu": 4}))["pool"]


def test_an_endpoint_whose_configuration_is_elsewhere_is_unpriced() -> None:
    assert (
        "configuration" in reasons(resource("aws:sagemaker/endpoint:Endpoint", endpointConfigName="x"))["it"]
    )


def test_a_resource_can_be_priced_in_part() -> None:
    configuration = resource(
        "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
        "config",
        name="config",
        productionVariants=[
            {"variantName": "a", "instanceType": "ml.m5.xlarge", "initialInstanceCount": 1},
            {"variantName": "b", "instanceType": "ml.nothing.large", "initialInstanceCount": 1},
        ],
    )
    endpoint = resource("aws:sagemaker/endpoint:Endpoint", endpointConfigName="config")
    found = estimate([configuration, endpoint], region="us-east-1")
    assert found.idle == Decimal("167.90")
    assert [item.reason for item in found.unpriced] == [
        "the price snapshot has no ml.nothing.large in us-east-1"
    ]


def test_prices_of_another_region_are_said_to_be_that() -> None:
    found = estimate([resource("aws:kinesis/stream:Stream")], region="eu-central-1")
    (text,) = found.assumptions
    assert text.startswith("prices not known for eu-central-1, us-east-1's used: kinesis")
    assert estimate([resource("aws:kms/key:Key")], region="eu-central-1").assumptions == ()


def test_every_free_type_says_why() -> None:
    assert set(free.reasons()) <= set(registry())
    assert all(free.reasons().values())
    assert free.reasons()["aws:sagemaker/modelPackageGroup:ModelPackageGroup"]


def test_every_type_of_an_estimator_is_a_type_of_the_provider() -> None:
    """A misspelt token would make its type unknown in silence."""
    import re
    from pathlib import Path

    import pulumi_aws

    root = Path(pulumi_aws.__file__).parent
    known = set()
    for path in root.rglob("*.py"):
        if path.name not in ("_inputs.py", "outputs.py"):
            known.update(
                re.findall(r"'(aws:[A-Za-z0-9]+/[A-Za-z0-9]+:[A-Za-z0-9]+)'", path.read_text("utf-8"))
            )
    ours = {token for token in registry() if token.startswith("aws:")}
    assert ours - known <= {"aws:sagemaker/humanTaskUi:HumanTaskUi", "aws:alb/loadBalancer:LoadBalancer"}


def test_the_region_of_a_resource_is_its_own_then_its_provider_s() -> None:
    provider = Resource("urn:p::west", "pulumi:providers:aws", "west", {"region": "eu-west-1"})
    by_provider = Resource("urn:a", "aws:ec2/natGateway:NatGateway", "a", provider="urn:p::west::id")
    by_itself = Resource(
        "urn:b", "aws:ec2/natGateway:NatGateway", "b", {"region": "eu-central-1"}, provider="urn:p::west::id"
    )
    found = estimate([provider, by_provider, by_itself], region="us-east-1")
    assert {item.name: item.region for item in found.resources} == {"a": "eu-west-1", "b": "eu-central-1"}
    assert {item.lines[0].unit_price for item in found.resources} == {Decimal("0.048"), Decimal("0.052")}


def test_a_state_file_s_entries_are_read_outputs_over_inputs() -> None:
    entry = {
        "urn": "urn:pulumi:dev::shop::aws:kinesis/stream:Stream::events",
        "custom": True,
        "id": "events-1",
        "type": "aws:kinesis/stream:Stream",
        "inputs": {"shardCount": 1},
        "outputs": {"shardCount": 4},
        "parent": STACK,
    }
    found = estimate([entry], region="us-east-1")
    assert found.idle == 4 * Decimal("0.015") * 730
    assert found.resources[0].name == "events"


def test_unknown_values_take_the_default_and_say_so() -> None:
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    found = estimate(
        [resource("aws:kinesis/stream:Stream", "events", shardCount=unknown)], region="us-east-1"
    )
    assert found.idle == Decimal("10.95")
    assert "events: shardCount is no known number; 1 is assumed" in found.assumptions


def test_every_price_that_an_estimator_asks_for_is_in_the_snapshot() -> None:
    """Every call of a bill with a literal service and key."""
    import ast
    from pathlib import Path

    import pricing.estimators

    asked = set()
    for path in Path(pricing.estimators.__file__).parent.glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and len(call.args) > 2:
                service, key = call.args[1:3]
                if call.func.attr in ("standing", "hours", "used", "charge") and isinstance(
                    service, ast.Constant
                ):
                    keys = [key.body, key.orelse] if isinstance(key, ast.IfExp) else [key]
                    asked.update(
                        (service.value, item.value) for item in keys if isinstance(item, ast.Constant)
                    )
    assert len(asked) > 60
    for service, key in sorted(asked):
        assert bundled().price(service, key, "us-east-1").amount > 0
