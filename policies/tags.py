"""Tags, however they are spelled: on the resource, or as the provider's default tags."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from policies.resources import Resource
from policies.values import UNKNOWN, CannotJudge, Props

LABELS: Final = ("owner", "costCentre", "dataClassification", "environment")
"""What every taggable resource says of itself, in the platform's own spelling."""

_SPELLINGS: Final[Mapping[str, str]] = {
    "owner": "owner",
    "costcentre": "costCentre",
    "costcenter": "costCentre",
    "dataclassification": "dataClassification",
    "classification": "dataClassification",
    "environment": "environment",
    "env": "environment",
}


def label_of(key: str) -> str | None:
    """The label that a tag key spells, whatever its case, separators and prefix (`stagecraft:`, `acme/`)."""
    bare = re.split(r"[:/]", key)[-1]
    return _SPELLINGS.get(re.sub(r"[^a-z]", "", bare.lower()))


def tags_of(resource: Resource) -> dict[str, Any]:
    """A resource's tags with the provider's defaults under them; values may be `UNKNOWN`.

    Raises:
        CannotJudge: The tags as a whole are unknown or malformed.
    """
    defaults = _default_tags(resource.provider_props)
    everything = _as_mapping(resource.props, "tagsAll")
    return {**defaults, **everything, **_as_mapping(resource.props, "tags")}


def labels_of(resource: Resource) -> dict[str, Any]:
    """The platform's labels that a resource carries; values may be `UNKNOWN`."""
    found: dict[str, Any] = {}
    for key, value in tags_of(resource).items():
        label = label_of(key)
        if label is not None and value not in (None, ""):
            found[label] = value
    return found


def known_label(resource: Resource, label: str) -> str | None:
    """A label's value if it can be told, else None."""
    try:
        value = labels_of(resource).get(label)
    except CannotJudge:
        return None
    return None if value is None or value is UNKNOWN else str(value)


def _as_mapping(props: Props, name: str) -> dict[str, Any]:
    value = props.get(name)
    if isinstance(value, list):
        # An auto scaling group's: [{key, value, propagateAtLaunch}].
        entries = [item for item in value if isinstance(item, dict)]
        return {str(item.get("key", "")): item.get("value") for item in entries}
    return props.mapping(name)


def _default_tags(provider: Props) -> dict[str, Any]:
    value = provider.get("defaultTags")
    if isinstance(value, str):
        # Providers are given structured settings as JSON.
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return Props(value if isinstance(value, dict) else None).mapping("tags")
