"""What EC2's resources have in common: an id that EC2 gives, tags at creation, a description by id."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from botocore.exceptions import ClientError

from twin.aws.provider.adapter import Adapter, State
from twin.aws.provider.clients import Cloud, code_of, is_missing
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging, as_pairs, from_pairs
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

TAGGING: Final = Tagging(
    resource="Resources", as_list=True, add="create_tags", remove="delete_tags", keys="Tags", target="id"
)
_MALFORMED: Final = ".Malformed"


class Ec2Resource(Adapter):
    """A resource that one operation creates, one describes by id and one deletes."""

    service = "ec2"
    noun: ClassVar[str]
    """What tag specifications call it (`vpc`)."""
    arn_noun: ClassVar[str] = ""
    """What ARNs call it, where that differs."""
    create_call: ClassVar[str]
    describe_call: ClassVar[str]
    delete_call: ClassVar[str]
    member: ClassVar[str]
    """The create operation's answer holds the description here (`Vpc`)."""
    members: ClassVar[str]
    """The describe operation's answer lists descriptions here (`Vpcs`)."""
    id_member: ClassVar[str]
    """The description's member with the id (`VpcId`), which also names it for the delete operation."""
    ids_member: ClassVar[str] = ""
    """The describe operation's parameter for ids; by default the id's name in the plural."""
    unemulated: ClassVar[frozenset[str]] = frozenset()
    """Inputs that the API has and the twin's cloud would ignore."""
    tagging: ClassVar[Tagging | None] = TAGGING

    def shapes(self, cloud: Cloud) -> tuple[str, ...]:
        """The create operation's input."""
        return (f"{self.create_call}.input",)

    def supported(self, cloud: Cloud) -> frozenset[str]:
        """What the API takes, less what the twin's cloud would ignore."""
        return super().supported(cloud) - self.unemulated

    def create(self, op: Operation, inputs: State) -> State | None:
        """One call, tags included; then what the create operation does not take."""
        parameters = self.request(op, f"{self.create_call}.input", inputs)
        answer = op.call(self.create_call, {**parameters, **tag_specifications(self.noun, inputs)})
        data = answer[self.member]
        op.id = data[self.id_member]
        return self.finish(op, inputs, data)

    def finish(self, op: Operation, inputs: State, data: Mapping[str, Any]) -> State | None:
        """What is left to do for a resource that exists; returns its state, or None to have it read."""
        return self.state(op, data, inputs)

    def read(self, op: Operation, known: State) -> State | None:
        """Describes the resource."""
        data = self.describe(op, op.id)
        return None if data is None else self.state(op, data, known)

    def describe(self, op: Operation, identifier: str) -> dict[str, Any] | None:
        """The API's description; None if there is no such resource."""
        parameter = self.ids_member or f"{self.id_member}s"
        found = described(op, self.describe_call, self.members, **{parameter: [identifier]})
        return found[0] if found and self.exists(found[0]) else None

    def exists(self, data: Mapping[str, Any]) -> bool:
        """Whether what is described is still there: some stay visible for a while after their deletion."""
        return True

    def state(self, op: Operation, data: Mapping[str, Any], known: Mapping[str, Any]) -> State:
        """The description as properties."""
        shape: Any = self.mapper(op.cloud).structure(f"{self.describe_call}.output").members[self.members]
        state = self.properties(op, shape.member.name, data)
        if "arn" in self.described.outputs:
            state["arn"] = op.arn("ec2", f"{self.arn_noun or self.noun}/{op.id}")
        if "tagsAll" in self.described.outputs:
            state["tagsAll"] = from_pairs(data.get("Tags"))
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Most have nothing but tags to change."""

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the resource."""
        op.call(self.delete_call, {self.id_member: op.id})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The id tells nothing but itself."""
        return {}


def tag_specifications(noun: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The parameter with which a create operation tags what it makes."""
    tags = inputs.get("tags")
    return {"TagSpecifications": [{"ResourceType": noun, "Tags": as_pairs(tags)}]} if tags else {}


def described(op: Operation, call: str, members: str, **parameters: Any) -> list[dict[str, Any]]:
    """What a describe operation lists; nothing where it says that there is no such thing."""
    try:
        found: list[dict[str, Any]] = op.call(call, parameters)[members]
    except ClientError as error:
        if is_missing(error) or code_of(error).endswith(_MALFORMED):
            return []
        raise
    return found


def filtered(op: Operation, call: str, members: str, **filters: str) -> list[dict[str, Any]]:
    """What a describe operation finds by filters; `_` in their names stands for `-`, `__` for a dot."""
    parameters = [
        {"Name": name.replace("__", ".").replace("_", "-"), "Values": [value]}
        for name, value in filters.items()
    ]
    return described(op, call, members, Filters=parameters)


def unsuccessful(answer: Mapping[str, Any]) -> None:
    """Raises for the items that a bulk operation could not deal with."""
    for item in answer.get("Unsuccessful") or ():
        error = item.get("Error") or {}
        code = str(error.get("Code") or "")
        raise ClientError({"Error": {"Code": code, "Message": error.get("Message") or code}}, "")


def given(inputs: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    """Which of these inputs have a value, known or not."""
    return [name for name in names if inputs.get(name) not in (None, "", [])]


def check_exactly_one(
    inputs: Mapping[str, Any], names: tuple[str, ...], problems: Problems, what: str
) -> None:
    """Notes if not exactly one of these inputs is given."""
    found = given(inputs, names)
    if not found:
        problems.add(names[0], f"there is no {what}", f"give one of {', '.join(names)}")
    for name in found[1:]:
        problems.add(name, f"conflicts with {found[0]}", f"give exactly one {what}")


def check_conflicts(
    inputs: Mapping[str, Any], name: str, others: tuple[str, ...], problems: Problems
) -> None:
    """Notes which of the others may not be given beside this one."""
    if given(inputs, (name,)):
        for other in given(inputs, others):
            problems.add(other, f"conflicts with {name}", "give one of the two")


def check_range(
    problems: Problems, path: str, value: Any, least: float, most: float, *, unit: str = ""
) -> None:
    """Notes a number that is out of range."""
    if isinstance(value, int | float) and not isinstance(value, bool) and not least <= value <= most:
        what = f" {unit}" if unit else ""
        problems.add(path, f"{value} is out of range", f"give {least:g} to {most:g}{what}")


def entries(value: Any) -> list[tuple[int, dict[str, Any]]]:
    """The objects of a list of objects, with their places; what is not known yet is left out."""
    if value is UNKNOWN or not isinstance(value, list):
        return []
    return [(place, entry) for place, entry in enumerate(value) if isinstance(entry, dict)]
