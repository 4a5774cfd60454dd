"""The ways out of a VPC, and the addresses that they use."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import State
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.ec2.resource import (
    Ec2Resource,
    check_conflicts,
    given,
    tag_specifications,
)
from twin.aws.provider.waiting import wait_until
from twin.providers.problems import Problems

_NAT_GONE: Final = frozenset({"deleted", "failed"})


class EgressOnlyInternetGateway(Ec2Resource):
    """A way out for IPv6, with none in."""

    token = "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway"
    noun = "egress-only-internet-gateway"
    create_call = "CreateEgressOnlyInternetGateway"
    describe_call = "DescribeEgressOnlyInternetGateways"
    delete_call = "DeleteEgressOnlyInternetGateway"
    member, members = "EgressOnlyInternetGateway", "EgressOnlyInternetGateways"
    id_member = "EgressOnlyInternetGatewayId"

    def exists(self, data: Mapping[str, Any]) -> bool:
        """One that hangs on no VPC is being deleted."""
        return bool(data.get("Attachments"))

    def state(self, op: Operation, data: Mapping[str, Any], known: Mapping[str, Any]) -> State:
        """The VPC is told as an attachment."""
        return {**super().state(op, data, known), "vpcId": data["Attachments"][0]["VpcId"]}


class InternetGateway(Ec2Resource):
    """A way in and out."""

    token = "aws:ec2/internetGateway:InternetGateway"
    noun = "internet-gateway"
    create_call, describe_call = "CreateInternetGateway", "DescribeInternetGateways"
    delete_call = "DeleteInternetGateway"
    member, members, id_member = "InternetGateway", "InternetGateways", "InternetGatewayId"
    handled = frozenset({"vpcId"})
    in_place = frozenset({"vpcId"})

    def finish(self, op: Operation, inputs: State, data: Mapping[str, Any]) -> State | None:
        """Attaches the gateway."""
        if inputs.get("vpcId"):
            self._attach(op, inputs["vpcId"])
        return {**self.state(op, data, inputs), "vpcId": inputs.get("vpcId")}

    def state(self, op: Operation, data: Mapping[str, Any], known: Mapping[str, Any]) -> State:
        """The VPC is told as an attachment."""
        attachments = data.get("Attachments") or [{}]
        state = super().state(op, data, known)
        state["ownerId"] = data.get("OwnerId") or op.account
        state["vpcId"] = attachments[0].get("VpcId")
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Moves the gateway to another VPC."""
        if "vpcId" in changed:
            if olds.get("vpcId"):
                op.call("DetachInternetGateway", {"InternetGatewayId": op.id, "VpcId": olds["vpcId"]})
            if news.get("vpcId"):
                self._attach(op, news["vpcId"])

    def _attach(self, op: Operation, vpc: str) -> None:
        op.call("AttachInternetGateway", {"InternetGatewayId": op.id, "VpcId": vpc})

    def delete(self, op: Operation, known: State) -> None:
        """Only a gateway that hangs on no VPC can go."""
        data = self.describe(op, op.id)
        for attachment in (data or {}).get("Attachments") or ():
            vpc = attachment["VpcId"]
            op.call("DetachInternetGateway", {"InternetGatewayId": op.id, "VpcId": vpc})
        super().delete(op, known)


