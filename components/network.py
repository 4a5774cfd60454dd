"""Network: private subnets in which training reaches AWS without anything that bills by the hour."""

import ipaddress
import re
from typing import Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import iam, naming
from components.checks import Problems
from components.context import Cloud, current_cloud, declared_outputs
from components.dual_stack import NAT_CHOICES, DualStack, interface_endpoints, ipv6_subnet
from components.encryption import data_key
from components.logs import RETENTION_DAYS, log_group

DEFAULT_CIDR: Final = "10.20.0.0/16"
DEFAULT_ZONES: Final = 2
DEFAULT_FLOW_LOG_DAYS: Final = 30
_SERVICE: Final = re.compile(r"[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)*")


class NetworkArgs(TypedDict):
    """Inputs of Network."""

    zones: NotRequired[int]
    """Availability zones to span; 2 or 3. Default: 2."""
    cidr_block: NotRequired[str]
    """IPv4 block of the VPC, /16 to /24; only dual-stack subnets use it. Default: 10.20.0.0/16."""
    dual_stack: NotRequired[bool]
    """Whether there are subnets with IPv4 beside the IPv6-only ones, as a cluster needs. Default: false."""
    nat: NotRequired[str]
    """Way out over IPv4 from the dual-stack subnets: `none`, `single` or `zonal` (a NAT gateway in each zone,
    so that one zone's failure stays its own); each bills by the hour. Default: none."""
    interface_endpoints: NotRequired[list[str]]
    """AWS services inside the dual-stack subnets, such as `ecr.api`; each bills by the hour and the zone.
    Default: none."""
    flow_log_retention_days: NotRequired[int]
    """Days that flow logs are kept; one of CloudWatch's own steps. Default: 30."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key for the flow logs. Default: a key is made, rotated yearly."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take a key it made along. Default: false."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class Network(pulumi.ComponentResource):
    """A VPC of IPv6-only private subnets: out through an egress-only gateway, in from nowhere.

    S3 and DynamoDB by gateway endpoints; unless asked for, no NAT gateway and no interface endpoint: idle it
    costs nothing. Dual-stack subnets are added beside, so that nothing that runs is replaced. See
    docs/adr/0003.
    """

    vpc_id: pulumi.Output[str]
    """Id of the VPC."""
    subnet_ids: pulumi.Output[list[str]]
    """Ids of the IPv6-only private subnets, one a zone."""
    dual_stack_subnet_ids: pulumi.Output[list[str]]
    """Ids of the private subnets with IPv4 too, one a zone; none unless asked for."""
    flow_log_group: pulumi.Output[str]
    """Name of the log group with the flow logs."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stagecraft:index:Network", name, args, opts)
        _check(name, args)
        self._name = name
        self._tags = args.get("tags", {})
        self._options = pulumi.ResourceOptions(parent=self)
        cloud = current_cloud(self)
        vpc = self._vpc(args.get("cidr_block", DEFAULT_CIDR))
        zones = self._zones(int(args.get("zones", DEFAULT_ZONES)))
        egress = aws.ec2.EgressOnlyInternetGateway(
            f"{name}-egress", vpc_id=vpc.id, tags=self._named("egress"), opts=self._options
        )
        routes = self._routes(vpc, egress)
        self.vpc_id = vpc.id
        self.subnet_ids = pulumi.Output.all(*self._subnets(vpc, routes, zones)).apply(list)
        dual_stack, tables = self._dual_stack(cloud, vpc, egress, zones, args)
        self.dual_stack_subnet_ids = pulumi.Output.all(*dual_stack).apply(list)
        self._gateway_endpoints(cloud, vpc, [routes.id, *tables])
        self.flow_log_group = self._flow_logs(cloud, vpc, args)
        self.register_outputs(declared_outputs(self))

    def _named(self, role: str) -> dict[str, pulumi.Input[str]]:
        # Consoles show what carries a Name tag by it.
        return {**self._tags, "Name": f"{self._name}-{role}"}

    def _vpc(self, cidr_block: str) -> aws.ec2.Vpc:
        vpc = aws.ec2.Vpc(
            f"{self._name}-vpc",
            cidr_block=cidr_block,
            assign_generated_ipv6_cidr_block=True,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._named("vpc"),
            opts=self._options,
        )
        # Every VPC has one; ours lets nothing in or out.
        aws.ec2.DefaultSecurityGroup(
            f"{self._name}-default-group",
            vpc_id=vpc.id,
            tags=self._named("default-group"),
            opts=self._options,
        )
        return vpc

    def _routes(self, vpc: aws.ec2.Vpc, gateway: aws.ec2.EgressOnlyInternetGateway) -> aws.ec2.RouteTable:
        table = aws.ec2.RouteTable(
            f"{self._name}-private", vpc_id=vpc.id, tags=self._named("private"), opts=self._options
        )
        aws.ec2.Route(
            f"{self._name}-out",
            route_table_id=table.id,
            destination_ipv6_cidr_block="::/0",
            egress_only_gateway_id=gateway.id,
            opts=self._options,
        )
        return table

    def _zones(self, count: int) -> list[pulumi.Output[str]]:
        names = aws.get_availability_zones_output(
            state="available",
            filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],
            opts=pulumi.InvokeOptions(parent=self),
        ).names
        return [names[index] for index in range(count)]

    def _subnets(
        self, vpc: aws.ec2.Vpc, routes: aws.ec2.RouteTable, zones: list[pulumi.Output[str]]
    ) -> list[pulumi.Output[str]]:
        made = []
        for index, zone in enumerate(zones):
            subnet = aws.ec2.Subnet(
                f"{self._name}-private-{index}",
                vpc_id=vpc.id,
                availability_zone=zone,
                ipv6_native=True,
                ipv6_cidr_block=vpc.ipv6_cidr_block.apply(
                    lambda block, index=index: ipv6_subnet(block, index)  # type: ignore[misc]
                ),
                assign_ipv6_address_on_creation=True,
                enable_resource_name_dns_aaaa_record_on_launch=True,
                map_public_ip_on_launch=False,
                private_dns_hostname_type_on_launch="resource-name",
                tags=self._named(f"private-{index}"),
                opts=self._options,
            )
            aws.ec2.RouteTableAssociation(
                f"{self._name}-private-{index}-routes",
                subnet_id=subnet.id,
                route_table_id=routes.id,
                opts=self._options,
            )
            made.append(subnet.id)
        return made

    def _dual_stack(
        self,
        cloud: Cloud,
        vpc: aws.ec2.Vpc,
        egress: aws.ec2.EgressOnlyInternetGateway,
        zones: list[pulumi.Output[str]],
        args: NetworkArgs,
    ) -> tuple[list[pulumi.Output[str]], list[pulumi.Output[str]]]:
        """Ids of the subnets and of their route tables."""
        if not args.get("dual_stack", False):
            return [], []
        cidr_block = args.get("cidr_block", DEFAULT_CIDR)
        subnets, tables = DualStack(
            self,
            self._name,
            vpc=vpc,
            egress_gateway_id=egress.id,
            cidr_block=cidr_block,
            zones=zones,
            tags=self._tags,
        ).deploy(args.get("nat", "none"))
        if services := args.get("interface_endpoints", []):
            interface_endpoints(
                self,
                self._name,
                services,
                cloud=cloud,
                vpc_id=vpc.id,
                cidr_block=cidr_block,
                subnet_ids=subnets,
                tags=self._tags,
            )
        return subnets, tables

    def _gateway_endpoints(self, cloud: Cloud, vpc: aws.ec2.Vpc, tables: list[pulumi.Output[str]]) -> None:
        for service in ("dynamodb", "s3"):
            aws.ec2.VpcEndpoint(
                f"{self._name}-{service}",
                vpc_id=vpc.id,
                vpc_endpoint_type="Gateway",
                service_name=pulumi.Output.format("com.amazonaws.{0}.{1}", cloud.region, service),
                route_table_ids=tables,
                tags=self._named(service),
                opts=self._options,
            )

    def _flow_logs(self, cloud: Cloud, vpc: aws.ec2.Vpc, args: NetworkArgs) -> pulumi.Output[str]:
        key = data_key(self, self._name, args, cloud, purpose="Flow logs")
        group = log_group(
            self,
            f"{self._name}-flow-log-group",
            naming.log_group_name(pulumi.get_stack(), f"{self._name}-flow"),
            kms_key_arn=key,
            retention_days=int(args.get("flow_log_retention_days", DEFAULT_FLOW_LOG_DAYS)),
            tags=self._tags,
        )
        role = aws.iam.Role(
            f"{self._name}-flow-log-role",
            description=f"Writes the flow logs of {self._name}",
            assume_role_policy=cloud.account.apply(
                lambda account: iam.service_trust("vpc-flow-logs.amazonaws.com", account)
            ),
            tags=self._tags,
            opts=self._options,
        )
        aws.iam.RolePolicy(
            f"{self._name}-flow-log-policy",
            role=role.id,
            policy=group.arn.apply(
                lambda arn: iam.document(
                    iam.allow(
                        ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], [f"{arn}:*"]
                    )
                )
            ),
            opts=self._options,
        )
        aws.ec2.FlowLog(
            f"{self._name}-flow-log",
            vpc_id=vpc.id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=600,
            tags=self._named("flow-log"),
            opts=self._options,
        )
        return group.name


