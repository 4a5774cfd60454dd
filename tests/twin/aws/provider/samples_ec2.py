"""EC2's types, and the rules of security groups."""

import base64
import ipaddress
import json

from tests.twin.aws.provider.samples import ACCOUNT, ROLE, Made, Sample

VPC = (
    "aws:ec2/vpc:Vpc",
    {"cidrBlock": "10.20.0.0/16", "assignGeneratedIpv6CidrBlock": True, "enableDnsHostnames": True},
)
SUBNET = (
    "aws:ec2/subnet:Subnet",
    lambda made: {"vpcId": made["v"].id, "cidrBlock": "10.20.1.0/24", "availabilityZone": "us-east-1a"},
)
TABLE = ("aws:ec2/routeTable:RouteTable", lambda made: {"vpcId": made["v"].id})
EGRESS = (
    "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway",
    lambda made: {"vpcId": made["v"].id},
)
GROUP = ("aws:ec2/securityGroup:SecurityGroup", lambda made: {"vpcId": made["v"].id})
ADDRESS = ("aws:ec2/eip:Eip", {})


def block(made: Made, number: int) -> str:
    text = made["v"].state["ipv6CidrBlock"]
    if "/" not in text:  # of a resource that does not exist
        return f"2001:db8:0:{number}::/64"
    return str(list(ipaddress.IPv6Network(text).subnets(new_prefix=64))[number])


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def endpoint_policy(action: str) -> str:
    statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