class Eip(Ec2Resource):
    """A public address."""

    token = "aws:ec2/eip:Eip"
    noun = "elastic-ip"
    create_call, describe_call, delete_call = "AllocateAddress", "DescribeAddresses", "ReleaseAddress"
    members, id_member = "Addresses", "AllocationId"
    handled = frozenset({"associateWithPrivateIp", "instance", "networkInterface"})
    in_place = handled
    rename: ClassVar[Mapping[str, str]] = {
        "instance": "InstanceId",
        "networkInterface": "NetworkInterfaceId",
        "privateIp": "PrivateIpAddress",
        "associateWithPrivateIp": "",
    }
    unemulated = frozenset({"address", "customerOwnedIpv4Pool", "ipamPoolId", "publicIpv4Pool"})
    defaults: ClassVar[Mapping[str, Any]] = {"domain": "vpc"}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One user at most."""
        check_conflicts(inputs, "instance", ("networkInterface",), problems)
        if inputs.get("domain") == "standard":
            problems.add("domain", "'standard' is EC2-Classic, which is gone", "leave it out")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Allocates the address, and gives it to its user."""
        parameters = self.request(op, "AllocateAddress.input", inputs)
        parameters.update(tag_specifications(self.noun, inputs))
        op.id = op.call("AllocateAddress", parameters)["AllocationId"]
        self._associate(op, inputs)
        return None

    def _associate(self, op: Operation, inputs: Mapping[str, Any]) -> None:
        if given(inputs, ("instance", "networkInterface")):
            names = {
                "associateWithPrivateIp": "PrivateIpAddress",
                "instance": "InstanceId",
                "networkInterface": "NetworkInterfaceId",
            }
            parameters = {member: inputs[name] for name, member in names.items() if inputs.get(name)}
            op.call("AssociateAddress", {"AllocationId": op.id, **parameters})

    def state(self, op: Operation, data: Mapping[str, Any], known: Mapping[str, Any]) -> State:
        """The address and its names; who has it only if that is declared here."""
        state = super().state(op, data, known)
        public, private = data["PublicIp"], data.get("PrivateIpAddress")
        zone = "compute-1" if op.region == "us-east-1" else f"{op.region}.compute"
        state["publicDns"] = f"ec2-{public.replace('.', '-')}.{zone}.{op.dns_suffix}"
        inside = "ec2" if op.region == "us-east-1" else f"{op.region}.compute"
        state["privateDns"] = f"ip-{private.replace('.', '-')}.{inside}.internal" if private else None
        state["allocationId"] = op.id
        if not given(known, ("instance", "networkInterface")) and "arn" in known:
            mine = ("associationId", "instance", "networkInterface", "privateDns", "privateIp")
            state.update({name: known.get(name) for name in mine})
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Takes the address from one and gives it to another."""
        if changed & self.in_place:
            if olds.get("associationId"):
                op.call("DisassociateAddress", {"AssociationId": olds["associationId"]})
            self._associate(op, news)

    def delete(self, op: Operation, known: State) -> None:
        """An address in use is taken away first."""
        data = self.describe(op, op.id)
        if data is not None and data.get("AssociationId"):
            op.call("DisassociateAddress", {"AssociationId": data["AssociationId"]})
        super().delete(op, known)


class NatGateway(Ec2Resource):
    """A way out for IPv4."""

    token = "aws:ec2/natGateway:NatGateway"
    noun = "natgateway"
    create_call, describe_call, delete_call = "CreateNatGateway", "DescribeNatGateways", "DeleteNatGateway"
    member, members, id_member = "NatGateway", "NatGateways", "NatGatewayId"
    rename: ClassVar[Mapping[str, str]] = {"privateIp": "PrivateIpAddress"}
    defaults: ClassVar[Mapping[str, Any]] = {"connectivityType": "public"}
    unemulated = frozenset(
        {
            "availabilityMode",
            "availabilityZoneAddresses",
            "secondaryAllocationIds",
            "secondaryPrivateIpAddressCount",
            "secondaryPrivateIpAddresses",
            "vpcId",
        }
    )

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """A subnet, and an address if it is public."""
        kind = inputs.get("connectivityType")
        if not given(inputs, ("subnetId",)):
            problems.add("subnetId", "is missing", "give the subnet to place the gateway in")
        if kind == "public" and not given(inputs, ("allocationId",)):
            problems.add("allocationId", "is missing", "a public gateway needs an Elastic IP's allocation id")
        if kind == "private" and given(inputs, ("allocationId",)):
            problems.add("allocationId", "conflicts with connectivityType 'private'", "leave it out")

    def finish(self, op: Operation, inputs: State, data: Mapping[str, Any]) -> State | None:
        """Waits until it works."""

        def ready() -> bool:
            found = self.describe(op, op.id) or {}
            if found.get("State") == "failed":
                raise ValueError(f"{op.id}: {found.get('FailureCode')}: {found.get('FailureMessage')}")
            return found.get("State") == "available"

        wait_until(ready, f"{op.id} is available")
        return None

    def exists(self, data: Mapping[str, Any]) -> bool:
        """Deleted gateways stay visible for an hour."""
        return data.get("State") not in _NAT_GONE

    def state(self, op: Operation, data: Mapping[str, Any], known: Mapping[str, Any]) -> State:
        """The gateway and its first address."""
        state = super().state(op, data, known)
        addresses = data.get("NatGatewayAddresses") or [{}]
        names = {
            "allocationId": "AllocationId",
            "associationId": "AssociationId",
            "networkInterfaceId": "NetworkInterfaceId",
            "privateIp": "PrivateIp",
            "publicIp": "PublicIp",
        }
        state.update({name: addresses[0].get(member) for name, member in names.items()})
        return state

    def delete(self, op: Operation, known: State) -> None:
        """Waits until it is gone: till then it keeps its subnet and address."""
        super().delete(op, known)
        wait_until(lambda: self.describe(op, op.id) is None, f"{op.id} is deleted")