def _check(name: str, args: NetworkArgs) -> None:
    problems = Problems("Network", name)
    if problems.shape(args, NetworkArgs):
        problems.between("zones", args.get("zones"), 2, 3)
        days = args.get("flow_log_retention_days")
        if days is not None and days not in RETENTION_DAYS:
            problems.add(
                "flowLogRetentionDays", days, f"must be one of {', '.join(map(str, RETENTION_DAYS))}"
            )
        _check_block(problems, args.get("cidr_block", DEFAULT_CIDR))
        problems.one_of("nat", args.get("nat"), NAT_CHOICES)
        services = args.get("interface_endpoints", [])
        problems.distinct("interfaceEndpoints", services)
        for index, service in enumerate(services):
            problems.matches(
                f"interfaceEndpoints[{index}]", service, _SERVICE, "must be a service such as 'ecr.api'"
            )
        if not args.get("dual_stack", False):
            if args.get("nat", "none") != "none":
                problems.add("nat", args["nat"], "needs dualStack: true")
            if services:
                problems.add("interfaceEndpoints", services, "needs dualStack: true")
    problems.raise_if_any()


def _check_block(problems: Problems, block: str) -> None:
    try:
        network = ipaddress.IPv4Network(block)
    except ValueError:
        problems.add("cidrBlock", block, "must be an IPv4 block such as 10.20.0.0/16")
        return
    if not network.is_private or not 16 <= network.prefixlen <= 24:
        problems.add("cidrBlock", block, "must be a private block of /16 to /24")
