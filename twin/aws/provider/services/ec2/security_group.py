"""Security groups."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import State
from twin.aws.provider.clients import Cloud, Effect, effect
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.ec2 import permissions
from twin.aws.provider.services.ec2.permissions import Atom, check_description, check_inline
from twin.aws.provider.services.ec2.resource import (
    TAGGING,
    Ec2Resource,
    filtered,
    tag_specifications,
)
from twin.aws.provider.tagging import from_pairs
from twin.providers.problems import Problems
from twin.wire import unwrap

_DIRECTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "egress": ("IpPermissionsEgress", "SecurityGroupEgress"),
    "ingress": ("IpPermissions", "SecurityGroupIngress"),
}
_RULES: Final = frozenset(_DIRECTIONS)


class _Group(Ec2Resource):
    """What an own group and a VPC's default group have in common."""

    noun = "security-group"
    create_call = "CreateSecurityGroup"
    describe_call, delete_call = "DescribeSecurityGroups", "DeleteSecurityGroup"
    members, id_member = "SecurityGroups", "GroupId"
    rename: ClassVar[Mapping[str, str]] = {"name": "GroupName", "arn": "SecurityGroupArn"}
    handled = _RULES
    in_place = _RULES
    local = frozenset({"revokeRulesOnDelete"})

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The rules inside the group."""
        for direction in _DIRECTIONS:
            check_inline(inputs.get(direction), direction, problems)

    def same(self, name: str, left: Any, right: Any) -> bool:
        """The same rules, however they are put together."""
        if name not in _DIRECTIONS or unwrap([left, right]).unknown:
            return False
        return permissions.from_inline(left, "self") == permissions.from_inline(right, "self")

    def state(self, op: Operation, data: Mapping[str, Any], known: Mapping[str, Any]) -> State:
        """The group, and those of its rules that are declared inside it.

        Rules that are resources of their own would show here as changes of the group.
        """
        state = super().state(op, data, known)
        for direction, (member, _) in _DIRECTIONS.items():
            if self.owns(direction, known):
                atoms = permissions.from_permissions(data.get(member) or ())
                state[direction] = permissions.to_inline(atoms, op.id)
        return state

    def owns(self, direction: str, known: Mapping[str, Any]) -> bool:
        """Whether the rules of a direction are this resource's: declared, or found by an import."""
        return bool(known.get(direction)) or "arn" not in known

    def set_rules(self, op: Operation, direction: str, before: set[Atom], after: set[Atom]) -> None:
        """Takes away the rules that are to go, and adds those that are to come."""
        call = _DIRECTIONS[direction][1]
        for verb, atoms in (("Revoke", before - after), ("Authorize", after - before)):
            if atoms:
                given = {"GroupId": op.id, "IpPermissions": permissions.permissions(atoms)}
                op.call(f"{verb}{call}", given)

    def set_declared(self, op: Operation, data: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """Makes the rules of both directions those that are declared, and no others.

        It starts from what is there, so a creation that is repeated must not take its calls for those of the
        first time: they are not marked.
        """
        with effect(Effect()):
            for direction, (member, _) in _DIRECTIONS.items():
                before = permissions.from_permissions(data.get(member) or ())
                self.set_rules(op, direction, before, permissions.from_inline(inputs.get(direction), op.id))

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Changes the rules that are declared inside the group."""
        for direction in sorted(_RULES & changed):
            before = permissions.from_inline(olds.get(direction), op.id)
            self.set_rules(op, direction, before, permissions.from_inline(news.get(direction), op.id))


class SecurityGroup(_Group):
    """A group; its rules may be inside it, or be resources of their own."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    auto_name = AutoName(max_length=255)
    defaults: ClassVar[Mapping[str, Any]] = {
        "description": "Managed by Pulumi",
        "revokeRulesOnDelete": False,
    }

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Name, description, rules."""
        super().check(op, inputs, problems)
        name = inputs.get("name")
        if isinstance(name, str) and name.startswith("sg-"):
            problems.add("name", f"{name!r} begins with sg-", "that is how ids begin: use another")
        check_description(name, "name", problems)
        if inputs.get("description") == "":
            problems.add("description", "is empty", "say what the group is for, or leave it out")
        check_description(inputs.get("description"), "description", problems)

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the group without the rule that lets everything out."""
        vpc = inputs.get("vpcId") or default_vpc(op)
        parameters = self.request(op, f"{self.create_call}.input", {**inputs, "vpcId": vpc})
        parameters.update(tag_specifications(self.noun, inputs))
        op.id = op.call(self.create_call, parameters)["GroupId"]
        self.set_declared(op, self.describe(op, op.id) or {}, inputs)
        return {
            **inputs,
            "arn": op.arn("ec2", f"security-group/{op.id}"),
            "egress": inputs.get("egress") or [],
            "ingress": inputs.get("ingress") or [],
            "ownerId": op.account,
            "vpcId": vpc,
        }

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the group; with `revokeRulesOnDelete` its rules go first."""
        if known.get("revokeRulesOnDelete"):
            data = self.describe(op, op.id)
            if data is not None:
                self.set_declared(op, data, {})
        super().delete(op, known)


class DefaultSecurityGroup(_Group):
    """The group that every VPC has, taken over: the rules declared here are all that it has."""

    token = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    exact = frozenset({"ingress", "egress"})
    handled = _RULES | {"vpcId"}

    def shapes(self, cloud: Cloud) -> tuple[str, ...]:
        """Nothing is created."""
        return ()

    def create(self, op: Operation, inputs: State) -> State | None:
        """Finds the group, makes its rules and tags those declared."""
        vpc = inputs.get("vpcId") or default_vpc(op)
        groups = filtered(op, self.describe_call, self.members, vpc_id=vpc, group_name="default")
        if not groups:
            raise ValueError(f"vpcId: {vpc} has no default security group; is it the id of a VPC?")
        data = groups[0]
        op.id = data["GroupId"]
        self.set_declared(op, data, inputs)
        with effect(Effect()):  # as with the rules
            TAGGING.change(op, op.id, from_pairs(data.get("Tags")), inputs.get("tags") or {})
        return None

    def owns(self, direction: str, known: Mapping[str, Any]) -> bool:
        """All of them: a rule added by somebody else is a change of what was declared."""
        return True

    def delete(self, op: Operation, known: State) -> None:
        """It is the VPC's and goes with it."""


def default_vpc(op: Operation) -> str:
    """The id of the region's default VPC."""
    found = filtered(op, "DescribeVpcs", "Vpcs", is_default="true")
    if not found:
        raise ValueError(f"vpcId: {op.region} has no default VPC; give vpcId")
    return str(found[0]["VpcId"])
