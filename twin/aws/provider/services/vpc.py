"""Amazon VPC: rules of security groups, each a resource of its own."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import State
from twin.aws.provider.clients import Cloud
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.ec2.cidr import check_block, same_block
from twin.aws.provider.services.ec2.permissions import (
    ALL_PROTOCOLS,
    Atom,
    check_description,
    check_protocol,
    protocol_name,
)
from twin.aws.provider.services.ec2.resource import Ec2Resource, check_exactly_one, tag_specifications
from twin.providers.problems import Problems

_OTHERS: Final[Mapping[str, str]] = {
    "cidrIpv4": "cidrBlocks",
    "cidrIpv6": "ipv6CidrBlocks",
    "prefixListId": "prefixListIds",
    "referencedSecurityGroupId": "securityGroups",
}
"""How a rule names the other side → how rules inside a group do."""


class _Rule(Ec2Resource):
    """One rule of a group."""

    noun = "security-group-rule"
    create_call = "AuthorizeSecurityGroupIngress"
    describe_call, delete_call = "DescribeSecurityGroupRules", "RevokeSecurityGroupIngress"
    members, id_member = "SecurityGroupRules", "SecurityGroupRuleId"
    rename: ClassVar[Mapping[str, str]] = {
        "securityGroupId": "GroupId",
        "arn": "SecurityGroupRuleArn",
    }
    handled = frozenset({*_OTHERS, "description", "fromPort", "ipProtocol", "securityGroupId", "toPort"})
    in_place = handled - {"securityGroupId"}

    def shapes(self, cloud: Cloud) -> tuple[str, ...]:
        """The shape with a rule's parts."""
        return ("SecurityGroupRuleRequest",)

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One other side, a protocol with its ports."""
        check_exactly_one(inputs, tuple(_OTHERS), problems, "other side of the rule")
        check_block(problems, "cidrIpv4", inputs.get("cidrIpv4"), version=4)
        check_block(problems, "cidrIpv6", inputs.get("cidrIpv6"), version=6)
        check_protocol(inputs, "", problems)
        check_description(inputs.get("description"), "description", problems)

    def forces_replacement(self, name: str, old: Any, new: Any) -> bool:
        """A rule's other side can change, but not its kind.

        moto changes IPv4 blocks only; the other kinds are replaced, too, till the cloud can change them.
        """
        return name in _OTHERS and (old is None or new is None or name != "cidrIpv4")

    def same(self, name: str, left: Any, right: Any) -> bool:
        """Protocols by number or name; IPv6 blocks in two notations; a group with its account."""
        if name == "ipProtocol":
            return protocol_name(left) == protocol_name(right)
        if name in ("cidrIpv4", "cidrIpv6"):
            return same_block(left, right)
        return name == "referencedSecurityGroupId" and _group(left) == _group(right)

    def create(self, op: Operation, inputs: State) -> State | None:
        """Authorises the one rule."""
        kind = next(name for name in _OTHERS if inputs.get(name))
        atom = Atom(
            protocol_name(inputs["ipProtocol"]),
            inputs.get("fromPort"),
            inputs.get("toPort"),
            _OTHERS[kind],
            _group(inputs[kind]) if kind == "referencedSecurityGroupId" else inputs[kind],
            inputs.get("description") or "",
        )
        parameters = {"GroupId": inputs["securityGroupId"], "IpPermissions": [atom.permission()]}
        answer = op.call(self.create_call, {**parameters, **tag_specifications(self.noun, inputs)})
        data = answer["SecurityGroupRules"][0]
        op.id = data["SecurityGroupRuleId"]
        return self.state(op, data, inputs)

    def state(self, op: Operation, data: Mapping[str, Any], known: Mapping[str, Any]) -> State:
        """The rule; one for every protocol has no ports."""
        state = super().state(op, data, known)
        state["referencedSecurityGroupId"] = (data.get("ReferencedGroupInfo") or {}).get("GroupId")
        state["securityGroupRuleId"] = op.id
        if state.get("ipProtocol") == ALL_PROTOCOLS:
            state["fromPort"], state["toPort"] = known.get("fromPort"), known.get("toPort")
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Says the whole rule again."""
        if not changed & self.in_place:
            return
        rule = self.request(op, "SecurityGroupRuleRequest", news)
        rule["IpProtocol"] = protocol_name(news["ipProtocol"])
        if rule["IpProtocol"] == ALL_PROTOCOLS:
            rule.update(FromPort=-1, ToPort=-1)
        if news.get("referencedSecurityGroupId"):
            rule["ReferencedGroupId"] = _group(news["referencedSecurityGroupId"])
        changes = [{"SecurityGroupRuleId": op.id, "SecurityGroupRule": rule}]
        op.call(
            "ModifySecurityGroupRules", {"GroupId": news["securityGroupId"], "SecurityGroupRules": changes}
        )

    def delete(self, op: Operation, known: State) -> None:
        """Revokes the rule."""
        data = self.describe(op, op.id)
        if data is not None:
            op.call(self.delete_call, {"GroupId": data["GroupId"], "SecurityGroupRuleIds": [op.id]})


class SecurityGroupIngressRule(_Rule):
    """A rule for what comes in."""

    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


class SecurityGroupEgressRule(_Rule):
    """A rule for what goes out."""

    token = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    create_call = "AuthorizeSecurityGroupEgress"
    delete_call = "RevokeSecurityGroupEgress"


def _group(value: Any) -> str:
    """The id of a group that may be written as `account/id`."""
    return str(value).rsplit("/", 1)[-1]
