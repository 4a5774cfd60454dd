"""Kinds of resources as tables: a name, an ARN, the names of the operations; the rest follows.

What a request says is what the resource has. botocore's output shapes decide which of it an answer shows.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from twin.aws.cloud.gaps.context import Answer, Context, utc_now
from twin.aws.cloud.gaps.store import Record
from twin.aws.cloud.protocol import AwsError

_PAGING: Final = frozenset(
    {"MaxResults", "maxResults", "NextToken", "nextToken", "SortBy", "SortOrder", "MaxRecords", "Marker"}
)
Hook = Callable[[Context, Record], None]


def _nothing(_context: Context, _record: Record) -> None:
    return


def given_name(kind: "Kind", context: Context) -> str:
    """The name the request gives the resource."""
    return str(context.required(kind.name))


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of resource that the store keeps. `arn` may name region, account, name, any field."""

    service: str
    noun: str
    name: str
    """The member that names the resource in requests (its value may be an ARN, too)."""
    within: str = ""
    """The member that names the resource's parent: names are unique within one parent only."""
    arn: str = ""
    arn_field: str = ""
    create: str | None = None
    describe: str | None = None
    list: str | None = None
    update: str | None = None
    delete: str | None = None
    initial: Mapping[str, Any] = field(default_factory=dict)
    """Fields of every new resource, unless the request gives them."""
    created: str = ""
    modified: str = ""
    wrap: str = ""
    """The member of answers in which the resource lies, if it isn't the answer itself."""
    sent_in: str = ""
    """The member of requests in which the resource lies, if it isn't the request itself."""
    tags: str = "Tags"
    missing: tuple[str, str] = ("ResourceNotFoundException", "{noun} {name} does not exist")
    exists: tuple[str, str] = ("ConflictException", "{noun} {name} already exists")
    make_name: Callable[["Kind", Context], str] = given_name
    everywhere: bool = False
    """Whether the service knows no regions."""
    before_create: Hook = _nothing
    """May refuse, or add fields to the new record."""
    before_update: Hook = _nothing
    """Gets the record as it was; may refuse."""
    after_update: Hook = _nothing
    before_delete: Hook = _nothing
    """May refuse."""

    def operations(self) -> dict[str, Answer]:
        """Who answers which operation."""
        named: dict[str | None, Callable[[Kind, Context], dict[str, Any] | None]] = {
            self.create: create,
            self.describe: describe,
            self.list: list_all,
            self.update: update,
            self.delete: delete,
        }
        return {name: partial(answer, self) for name, answer in named.items() if name is not None}

    def records(self, context: Context) -> dict[str, Record]:
        """The records of this kind where the request looks."""
        return context.store.all_of(self.service, self.noun, "global" if self.everywhere else context.region)

    def problem(self, context: Context, said: tuple[str, str], name: str) -> AwsError:
        """The error that AWS answers with."""
        arn = self.arn.format_map(_Blank(region=context.region, account=context.account, name=name))
        return AwsError(said[0], said[1].format(noun=self.noun, name=name, arn=arn))

    def key(self, context: Context, name: str) -> str:
        """What a resource of that name is kept under."""
        return f"{context.required(self.within)}/{name}" if self.within else name

    def asked_for(self, context: Context) -> Record:
        """The record that the request names. Raises AwsError if there is none."""
        return self.find(context, str(context.required(self.name)))

    def find(self, context: Context, named: str) -> Record:
        """The record of that name or ARN. Raises AwsError if there is none."""
        records = self.records(context)
        record = records.get(self.key(context, named) if self.within in context.parameters else named)
        if record is None and self.arn_field and named.startswith("arn:"):
            record = next((each for each in records.values() if each.get(self.arn_field) == named), None)
        if record is None:
            raise self.problem(context, self.missing, named)
        return record


class _Blank(dict[str, str]):
    """Formats an ARN of a resource that isn't there: its unknown parts stay blank."""

    def __missing__(self, _key: str) -> str:
        return ""


_NAME: Final = "_name"
"""The record's key, inside the record."""


