"""Endpoints: services reached from inside a VPC."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import Adapter, State
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.ec2.resource import (
    Ec2Resource,
    check_exactly_one,
    filtered,
    given,
    unsuccessful,
)
from twin.aws.provider.waiting import wait_until
from twin.providers.problems import Problems

_LISTS: Final[Mapping[str, str]] = {
    "routeTableIds": "RouteTableIds",
    "securityGroupIds": "SecurityGroupIds",
    "subnetIds": "SubnetIds",
}
_GATEWAY: Final = "Gateway"
_GATEWAY_SERVICES: Final = ("dynamodb", "s3", "s3express")
_GONE: Final = frozenset({"deleted", "deleting", "failed", "expired"})
_FULL_ACCESS: Final = (
    '{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}'
)


class VpcEndpoint(Ec2Resource):
    """An endpoint of a service."""

    token = "aws:ec2/vpcEndpoint:VpcEndpoint"
    noun = "vpc-endpoint"
    create_call, describe_call, delete_call = (
        "CreateVpcEndpoint",
        "DescribeVpcEndpoints",
        "DeleteVpcEndpoints",
    )
    member, members, id_member = "VpcEndpoint", "VpcEndpoints", "VpcEndpointId"
    rename: ClassVar[Mapping[str, str]] = {"policy": "PolicyDocument"}
    local = frozenset({"autoAccept"})
    in_place = frozenset({*_LISTS, "dnsOptions", "ipAddressType", "policy", "privateDnsEnabled"})
    unemulated = frozenset(
        {
            "dnsOptions",
            "resourceConfigurationArn",
            "serviceNetworkArn",
            "serviceRegion",
            "subnetConfigurations",
        }
    )
    defaults: ClassVar[Mapping[str, Any]] = {"vpcEndpointType": _GATEWAY}
    policies: ClassVar[Mapping[str, bool]] = {"policy": True}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """What goes with a gateway, and what with network interfaces."""
        check_exactly_one(
            inputs, ("serviceName", "serviceNetworkArn", "resourceConfigurationArn"), problems, "service"
        )
        kind, service = inputs.get("vpcEndpointType"), inputs.get("serviceName")
        if kind == _GATEWAY:
            for name in given(inputs, ("privateDnsEnabled", "securityGroupIds", "subnetIds")):
                if inputs[name] is not False:
                    problems.add(name, "is for endpoints of type Interface", "leave it out, or say Interface")
            if isinstance(service, str) and service.rsplit(".", 1)[-1] not in _GATEWAY_SERVICES:
                problems.add(
                    "vpcEndpointType", f"{service} has no gateway endpoint", 'say vpcEndpointType "Interface"'
                )
        elif isinstance(kind, str):
            for name in given(inputs, ("routeTableIds",)):
                problems.add(name, "is for endpoints of type Gateway", "leave it out")
        if isinstance(service, str) and service.startswith("com.amazonaws."):
            region = service.split(".")[2]
            if region.count("-") >= 2 and region != op.region:
                problems.add(
                    "serviceName", f"{service} is not in {op.region}", "name the endpoint's own region"
                )

    def finish(self, op: Operation, inputs: State, data: Mapping[str, Any]) -> State | None:
        """Waits until it works."""
        if data.get("State") != "available":
            wait_until(lambda: self._is(op, "available"), f"{op.id} is available")
            return None
        return self.state(op, data, inputs)

    def _is(self, op: Operation, state: str) -> bool:
        data = self.describe(op, op.id)
        if data is None:
            raise ValueError(f"{op.id}: the endpoint could not be made")
        return str(data.get("State")).lower() == state

    def exists(self, data: Mapping[str, Any]) -> bool:
        """Deleted endpoints stay visible for a while."""
        return str(data.get("State")).lower() not in _GONE

    def state(self, op: Operation, data: Mapping[str, Any], known: Mapping[str, Any]) -> State:
        """The endpoint; a gateway's prefix list is the service's."""
        state = super().state(op, data, known)
        gateway = data.get("VpcEndpointType", _GATEWAY) == _GATEWAY
        state["securityGroupIds"] = [each["GroupId"] for each in data.get("Groups") or ()]
        state["privateDnsEnabled"] = bool(data.get("PrivateDnsEnabled")) and not gateway
        state["requesterManaged"] = bool(data.get("RequesterManaged"))
        state["policy"] = data.get("PolicyDocument") or _FULL_ACCESS
        if state.get("ipAddressType") is None:
            state.pop("ipAddressType", None)
        state["cidrBlocks"] = []
        if gateway and known.get("prefixListId"):
            state["prefixListId"], state["cidrBlocks"] = known["prefixListId"], known.get("cidrBlocks") or []
        elif gateway:
            name = str(data["ServiceName"])
            lists = filtered(op, "DescribePrefixLists", "PrefixLists", prefix_list_name=name)
            if lists:
                state["prefixListId"] = lists[0]["PrefixListId"]
                state["cidrBlocks"] = list(lists[0].get("Cidrs") or ())
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """One call for all that changed."""
        parameters: dict[str, Any] = {}
        for name, member in _LISTS.items():
            if name in changed:
                before, after = set(olds.get(name) or ()), set(news.get(name) or ())
                if after - before:
                    parameters[f"Add{member}"] = sorted(after - before)
                if before - after:
                    parameters[f"Remove{member}"] = sorted(before - after)
        if "policy" in changed:
            parameters["PolicyDocument"] = news.get("policy") or _FULL_ACCESS
        for name, member in (("ipAddressType", "IpAddressType"), ("privateDnsEnabled", "PrivateDnsEnabled")):
            if name in changed and news.get(name) is not None:
                parameters[member] = news[name]
        if parameters:
            op.call("ModifyVpcEndpoint", {"VpcEndpointId": op.id, **parameters})

    def delete(self, op: Operation, known: State) -> None:
        """Waits until it is gone: till then it keeps its subnets and groups."""
        unsuccessful(op.call("DeleteVpcEndpoints", {"VpcEndpointIds": [op.id]}))
        wait_until(lambda: self.describe(op, op.id) is None, f"{op.id} is deleted")


class VpcEndpointPolicy(Adapter):
    """What an endpoint lets through; its id is the endpoint's."""

    token = "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy"
    service = "ec2"
    handled = frozenset({"vpcEndpointId", "policy"})
    in_place = frozenset({"policy"})
    policies: ClassVar[Mapping[str, bool]] = {"policy": True}

    def create(self, op: Operation, inputs: State) -> State | None:
        """Sets the endpoint's policy."""
        op.id = inputs["vpcEndpointId"]
        self._set(op, inputs.get("policy"))
        return None

    def _set(self, op: Operation, policy: Any) -> None:
        op.call("ModifyVpcEndpoint", {"VpcEndpointId": op.id, "PolicyDocument": policy or _FULL_ACCESS})

    def read(self, op: Operation, known: State) -> State | None:
        """The endpoint's policy; without an endpoint there is none."""
        endpoint = VpcEndpoint().describe(op, op.id)
        if endpoint is None:
            return None
        return {"vpcEndpointId": op.id, "policy": endpoint.get("PolicyDocument") or _FULL_ACCESS}

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Sets the policy again."""
        self._set(op, news.get("policy"))

    def delete(self, op: Operation, known: State) -> None:
        """Lets everything through again."""
        self._set(op, None)

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The endpoint's id."""
        return {"vpcEndpointId": identifier}
