"""What every resource type's adapter is made of.

An adapter says how one Pulumi type is created, read, changed and deleted with boto3. Most types need only
name the operations (`Declared`); the rest override a method. What is common (names, tags, defaults, checking
against the API's shapes, comparing) is done here and in the lifecycle, once.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from twin.aws.provider import schema
from twin.aws.provider.clients import Cloud, is_missing
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.shapes import Mapper
from twin.aws.provider.tagging import Tagging
from twin.providers.problems import Problems

State = dict[str, Any]


class Adapter:
    """One resource type. Class attributes describe it; methods do the work."""

    token: ClassVar[str]
    """The type's token in Pulumi."""
    service: ClassVar[str]
    """The service's name in boto3."""
    auto_name: ClassVar[AutoName | None] = None
    """How the name is made when the program gives none."""
    create_shapes: ClassVar[tuple[str, ...]] = ()
    """Shapes whose rules the inputs must keep (`CreateStream.input`)."""
    rename: ClassVar[Mapping[str, str]] = {}
    """Property path → member of the API's shape, where the names do not match by themselves."""
    handled: ClassVar[frozenset[str]] = frozenset()
    """Inputs that this adapter's code deals with, though no create shape has them."""
    local: ClassVar[frozenset[str]] = frozenset()
    """Inputs that only steer this provider (`forceDestroy`): never sent, never read."""
    elsewhere: ClassVar[frozenset[str]] = frozenset()
    """Inputs that may be declared by a resource of their own: read only where they are given here."""
    exact: ClassVar[frozenset[str]] = frozenset()
    """Inputs that mean "none" when they are left out, though the schema says that AWS may choose them."""
    in_place: ClassVar[frozenset[str]] = frozenset()
    """Inputs that `update` can change; a change of any other replaces the resource."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """What Pulumi's provider fills in for inputs left out."""
    volatile: ClassVar[frozenset[str]] = frozenset()
    """Outputs that an update may change."""
    tagging: ClassVar[Tagging | None] = None
    """How tags are changed and read; None where the adapter does it itself."""
    policies: ClassVar[Mapping[str, bool]] = {}
    """Inputs that are IAM policy documents → whether it is a resource's policy (which names principals)."""
    delete_before_replace: ClassVar[bool] = False
    """Whether the old one must go first, whatever its name."""
    is_global: ClassVar[bool] = False
    """Whether the service is the same in every region (IAM)."""

    def __init__(self) -> None:
        self._mappers: dict[Cloud, Mapper] = {}

    # what the schema says

    @property
    def described(self) -> schema.ResourceType:
        """The type in pulumi_aws's schema."""
        return schema.resource_type(self.token)

    def mapper(self, cloud: Cloud) -> Mapper:
        """The mapping to the service's shapes."""
        found = self._mappers.get(cloud)
        if found is None:
            found = self._mappers[cloud] = Mapper(cloud.model(self.service), self.rename)
        return found

    def shapes(self, cloud: Cloud) -> tuple[str, ...]:
        """The shapes whose rules the inputs must keep."""
        return self.create_shapes

    def supported(self, cloud: Cloud) -> frozenset[str]:
        """The inputs that have an effect here; any other is refused."""
        names = {*self.handled, *self.local, *self.in_place, *self.defaults, *self.policies, "region"}
        if self.auto_name is not None:
            names |= {self.auto_name.key, self.auto_name.prefix_property}
        if "tagsAll" in self.described.outputs:
            names.add("tags")
        mapper = self.mapper(cloud)
        for shape in self.shapes(cloud):
            names |= mapper.mapped(shape, self.described.inputs)
        return frozenset(names)

    def changes_in_place(self, cloud: Cloud) -> frozenset[str]:
        """The inputs whose change does not replace the resource."""
        return self.in_place | self.local | {"tags"}

    # what the type does

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Notes what AWS would refuse and no shape says."""

    def forces_replacement(self, name: str, old: Any, new: Any) -> bool:
        """Whether a change of an input that can be changed in place replaces the resource all the same."""
        return False

    def same(self, name: str, left: Any, right: Any) -> bool:
        """Whether two different notations of a property mean the same to AWS (a key's id and its ARN)."""
        return False

    def complete(self, op: Operation, inputs: State) -> None:
        """Fills in inputs that follow from others."""

    def create(self, op: Operation, inputs: State) -> State | None:
        """Makes the resource and sets `op.id`; may return the whole state to save a read."""
        raise NotImplementedError

    def read(self, op: Operation, known: State) -> State | None:
        """The resource's properties; None if it is gone.

        `known` holds what is known of it (at least what `parse_id` finds). A property that is returned as
        None is absent in the cloud; one that is not returned is not readable, and stays as it was.
        """
        raise NotImplementedError

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Changes the resource; `changed` are the inputs that differ. Tags are done already."""
        raise NotImplementedError

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the resource; one that is gone raises the service's own error."""
        raise NotImplementedError

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The properties that an id alone tells (for `.get` and import)."""
        return {self.auto_name.key: identifier} if self.auto_name is not None else {}

    # the parts that methods use

    def request(self, op: Operation, shape: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs as parameters of a shape."""
        return self.mapper(op.cloud).request(shape, inputs, self.described.inputs)

    def properties(self, op: Operation, shape: str, data: Mapping[str, Any]) -> State:
        """The API's data as properties; those that the shape has and the data lacks are None."""
        mapper = self.mapper(op.cloud)
        described = schema.ObjectType(self.described.outputs)
        absent = dict.fromkeys(mapper.mapped(shape, described))
        return {**absent, **mapper.properties(shape, data, described)}


class Declared(Adapter):
    """A type whose service has one operation each to create, read, update and delete it."""

    create_call: ClassVar[str]
    read_call: ClassVar[str]
    update_call: ClassVar[str] = ""
    delete_call: ClassVar[str]
    result: ClassVar[str] = ""
    """Where the read operation's answer holds the description (dotted); empty: the answer itself."""
    wrapped: ClassVar[str] = ""
    """The member of the create and update operations that holds the properties (Glue's `TableInput`)."""
    key: ClassVar[Mapping[str, str]] = {}
    """How read, update and delete name the resource: API parameter → property."""
    read_key: ClassVar[Mapping[str, str] | None] = None
    """The same for read, where it differs."""
    delete_key: ClassVar[Mapping[str, str] | None] = None
    """The same for delete, where it differs."""
    id_property: ClassVar[str] = "name"
    """The property whose value is the id, or several with what stands between: `{databaseName}:{name}`."""
    arn: ClassVar[str] = ""
    """`service:resource` with `{property}` in it, where the API's answers lack the ARN."""
    fixed: ClassVar[frozenset[str]] = frozenset()
    """Properties that replace though the update operation has them (they only name the resource there)."""
    resend_all: ClassVar[bool] = True
    """Whether update takes the whole description (False: only what changed)."""

    def shapes(self, cloud: Cloud) -> tuple[str, ...]:
        """The create operation's input, and the part of it that holds the properties."""
        whole = f"{self.create_call}.input"
        return (whole, self._part(cloud, self.create_call)) if self.wrapped else (whole,)

    def changes_in_place(self, cloud: Cloud) -> frozenset[str]:
        """What the update operation takes, less what names the resource."""
        names = super().changes_in_place(cloud)
        if self.update_call:
            part = self._part(cloud, self.update_call) if self.wrapped else f"{self.update_call}.input"
            names |= self.mapper(cloud).mapped(part, self.described.inputs)
        return names - frozenset(self.key.values()) - self.fixed

    def _part(self, cloud: Cloud, call: str) -> str:
        return str(self.mapper(cloud).structure(f"{call}.input").members[self.wrapped].name)

    def parameters(self, op: Operation, call: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs as an operation takes them."""
        params = self.request(op, f"{call}.input", inputs)
        if self.wrapped:
            params[self.wrapped] = self.request(op, self._part(op.cloud, call), inputs)
        return params

    def create(self, op: Operation, inputs: State) -> State | None:
        """Calls the create operation."""
        answer = op.call(self.create_call, self.parameters(op, self.create_call, inputs))
        op.made = self.made(op, inputs, answer)
        op.id = self._identifier({**inputs, **op.made})
        return None

    def _identifier(self, properties: Mapping[str, Any]) -> str:
        if "{" in self.id_property:
            return self.id_property.format_map(properties)
        return str(properties[self.id_property])

    def made(self, op: Operation, inputs: State, answer: Mapping[str, Any]) -> State:
        """Properties that the create operation's answer tells and a read needs (an id, an ARN)."""
        if self.id_property == "arn":
            found = [value for member, value in answer.items() if member.lower().endswith("arn")]
            return {"arn": found[0]} if found else {}
        return {}

    def read(self, op: Operation, known: State) -> State | None:
        """Calls the read operation."""
        answer = found(op.call, operation=self.read_call, params=self.named(known, self.read_key))
        if answer is None:
            return None
        data, shape = self.described_in(op, answer)
        if data is None:
            return None
        state = self.properties(op, shape, data)
        state.update({name: known[name] for name in self.key.values() if state.get(name) is None})
        if self.arn:
            service, _, resource = self.arn.partition(":")
            state["arn"] = op.arn(service, resource.format_map({**known, **state}))
        self.adjust(op, state, data)
        return state

    def adjust(self, op: Operation, state: State, data: Mapping[str, Any]) -> None:
        """Mends what a plain mapping of the answer gets wrong."""

    def described_in(self, op: Operation, answer: Mapping[str, Any]) -> tuple[Any, str]:
        """The description inside an answer, and its shape; None if there is none."""
        shape: Any = self.mapper(op.cloud).shape(f"{self.read_call}.output")
        data: Any = answer
        for part in filter(None, self.result.split(".")):
            shape = shape.members[part]
            data = data.get(part) if data else None
            if shape.type_name == "list":
                shape = shape.member
                data = self.pick(data or [])
        return data, str(shape.name)

    def pick(self, found: list[Any]) -> Any:
        """The one description of a list that a read by name answers with."""
        return found[0] if found else None

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Calls the update operation with the whole description."""
        if not self.update_call or not changed - self.local - {"tags"}:
            return
        inputs = news if self.resend_all else {name: news[name] for name in changed if name in news}
        op.call(
            self.update_call,
            {**self.parameters(op, self.update_call, inputs), **self.named({**olds, **news})},
        )

    def delete(self, op: Operation, known: State) -> None:
        """Calls the delete operation."""
        op.call(self.delete_call, self.named(known, self.delete_key))

    def named(self, known: Mapping[str, Any], key: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The parameters that name the resource."""
        names = self.key if key is None else key
        return {member: known[name] for member, name in names.items()}

    def parse_id(self, op: Operation, identifier: str) -> State:
        """What stands in the id."""
        if "{" not in self.id_property:
            return {self.id_property: identifier}
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+?)", re.escape(self.id_property))
        matched = re.fullmatch(pattern, identifier)
        if matched is None:
            raise ValueError(f"{identifier!r} is no id of {self.token}: expected {self.id_property}")
        return dict(matched.groupdict())


def found(call: Callable[..., dict[str, Any]], **parameters: Any) -> dict[str, Any] | None:
    """The answer of a read; None if what it asks for does not exist."""
    try:
        return call(**parameters)
    except ClientError as error:
        if is_missing(error):
            return None
        raise


def listed(value: Any) -> list[Any]:
    """The items of a list, none of one that is missing or not known yet."""
    return value if isinstance(value, list) else []
