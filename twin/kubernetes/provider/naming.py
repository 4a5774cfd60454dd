"""Names of objects whose program gives none, as Pulumi's provider makes them: `<name>-<8 hex digits>`."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, Final

from twin.providers.naming import Naming
from twin.providers.problems import Problems

AUTONAMED: Final = "pulumi.com/autonamed"
_DIGITS: Final = 8


def made(naming: Naming) -> str | None:
    """A new name; None where automatic naming is switched off."""
    if naming.mode == "DISABLE":
        return None
    if naming.proposed and naming.mode in ("ENFORCE", "PROPOSE"):
        return naming.proposed
    digits = hashlib.sha256(naming.seed).hexdigest() if naming.seed else secrets.token_hex(_DIGITS)
    return f"{naming.name}-{digits[:_DIGITS]}"


def name_object(manifest: dict[str, Any], naming: Naming, problems: Problems) -> None:
    """Names the object in place unless its program does; an automatic name is kept."""
    metadata = manifest.setdefault("metadata", {})
    if not isinstance(metadata, dict) or metadata.get("name") or metadata.get("generateName"):
        return
    old = naming.olds.get("metadata")
    name = old.get("name") if isinstance(old, dict) and is_autonamed(naming.olds) else made(naming)
    if name is None:
        problems.add("metadata.name", "is missing", "automatic naming is switched off: give a name")
        return
    metadata["name"] = name
    annotations = metadata.get("annotations")
    if annotations is None or isinstance(annotations, dict):
        metadata["annotations"] = {**(annotations or {}), AUTONAMED: "true"}


def is_autonamed(manifest: Mapping[str, Any]) -> bool:
    """Whether the object's name was made here."""
    metadata = manifest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return isinstance(annotations, dict) and annotations.get(AUTONAMED) == "true"
