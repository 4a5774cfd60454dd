"""Route tables, their routes, and who uses them."""

import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import Adapter, State
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.ec2.cidr import check_block, same_block
from twin.aws.provider.services.ec2.resource import (
    Ec2Resource,
    check_exactly_one,
    described,
    entries,
    filtered,
)
from twin.providers.problems import Problems
from twin.wire import unwrap

_TARGETS: Final[Mapping[str, str]] = {
    "carrierGatewayId": "CarrierGatewayId",
    "coreNetworkArn": "CoreNetworkArn",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "gatewayId": "GatewayId",
    "localGatewayId": "LocalGatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "odbNetworkArn": "OdbNetworkArn",
    "transitGatewayId": "TransitGatewayId",
    "vpcEndpointId": "VpcEndpointId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}
_DESTINATIONS: Final[Mapping[str, str]] = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "destinationIpv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}
_INLINE: Final[Mapping[str, str]] = {
    "cidrBlock": "destinationCidrBlock",
    "ipv6CidrBlock": "destinationIpv6CidrBlock",
    "destinationPrefixListId": "destinationPrefixListId",
}
_ENDPOINT: Final = "vpce-"
_LOCAL: Final = "local"
_ROUTE_ID: Final = re.compile(r"^r-(rtb-(?:[0-9a-f]{17}|[0-9a-f]{8}))(\d+)$")


def _tables(op: Operation, table: str) -> list[dict[str, Any]]:
    return described(op, "DescribeRouteTables", "RouteTables", RouteTableIds=[table])


def _parameters(route: Mapping[str, Any]) -> dict[str, Any]:
    """A route as the create and replace operations take it."""
    return {member: route[name] for name, member in {**_DESTINATIONS, **_TARGETS}.items() if route.get(name)}


def _from_description(data: Mapping[str, Any]) -> State:
    """A described route's destination and target; an endpoint is described as a gateway."""
    route = {name: data[member] for name, member in _DESTINATIONS.items() if data.get(member)}
    for name, member in _TARGETS.items():
        if data.get(member):
            endpoint = name == "gatewayId" and str(data[member]).startswith(_ENDPOINT)
            route["vpcEndpointId" if endpoint else name] = data[member]
    return route


def _destination(route: Mapping[str, Any]) -> str:
    return next((str(route[name]) for name in _DESTINATIONS if route.get(name)), "")


def _same_destination(left: str, right: str) -> bool:
    return left == right or same_block(left, right)


def _check(route: Mapping[str, Any], prefix: str, problems: Problems, names: Iterable[str]) -> None:
    found = Problems()
    check_exactly_one(route, tuple(names), found, "destination")
    check_exactly_one(route, tuple(_TARGETS), found, "target")
    for name in names:
        if name.lower().endswith("cidrblock"):
            check_block(found, name, route.get(name), version=6 if "pv6" in name else 4)
    if route.get("egressOnlyGatewayId") and (route.get("cidrBlock") or route.get("destinationCidrBlock")):
        found.add("egressOnlyGatewayId", "is for IPv6 only", "give an IPv6 destination, or a NAT gateway")
    for path, text in found:
        problems.add(f"{prefix}{path}", text)


class RouteTable(Ec2Resource):
    """A table; its routes may be inside it, or be resources of their own."""

    token = "aws:ec2/routeTable:RouteTable"
    noun = "route-table"
    create_call, describe_call, delete_call = "CreateRouteTable", "DescribeRouteTables", "DeleteRouteTable"
    member, members, id_member = "RouteTable", "RouteTables", "RouteTableId"
    handled = frozenset({"routes"})
    in_place = frozenset({"routes"})
    unemulated = frozenset({"propagatingVgws"})

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The routes inside the table."""
        for place, route in entries(inputs.get("routes")):
            _check(route, f"routes[{place}].", problems, _INLINE)

    def same(self, name: str, left: Any, right: Any) -> bool:
        """The same routes in any order."""
        if name != "routes" or unwrap([left, right]).unknown:
            return False
        return _inline(left) == _inline(right)

    def finish(self, op: Operation, inputs: State, data: Mapping[str, Any]) -> State | None:
        """Adds the routes inside the table."""
        for route in _inline(inputs.get("routes")).values():
            op.call("CreateRoute", {"RouteTableId": op.id, **_parameters(route)})
        return {**self.state(op, data, inputs), "routes": inputs.get("routes") or []}

    def state(self, op: Operation, data: Mapping[str, Any], known: Mapping[str, Any]) -> State:
        """The table, and its routes if they are declared inside it.

        Routes that are resources of their own would show here as changes of the table.
        """
        state = super().state(op, data, known)
        state.pop("routes", None)
        state["propagatingVgws"] = [each["GatewayId"] for each in data.get("PropagatingVgws") or ()]
        if known.get("routes") or "arn" not in known:
            names = {name: inline for inline, name in _INLINE.items()}
            state["routes"] = [
                {names.get(name, name): value for name, value in _from_description(route).items()}
                for route in data.get("Routes") or ()
                if _is_declared(route)
            ]
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Routes are told apart by their destinations."""
        if "routes" not in changed:
            return
        before, after = _inline(olds.get("routes")), _inline(news.get("routes"))
        for destination in sorted(set(before) - set(after)):
            op.call("DeleteRoute", {"RouteTableId": op.id, **_destination_of(before[destination])})
        for destination, route in sorted(after.items()):
            if before.get(destination) != route:
                call = "ReplaceRoute" if destination in before else "CreateRoute"
                op.call(call, {"RouteTableId": op.id, **_parameters(route)})

    def delete(self, op: Operation, known: State) -> None:
        """Those who use the table let go of it first."""
        for table in _tables(op, op.id):
            for association in table.get("Associations") or ():
                if not association.get("Main"):
                    name = association["RouteTableAssociationId"]
                    op.call("DisassociateRouteTable", {"AssociationId": name})
        super().delete(op, known)


def _inline(routes: Any) -> dict[str, dict[str, Any]]:
    """Routes inside a table by destination, with the names of routes of their own."""
    found = {}
    for _, route in entries(routes):
        named = {_INLINE.get(name, name): value for name, value in route.items() if value}
        found[_destination(named)] = named
    return found


def _destination_of(route: Mapping[str, Any]) -> dict[str, Any]:
    return {member: route[name] for name, member in _DESTINATIONS.items() if route.get(name)}


def _is_declared(route: Mapping[str, Any]) -> bool:
    """Whether somebody made the route: not the VPC's own, nor a gateway endpoint's, nor a propagated one."""
    endpoint = str(route.get("GatewayId") or "").startswith(_ENDPOINT)
    return (
        route.get("GatewayId") != _LOCAL
        and route.get("Origin") == "CreateRoute"
        and not (endpoint and route.get("DestinationPrefixListId"))
    )


class Route(Adapter):
    """A route; its id is made of the table's and a checksum of the destination."""

    token = "aws:ec2/route:Route"
    service = "ec2"
    create_shapes = ("CreateRoute.input",)
    handled = frozenset({*_DESTINATIONS, *_TARGETS})
    in_place = frozenset(_TARGETS)
    rename: ClassVar[Mapping[str, str]] = {"egressOnlyGatewayId": "EgressOnlyInternetGatewayId"}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One destination, one target."""
        _check(inputs, "", problems, _DESTINATIONS)

    def same(self, name: str, left: Any, right: Any) -> bool:
        """One block in two notations."""
        return name == "destinationIpv6CidrBlock" and same_block(left, right)

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the route; one to another target that is there already is refused."""
        table, destination = inputs["routeTableId"], _destination(inputs)
        existing = _from_description(_find(op, table, destination) or {})
        target = next(name for name in _TARGETS if inputs.get(name))
        if existing and existing.get("gatewayId") != _LOCAL and existing.get(target) != inputs[target]:
            raise ValueError(f"{table} has a route to {destination} already; import it, or delete it first")
        op.call("CreateRoute", {"RouteTableId": table, **_parameters(inputs)})
        op.id = f"r-{table}{zlib.crc32(destination.encode())}"
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """Finds the route in its table."""
        table = known.get("routeTableId")
        data = _find(op, table, str(known.get("destination") or _destination(known))) if table else None
        if data is None:
            return None
        target = dict.fromkeys((*_DESTINATIONS, *_TARGETS))
        return {
            **target,
            **_from_description(data),
            "routeTableId": table,
            "instanceId": data.get("InstanceId"),
            "instanceOwnerId": data.get("InstanceOwnerId"),
            "origin": data.get("Origin"),
            "state": data.get("State"),
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Another target takes the place of the old."""
        if changed & self.in_place:
            op.call("ReplaceRoute", {"RouteTableId": news["routeTableId"], **_parameters(news)})

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the route."""
        if self.read(op, known) is not None:
            op.call("DeleteRoute", {"RouteTableId": known["routeTableId"], **_destination_of(known)})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The table and the destination: `<table>_<destination>` as for an import, or the id itself."""
        table, _, destination = identifier.partition("_")
        if destination:
            return {"routeTableId": table, "destination": destination}
        matched = _ROUTE_ID.match(identifier)
        for found in _tables(op, matched[1]) if matched else ():
            for route in found.get("Routes") or ():
                name = _destination(_from_description(route))
                if matched and str(zlib.crc32(name.encode())) == matched[2]:
                    return {"routeTableId": matched[1], "destination": name}
        return {}


def _find(op: Operation, table: str, destination: str) -> dict[str, Any] | None:
    for found in _tables(op, table):
        for route in found.get("Routes") or ():
            if _same_destination(_destination(_from_description(route)), destination):
                return dict(route)
    return None


class RouteTableAssociation(Adapter):
    """A subnet's or gateway's use of a table; its id is the association's."""

    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    service = "ec2"
    create_shapes = ("AssociateRouteTable.input",)
    in_place = frozenset({"routeTableId"})

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One user."""
        check_exactly_one(inputs, ("subnetId", "gatewayId"), problems, "user of the table")

    def create(self, op: Operation, inputs: State) -> State | None:
        """One call."""
        parameters = self.request(op, "AssociateRouteTable.input", inputs)
        op.id = op.call("AssociateRouteTable", parameters)["AssociationId"]
        return dict(inputs)

    def read(self, op: Operation, known: State) -> State | None:
        """Finds the association by its id, or by its user: EC2 gives it a new id when the table changes."""
        data = _association(op, known)
        if data is None:
            return None
        op.id = data["RouteTableAssociationId"]
        names = {"gatewayId": "GatewayId", "routeTableId": "RouteTableId", "subnetId": "SubnetId"}
        return {name: data.get(member) for name, member in names.items()}

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts another table in the place of the old."""
        data = _association(op, olds) if "routeTableId" in changed else None
        if data is not None:
            name = data["RouteTableAssociationId"]
            op.call(
                "ReplaceRouteTableAssociation",
                {"AssociationId": name, "RouteTableId": news["routeTableId"]},
            )

    def delete(self, op: Operation, known: State) -> None:
        """Dissolves the association."""
        data = _association(op, known)
        if data is not None:
            op.call("DisassociateRouteTable", {"AssociationId": data["RouteTableAssociationId"]})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The association's id, or `<subnet or gateway>/<table>` as for an import."""
        user, _, table = identifier.partition("/")
        if not table:
            return {}
        return {"subnetId" if user.startswith("subnet-") else "gatewayId": user}


def _association(op: Operation, known: Mapping[str, Any]) -> dict[str, Any] | None:
    """The association as it is now."""
    searches: list[dict[str, str]] = [{"association__route_table_association_id": op.id}]
    if known.get("subnetId"):
        searches.append({"association__subnet_id": known["subnetId"]})
    if known.get("gatewayId"):
        searches.append({"association__gateway_id": known["gatewayId"]})
    for search in searches:
        (wanted,) = search.values()
        for table in filtered(op, "DescribeRouteTables", "RouteTables", **search):
            for association in table.get("Associations") or ():
                if wanted in association.values():
                    return {"RouteTableId": table["RouteTableId"], **association}
    return None
