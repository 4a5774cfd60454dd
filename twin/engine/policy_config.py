"""A policy pack's configuration: read, put over the pack's defaults and checked as Pulumi's engine does."""

import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast

Level = Literal["advisory", "mandatory", "remediate", "disabled"]

LEVELS: Final[tuple[Level, ...]] = ("advisory", "mandatory", "disabled", "remediate")
"""In the order of the protocol's numbers."""

CATALOGUE_ID: Final = re.compile(r"\[([A-Z]+[0-9]+)\]\s*")
"""How our packs' descriptions begin: the id in the rule catalogue."""


@dataclass(frozen=True)
class PolicyInfo:
    """What a pack says of one of its policies."""

    name: str
    description: str
    level: Level
    """The pack's own default; configuration may change it."""
    kind: str
    """`resource`, `stack`, or `unknown` from an old SDK."""
    severity: str = ""
    remediation_steps: str = ""
    tags: tuple[str, ...] = ()
    schema: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    @property
    def catalogue_id(self) -> str:
        """The id in the rule catalogue, from the description's `[C12]`; empty for other people's packs."""
        match = CATALOGUE_ID.match(self.description)
        return match.group(1) if match else ""


@dataclass(frozen=True)
class Setting:
    """What a policy runs with."""

    level: Level
    properties: Mapping[str, Any]


def load_pack_config(path: Path) -> dict[str, Any]:
    """Reads a `--policy-pack-config` JSON file.

    Raises:
        ValueError: Unreadable, or not an object.
    """
    try:
        text = path.read_text(encoding="utf-8")
        config = json.loads(text) if text.strip() else {}
    except (OSError, ValueError) as error:
        raise ValueError(f"policy pack configuration {path}: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"policy pack configuration {path}: expected an object of policy name → level")
    return config


def reconcile(policies: Mapping[str, PolicyInfo], layers: Iterable[Mapping[str, Any]]) -> dict[str, Setting]:
    """Schema defaults, then each layer over it. Names that are no policy of this pack are left out.

    Raises:
        ValueError: Names every problem of the configuration at once.
    """
    settings = {
        name: Setting(
            policy.level, {key: spec["default"] for key, spec in policy.schema.items() if "default" in spec}
        )
        for name, policy in policies.items()
    }
    problems: list[str] = []
    for layer in layers:
        _apply(layer, settings, problems)
    for name, policy in policies.items():
        problems.extend(f"{name}: {problem}" for problem in _schema_problems(policy, settings[name]))
    if problems:
        raise ValueError("its configuration is wrong:\n  " + "\n  ".join(problems))
    return settings


def _apply(layer: Mapping[str, Any], settings: dict[str, Setting], problems: list[str]) -> None:
    """Puts one layer of configuration over `settings`; `all` first, as Pulumi's engine does."""
    for name in sorted(layer, key=lambda key: (key != "all", key)):
        given = layer[name]
        entry = {"enforcementLevel": given} if isinstance(given, str) else given
        if not isinstance(entry, Mapping):
            problems.append(f"{name}: {given!r} is not valid; write a level or an object")
            continue
        level = entry.get("enforcementLevel")
        if level is not None and level not in LEVELS:
            problems.append(f"{name}: {level!r} is not a level; write one of {', '.join(sorted(LEVELS))}")
            continue
        if name == "all":
            if level is not None:
                for policy, setting in settings.items():
                    settings[policy] = Setting(cast(Level, level), setting.properties)
        elif name in settings:
            properties = {key: value for key, value in entry.items() if key != "enforcementLevel"}
            old = settings[name]
            settings[name] = Setting(
                old.level if level is None else cast(Level, level), {**old.properties, **properties}
            )


_JSON_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float),
    "integer": (int,),
    "array": (list, tuple),
    "object": (Mapping,),
}


_BOUNDS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {"minimum": operator.lt, "maximum": operator.gt}


def _schema_problems(policy: PolicyInfo, setting: Setting) -> Iterator[str]:
    """Where a policy's configuration does not fit its schema (types, enums, bounds, required properties)."""
    for name in policy.required:
        if name not in setting.properties:
            yield f"{name} is required"
    for name, value in setting.properties.items():
        yield from _value_problems(name, value, policy.schema.get(name, {}))


def _value_problems(path: str, value: Any, spec: Mapping[str, Any]) -> Iterator[str]:
    wanted = spec.get("type")
    if isinstance(wanted, str) and not _is_json(value, wanted):
        yield f"{path} must be of type {wanted}, not {value!r}"
        return
    if "enum" in spec and value not in spec["enum"]:
        yield f"{path} must be one of {', '.join(map(str, spec['enum']))}, not {value!r}"
    for bound, broken in _BOUNDS.items():
        if bound in spec and isinstance(value, int | float) and broken(value, spec[bound]):
            yield f"{path} has the {bound} {spec[bound]}, not {value!r}"
    if isinstance(value, list | tuple) and isinstance(spec.get("items"), Mapping):
        for index, item in enumerate(value):
            yield from _value_problems(f"{path}[{index}]", item, spec["items"])


def _is_json(value: Any, wanted: str) -> bool:
    if isinstance(value, bool) and wanted != "boolean":
        return False
    if wanted == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _JSON_TYPES.get(wanted, (object,)))