EC2 = [
    Sample(
        "aws:ec2/vpc:Vpc",
        {
            "cidrBlock": "10.20.0.0/16",
            "assignGeneratedIpv6CidrBlock": True,
            "enableDnsHostnames": True,
            "tags": {"Name": "it"},
        },
        {"enableDnsHostnames": False, "enableDnsSupport": False},
        replaces={"cidrBlock": "10.21.0.0/16"},
    ),
    Sample(
        "aws:ec2/subnet:Subnet",
        lambda made: {
            "vpcId": made["v"].id,
            "availabilityZone": "us-east-1b",
            "ipv6Native": True,
            "ipv6CidrBlock": block(made, 3),
            "assignIpv6AddressOnCreation": True,
            "enableResourceNameDnsAaaaRecordOnLaunch": True,
            "mapPublicIpOnLaunch": False,
            "privateDnsHostnameTypeOnLaunch": "resource-name",
            "tags": {"Name": "it"},
        },
        {"enableResourceNameDnsAaaaRecordOnLaunch": False},
        {"v": VPC},
        {"availabilityZone": "us-east-1c"},
        unreadable=frozenset({"enableResourceNameDnsAaaaRecordOnLaunch"}),
        label="ipv6",
    ),
    Sample(
        "aws:ec2/subnet:Subnet",
        lambda made: {"vpcId": made["v"].id, "cidrBlock": "10.20.4.0/22", "mapPublicIpOnLaunch": True},
        {"mapPublicIpOnLaunch": False},
        {"v": VPC},
        {"cidrBlock": "10.20.8.0/22"},
    ),
    Sample(
        "aws:ec2/routeTable:RouteTable",
        lambda made: {
            "vpcId": made["v"].id,
            "routes": [{"ipv6CidrBlock": "::/0", "egressOnlyGatewayId": made["e"].id}],
            "tags": {"Name": "it"},
        },
        lambda made: {
            "routes": [{"ipv6CidrBlock": "2001:db8::/32", "egressOnlyGatewayId": made["e"].id}],
        },
        {"v": VPC, "e": EGRESS},
        {"vpcId": "vpc-0"},
    ),
    Sample(
        "aws:ec2/route:Route",
        lambda made: {
            "routeTableId": made["t"].id,
            "destinationIpv6CidrBlock": "::/0",
            "egressOnlyGatewayId": made["e"].id,
        },
        lambda made: {"egressOnlyGatewayId": None, "gatewayId": made["i"].id},
        {
            "v": VPC,
            "t": TABLE,
            "e": EGRESS,
            "i": ("aws:ec2/internetGateway:InternetGateway", lambda made: {"vpcId": made["v"].id}),
        },
        {"routeTableId": "rtb-0"},
    ),
    Sample(
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        lambda made: {"subnetId": made["s"].id, "routeTableId": made["t"].id},
        lambda made: {"routeTableId": made["u"].id},
        {"v": VPC, "s": SUBNET, "t": TABLE, "u": TABLE},
        {"subnetId": "subnet-0"},
    ),
    Sample(
        "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway",
        lambda made: {"vpcId": made["v"].id, "tags": {"Name": "it"}},
        {},
        {"v": VPC},
        {"vpcId": "vpc-0"},
    ),
    Sample(
        "aws:ec2/internetGateway:InternetGateway",
        lambda made: {"vpcId": made["v"].id, "tags": {"Name": "it"}},
        lambda made: {"vpcId": made["w"].id},
        {"v": VPC, "w": VPC},
    ),
    Sample(
        "aws:ec2/eip:Eip",
        {"tags": {"Name": "it"}},
    ),
    Sample(
        "aws:ec2/natGateway:NatGateway",
        lambda made: {"subnetId": made["s"].id, "allocationId": made["a"].id, "tags": {"Name": "it"}},
        {},
        {"v": VPC, "s": SUBNET, "a": ADDRESS},
        {"connectivityType": "private", "allocationId": None},
    ),
    Sample(
        "aws:ec2/securityGroup:SecurityGroup",
        lambda made: {
            "vpcId": made["v"].id,
            "description": "Machines: HTTPS out, nothing in",
            "tags": {"Name": "it"},
        },
        {},
        {"v": VPC},
        {"description": "other"},
    ),
    Sample(
        "aws:ec2/securityGroup:SecurityGroup",
        lambda made: {
            "vpcId": made["v"].id,
            "ingress": [
                {
                    "protocol": "tcp",
                    "fromPort": 443,
                    "toPort": 443,
                    "cidrBlocks": ["10.0.0.0/8", "192.168.0.0/16"],
                    "ipv6CidrBlocks": ["2001:db8::/32"],
                    "description": "web",
                },
                {"protocol": "tcp", "fromPort": 22, "toPort": 22, "self": True},
                {"protocol": "tcp", "fromPort": 80, "toPort": 80, "securityGroups": [made["g"].id]},
            ],
            "egress": [{"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}],
            "revokeRulesOnDelete": True,
        },
        {
            "ingress": [
                {"protocol": "udp", "fromPort": 53, "toPort": 53, "cidrBlocks": ["10.0.0.0/8"]},
            ],
        },
        {"v": VPC, "g": GROUP},
        label="inline",
    ),
    Sample(
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        lambda made: {"vpcId": made["v"].id, "tags": {"Name": "it"}},
        {
            "ingress": [{"protocol": "tcp", "fromPort": 1, "toPort": 2, "self": True}],
        },
        {"v": VPC},
        {"vpcId": "vpc-0"},
        lasting=True,
    ),
    Sample(
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        lambda made: {
            "securityGroupId": made["g"].id,
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
            "cidrIpv6": "::/0",
            "description": "HTTPS",
            "tags": {"Name": "it"},
        },
        {"description": "HTTPS and more", "toPort": 444},
        {"v": VPC, "g": GROUP},
        {"securityGroupId": "sg-0", "cidrIpv6": None, "cidrIpv4": "0.0.0.0/0"},
    ),
    Sample(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        lambda made: {
            "securityGroupId": made["g"].id,
            "ipProtocol": "-1",
            "referencedSecurityGroupId": made["h"].id,
        },
        {"description": "all"},
        {"v": VPC, "g": GROUP, "h": GROUP},
    ),
    Sample(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        lambda made: {
            "vpcId": made["v"].id,
            "serviceName": "com.amazonaws.us-east-1.s3",
            "routeTableIds": [made["t"].id],
            "policy": endpoint_policy("s3:GetObject"),
            "tags": {"Name": "it"},
        },
        lambda made: {"routeTableIds": [made["u"].id], "policy": endpoint_policy("s3:*")},
        {"v": VPC, "t": TABLE, "u": TABLE},
        {"serviceName": "com.amazonaws.us-east-1.dynamodb"},
    ),
    Sample(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        lambda made: {
            "vpcId": made["v"].id,
            "vpcEndpointType": "Interface",
            "serviceName": "com.amazonaws.us-east-1.ecr.api",
            "subnetIds": [made["s"].id],
            "securityGroupIds": [made["g"].id],
            "privateDnsEnabled": True,
        },
        lambda made: {"securityGroupIds": [made["h"].id]},
        {"v": VPC, "s": SUBNET, "g": GROUP, "h": GROUP},
        label="interface",
    ),
    Sample(
        "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy",
        lambda made: {"vpcEndpointId": made["p"].id, "policy": endpoint_policy("s3:GetObject")},
        {"policy": endpoint_policy("s3:*")},
        {
            "v": VPC,
            "p": (
                "aws:ec2/vpcEndpoint:VpcEndpoint",
                lambda made: {"vpcId": made["v"].id, "serviceName": "com.amazonaws.us-east-1.s3"},
            ),
        },
        lasting=True,
    ),
    Sample(
        "aws:ec2/launchTemplate:LaunchTemplate",
        {
            "description": "machines",
            "updateDefaultVersion": True,
            "userData": encoded("#!/bin/sh\n"),
            "instanceType": "m6i.xlarge",
            "metadataOptions": {
                "httpEndpoint": "enabled",
                "httpProtocolIpv6": "enabled",
                "httpPutResponseHopLimit": 1,
                "httpTokens": "required",
            },
            "blockDeviceMappings": [
                {
                    "deviceName": "/dev/xvda",
                    "ebs": {
                        "deleteOnTermination": "true",
                        "encrypted": "true",
                        "volumeSize": 100,
                        "volumeType": "gp3",
                    },
                }
            ],
            "networkInterfaces": [
                {"deviceIndex": 0, "ipv6AddressCount": 1, "securityGroups": ["sg-1"], "subnetId": "subnet-1"}
            ],
            "instanceMarketOptions": {"marketType": "spot", "spotOptions": {"maxPrice": "0.5"}},
            "tagSpecifications": [
                {"resourceType": "instance", "tags": {"owner": "a"}},
                {"resourceType": "volume", "tags": {"owner": "a"}},
            ],
            "tags": {"owner": "a"},
        },
        {"userData": encoded("#!/bin/bash\n"), "instanceType": "m7i.xlarge", "description": "others"},
        replaces={"name": "other"},
    ),
    Sample(
        "aws:ec2/flowLog:FlowLog",
        lambda made: {
            "vpcId": made["v"].id,
            "trafficType": "ALL",
            "logDestination": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:flow",
            "iamRoleArn": made["r"].state["arn"],
            "maxAggregationInterval": 60,
            "tags": {"Name": "it"},
        },
        {},
        {"v": VPC, "r": ROLE},
        {"trafficType": "REJECT"},
    ),
]
