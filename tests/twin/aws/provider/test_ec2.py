"""What EC2 refuses, and where its resources behave in their own way."""

import json

import boto3
import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin.aws.provider.plugin import Plugin
from tests.twin.aws.provider.samples_ec2 import GROUP, SUBNET, TABLE, VPC, block, encoded
from twin.aws.provider.services.ec2 import permissions

ANYWHERE = {"securityGroupId": "sg-1", "cidrIpv4": "0.0.0.0/0"}
EGRESS_RULE = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
NAT = "aws:ec2/natGateway:NatGateway"
ROUTE = "aws:ec2/route:Route"
S3 = "com.amazonaws.us-east-1.s3"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"


def volume(**ebs: object) -> dict:
    return {"blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": ebs}]}


@pytest.mark.parametrize(
    ("token", "inputs", "path", "said"),
    [
        (VPC[0], {}, "cidrBlock", "10.0.0.0/16"),
        (VPC[0], {"cidrBlock": "10.0.0.0/8"}, "cidrBlock", "/16 to /28"),
        (VPC[0], {"cidrBlock": "10.0.5.0/16"}, "cidrBlock", "write 10.0.0.0/16"),
        (VPC[0], {"cidrBlock": "ten"}, "cidrBlock", "no IPv4 block"),
        (VPC[0], {"cidrBlock": "10.0.0.0/16", "ipv4IpamPoolId": "p"}, "ipv4IpamPoolId", "not emulated"),
        (
            VPC[0],
            {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True, "enableDnsSupport": False},
            "enableDnsHostnames",
            "enableDnsSupport",
        ),
        (SUBNET[0], {"vpcId": "vpc-1"}, "cidrBlock", "missing"),
        (SUBNET[0], {"vpcId": "vpc-1", "ipv6Native": True}, "ipv6CidrBlock", "missing"),
        (
            SUBNET[0],
            {"vpcId": "vpc-1", "cidrBlock": "10.0.0.0/24", "availabilityZone": "eu-west-1a"},
            "availabilityZone",
            "us-east-1",
        ),
        (
            SUBNET[0],
            {
                "vpcId": "vpc-1",
                "ipv6Native": True,
                "ipv6CidrBlock": "2001:db8::/64",
                "privateDnsHostnameTypeOnLaunch": "ip-name",
            },
            "privateDnsHostnameTypeOnLaunch",
            "resource-name",
        ),
        (ROUTE, {"routeTableId": "rtb-1", "gatewayId": "igw-1"}, "destinationCidrBlock", "destination"),
        (ROUTE, {"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0"}, "carrierGatewayId", "target"),
        (
            ROUTE,
            {
                "routeTableId": "rtb-1",
                "destinationCidrBlock": "0.0.0.0/0",
                "gatewayId": "igw-1",
                "natGatewayId": "nat-1",
            },
            "natGatewayId",
            "conflicts with gatewayId",
        ),
        (
            ROUTE,
            {"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0", "egressOnlyGatewayId": "eigw-1"},
            "egressOnlyGatewayId",
            "IPv6",
        ),
        (GROUP[0], {"name": "sg-mine"}, "name", "sg-"),
        (GROUP[0], {"description": "a|b"}, "description", "contains |"),
        (
            GROUP[0],
            {"ingress": [{"protocol": "tcp", "fromPort": 90, "toPort": 80, "self": True}]},
            "ingress[0].toPort",
            "below",
        ),
        (GROUP[0], {"ingress": [{"protocol": "tcp", "fromPort": 1, "toPort": 2}]}, "ingress[0]", "nobody"),
        (EGRESS_RULE, {**ANYWHERE, "ipProtocol": "tcp"}, "fromPort", "missing"),
        (EGRESS_RULE, {**ANYWHERE, "ipProtocol": "quic"}, "ipProtocol", "no protocol"),
        (EGRESS_RULE, {**ANYWHERE, "ipProtocol": "-1", "cidrIpv6": "::/0"}, "cidrIpv6", "conflicts"),
        (ENDPOINT, {"vpcId": "vpc-1", "serviceName": S3, "subnetIds": ["s"]}, "subnetIds", "Interface"),
        (
            ENDPOINT,
            {"vpcId": "vpc-1", "serviceName": "com.amazonaws.us-east-1.ecr.api"},
            "vpcEndpointType",
            "Interface",
        ),
        (
            ENDPOINT,
            {"vpcId": "vpc-1", "serviceName": "com.amazonaws.eu-west-1.s3"},
            "serviceName",
            "us-east-1",
        ),
        (NAT, {"subnetId": "subnet-1"}, "allocationId", "Elastic IP"),
        (FLOW_LOG, {"trafficType": "ALL", "logDestination": "arn:aws:s3:::x"}, "vpcId", "thing to log"),
        (FLOW_LOG, {"vpcId": "vpc-1", "logDestination": "x"}, "iamRoleArn", "role"),
        (FLOW_LOG, {"vpcId": "vpc-1", "trafficType": "SOME"}, "trafficType", "REJECT"),
        (FLOW_LOG, {"vpcId": "vpc-1", "maxAggregationInterval": 300}, "maxAggregationInterval", "60 or 600"),
        (TEMPLATE, {"userData": "echo hello"}, "userData", "Base64"),
        (TEMPLATE, {"instanceType": "m6i.enormous"}, "instanceType", "not allowed"),
        (TEMPLATE, {"metadataOptions": {"httpTokens": "maybe"}}, "metadataOptions.httpTokens", "required"),
        (TEMPLATE, volume(volumeType="gp3", volumeSize=0), "blockDeviceMappings[0].ebs.volumeSize", "GiB"),
        (TEMPLATE, volume(volumeType="io2"), "blockDeviceMappings[0].ebs.iops", "missing"),
        (TEMPLATE, {"name": "no spaces"}, "name", "letters"),
    ],
)
def test_what_ec2_would_refuse_is_refused(
    plugin: Plugin, token: str, inputs: dict, path: str, said: str
) -> None:
    failures = plugin.check(token, inputs).failures
    assert said in failures.get(path, ""), failures


