"""What can be reached from outside, and which names are asked for."""

from collections.abc import Iterator
from typing import Any, Final

from policies.catalogue import About, Findings, joined_rule, resource_rule
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import Props, for_each

GROUP: Final = "aws:ec2:SecurityGroup"
DEFAULT_GROUP: Final = "aws:ec2:DefaultSecurityGroup"
RULE: Final = "aws:ec2:SecurityGroupRule"
INGRESS_RULE: Final = "aws:vpc:SecurityGroupIngressRule"

_GROUPS: Final = ("securityGroups", "sourceSecurityGroupId", "referencedSecurityGroupId")
_ALL_PORTS: Final = 65535


@resource_rule(
    About(
        id="S37",
        name="no-open-ingress",
        title="Nothing lets the whole internet in on every port or on ports of administration",
        remedy="Name the address ranges or the security group that may connect.",
        references=("CKV_AWS_24", "CKV_AWS_260", "CKV_AWS_277"),
        severity="critical",
        options={
            "ports": {
                "type": "array",
                "items": {"type": "integer"},
                "default": [22, 80, 3389],
                "description": "Ports that must not be open to everyone.",
            }
        },
    ),
    types=(GROUP, DEFAULT_GROUP, RULE, INGRESS_RULE),
)
def no_open_ingress(resource: Resource, settings: Settings) -> Findings:
    """Rules inline, as a resource of the older and as one of the newer kind."""
    ports = [int(port) for port in settings["ports"]]
    yield from for_each(_ingress(resource), lambda rule: _open_ports(rule, ports))


def _ingress(resource: Resource) -> Iterator[Props]:
    if resource.type in (GROUP, DEFAULT_GROUP):
        yield from resource.props.blocks("ingress", "ingresses")
    elif resource.type == INGRESS_RULE or resource.props.text("type", default="ingress") == "ingress":
        yield resource.props


def _open_ports(rule: Props, ports: list[int]) -> Findings:
    if rule.flag("self") or rule.stated("prefixListIds", "prefixListId"):
        return
    if not _from_anywhere(rule):
        return
    first, last = _range(rule)
    if (first <= 0 and last >= _ALL_PORTS) or first == -1:
        yield "the whole internet may connect on every port"
        return
    opened = [str(port) for port in ports if first <= port <= last]
    if opened:
        yield f"the whole internet may connect on port {', '.join(opened)}"


def _from_anywhere(rule: Props) -> bool:
    """Whether a rule's source is everyone; a rule that names no source at all holds nobody off."""
    sources = [
        *rule.texts("cidrBlocks", "cidrIpv4"),
        *rule.texts("ipv6CidrBlocks", "cidrIpv6"),
    ]
    return any(source.endswith("/0") for source in sources) or not (sources or rule.stated(*_GROUPS))


def _range(rule: Props) -> tuple[int, int]:
    """First and last port; a protocol of -1 is every port, whatever is said of them."""
    if rule.text("protocol", "ipProtocol").lower() in ("-1", "all"):
        return 0, _ALL_PORTS
    first: Any = rule.number("fromPort")
    last: Any = rule.number("toPort")
    low = int(first) if first is not None else int(last) if last is not None else 0
    high = int(last) if last is not None else int(first) if first is not None else 0
    # 0 to 0 is how a rule for all ports is often written.
    return (0, _ALL_PORTS) if low == high == 0 else (low, high)


@joined_rule(
    About(
        id="S38",
        name="zone-logs-queries",
        title="Public zones log their queries",
        remedy="Add a route53.QueryLog for the zone.",
        references=("CKV2_AWS_39",),
        severity="low",
        level="advisory",
        mandatory_from="govern",
    ),
    types=("aws:route53:Zone",),
)
def zone_logs_queries(zone: Resource, stack: Stack, _settings: Settings) -> Findings:
    """A zone with a VPC is private: its queries stay inside."""
    if zone.props.stated("vpcs", "vpc"):
        return
    if not stack.referrers(zone, "aws:route53:QueryLog", "zoneId"):
        yield "nobody can tell who asked for its names"
