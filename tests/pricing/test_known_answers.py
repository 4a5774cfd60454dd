"""Prices worked out by hand, to the cent."""

from decimal import Decimal
from typing import Any

import pytest

from pricing import Estimate, Resource, Usage, estimate
from tests.pricing.stack import component, node_class, node_pool, resource

D = Decimal


def priced(*resources: Resource, region: str = "us-east-1", **usage: Any) -> Estimate:
    found = estimate(resources, region=region, usage=Usage.from_mapping(usage))
    assert found.unpriced == ()
    return found


def months(found: Estimate) -> tuple[Decimal, Decimal, Decimal]:
    return found.idle, found.expected, found.worst


def test_a_node_group_of_three_m5_xlarge() -> None:
    group = resource(
        "aws:eks/nodeGroup:NodeGroup",
        scalingConfig={"minSize": 3, "desiredSize": 3, "maxSize": 3},
        instanceTypes=["m5.xlarge"],
    )
    found = priced(group)
    machines, disks = found.resources[0].lines
    assert machines.amounts.expected == 3 * D("0.192") * 730 == D("420.48")
    assert disks.amounts.expected == 3 * 20 * D("0.08")
    assert months(found) == (D("425.28"),) * 3


@pytest.mark.parametrize(
    "limits", [{"nodes": 2}, {"cpu": "384"}, {"nvidia.com/gpu": 16}, {"cpu": 400, "memory": "4100Gi"}]
)
@pytest.mark.parametrize("capacity", [["on-demand"], ["spot"], ["spot", "on-demand"]])
def test_a_p5_pool_limited_to_two_nodes(limits: dict[str, Any], capacity: list[str]) -> None:
    found = priced(node_pool(limits=limits, capacity=capacity, types=["p5.48xlarge"]), node_class())
    machines, disks = found.resources[0].lines
    assert machines.amounts.worst == 2 * D("55.04") * 730 == D("80358.40")
    assert disks.amounts.worst == 2 * 100 * D("0.08")
    assert found.idle == 0


def test_a_pool_without_its_node_class_is_its_machines_and_says_so() -> None:
    found = priced(node_pool(limits={"nodes": 2}, types=["p5.48xlarge"]))
    assert found.worst == 2 * D("55.04") * 730
    assert any("disks are in no sum" in text for text in found.assumptions)


def test_a_spot_pool_pays_on_demand_for_the_hours_that_spot_is_missing() -> None:
    found = priced(
        node_pool(limits={"nodes": 1}, capacity=["spot"], types=["g5.xlarge"]), node_class(), poolShare=1
    )
    spot, interruption = D("1.006") * D("0.374"), D("0.22")
    hourly = spot * (1 - interruption) + D("1.006") * interruption
    assert found.resources[0].lines[0].amounts.expected == (hourly * 730).quantize(D("0.01"))
    assert any("22 % of hours" in text for text in found.assumptions)


def test_a_nat_gateway_in_three_regions() -> None:
    gateway = resource("aws:ec2/natGateway:NatGateway")
    for region, price in (("us-east-1", "0.045"), ("eu-central-1", "0.052"), ("ap-southeast-1", "0.059")):
        found = priced(gateway, region=region, natGb=100)
        assert found.idle == D(price) * 730
        assert found.expected == D(price) * 730 + D(price) * 100
        assert found.worst == D(price) * 730 + D(price) * 300


def test_an_interface_endpoint_is_billed_for_each_zone_and_a_gateway_endpoint_is_free() -> None:
    interface = resource(
        "aws:ec2/vpcEndpoint:VpcEndpoint", vpcEndpointType="Interface", subnetIds=["a", "b", "c"]
    )
    gateway = resource("aws:ec2/vpcEndpoint:VpcEndpoint", "s3", serviceName="com.amazonaws.us-east-1.s3")
    assert priced(interface).idle == 3 * D("0.01") * 730
    assert months(priced(gateway)) == (0, 0, 0)


def test_a_cluster_costs_its_control_plane_and_at_worst_extended_support() -> None:
    default = priced(resource("aws:eks/cluster:Cluster"))
    standard = priced(resource("aws:eks/cluster:Cluster", upgradePolicy={"supportType": "STANDARD"}))
    assert months(default) == (D("73.00"), D("73.00"), D("438.00"))
    assert months(standard) == (D("73.00"),) * 3


def test_an_on_demand_table_with_point_in_time_recovery() -> None:
    table = resource(
        "aws:dynamodb/table:Table", billingMode="PAY_PER_REQUEST", pointInTimeRecovery={"enabled": True}
    )
    found = priced(table, dynamodbWrites=3_000_000, dynamodbReads=8_000_000, dynamodbStorageGb=230)
    assert found.idle == 0
    assert found.expected == 3 * D("0.625") + 8 * D("0.125") + 230 * D("0.25") + 230 * D("0.2") + D("0.005")
    frankfurt = priced(
        table, region="eu-central-1", dynamodbWrites=1_000_000, dynamodbReads=0, dynamodbStorageGb=10
    )
    assert frankfurt.expected == D("0.76") + D("3.06") + D("2.45")


