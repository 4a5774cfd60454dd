"""Defaults of structural schemas, set as a server sets them before it validates."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from twin.kubernetes.kinds import Kind


def with_defaults(kind: Kind, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with the defaults of its custom resource's schema; others are returned as they are.

    Kubernetes' own kinds are defaulted by code, not by their schemas.
    """
    return _filled(kind.schema, manifest) if kind.custom else dict(manifest)


def _filled(schema: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, dict):
        return _filled_object(schema, value)
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, Mapping):
        return [_filled(items, item) for item in value]
    return value


def _filled_object(schema: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    rest = schema.get("additionalProperties")
    filled = {}
    for name, item in value.items():
        described = properties.get(name, rest if isinstance(rest, Mapping) else {})
        if item is None and "default" in described and not described.get("nullable"):
            continue
        filled[name] = _filled(described, item)
    for name, described in properties.items():
        if name not in filled and "default" in described:
            filled[name] = _filled(described, deepcopy(described["default"]))
    return filled