def test_a_subnet_says_all_its_problems(plugin: Plugin) -> None:
    failures = plugin.check(
        SUBNET[0],
        {
            "vpcId": "vpc-1",
            "cidrBlock": "10.0.0.0/30",
            "ipv6Native": True,
            "assignIpv6AddressOnCreation": False,
            "mapPublicIpOnLaunch": True,
        },
    ).failures
    assert set(failures) == {
        "cidrBlock",
        "ipv6CidrBlock",
        "assignIpv6AddressOnCreation",
        "mapPublicIpOnLaunch",
    }


def test_a_new_group_lets_nothing_out_and_says_what_was_added(plugin: Plugin, endpoint: str) -> None:
    vpc = plugin.make(*VPC)
    group = plugin.make(GROUP[0], {"vpcId": vpc.id}, name="g")
    ec2 = boto3.client(
        "ec2",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="twin",
        aws_secret_access_key="twin",
    )
    (found,) = ec2.describe_security_groups(GroupIds=[group.id])["SecurityGroups"]
    assert found["IpPermissionsEgress"] == []
    rule = plugin.make(
        EGRESS_RULE,
        {"securityGroupId": group.id, "ipProtocol": "6", "fromPort": 1, "toPort": 2, "cidrIpv6": "::/0"},
        name="r",
    )
    assert plugin.read(rule).inputs == rule.inputs, "6 is tcp"
    assert plugin.read(group).state == group.state, "a rule of its own is no change of the group"


def test_a_default_group_shows_what_others_add(plugin: Plugin) -> None:
    vpc = plugin.make(*VPC)
    group = plugin.make("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", {"vpcId": vpc.id}, name="d")
    assert group.id == vpc.state["defaultSecurityGroupId"]
    assert (group.state["ingress"], group.state["egress"]) == ([], [])
    plugin.make(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"securityGroupId": group.id, "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"},
        name="r",
    )
    found = plugin.read(group)
    assert found.inputs["ingress"] == [
        {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}
    ]
    assert plugin.diff(found, group.inputs).changed