def test_a_provisioned_table_scales_between_its_targets() -> None:
    table = resource("aws:dynamodb/table:Table", name="t", readCapacity=5, writeCapacity=5)
    target = resource(
        "aws:appautoscaling/target:Target",
        "reads",
        resourceId="table/t",
        scalableDimension="dynamodb:table:ReadCapacityUnits",
        minCapacity=5,
        maxCapacity=45,
    )
    found = priced(table, target, dynamodbStorageGb=0)
    writes = 5 * D("0.00065") * 730
    assert found.idle == (5 * D("0.00013") * 730).quantize(D("0.01")) + writes.quantize(D("0.01"))
    reads = next(line for line in found.resources[0].lines if line.what == "read capacity")
    assert (reads.idle, reads.expected, reads.worst) == (5 * 730, 15 * 730, 45 * 730)


def test_a_serverless_endpoint_costs_nothing_until_it_is_called() -> None:
    configuration = resource(
        "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
        "config",
        name="config",
        productionVariants=[
            {"variantName": "live", "serverlessConfig": {"memorySizeInMb": 2048, "maxConcurrency": 5}}
        ],
    )
    endpoint = resource("aws:sagemaker/endpoint:Endpoint", endpointConfigName="config")
    found = priced(configuration, endpoint, inferenceRequests=1_000_000, inferenceSeconds=0.1)
    assert found.idle == 0
    assert found.resources[0].lines[0].amounts.expected == 1_000_000 * D("0.1") * 2 * D("0.00002")
    flooded = priced(configuration, endpoint, inferenceRequests=10**12, inferenceSeconds=1, worstFactor=1)
    # Expected use is the user's word; the worst month is never below it.
    assert flooded.worst == flooded.expected
    busy = priced(configuration, endpoint, inferenceRequests=5_000_000, inferenceSeconds=1, worstFactor=10)
    assert busy.resources[0].lines[0].amounts.worst == 5 * 2 * 730 * 3600 * D("0.00002")


def test_an_endpoint_of_instances_scales_between_its_target_s_bounds() -> None:
    configuration = resource(
        "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
        "config",
        name="config",
        productionVariants=[
            {
                "variantName": "live",
                "instanceType": "ml.m5.xlarge",
                "initialInstanceCount": 2,
                "volumeSizeInGb": 10,
            }
        ],
    )
    endpoint = resource("aws:sagemaker/endpoint:Endpoint", name="churn", endpointConfigName="config")
    target = resource(
        "aws:appautoscaling/target:Target",
        "scale",
        resourceId="endpoint/churn/variant/live",
        scalableDimension="sagemaker:variant:DesiredInstanceCount",
        minCapacity=2,
        maxCapacity=10,
    )
    found = priced(configuration, endpoint, target)
    hour = D("0.23") * 730
    storage = 10 * D("0.14")
    assert months(found) == tuple(count * (hour + storage) for count in (2, 4, 10))
    alone = priced(configuration, endpoint)
    assert months(alone) == (2 * (hour + storage),) * 3


def test_sagemaker_elsewhere_is_ec2_s_price_and_the_known_mark_up() -> None:
    """The rule reproduces prices that were billed in Ireland within half a percent."""
    notebook = resource("aws:sagemaker/notebookInstance:NotebookInstance", instanceType="ml.g4dn.12xlarge")
    ireland = priced(notebook, region="eu-west-1").resources[0].lines[0].unit_price
    assert ireland == D("5.453")
    frankfurt = priced(notebook, region="eu-central-1")
    # EC2 asks 4.89 there, and SageMaker 4.89 over EC2's 3.912 in us-east-1: a quarter more.
    assert frankfurt.resources[0].lines[0].unit_price == D("4.89") * D("1.25")
    assert any("EC2's price and 25 % on it" in text for text in frankfurt.assumptions)


@pytest.mark.parametrize(
    ("name", "billed"),
    [("g4dn.xlarge", "0.822"), ("g5.12xlarge", "7.91"), ("m5.xlarge", "0.257"), ("p3.2xlarge", "4.131")],
)
def test_the_sagemaker_rule_against_a_real_bill(name: str, billed: str) -> None:
    from pricing import bundled

    known = bundled()
    predicted = known.on_demand("eu-west-1")[name] * (
        known.sagemaker("us-east-1")[f"ml.{name}"] / known.on_demand("us-east-1")[name]
    )
    assert abs(predicted / D(billed) - 1) < D("0.005")


def test_a_batch_environment_on_spot_scales_to_zero() -> None:
    environment = resource(
        "aws:batch/computeEnvironment:ComputeEnvironment",
        type="MANAGED",
        computeResources={"type": "SPOT", "minVcpus": 0, "maxVcpus": 32, "instanceTypes": ["m5.xlarge"]},
    )
    found = priced(environment)
    assert found.idle == 0
    machines, disks = found.resources[0].lines
    assert machines.amounts.worst == 8 * D("0.192") * 730
    assert disks.amounts.worst == 8 * 30 * D("0.08")
    assert machines.amounts.expected < machines.amounts.worst / 10


