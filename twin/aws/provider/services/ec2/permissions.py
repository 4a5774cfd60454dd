"""Rules of a security group: as a program writes them inside the group, and as EC2 holds them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from twin.aws.provider.services.ec2.cidr import check_block
from twin.aws.provider.services.ec2.resource import check_range, entries, given
from twin.providers.problems import Problems

ALL_PROTOCOLS: Final = "-1"
NUMBERS: Final[Mapping[str, str]] = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
_NAMED: Final = frozenset({"tcp", "udp", "icmp", "icmpv6"})
_ICMP: Final = frozenset({"icmp", "icmpv6"})
_MAX_DESCRIPTION: Final = 255
_SIGNS: Final = frozenset(" ._-:/()#,@[]+=&;{}!$*")

_RANGES: Final[Mapping[str, tuple[str, str]]] = {
    "cidrBlocks": ("IpRanges", "CidrIp"),
    "ipv6CidrBlocks": ("Ipv6Ranges", "CidrIpv6"),
    "prefixListIds": ("PrefixListIds", "PrefixListId"),
    "securityGroups": ("UserIdGroupPairs", "GroupId"),
}


class Atom(NamedTuple):
    """One rule as EC2 counts them: one protocol, one range of ports, one other side."""

    protocol: str
    first: int | None
    last: int | None
    kind: str
    other: str
    description: str

    def permission(self) -> dict[str, Any]:
        """The rule as a parameter."""
        member, name = _RANGES[self.kind]
        target: dict[str, Any] = {name: self.other}
        if self.description:
            target["Description"] = self.description
        permission: dict[str, Any] = {"IpProtocol": self.protocol, member: [target]}
        if self.protocol != ALL_PROTOCOLS:
            permission.update(FromPort=self.first, ToPort=self.last)
        return permission


def protocol_name(protocol: Any) -> str:
    """The protocol as EC2 answers it."""
    text = str(protocol).lower()
    return ALL_PROTOCOLS if text == "all" else NUMBERS.get(text, text)


def from_inline(rules: Any, group: str) -> set[Atom]:
    """Rules as written in a program; `group` stands for `self`."""
    found: set[Atom] = set()
    for _, rule in entries(rules):
        protocol = protocol_name(rule.get("protocol"))
        first, last = rule.get("fromPort"), rule.get("toPort")
        if protocol == ALL_PROTOCOLS:
            first = last = None
        description = str(rule.get("description") or "")
        others = [(kind, str(other)) for kind in _RANGES for other in rule.get(kind) or ()]
        if rule.get("self"):
            others.append(("securityGroups", group))
        found.update(Atom(protocol, first, last, kind, other, description) for kind, other in others)
    return found


def from_permissions(permissions: Iterable[Mapping[str, Any]]) -> set[Atom]:
    """Rules as EC2 describes them."""
    found: set[Atom] = set()
    for permission in permissions:
        protocol = str(permission["IpProtocol"])
        ports = (permission.get("FromPort"), permission.get("ToPort"))
        first, last = (None, None) if protocol == ALL_PROTOCOLS else ports
        for kind, (member, name) in _RANGES.items():
            for target in permission.get(member) or ():
                description = str(target.get("Description") or "")
                found.add(Atom(protocol, first, last, kind, str(target[name]), description))
    return found


def to_inline(atoms: Iterable[Atom], group: str) -> list[dict[str, Any]]:
    """Rules as a program would write them: those that differ in nothing but the other side together."""
    rules: dict[tuple[Any, ...], dict[str, Any]] = {}
    for atom in sorted(atoms, key=lambda each: tuple(map(str, each))):
        rule = rules.setdefault(
            (atom.protocol, atom.first, atom.last, atom.description),
            {"protocol": atom.protocol, "fromPort": atom.first or 0, "toPort": atom.last or 0},
        )
        if atom.description:
            rule["description"] = atom.description
        if atom.kind == "securityGroups" and atom.other == group:
            rule["self"] = True
        else:
            rule.setdefault(atom.kind, []).append(atom.other)
    return list(rules.values())


def permissions(atoms: Iterable[Atom]) -> list[dict[str, Any]]:
    """Rules as a parameter, in a settled order."""
    return [atom.permission() for atom in sorted(atoms, key=lambda each: tuple(map(str, each)))]


def check_inline(rules: Any, path: str, problems: Problems) -> None:
    """Notes what EC2 would refuse in rules inside a group."""
    for place, rule in entries(rules):
        where = f"{path}[{place}]"
        check_protocol(rule, where, problems, protocol="protocol")
        check_description(rule.get("description"), f"{where}.description", problems)
        if not given(rule, tuple(_RANGES)) and not rule.get("self"):
            problems.add(where, "names nobody", f"give {', '.join(_RANGES)} or self")
        for kind, version in (("cidrBlocks", 4), ("ipv6CidrBlocks", 6)):
            blocks = rule.get(kind)
            for number, block in enumerate(blocks if isinstance(blocks, list) else []):
                check_block(problems, f"{where}.{kind}[{number}]", block, version=version)


def check_protocol(
    rule: Mapping[str, Any], path: str, problems: Problems, *, protocol: str = "ipProtocol"
) -> None:
    """Notes an unknown protocol, and ports that do not go with it."""
    prefix = f"{path}." if path else ""
    value = rule.get(protocol)
    if not isinstance(value, str):
        return
    name = protocol_name(value)
    if name not in _NAMED and name != ALL_PROTOCOLS and not (name.isdigit() and int(name) <= 255):
        problems.add(
            f"{prefix}{protocol}", f"{value!r} is no protocol", "use tcp, udp, icmp, icmpv6, -1 or 0-255"
        )
        return
    first, last = rule.get("fromPort"), rule.get("toPort")
    if name in _ICMP:
        check_range(problems, f"{prefix}fromPort", first, -1, 255)
        check_range(problems, f"{prefix}toPort", last, -1, 255)
    elif name in ("tcp", "udp"):
        check_range(problems, f"{prefix}fromPort", first, 0, 65_535)
        check_range(problems, f"{prefix}toPort", last, 0, 65_535)
        for port, number in (("fromPort", first), ("toPort", last)):
            if number is None:
                problems.add(f"{prefix}{port}", "is missing", f"{name} rules name their ports")
        if isinstance(first, int) and isinstance(last, int) and first > last:
            problems.add(f"{prefix}toPort", f"{last} is below fromPort ({first})", "give the range in order")
    elif name == ALL_PROTOCOLS and any(
        isinstance(port, int) and port not in (0, -1) for port in (first, last)
    ):
        problems.add(
            f"{prefix}{protocol}", f"{value} is for every port", "name tcp or udp, or leave ports out"
        )


def check_description(value: Any, path: str, problems: Problems) -> None:
    """Notes a description that EC2 would refuse."""
    if not isinstance(value, str):
        return
    wrong = sorted({sign for sign in value if not (sign.isascii() and sign.isalnum()) and sign not in _SIGNS})
    if wrong:
        shown = " ".join(wrong)
        problems.add(
            path, f"{value!r} contains {shown}", "use letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*"
        )
    if len(value) > _MAX_DESCRIPTION:
        problems.add(path, f"has {len(value)} characters", f"give at most {_MAX_DESCRIPTION}")
