"""Files of resources: a list as `policy eval` takes it, or a Pulumi state."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Never

from policies.documents import loads
from policies.inputs import Judged, deployment_of, read_resources
from twin.engine.soundness import VERSION
from twin.wire import ARCHIVE, ASSET, OUTPUT, REFERENCE, SECRET, SIGNATURE

_UNKNOWN: Final[Mapping[str, str]] = {SIGNATURE: OUTPUT}
"""An output without a value, as state files and lists write it."""


@dataclass(frozen=True)
class ResourceFile:
    """The resources of a file."""

    judged: Sequence[Judged] = ()
    custom: Mapping[str, bool] = field(default_factory=dict)
    """URN → whether it is a provider's resource rather than a component, where the file says so."""


def read_resource_file(path: Path) -> ResourceFile:
    """The resources of a file. A value that no rule could be shown is an unknown one.

    Raises:
        ValueError: Every problem, one a line, with the file's name.
    """
    document = _readable_document(_json(path))
    try:
        _check_version(document)
        return ResourceFile(read_resources(document), _kinds(document))
    except ValueError as error:
        problems = str(error).split("; ")
    raise ValueError("\n".join(f"{path}: {problem}" for problem in problems))


def _json(path: Path) -> Any:
    try:
        return loads(path.read_bytes(), parse_constant=_refuse)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8: {error.reason}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is no JSON number")


def _check_version(document: Any) -> None:
    """A state of another version has its resources elsewhere: it would look like a strange list."""
    if isinstance(document, Mapping) and ("deployment" in document or "checkpoint" in document):
        version = document.get("version", VERSION)
        if version != VERSION:
            raise ValueError(
                f"deployment version {version!r}: only version {VERSION} is read "
                "(`pulumi stack export` writes it)"
            )


def _kinds(document: Any) -> dict[str, bool]:
    return {
        raw["urn"]: raw["custom"]
        for raw in _entries(document) or ()
        if isinstance(raw, dict) and isinstance(raw.get("urn"), str) and isinstance(raw.get("custom"), bool)
    }


def _entries(document: Any) -> list[Any] | None:
    """A state's resources."""
    body = deployment_of(document)
    resources = body.get("resources") if isinstance(body, dict) else None
    return resources if isinstance(resources, list) else None


def _readable_document(document: Any) -> Any:
    """The document with what cannot be handed to a pack left open, entry by entry."""
    if isinstance(document, list):
        return [_readable_entry(entry) for entry in document]
    entries = _entries(document)
    if entries is not None:
        entries[:] = [_readable_entry(entry) for entry in entries]
        return document
    if isinstance(document, dict):
        return {str(key): _readable_entry(entry) for key, entry in document.items()}
    return document


def _readable_entry(entry: Any) -> Any:
    try:
        readable = _readable(entry)
    except RecursionError:
        return entry  # its reader leaves open what is nested too deep
    if isinstance(readable, dict):
        # A property object that is null is none.
        return {key: value for key, value in readable.items() if value is not None}
    return readable


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        # JSON can carry half a surrogate pair, protobuf cannot.
        return (
            value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        )
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        return dict(_UNKNOWN)
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        if SIGNATURE in value and not _sound(value):
            return dict(_UNKNOWN)
        return {_readable(key): _readable(item) for key, item in value.items()}
    return value


def _sound(signed: Mapping[str, Any]) -> bool:
    """Whether a value with Pulumi's signature is what it says."""
    signature = signed[SIGNATURE]
    if signature == SECRET:
        return "plaintext" not in signed or _is_json(signed["plaintext"])
    if signature == REFERENCE:
        return isinstance(signed.get("urn"), str)
    if signature == OUTPUT:
        return isinstance(signed.get("dependencies", []), list)
    return signature in (ASSET, ARCHIVE)


def _is_json(text: Any) -> bool:
    try:
        json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
