"""Prices resources wherever they come from: a planned stack, a state file, a list."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from pricing import Estimate, Resource, Usage, UsageError, UsageProblem, estimate
from twin.engine.analyzer import PolicyResource
from twin.engine.deployment import Deployment
from twin.wire import OutputValue, Secret, unwrap

DEFAULT_REGION: Final = "us-east-1"
_HIDDEN: Final = "[secret]"
_PROVIDER: Final = "pulumi:providers:aws"
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


def estimate_deployment(deployment: Deployment, region: str, usage: Usage | None = None) -> Estimate:
    """What a stack's resources cost."""
    resources = [
        Resource(
            urn=state.urn,
            type=state.type,
            name=state.name,
            properties=_priced({**state.inputs, **state.outputs, **({"id": state.id} if state.id else {})}),
            parent=state.parent or None,
            provider=state.provider or None,
            property_dependencies=state.property_dependencies,
            custom=state.custom,
        )
        for state in deployment.resources
        if not state.delete
    ]
    return estimate(resources, region=region, usage=usage)


def estimate_judged(
    resources: Iterable[PolicyResource],
    region: str,
    usage: Usage | None = None,
    custom: Mapping[str, bool] | None = None,
) -> Estimate:
    """What resources cost that policy packs judge.

    Args:
        resources: As they became, or, where that is not known, as they were declared.
        region: For those that name none.
        usage: Declared usage.
        custom: URN → whether it is a provider's resource rather than a component, where that is known.
    """
    kinds = custom or {}
    priced = [
        Resource(
            urn=item.urn,
            type=item.type,
            name=item.name,
            properties=_priced(item.properties),
            parent=item.parent or None,
            provider=f"{item.provider.urn}::" if item.provider is not None else None,
            property_dependencies=item.property_dependencies,
            custom=kinds.get(item.urn),
        )
        for item in resources
    ]
    return estimate(priced, region=region, usage=usage)


def region_of(resources: Iterable[PolicyResource], default: str = DEFAULT_REGION) -> str:
    """The region of the only AWS provider there is, or of all of them; else the default."""
    found = {item.properties.get("region") for item in resources if item.type == _PROVIDER}
    regions = {item for item in found if isinstance(item, str) and _REGION.fullmatch(item)}
    return regions.pop() if len(regions) == 1 else default


def declared_usage(setting: Any, file: Path | None) -> Usage:
    """A month's use: what the stack declares, under what a file says.

    Args:
        setting: The stack's `stagecraft:usage`, or None.
        file: JSON or YAML of the same form, or None.

    Raises:
        UsageError: Every problem of both.
    """
    problems: list[UsageProblem] = []
    merged: dict[str, Any] = {}
    named: dict[str, Any] = {}
    for source, path in ((unwrap(setting).value, "stagecraft:usage"), (_read(file, problems), str(file))):
        if source is None:
            continue
        if not isinstance(source, Mapping):
            problems.append(UsageProblem(path, source, "must map usage fields to numbers"))
            continue
        try:
            Usage.from_mapping(source, path)
        except UsageError as error:
            problems += error.problems
            continue
        for key, value in source.items():
            if key in ("byName", "by_name"):
                for pattern, fields in value.items():
                    spelled = {_camel(str(field)): amount for field, amount in fields.items()}
                    named[pattern] = {**named.get(pattern, {}), **spelled}
            else:
                merged[_camel(str(key))] = value
    if problems:
        raise UsageError(problems)
    return Usage.from_mapping({**merged, "byName": named})


def _read(file: Path | None, problems: list[UsageProblem]) -> Any:
    if file is None:
        return None
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        problems.append(UsageProblem("usage", str(file), f"cannot be read: {error}"))
        return None


def _camel(key: str) -> str:
    """One spelling for a field, so that the file's wins over the stack's whichever each uses."""
    head, *rest = key.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _priced(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the estimator. It quotes names that it does not know, so no secret text goes in."""
    return {key: _shown(value, secret=False) for key, value in properties.items()}


def _shown(value: Any, *, secret: bool) -> Any:
    if isinstance(value, Secret):
        return _shown(value.value, secret=True)
    if isinstance(value, OutputValue):
        return _shown(value.value, secret=secret or value.secret)
    if isinstance(value, Mapping):
        return {key: _shown(item, secret=secret) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_shown(item, secret=secret) for item in value]
    return _HIDDEN if secret and isinstance(value, str) else value