def test_an_association_is_found_after_its_table_changed(plugin: Plugin) -> None:
    made = {"v": plugin.make(*VPC)}
    made["s"] = plugin.make(SUBNET[0], SUBNET[1](made), name="s")
    first, second = (plugin.make(TABLE[0], TABLE[1](made), name=name) for name in "tu")
    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    association = plugin.make(token, {"subnetId": made["s"].id, "routeTableId": first.id}, name="a")
    changed = plugin.update(association, {**association.inputs, "routeTableId": second.id})
    found = plugin.read(changed)
    assert found.id != association.id
    assert found.inputs["routeTableId"] == second.id
    plugin.delete(changed)
    assert plugin.read(changed) is None


def test_a_second_route_to_a_place_is_refused(plugin: Plugin) -> None:
    made = {"v": plugin.make(*VPC)}
    table = plugin.make(TABLE[0], TABLE[1](made), name="t")
    gateway = plugin.make("aws:ec2/internetGateway:InternetGateway", {"vpcId": made["v"].id}, name="i")
    inputs = {"routeTableId": table.id, "destinationCidrBlock": "0.0.0.0/0", "gatewayId": gateway.id}
    plugin.make(ROUTE, inputs, name="r")
    with pytest.raises(grpc.RpcError) as refused:
        plugin.make(ROUTE, inputs, name="again")
    assert "RouteAlreadyExists" in str(refused.value.details())
    other = plugin.make("aws:ec2/internetGateway:InternetGateway", {}, name="other")
    with pytest.raises(grpc.RpcError) as refused:
        plugin.make(ROUTE, {**inputs, "gatewayId": other.id}, name="third")
    assert "has a route to 0.0.0.0/0 already" in str(refused.value.details())


def test_a_template_keeps_its_versions(plugin: Plugin) -> None:
    template = plugin.make(TEMPLATE, {"instanceType": "m6i.large"})
    assert (template.state["latestVersion"], template.state["defaultVersion"]) == (1, 1)
    retagged = plugin.update(template, {**template.inputs, "tags": {"a": "b"}})
    assert retagged.state["latestVersion"] == 1, "tags are no content"
    changed = plugin.update(retagged, {**template.inputs, "userData": encoded("x")})
    assert (changed.state["latestVersion"], changed.state["defaultVersion"]) == (2, 1)
    default = plugin.update(changed, {**changed.inputs, "defaultVersion": 2})
    assert (default.state["latestVersion"], default.state["defaultVersion"]) == (2, 2)
    third = plugin.update(default, {**changed.inputs, "updateDefaultVersion": True, "userData": encoded("y")})
    assert (third.state["latestVersion"], third.state["defaultVersion"]) == (3, 3)


def test_an_ipv6_block_in_another_notation_is_no_change(plugin: Plugin) -> None:
    made = {"v": plugin.make(*VPC)}
    given = block(made, 5)
    subnet = plugin.make(
        SUBNET[0],
        {"vpcId": made["v"].id, "ipv6Native": True, "ipv6CidrBlock": given},
        name="s",
    )
    other = given.upper().replace("::/64", ":0:0:0:0/64")
    assert not plugin.diff(subnet, {**subnet.inputs, "ipv6CidrBlock": other}).changed


RULES = st.lists(
    st.fixed_dictionaries(
        {
            "protocol": st.sampled_from(["tcp", "udp", "6", "-1"]),
            "fromPort": st.just(80),
            "toPort": st.sampled_from([80, 81]),
            "cidrBlocks": st.lists(st.sampled_from(["10.0.0.0/8", "0.0.0.0/0"]), max_size=2),
        },
        optional={
            "description": st.sampled_from(["a", "b"]),
            "securityGroups": st.lists(st.sampled_from(["sg-1", "sg-2"]), max_size=2),
            "self": st.booleans(),
        },
    ),
    max_size=4,
)


@given(RULES)
def test_rules_come_back_as_they_went(rules: list) -> None:
    """What is sent to EC2 and described by it means what was written."""
    atoms = permissions.from_inline(rules, "sg-0")
    sent = json.loads(json.dumps(permissions.permissions(atoms)))
    assert permissions.from_permissions(sent) == atoms
    assert permissions.from_inline(permissions.to_inline(atoms, "sg-0"), "sg-0") == atoms
