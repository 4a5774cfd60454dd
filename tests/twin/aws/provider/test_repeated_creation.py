"""A creation whose answer was lost is asked for again: it ends as the first time, with nothing made twice."""

import pytest

from tests.twin.aws.provider.plugin import Plugin, Resource
from tests.twin.aws.provider.samples import Sample, values
from tests.twin.aws.provider.samples_batch import BATCH
from tests.twin.aws.provider.samples_ec2 import EC2, GROUP, VPC
from tests.twin.aws.provider.samples_ecr import ECR
from tests.twin.aws.provider.samples_flow import FLOW
from tests.twin.aws.provider.samples_sagemaker import SAGEMAKER

SAMPLES = [*BATCH, *EC2, *ECR, *FLOW, *SAGEMAKER]


@pytest.mark.slow
@pytest.mark.parametrize(
    "sample", SAMPLES, ids=[f"{s.token.split(':')[1]}{'-' + s.label if s.label else ''}" for s in SAMPLES]
)
def test_a_repeated_creation_ends_as_the_first(plugin: Plugin, sample: Sample) -> None:
    made: dict[str, Resource] = {}
    for name, (token, needed) in sample.needs.items():
        made[name] = plugin.make(token, values(needed, made), name=name)
    inputs = plugin.checked(sample.token, values(sample.inputs, made))
    operation = f"{sample.token}{sample.label}"
    first = plugin.create(sample.token, inputs, operation=operation)
    again = plugin.create(sample.token, inputs, operation=operation)
    assert (again.id, again.state) == (first.id, first.state)
    plugin.delete(again)
    for resource in reversed(made.values()):
        plugin.delete(resource)


def test_another_route_to_a_place_is_refused_but_not_the_same(plugin: Plugin) -> None:
    token = "aws:ec2/route:Route"
    vpc = plugin.make(*VPC)
    table = plugin.make("aws:ec2/routeTable:RouteTable", {"vpcId": vpc.id}, name="t")
    gateway = plugin.make("aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway", {"vpcId": vpc.id})
    inputs = {
        "routeTableId": table.id,
        "destinationIpv6CidrBlock": "::/0",
        "egressOnlyGatewayId": gateway.id,
    }
    first = plugin.create(token, inputs, name="r", operation="route")
    assert plugin.create(token, inputs, name="r", operation="route").id == first.id


def test_a_default_group_is_taken_over_again(plugin: Plugin) -> None:
    """Its creation starts from what is there, so a repetition finds less to do."""
    token = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    vpc = plugin.make(*VPC)
    other = plugin.make(GROUP[0], {"vpcId": vpc.id}, name="o")
    inputs = {
        "vpcId": vpc.id,
        "ingress": [{"protocol": "tcp", "fromPort": 1, "toPort": 2, "securityGroups": [other.id]}],
        "tags": {"a": "b"},
    }
    checked = plugin.checked(token, inputs)
    first = plugin.create(token, checked, operation="default")
    assert plugin.create(token, checked, operation="default").state == first.state
    assert first.state["tagsAll"] == {"a": "b"}