def create(kind: Kind, context: Context) -> dict[str, Any]:
    """Makes a resource of what the request says."""
    given = context.parameters.get(kind.sent_in, {}) if kind.sent_in else context.parameters
    now = utc_now()
    name = kind.make_name(kind, context)
    key = kind.key(context, name)
    records = kind.records(context)
    if key in records:
        raise kind.problem(context, kind.exists, name)
    record: Record = {**copy.deepcopy(dict(kind.initial)), **given, kind.name: name, _NAME: key}
    record |= {each: now for each in (kind.created, kind.modified) if each}
    kind.before_create(context, record)
    if kind.arn:
        fields = {key: str(value) for key, value in record.items()}
        record[kind.arn_field] = kind.arn.format_map(
            {**fields, "region": context.region, "account": context.account, "name": record[kind.name]}
        )
    tags = context.parameters.get(kind.tags) or record.pop(kind.tags, None)
    record.pop(kind.tags, None)
    if tags and kind.arn:
        context.store.set_tags(record[kind.arn_field], tags_as_dict(tags))
    records[record[_NAME]] = record
    return shown(kind, context, record)


def describe(kind: Kind, context: Context) -> dict[str, Any]:
    """Shows a resource."""
    return shown(kind, context, kind.asked_for(context))


def update(kind: Kind, context: Context) -> dict[str, Any]:
    """Gives a resource what the request says; what it doesn't mention stays."""
    given = context.parameters.get(kind.sent_in) or context.parameters
    named = given.get(kind.name) or context.required(kind.name)
    record = kind.find(context, str(named))
    kind.before_update(context, record)
    kept = {kind.name, kind.tags, kind.arn_field}
    record.update({key: value for key, value in given.items() if key not in kept and value is not None})
    if kind.modified:
        record[kind.modified] = utc_now()
    kind.after_update(context, record)
    return shown(kind, context, record)


def delete(kind: Kind, context: Context) -> dict[str, Any]:
    """Removes a resource."""
    record = kind.asked_for(context)
    kind.before_delete(context, record)
    del kind.records(context)[record[_NAME]]
    if kind.arn:
        context.store.set_tags(record[kind.arn_field], {})
    return shown(kind, context, record)


def list_all(kind: Kind, context: Context) -> dict[str, Any]:
    """Lists the resources that the request's filters leave, page by page."""
    asked = context.parameters
    records = [record for record in kind.records(context).values() if _wanted(kind, record, asked)]
    if asked.get("SortBy") == "Name":
        records.sort(key=lambda record: str(record[kind.name]))
    if asked.get("SortOrder") == "Descending":
        records.reverse()
    start = int(asked.get("NextToken") or asked.get("nextToken") or 0)
    size = asked.get("MaxResults") or asked.get("maxResults")
    end = start + size if size else len(records)
    output = context.operation.model.output_shape
    member, shape = next((name, each) for name, each in output.members.items() if each.type_name == "list")
    page = [_listed(kind, context, record, shape.member) for record in records[start:end]]
    result: dict[str, Any] = {member: page}
    token = next((name for name in ("NextToken", "nextToken") if name in output.members), None)
    if token and end < len(records):
        result[token] = str(end)
    return result


def _listed(kind: Kind, context: Context, record: Record, shape: Any) -> Any:
    if shape.type_name == "string":
        return record[kind.arn_field] if "Arn" in shape.name else record[kind.name]
    return record | _shown_tags(kind, context, record)


def shown(kind: Kind, context: Context, record: Record) -> dict[str, Any]:
    """The record as an answer; the serialiser leaves out what the output's shape doesn't have."""
    full = record | _shown_tags(kind, context, record)
    return {kind.wrap: full, **full} if kind.wrap else full


def _shown_tags(kind: Kind, context: Context, record: Record) -> Record:
    """The tags in the form that the service's resources show them: a map, or left to the tag operations."""
    if not kind.arn or kind.tags != "tags":
        return {}
    return {"tags": context.store.tags(record[kind.arn_field])}


def _wanted(kind: Kind, record: Record, asked: Mapping[str, Any]) -> bool:
    for name, value in asked.items():
        if name in _PAGING or value is None:
            continue
        if name == "NameContains":
            matches = str(value).lower() in str(record[kind.name]).lower()
        elif name.endswith(("TimeAfter", "TimeBefore")):
            moment = record.get(name.removesuffix("After").removesuffix("Before"))
            matches = moment is None or (moment >= value if name.endswith("After") else moment <= value)
        elif name.endswith("Equals"):
            suffix = name.removesuffix("Equals")
            matches = value in [each for key, each in record.items() if key.endswith(suffix)]
        else:
            matches = name not in record or record[name] == value
        if not matches:
            return False
    return True


def tags_as_dict(tags: Any) -> dict[str, str]:
    """Tags in either of AWS's forms as a dict."""
    if isinstance(tags, Mapping):
        return dict(tags)
    return {tag.get("Key", tag.get("key")): tag.get("Value", tag.get("value")) for tag in tags}
