"""Files of resources: a list as `policy eval` takes it, or a Pulumi state."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policies.inputs import Judged, read_resources


@dataclass(frozen=True)
class ResourceFile:
    """The resources of a file."""

    judged: Sequence[Judged] = ()
    custom: Mapping[str, bool] = field(default_factory=dict)
    """URN → whether it is a provider's resource rather than a component, where the file says so."""


def read_resource_file(path: Path) -> ResourceFile:
    """The resources of a file. Raises ValueError: every problem, one a line, with the file's name."""
    document = _json(path)
    try:
        return ResourceFile(read_resources(document), _kinds(document))
    except ValueError as error:
        problems = str(error).split("; ")
    except (KeyError, OverflowError, RecursionError, TypeError) as error:
        problems = [f"a value cannot be read: {error!r}"]
    raise ValueError("\n".join(f"{path}: {problem}" for problem in problems))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8: {error.reason}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"{path} is nested too deep to be read") from None


def _kinds(document: Any) -> dict[str, bool]:
    body = document.get("deployment", document) if isinstance(document, dict) else {}
    resources = body.get("resources") if isinstance(body, dict) else None
    return {
        raw["urn"]: raw["custom"]
        for raw in (resources if isinstance(resources, list) else [])
        if isinstance(raw, dict) and isinstance(raw.get("urn"), str) and isinstance(raw.get("custom"), bool)
    }
