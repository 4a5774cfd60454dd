"""What a program asks for: registration requests, decoded and checked against what the engine can do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from twin import wire
from twin.engine.assets import hashed
from twin.engine.errors import UnsupportedError
from twin.engine.urns import AliasSpec
from twin.wire import from_struct, unwrap

_UNDERSTOOD: Final = frozenset(
    [
        "type",
        "name",
        "parent",
        "custom",
        "object",
        "protect",
        "dependencies",
        "provider",
        "propertyDependencies",
        "deleteBeforeReplace",
        "version",
        "ignoreChanges",
        "acceptSecrets",
        "additionalSecretOutputs",
        "aliasURNs",
        "importId",
        "customTimeouts",
        "deleteBeforeReplaceDefined",
        "supportsPartialValues",
        "acceptResources",
        "providers",
        "replaceOnChanges",
        "pluginDownloadURL",
        "pluginChecksums",
        "retainOnDelete",
        "aliases",
        "deletedWith",
        "aliasSpecs",
        "sourcePosition",
        "stackTrace",
        "parentStackTraceHandle",
        "transforms",
        "supportsResultReporting",
    ]
)
"""Fields of a registration request that the engine acts on, or that only say where the request comes from.

Any other is refused: to ignore what a program asked for would be a silent failure.
"""
_WORDS: Final = {
    "remote": "a component that lives in another process (import the component class instead)",
    "packageRef": "a parameterized package",
    "hooks": "resource hooks",
}


@dataclass
class Goal:
    """A resource as the program wants it."""

    type: str
    name: str
    custom: bool
    inputs: dict[str, Any]
    parent: str = ""
    provider: str = ""
    version: str = ""
    protect: bool | None = None
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    delete_before_replace: bool | None = None
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[AliasSpec] = field(default_factory=list)
    import_id: str = ""
    timeouts: dict[str, float] = field(default_factory=dict)
    retain_on_delete: bool | None = None
    deleted_with: str = ""


def refuse_unsupported(request: Any) -> None:
    """Raises UnsupportedError that names every field of the request that the engine does not act on."""
    named = {descriptor.name for descriptor, _ in request.ListFields()} - _UNDERSTOOD
    if "hooks" in named and not request.hooks.ListFields():
        named.remove("hooks")
    if named:
        asked = ", ".join(_WORDS.get(name, f"the option `{name}`") for name in sorted(named))
        raise UnsupportedError(
            f"{request.type} {request.name!r} uses {asked}, which the twin's engine does not support; "
            "leave it out, or deploy with the pulumi CLI"
        )


def goal_of(request: Any, folder: Path) -> Goal:
    """A registration request as a goal; relative paths of assets start from the folder. Raises StepError."""
    refuse_unsupported(request)
    inputs, property_dependencies = _resolved(
        from_struct(request.object),
        {key: list(deps.urns) for key, deps in request.propertyDependencies.items()},
        folder,
    )
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs=inputs,
        parent=request.parent,
        provider=request.provider,
        version=request.version,
        protect=request.protect if request.HasField("protect") else None,
        dependencies=sorted(set(request.dependencies)),
        property_dependencies=property_dependencies,
        delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        ignore_changes=list(request.ignoreChanges),
        replace_on_changes=list(request.replaceOnChanges),
        additional_secret_outputs=list(request.additionalSecretOutputs),
        aliases=[
            *(AliasSpec(urn=urn) for urn in request.aliasURNs),
            *(_alias(alias) for alias in request.aliases),
        ],
        import_id=request.importId,
        timeouts=_timeouts(request.customTimeouts),
        retain_on_delete=request.retainOnDelete if request.HasField("retainOnDelete") else None,
        deleted_with=request.deletedWith,
    )


def _resolved(
    inputs: Mapping[str, Any], dependencies: dict[str, list[str]], folder: Path
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Inputs with output values taken apart: what they depend on is noted, secrecy stays."""
    resolved: dict[str, Any] = {}
    for key, value in inputs.items():
        found: set[str] = set(dependencies.get(key, ()))
        resolved[key] = _flat(value, found, folder)
        if found:
            dependencies[key] = sorted(found)
    return resolved, {key: listed for key, listed in sorted(dependencies.items()) if listed}


def _flat(value: Any, found: set[str], folder: Path) -> Any:
    if isinstance(value, wire.OutputValue):
        found.update(value.dependencies)
        inner = _flat(value.value, found, folder)
        return wire.Secret(inner) if value.secret and not isinstance(inner, wire.Secret) else inner
    if isinstance(value, wire.Secret):
        inner = _flat(value.value, found, folder)
        return inner if isinstance(inner, wire.Secret) else wire.Secret(inner)
    if isinstance(value, dict):
        return {key: _flat(item, found, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_flat(item, found, folder) for item in value]
    if isinstance(value, wire.Asset | wire.Archive):
        return hashed(value, folder)
    return value


def _alias(alias: Any) -> AliasSpec:
    if alias.WhichOneof("alias") == "urn":
        return AliasSpec(urn=alias.urn)
    spec = alias.spec
    return AliasSpec(
        name=spec.name,
        type=spec.type,
        stack=spec.stack,
        project=spec.project,
        parent=spec.parentUrn,
        no_parent=spec.noParent,
    )


_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _timeouts(custom: Any) -> dict[str, float]:
    texts = {"create": custom.create, "update": custom.update, "delete": custom.delete}
    return {key: parse_duration(text) for key, text in texts.items() if text}


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `1h30m` or `90s`. Raises ValueError."""
    import re

    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration; write it like '90s', '10m' or '1h30m'")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def has_unknown(value: Any) -> bool:
    """Whether anything within is not known yet."""
    return unwrap(value).unknown
