"""VPCs and their subnets."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import State
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.ec2.cidr import check_block, same_block
from twin.aws.provider.services.ec2.resource import (
    Ec2Resource,
    check_conflicts,
    filtered,
    given,
)
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

_VPC_ATTRIBUTES: Final[Mapping[str, str]] = {
    "enableDnsHostnames": "EnableDnsHostnames",
    "enableDnsSupport": "EnableDnsSupport",
    "enableNetworkAddressUsageMetrics": "EnableNetworkAddressUsageMetrics",
}
_NEW_VPC: Final = {
    "enableDnsHostnames": False,
    "enableDnsSupport": True,
    "enableNetworkAddressUsageMetrics": False,
}
_IPAM: Final = frozenset({"ipv4IpamPoolId", "ipv4NetmaskLength", "ipv6IpamPoolId", "ipv6NetmaskLength"})


class Vpc(Ec2Resource):
    """A network."""

    token = "aws:ec2/vpc:Vpc"
    noun = "vpc"
    create_call, describe_call, delete_call = "CreateVpc", "DescribeVpcs", "DeleteVpc"
    member, members, id_member = "Vpc", "Vpcs", "VpcId"
    rename: ClassVar[Mapping[str, str]] = {
        "assignGeneratedIpv6CidrBlock": "AmazonProvidedIpv6CidrBlock",
        "ipv6CidrBlock": "",
    }
    in_place = frozenset({*_VPC_ATTRIBUTES, "assignGeneratedIpv6CidrBlock", "instanceTenancy"})
    unemulated = frozenset({*_IPAM, "ipv6CidrBlock"})
    defaults: ClassVar[Mapping[str, Any]] = {"enableDnsSupport": True, "instanceTenancy": "default"}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The block's size; DNS names need DNS."""
        if not given(inputs, ("cidrBlock", "ipv4IpamPoolId")):
            problems.add("cidrBlock", "is missing", "give an IPv4 block such as 10.0.0.0/16")
        check_block(problems, "cidrBlock", inputs.get("cidrBlock"), version=4, least=16, most=28)
        if inputs.get("enableDnsHostnames") is True and inputs.get("enableDnsSupport") is False:
            problems.add("enableDnsHostnames", "needs enableDnsSupport", "switch enableDnsSupport on")

    def forces_replacement(self, name: str, old: Any, new: Any) -> bool:
        """A VPC can leave dedicated tenancy, not enter it."""
        return name == "instanceTenancy" and new != "default"

    def finish(self, op: Operation, inputs: State, data: Mapping[str, Any]) -> State | None:
        """Sets the attributes that differ from what a new VPC has: one call each, as EC2 demands."""
        for name, fresh in _NEW_VPC.items():
            if inputs.get(name, fresh) is not fresh:
                self._set(op, name, inputs[name])
        return None

    def _set(self, op: Operation, name: str, value: bool) -> None:
        op.call("ModifyVpcAttribute", {"VpcId": op.id, _VPC_ATTRIBUTES[name]: {"Value": value}})

    def state(self, op: Operation, data: Mapping[str, Any], known: Mapping[str, Any]) -> State:
        """The VPC, its attributes, and what EC2 made along with it."""
        state = super().state(op, data, known)
        block = _associated(data)
        border = block.get("NetworkBorderGroup") or op.region
        state.update(
            {
                "assignGeneratedIpv6CidrBlock": block.get("Ipv6Pool") == "Amazon",
                "ipv6AssociationId": block.get("AssociationId"),
                "ipv6CidrBlock": block.get("Ipv6CidrBlock"),
                "ipv6CidrBlockNetworkBorderGroup": border if block else None,
            }
        )
        for name, attribute in _VPC_ATTRIBUTES.items():
            answer = op.call("DescribeVpcAttribute", {"VpcId": op.id, "Attribute": name})
            state[name] = bool((answer.get(attribute) or {}).get("Value"))
        state.update(self._defaults(op, known))
        return state

    def _defaults(self, op: Operation, known: Mapping[str, Any]) -> State:
        tables = filtered(op, "DescribeRouteTables", "RouteTables", vpc_id=op.id, association__main="true")
        main = tables[0]["RouteTableId"] if tables else None
        if known.get("defaultSecurityGroupId"):  # these never change
            fixed = ("defaultNetworkAclId", "defaultRouteTableId", "defaultSecurityGroupId")
            return {**{name: known.get(name) for name in fixed}, "mainRouteTableId": main}
        groups = filtered(op, "DescribeSecurityGroups", "SecurityGroups", vpc_id=op.id, group_name="default")
        acls = filtered(op, "DescribeNetworkAcls", "NetworkAcls", vpc_id=op.id, default="true")
        return {
            "defaultNetworkAclId": acls[0]["NetworkAclId"] if acls else None,
            "defaultRouteTableId": main,
            "defaultSecurityGroupId": groups[0]["GroupId"] if groups else None,
            "mainRouteTableId": main,
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """DNS names go before DNS and come after it."""
        names = [name for name in _VPC_ATTRIBUTES if name in changed and name in news]
        for name in sorted(names, reverse=news.get("enableDnsSupport") is not False):
            self._set(op, name, news[name])
        if "instanceTenancy" in changed:
            op.call("ModifyVpcTenancy", {"VpcId": op.id, "InstanceTenancy": news["instanceTenancy"]})
        if "assignGeneratedIpv6CidrBlock" in changed:
            if news.get("assignGeneratedIpv6CidrBlock"):
                op.call("AssociateVpcCidrBlock", {"VpcId": op.id, "AmazonProvidedIpv6CidrBlock": True})
            elif olds.get("ipv6AssociationId"):
                op.call("DisassociateVpcCidrBlock", {"AssociationId": olds["ipv6AssociationId"]})


_FLAGS: Final[Mapping[str, str]] = {
    "assignIpv6AddressOnCreation": "AssignIpv6AddressOnCreation",
    "enableDns64": "EnableDns64",
    "enableResourceNameDnsARecordOnLaunch": "EnableResourceNameDnsARecordOnLaunch",
    "enableResourceNameDnsAaaaRecordOnLaunch": "EnableResourceNameDnsAAAARecordOnLaunch",
    "mapPublicIpOnLaunch": "MapPublicIpOnLaunch",
}


_UNTOLD: Final = (
    "enableDns64",
    "enableResourceNameDnsARecordOnLaunch",
    "enableResourceNameDnsAaaaRecordOnLaunch",
    "privateDnsHostnameTypeOnLaunch",
)
"""What moto takes and does not tell: it is as it was set."""


class Subnet(Ec2Resource):
    """A part of a VPC in one zone."""

    token = "aws:ec2/subnet:Subnet"
    noun = "subnet"
    create_call, describe_call, delete_call = "CreateSubnet", "DescribeSubnets", "DeleteSubnet"
    member, members, id_member = "Subnet", "Subnets", "SubnetId"
    rename: ClassVar[Mapping[str, str]] = {"arn": "SubnetArn"}
    handled = frozenset({*_FLAGS, "privateDnsHostnameTypeOnLaunch"})
    in_place = frozenset({*handled, "ipv6CidrBlock"})
    unemulated = frozenset(
        {
            *_IPAM,
            "customerOwnedIpv4Pool",
            "enableLniAtDeviceIndex",
            "mapCustomerOwnedIpOnLaunch",
            "outpostArn",
        }
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "enableDns64": False,
        "enableResourceNameDnsARecordOnLaunch": False,
        "enableResourceNameDnsAaaaRecordOnLaunch": False,
        "ipv6Native": False,
        "mapPublicIpOnLaunch": False,
    }

    def complete(self, op: Operation, inputs: State) -> None:
        """An IPv6-only subnet gives its machines addresses whatever is said."""
        if inputs.get("ipv6Native") is not True:
            inputs.setdefault("assignIpv6AddressOnCreation", False)

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Blocks, zone, and what goes with IPv6 alone."""
        check_block(problems, "cidrBlock", inputs.get("cidrBlock"), version=4, least=16, most=28)
        check_block(problems, "ipv6CidrBlock", inputs.get("ipv6CidrBlock"), version=6, least=44, most=64)
        check_conflicts(inputs, "availabilityZone", ("availabilityZoneId",), problems)
        zone = inputs.get("availabilityZone")
        if isinstance(zone, str) and not zone.startswith(op.region):
            problems.add(
                "availabilityZone", f"{zone!r} is not in {op.region}", f"give one such as {op.region}a"
            )
        if inputs.get("ipv6Native") is True:
            _check_native(inputs, problems)
        elif inputs.get("ipv6Native") is not UNKNOWN and not given(inputs, ("cidrBlock",)):
            problems.add("cidrBlock", "is missing", "give an IPv4 block of the VPC's, or set ipv6Native")
        if inputs.get("assignIpv6AddressOnCreation") is True and not given(inputs, ("ipv6CidrBlock",)):
            problems.add(
                "assignIpv6AddressOnCreation", "needs ipv6CidrBlock", "give the subnet an IPv6 block"
            )
        kind = inputs.get("privateDnsHostnameTypeOnLaunch")
        if isinstance(kind, str) and kind not in ("ip-name", "resource-name"):
            problems.add(
                "privateDnsHostnameTypeOnLaunch", f"{kind!r} is not allowed", "use ip-name or resource-name"
            )

    def same(self, name: str, left: Any, right: Any) -> bool:
        """One IPv6 block in two notations."""
        return name == "ipv6CidrBlock" and same_block(left, right)

    def finish(self, op: Operation, inputs: State, data: Mapping[str, Any]) -> State | None:
        """Sets the attributes that differ from a new subnet's: one call each, as EC2 demands."""
        before = self.state(op, data, {})
        changed = False
        for name in (*_FLAGS, "privateDnsHostnameTypeOnLaunch"):
            if name in inputs and inputs[name] != before.get(name):
                self._set(op, name, inputs[name])
                changed = True
        return None if changed else before

    def _set(self, op: Operation, name: str, value: Any) -> None:
        flag = _FLAGS.get(name)
        setting = {"PrivateDnsHostnameTypeOnLaunch": value} if flag is None else {flag: {"Value": value}}
        op.call("ModifySubnetAttribute", {"SubnetId": op.id, **setting})

    def state(self, op: Operation, data: Mapping[str, Any], known: Mapping[str, Any]) -> State:
        """The subnet and its attributes."""
        state = super().state(op, data, known)
        block = _associated(data)
        native = bool(data.get("Ipv6Native"))
        state.update(
            {
                "ipv6CidrBlock": block.get("Ipv6CidrBlock"),
                "ipv6CidrBlockAssociationId": block.get("AssociationId"),
                "ipv6Native": native,
                "mapCustomerOwnedIpOnLaunch": bool(data.get("MapCustomerOwnedIpOnLaunch")),
                **dict.fromkeys(_UNTOLD, False),
                "privateDnsHostnameTypeOnLaunch": "resource-name" if native else "ip-name",
            }
        )
        return {**state, **{name: known[name] for name in _UNTOLD if name in known}}

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """The old IPv6 block goes before the new one comes; addresses need a block."""
        if news.get("assignIpv6AddressOnCreation") is False and "assignIpv6AddressOnCreation" in changed:
            self._set(op, "assignIpv6AddressOnCreation", False)
        if "ipv6CidrBlock" in changed:
            if olds.get("ipv6CidrBlockAssociationId"):
                op.call("DisassociateSubnetCidrBlock", {"AssociationId": olds["ipv6CidrBlockAssociationId"]})
            if news.get("ipv6CidrBlock"):
                block = {"SubnetId": op.id, "Ipv6CidrBlock": news["ipv6CidrBlock"]}
                op.call("AssociateSubnetCidrBlock", block)
        for name in (*_FLAGS, "privateDnsHostnameTypeOnLaunch"):
            off = name == "assignIpv6AddressOnCreation" and news.get(name) is False
            if name in changed and name in news and not off:
                self._set(op, name, news[name])


def _check_native(inputs: Mapping[str, Any], problems: Problems) -> None:
    check_conflicts(inputs, "ipv6Native", ("cidrBlock",), problems)
    if not given(inputs, ("ipv6CidrBlock",)):
        problems.add("ipv6CidrBlock", "is missing", "an IPv6-only subnet needs a /64 of the VPC's block")
    needs: dict[str, Any] = {
        "assignIpv6AddressOnCreation": True,
        "enableResourceNameDnsARecordOnLaunch": False,
        "mapPublicIpOnLaunch": False,
        "privateDnsHostnameTypeOnLaunch": "resource-name",
    }
    for name, only in needs.items():
        value = inputs.get(name)
        if isinstance(value, bool | str) and value != only:
            shown = str(only).lower() if isinstance(only, bool) else only
            problems.add(name, f"an IPv6-only subnet can't have {value}", f"say {shown}, or leave it out")


def _associated(data: Mapping[str, Any]) -> dict[str, Any]:
    """The IPv6 block that is associated, if any."""
    for block in data.get("Ipv6CidrBlockAssociationSet") or ():
        state = str((block.get("Ipv6CidrBlockState") or {}).get("State") or "associated")
        if "disassociat" not in state and "fail" not in state:
            return dict(block)
    return {}
