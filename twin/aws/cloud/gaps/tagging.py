"""Tag operations of services whose resources the store keeps; other ARNs go on to moto.

Which member is the ARN, the tags or the keys is read from botocore's shapes.
"""

from typing import Any, Final

from twin.aws.cloud.gaps.context import Context
from twin.aws.cloud.gaps.kinds import tags_as_dict
from twin.aws.cloud.http import HttpResponse

TAG: Final = ("TagResource", "AddTags", "AddTagsToResource")
UNTAG: Final = ("UntagResource", "DeleteTags", "RemoveTagsFromResource")
LIST: Final = ("ListTagsForResource", "ListTags")


def tag(context: Context) -> HttpResponse:
    """Adds tags to a kept resource."""
    shape = context.operation.model.input_shape
    arn, tags = _arn(context), _member(shape, ("list", "map"))
    if not _kept(context, arn):
        return context.forward()
    added = tags_as_dict(context.parameters.get(tags) or [])
    context.store.set_tags(arn, context.store.tags(arn) | added)
    output = context.operation.model.output_shape
    result = _tag_list(context, arn, output) if output is not None else {}
    return context.operation.answer(result)


def untag(context: Context) -> HttpResponse:
    """Takes tags from a kept resource."""
    arn, keys = _arn(context), _member(context.operation.model.input_shape, ("list",))
    if not _kept(context, arn):
        return context.forward()
    gone = set(context.parameters.get(keys) or [])
    kept = {key: value for key, value in context.store.tags(arn).items() if key not in gone}
    context.store.set_tags(arn, kept)
    return context.operation.answer({})


def list_tags(context: Context) -> HttpResponse:
    """The tags of a kept resource."""
    arn = _arn(context)
    if not _kept(context, arn):
        return context.forward()
    return context.operation.answer(_tag_list(context, arn, context.operation.model.output_shape))


def _tag_list(context: Context, arn: str, output: Any) -> dict[str, Any]:
    tags = context.store.tags(arn)
    for name, shape in output.members.items():
        if shape.type_name == "map":
            return {name: tags}
        if shape.type_name == "list":
            key = next(each for each in shape.member.members if each.lower().endswith("key"))
            value = next(each for each in shape.member.members if each.lower().endswith("value"))
            return {name: [{key: each, value: tags[each]} for each in tags]}
    return {}


def _arn(context: Context) -> str:
    """The ARN that the request names; the first text member, if none is called so."""
    members = context.operation.model.input_shape.members
    names = [name for name, shape in members.items() if shape.type_name == "string"]
    named = next((name for name in names if name.lower().endswith("arn")), names[0])
    return str(context.parameters.get(named) or "")


def _member(shape: Any, types: tuple[str, ...]) -> str:
    return str(next(name for name, member in shape.members.items() if member.type_name in types))


def _kept(context: Context, arn: str) -> bool:
    service = context.operation.service
    return any(
        arn in record.values() for each, _, _, _, record in context.store.everywhere() if each == service
    )
