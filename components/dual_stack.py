"""Subnets with IPv4 beside IPv6, for what has no IPv6 of its own: a cluster's nodes, endpoints' instances."""

import ipaddress
from collections.abc import Sequence
from typing import Final

import pulumi
import pulumi_aws as aws

from components.context import Cloud, Tags

NAT_CHOICES: Final = ("none", "single", "zonal")
_PUBLIC_QUARTER: Final = 3
"""The VPC's last quarter is for NAT gateways, the other three are for a private subnet each."""


class DualStack:
    """Private subnets, a zone each, beside the VPC's IPv6-only ones, and the ways out of them."""

    def __init__(
        self,
        parent: pulumi.Resource,
        name: str,
        *,
        vpc: aws.ec2.Vpc,
        egress_gateway_id: pulumi.Input[str],
        cidr_block: str,
        zones: Sequence[pulumi.Output[str]],
        tags: Tags,
    ) -> None:
        self._name = name
        self._vpc = vpc
        self._egress_gateway_id = egress_gateway_id
        self._cidr_block = cidr_block
        self._zones = zones
        self._tags = tags
        self._options = pulumi.ResourceOptions(parent=parent)

    def deploy(self, nat: str) -> tuple[list[pulumi.Output[str]], list[pulumi.Output[str]]]:
        """Registers everything; ids of the subnets and of their route tables.

        Args:
            nat: `none`, `single` (one gateway for all zones) or `zonal` (one in each).
        """
        gateways = self._nat_gateways({"none": 0, "single": 1, "zonal": len(self._zones)}[nat])
        tables = [self._routes(index, gateways) for index in range(max(1, len(gateways)))]
        subnets = []
        for index in range(len(self._zones)):
            subnet = self._subnet(
                f"dual-{index}",
                index,
                private_block(self._cidr_block, index),
                # The first IPv6 blocks are the IPv6-only subnets'.
                len(self._zones) + index,
                {"kubernetes.io/role/internal-elb": "1"},
            )
            self._associate(f"dual-{index}", subnet, tables[index % len(tables)])
            subnets.append(subnet.id)
        return subnets, [table.id for table in tables]

    def _named(self, role: str) -> dict[str, pulumi.Input[str]]:
        return {**self._tags, "Name": f"{self._name}-{role}"}

    def _subnet(
        self, role: str, zone: int, block: str, ipv6_index: int, tags: dict[str, str] | None = None
    ) -> aws.ec2.Subnet:
        return aws.ec2.Subnet(
            f"{self._name}-{role}",
            vpc_id=self._vpc.id,
            availability_zone=self._zones[zone],
            cidr_block=block,
            ipv6_cidr_block=self._vpc.ipv6_cidr_block.apply(lambda known: ipv6_subnet(known, ipv6_index)),
            assign_ipv6_address_on_creation=True,
            map_public_ip_on_launch=False,
            private_dns_hostname_type_on_launch="resource-name",
            tags={**self._named(role), **(tags or {})},
            opts=self._options,
        )

    def _routes(self, index: int, gateways: Sequence[aws.ec2.NatGateway]) -> aws.ec2.RouteTable:
        table = self._table(f"dual-{index}")
        self._route(f"dual-{index}-ipv6", table, "::/0", egress_only_gateway_id=self._egress_gateway_id)
        if gateways:
            self._route(f"dual-{index}-ipv4", table, "0.0.0.0/0", nat_gateway_id=gateways[index].id)
        return table

    def _nat_gateways(self, count: int) -> list[aws.ec2.NatGateway]:
        """Gateways, and the public subnets that hold nothing else."""
        if not count:
            return []
        internet = aws.ec2.InternetGateway(
            f"{self._name}-internet", vpc_id=self._vpc.id, tags=self._named("internet"), opts=self._options
        )
        table = self._table("public")
        out = self._route("public-ipv4", table, "0.0.0.0/0", gateway_id=internet.id)
        made = []
        for index in range(count):
            subnet = self._subnet(
                f"public-{index}",
                index,
                public_block(self._cidr_block, index),
                2 * len(self._zones) + index,
            )
            self._associate(f"public-{index}", subnet, table)
            address = aws.ec2.Eip(
                f"{self._name}-nat-{index}-address",
                domain="vpc",
                tags=self._named(f"nat-{index}"),
                opts=self._options,
            )
            made.append(
                aws.ec2.NatGateway(
                    f"{self._name}-nat-{index}",
                    subnet_id=subnet.id,
                    allocation_id=address.id,
                    connectivity_type="public",
                    tags=self._named(f"nat-{index}"),
                    opts=pulumi.ResourceOptions.merge(
                        self._options, pulumi.ResourceOptions(depends_on=[out])
                    ),
                )
            )
        return made

    def _table(self, role: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(
            f"{self._name}-{role}-routes", vpc_id=self._vpc.id, tags=self._named(role), opts=self._options
        )

    def _route(
        self, role: str, table: aws.ec2.RouteTable, block: str, **target: pulumi.Input[str]
    ) -> aws.ec2.Route:
        destination = "destination_ipv6_cidr_block" if ":" in block else "destination_cidr_block"
        return aws.ec2.Route(
            f"{self._name}-{role}",
            aws.ec2.RouteArgs(route_table_id=table.id, **{destination: block}, **target),
            opts=self._options,
        )

    def _associate(self, role: str, subnet: aws.ec2.Subnet, table: aws.ec2.RouteTable) -> None:
        aws.ec2.RouteTableAssociation(
            f"{self._name}-{role}-association",
            subnet_id=subnet.id,
            route_table_id=table.id,
            opts=self._options,
        )


def interface_endpoints(
    parent: pulumi.Resource,
    name: str,
    services: Sequence[str],
    *,
    cloud: Cloud,
    vpc_id: pulumi.Input[str],
    cidr_block: str,
    subnet_ids: Sequence[pulumi.Output[str]],
    tags: Tags,
) -> None:
    """AWS services inside the VPC, each billed by the hour and the zone; HTTPS from the VPC, nothing else."""
    options = pulumi.ResourceOptions(parent=parent)
    group = aws.ec2.SecurityGroup(
        f"{name}-endpoints",
        description=f"Interface endpoints of {name}: HTTPS from the VPC",
        vpc_id=vpc_id,
        tags={**tags, "Name": f"{name}-endpoints"},
        opts=options,
    )
    aws.vpc.SecurityGroupIngressRule(
        f"{name}-endpoints-https",
        security_group_id=group.id,
        description="HTTPS from the VPC",
        cidr_ipv4=cidr_block,
        ip_protocol="tcp",
        from_port=443,
        to_port=443,
        tags=tags,
        opts=options,
    )
    for service in sorted(services):
        role = service.replace(".", "-")
        aws.ec2.VpcEndpoint(
            f"{name}-{role}",
            vpc_id=vpc_id,
            vpc_endpoint_type="Interface",
            service_name=pulumi.Output.format("com.amazonaws.{0}.{1}", cloud.region, service),
            private_dns_enabled=True,
            subnet_ids=list(subnet_ids),
            security_group_ids=[group.id],
            tags={**tags, "Name": f"{name}-{role}"},
            opts=options,
        )


def ipv6_subnet(block: str, index: int) -> str:
    """The `index`-th /64 of a VPC's IPv6 block (a /56 when AWS gives it)."""
    network = ipaddress.IPv6Network(block)
    return str(ipaddress.IPv6Network((int(network.network_address) + (index << 64), 64)))


def private_block(block: str, index: int) -> str:
    """A quarter of a VPC's IPv4 block: room for a zone's nodes and pods; from 0 to 2."""
    return str(list(ipaddress.IPv4Network(block).subnets(prefixlen_diff=2))[index])


def public_block(block: str, index: int) -> str:
    """A sixteenth of a VPC's IPv4 block, out of its last quarter; from 0 to 2."""
    last = list(ipaddress.IPv4Network(block).subnets(prefixlen_diff=2))[_PUBLIC_QUARTER]
    return str(list(last.subnets(prefixlen_diff=2))[index])
