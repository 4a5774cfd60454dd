"""Amazon EC2: networks, who may talk to whom in them, and templates of machines."""

from twin.aws.provider.services.ec2.endpoint import VpcEndpoint, VpcEndpointPolicy
from twin.aws.provider.services.ec2.flow_log import FlowLog
from twin.aws.provider.services.ec2.gateways import (
    EgressOnlyInternetGateway,
    Eip,
    InternetGateway,
    NatGateway,
)
from twin.aws.provider.services.ec2.launch_template import LaunchTemplate
from twin.aws.provider.services.ec2.routing import Route, RouteTable, RouteTableAssociation
from twin.aws.provider.services.ec2.security_group import DefaultSecurityGroup, SecurityGroup
from twin.aws.provider.services.ec2.vpc import Subnet, Vpc

__all__ = [
    "DefaultSecurityGroup",
    "EgressOnlyInternetGateway",
    "Eip",
    "FlowLog",
    "InternetGateway",
    "LaunchTemplate",
    "NatGateway",
    "Route",
    "RouteTable",
    "RouteTableAssociation",
    "SecurityGroup",
    "Subnet",
    "Vpc",
    "VpcEndpoint",
    "VpcEndpointPolicy",
]
