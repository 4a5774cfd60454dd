"""Athena: updates of workgroups, which moto keeps but can't change."""

import copy
from typing import Any

from twin.aws.cloud.gaps.context import Context
from twin.aws.cloud.gaps.moto_objects import backend
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.protocol import AwsError


def fill(registry: GapRegistry) -> None:
    """Registers Athena's gap fillers."""
    registry.answer("athena", "UpdateWorkGroup", _update)
    registry.raw("athena", "GetWorkGroup", _get)


def _group(context: Context) -> Any:
    name = context.required("WorkGroup")
    group = backend(context, "athena").work_groups.get(name)
    if group is None:
        raise AwsError("InvalidRequestException", f"WorkGroup {name} is not found.")
    return group


def _get(context: Context) -> Any:
    _group(context)  # moto answers with nothing, AWS with an error
    return context.forward()


def _update(context: Context) -> None:
    group, given = _group(context), context.parameters
    updates = dict(given.get("ConfigurationUpdates") or {})
    configuration = copy.deepcopy(group.configuration)
    results = dict(updates.pop("ResultConfigurationUpdates", None) or {})
    if results:
        known = dict(configuration.get("ResultConfiguration") or {})
        configuration["ResultConfiguration"] = _merged(known, results)
    group.configuration = _merged(configuration, updates)
    if given.get("Description") is not None:
        group.description = given["Description"]
    if given.get("State") is not None:
        group.state = given["State"]


def _merged(known: dict[str, Any], updates: dict[str, Any]) -> dict[str, Any]:
    """Updates set fields; `RemoveX: true` takes `X` away."""
    for name, value in updates.items():
        if name.startswith("Remove"):
            if value:
                known.pop(name.removeprefix("Remove"), None)
        elif value is not None:
            known[name.removesuffix("Updates")] = value
    return known
