"""Feature views: their shape as an input, and what is made of one."""

import json
from typing import Any, Final, NotRequired, TypedDict

from components.checks import COLUMN, Problems

EVENT_DATE: Final = "event_date"
"""Partition column of the offline tables: the date of the event time."""

GLUE_TYPES: Final = {
    "bool": "boolean",
    "float": "double",
    "int": "bigint",
    "string": "string",
    "timestamp": "timestamp",
}
"""Field type → type in the Glue table."""

DUPLICATES: Final = ("fail", "quarantine")


class FeatureField(TypedDict):
    """One column of a feature view, and what the quality gate holds it to."""

    name: str
    """Column name: lower case letters, digits, underscores."""
    type: str
    """`string`, `int`, `float`, `bool` or `timestamp`."""
    nullable: NotRequired[bool]
    """Whether a value may be missing. Default: false."""
    max_null_fraction: NotRequired[float]
    """The largest share of missing values that passes, from 0 to 1. Default: any, where `nullable`."""
    min: NotRequired[float]
    """The least value of an `int` or `float`. Default: no bound."""
    max: NotRequired[float]
    """The greatest value of an `int` or `float`. Default: no bound."""
    allowed: NotRequired[list[Any]]
    """The values it may have. Default: any."""
    label: NotRequired[bool]
    """An outcome to predict: kept offline, never served online, never an input. Default: false."""


class FeatureView(TypedDict):
    """Features of one kind of entity, written once and read the same way online and offline."""

    name: str
    """Name of the view: lower case letters, digits, underscores."""
    entity: str
    """What the features are of: `customer`, `sample`."""
    join_keys: list[str]
    """Columns that tell one entity from another, as strings; at least one."""
    event_time: str
    """Column with the time at which the features were true."""
    ttl_days: int
    """How long the online store serves a row after its event time; from 1 to 3650 days."""
    retention_days: NotRequired[int]
    """How long offline rows are meant to be kept, for the declaration. Default: not said."""
    fields: list[FeatureField]
    """Columns beside join keys and event time; at least one."""
    max_bad_fraction: NotRequired[float]
    """The share of bad rows that fails a run of the quality gate, from 0 to 1. Default: the gate's own."""
    duplicates: NotRequired[str]
    """What the gate does with a second row of an entity and time: `quarantine` (default) or `fail`."""


def declaration(view: FeatureView) -> str:
    """The view as jobs read it: JSON, keys in camel case, absent ones left out."""
    written = _camel_keys({**view, "fields": [_camel_keys(dict(field)) for field in view["fields"]]})
    return json.dumps(written, indent=2) + "\n"


def columns(view: FeatureView) -> list[tuple[str, str]]:
    """The offline table's columns and Glue types, in declared order."""
    keys = [(key, "string") for key in view["join_keys"]]
    fields = [(field["name"], GLUE_TYPES[field["type"]]) for field in view["fields"]]
    return [*keys, (view["event_time"], "timestamp"), *fields]


def served(view: FeatureView) -> list[FeatureField]:
    """The fields that are served online: all but labels."""
    return [field for field in view["fields"] if not field.get("label", False)]


def check_views(problems: Problems, views: list[FeatureView]) -> None:
    """What is wrong with views whose shape is right."""
    if not views:
        problems.add("views", views, "must hold at least one feature view")
    problems.distinct("views", [view["name"] for view in views])
    for index, view in enumerate(views):
        _check_view(problems, f"views[{index}]", view)


def _check_view(problems: Problems, path: str, view: FeatureView) -> None:
    lower_case = "must be lower case letters, digits and underscores, and start with a letter"
    problems.matches(f"{path}.name", view["name"], COLUMN, lower_case)
    problems.matches(f"{path}.entity", view["entity"], COLUMN, lower_case)
    problems.between(f"{path}.ttlDays", view["ttl_days"], 1, 3650, "days")
    problems.between(f"{path}.retentionDays", view.get("retention_days"), 1, 36500, "days")
    problems.between(f"{path}.maxBadFraction", view.get("max_bad_fraction"), 0, 1)
    problems.one_of(f"{path}.duplicates", view.get("duplicates"), DUPLICATES)
    for part in ("join_keys", "fields"):
        if not view[part]:
            problems.add(f"{path}.{_camel(part)}", [], "must hold at least one")
    names = [*view["join_keys"], view["event_time"], *(field["name"] for field in view["fields"])]
    problems.distinct(f"{path}.columns", names)
    for name in names:
        problems.matches(f"{path}.columns", name, COLUMN, lower_case)
        if name == EVENT_DATE:
            problems.add(f"{path}.columns", name, "is the partition column's name; take another")
    for index, field in enumerate(view["fields"]):
        _check_field(problems, f"{path}.fields[{index}]", field)


def _check_field(problems: Problems, path: str, field: FeatureField) -> None:
    problems.one_of(f"{path}.type", field["type"], GLUE_TYPES)
    problems.between(f"{path}.maxNullFraction", field.get("max_null_fraction"), 0, 1)
    if "max_null_fraction" in field and not field.get("nullable", False):
        problems.add(f"{path}.maxNullFraction", field["max_null_fraction"], "needs nullable: true")
    low, high = field.get("min"), field.get("max")
    if low is not None and high is not None and low > high:
        problems.add(f"{path}.min", low, f"must not be above max ({high:g})")
    if (low is not None or high is not None) and field["type"] not in ("int", "float"):
        problems.add(f"{path}.min", low if low is not None else high, "min and max are for int and float")
    if field.get("allowed") == []:
        problems.add(f"{path}.allowed", [], "must hold at least one value, or be left out")


def _camel(key: str) -> str:
    head, *rest = key.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _camel_keys(value: dict[str, Any]) -> dict[str, Any]:
    return {_camel(key): _number(item) for key, item in value.items() if item is not None}


def _number(value: Any) -> Any:
    """Whole numbers without a fraction: other languages send every number as a float."""
    if isinstance(value, list):
        return [_number(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