def test_the_on_demand_environment_behind_spot_in_a_queue_counts_once_in_the_expected_month() -> None:
    def environment(name: str, kind: str) -> Resource:
        return resource(
            "aws:batch/computeEnvironment:ComputeEnvironment",
            name,
            arn=f"arn:{name}",
            computeResources={"type": kind, "maxVcpus": 32, "instanceTypes": ["m5.xlarge"]},
        )

    def orders(*names: str) -> Resource:
        return resource(
            "aws:batch/jobQueue:JobQueue",
            "queue",
            computeEnvironmentOrders=[
                {"order": index, "computeEnvironment": f"arn:{name}"} for index, name in enumerate(names)
            ],
        )

    pair = environment("spot", "SPOT"), environment("steady", "EC2")
    behind = {item.name: item.amounts for item in priced(*pair, orders("spot", "steady")).resources}
    before = {item.name: item.amounts for item in priced(*pair, orders("steady", "spot")).resources}
    assert behind["steady"].expected == 0 < before["steady"].expected
    assert behind["steady"].worst == before["steady"].worst
    assert behind["spot"] == before["spot"]


def test_batch_launches_one_instance_however_small_its_limit() -> None:
    environment = resource(
        "aws:batch/computeEnvironment:ComputeEnvironment",
        computeResources={"type": "EC2", "minVcpus": 0, "maxVcpus": 4, "instanceTypes": ["p4d.24xlarge"]},
    )
    assert priced(environment).resources[0].lines[0].amounts.worst == D("16029.08")  # 21.957642 x 730
    nothing = resource(
        "aws:batch/computeEnvironment:ComputeEnvironment",
        computeResources={"type": "EC2", "maxVcpus": 0, "instanceTypes": ["p4d.24xlarge"]},
    )
    assert months(priced(nothing)) == (0, 0, 0)


def test_an_auto_scaling_group_takes_its_type_and_disks_from_its_launch_template() -> None:
    template = resource(
        "aws:ec2/launchTemplate:LaunchTemplate",
        "lt",
        id="lt-1",
        instanceType="m7i.xlarge",
        blockDeviceMappings=[{"deviceName": "/dev/xvda", "ebs": {"volumeSize": 50, "volumeType": "gp3"}}],
    )
    group = resource(
        "aws:autoscaling/group:Group", minSize=1, maxSize=4, desiredCapacity=2, launchTemplate={"id": "lt-1"}
    )
    found = priced(template, group)
    one = D("0.2016") * 730 + 50 * D("0.08")
    assert found.idle == one.quantize(D("0.01"))
    assert found.worst == (4 * one).quantize(D("0.01"))


def test_small_standing_charges() -> None:
    found = priced(
        resource("aws:kms/key:Key", "key", enableKeyRotation=True),
        resource("aws:secretsmanager/secret:Secret", "secret"),
        resource("aws:cloudwatch/metricAlarm:MetricAlarm", "alarm", period=300),
        resource("aws:cloudwatch/metricAlarm:MetricAlarm", "fast", period=10),
        resource("aws:cloudwatch/dashboard:Dashboard", "dashboard"),
        resource("aws:route53/zone:Zone", "zone", vpcs=[{"vpcId": "vpc-1"}]),
        resource("aws:globalaccelerator/accelerator:Accelerator", "front"),
        resource("aws:grafana/workspace:Workspace", "grafana"),
        resource("aws:ec2/eip:Eip", "address"),
    )
    idle = {cost.name: cost.amounts.idle for cost in found.resources}
    assert idle == {
        "key": D("1.00"),
        "secret": D("0.40"),
        "alarm": D("0.10"),
        "fast": D("0.30"),
        "dashboard": D("3.00"),
        "zone": D("0.50"),
        "front": D("0.025") * 730 + 2 * D("0.005") * 730,
        "grafana": D("9.00"),
        "address": D("3.65"),
    }
    worst = {cost.name: cost.amounts.worst for cost in found.resources}
    assert worst["key"] == 3 + D("0.90")


def test_costs_belong_to_the_nearest_component() -> None:
    outer = component("outer")
    inner = component("inner", parent=outer.urn)
    found = priced(
        outer,
        inner,
        resource("aws:kms/key:Key", "mine", parent=inner.urn),
        resource("aws:kms/key:Key", "theirs", parent=outer.urn),
        resource("aws:kms/key:Key", "nobody"),
    )
    assert {item.name: item.amounts.idle for item in found.components} == {"outer": 1, "inner": 1, "": 1}
    nested = resource("aws:s3/bucket:Bucket", "below", parent=found.resources[0].urn)
    # Below another resource, such as a bucket's own child, the component above that one counts.
    again = priced(outer, inner, resource("aws:kms/key:Key", "mine", parent=inner.urn), nested)
    assert {item.component for item in again.resources} == {inner.urn}
