"""Pydantic's errors as problems with settings: the setting's own path, its value, and what would be right."""

import typing
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Final

import pydantic
from pydantic.fields import FieldInfo

from stacks.problems import Problem, did_you_mean

_KINDS: Final = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "date_from_datetime_parsing": "must be a date such as 2027-01-31",
    "date_parsing": "must be a date such as 2027-01-31",
    "date_type": "must be a date such as 2027-01-31",
    "dict_type": "must be an object",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "list_type": "must be a list",
    "model_attributes_type": "must be an object",
    "model_type": "must be an object",
    "missing": "is required",
    "string_type": "must be text",
}
"""Error type → remedy, where it does not depend on the field."""


def explain(error: pydantic.ValidationError, path: str, annotation: Any, value: Any) -> list[Problem]:
    """The problems of one setting, one for each place, in the order of the places.

    Args:
        error: What pydantic found.
        path: The setting's path.
        annotation: The setting's type.
        value: What was given for it.
    """
    found: dict[str, Problem] = {}
    for detail in error.errors(include_url=False):
        place, shown = _place(path, value, detail["loc"])
        found.setdefault(place, Problem(place, shown, _remedy(detail, annotation)))
    return list(found.values())


def _place(path: str, value: Any, location: Sequence[int | str]) -> tuple[str, Any]:
    """The path and value that a location stands for; parts that name a union's branch are passed over."""
    for part in location:
        if isinstance(value, Mapping) and isinstance(part, str):
            path, value = f"{path}.{part}", value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            path, value = f"{path}[{part}]", value[part]
    return path, value


def _remedy(detail: Any, annotation: Any) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        owner = _descend(annotation, detail["loc"][:-1])
        names = [field.alias or name for name, field in getattr(owner, "model_fields", {}).items()]
        return f"is no setting{did_you_mean(str(detail['loc'][-1]), names)}"
    if kind == "string_pattern_mismatch":
        return f"must be {_description(annotation, detail['loc']) or context['pattern']}"
    if kind == "literal_error":
        return f"must be one of {context['expected']}{did_you_mean(str(detail['input']), _choices(context))}"
    for bound, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        if bound in context:
            return f"must be {words} {context[bound]:g}"
    if kind in ("too_short", "string_too_short"):
        return f"must hold at least {context['min_length']}"
    if kind in ("too_long", "string_too_long"):
        return f"must hold at most {context['max_length']}"
    return _KINDS.get(kind, str(detail["msg"]))


def _choices(context: Mapping[str, Any]) -> list[str]:
    return [choice.strip(" '") for choice in str(context["expected"]).replace(" or ", ", ").split(",")]


def _description(annotation: Any, location: Sequence[int | str]) -> str | None:
    """What the innermost field says that it takes."""
    for length in range(len(location), -1, -1):
        for part in _metadata(_descend(annotation, location[:length], bare=False)):
            if isinstance(part, FieldInfo) and part.description:
                return part.description
    return None


def _descend(annotation: Any, location: Sequence[int | str], *, bare: bool = True) -> Any:
    """The type at a location."""
    for part in location:
        annotation = _step(_bare(annotation), part)
    return _bare(annotation) if bare else annotation


def _step(annotation: Any, part: int | str) -> Any:
    if typing.get_origin(annotation) is list and isinstance(part, int):
        return typing.get_args(annotation)[0]
    for name, field in getattr(annotation, "model_fields", {}).items():
        if part in (name, field.alias):
            return typing.Annotated[field.annotation, field]
    return Any


def _bare(annotation: Any) -> Any:
    """The type without what is said of it, and without `None` as its alternative."""
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        branches = [branch for branch in typing.get_args(annotation) if branch is not NoneType]
        if len(branches) == 1:
            return _bare(branches[0])
    return annotation


def _metadata(annotation: Any) -> list[Any]:
    """What is said of a type, also where it is the one alternative to `None`."""
    if typing.get_origin(annotation) is typing.Annotated:
        inner, *said = typing.get_args(annotation)
        return [*said, *_metadata(inner)]
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        return [part for branch in typing.get_args(annotation) for part in _metadata(branch)]
    return []
