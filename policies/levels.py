"""The packs' configuration for a stack: levels by environment and stage, and what every rule is told.

`policies/config/<environment>.json` holds the levels; the files can also be handed to the Pulumi CLI
(`--policy-pack-config`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from policies.packs import all_rules
from policies.settings import ENVIRONMENTS, STAGES

CONFIG: Final = Path(__file__).parent / "config"


def pack_config(
    environment: str,
    stage: str,
    *,
    waivers: Sequence[Mapping[str, Any]] = (),
    when_unknown: str = "violation",
    repair: bool = True,
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Configuration for all our packs, in the CLI's `--policy-pack-config` form.

    Args:
        environment: `dev`, `staging` or `prod`; any other counts as the strictest.
        stage: The stack's stage.
        waivers: Exceptions as in `stagecraft:waivers`.
        when_unknown: `violation` or `advisory`: what a judgement counts as that hangs on an unknown.
        repair: Whether rules that can repair do so; otherwise what they would repair is a violation.
        overrides: Put over it, rule by rule: a level, or an object.

    Raises:
        ValueError: No such stage.
    """
    if stage not in STAGES:
        raise ValueError(f"there is no stage {stage!r}; write one of {', '.join(STAGES)}")
    known = environment if environment in ENVIRONMENTS else "prod"
    common = {
        "stage": stage,
        "environment": environment,
        "whenUnknown": when_unknown,
        "waivers": [dict(waiver) for waiver in waivers],
    }
    config: dict[str, Any] = {}
    for rule in all_rules():
        about = rule.about
        entry = dict(_levels(known).get(about.name, {}))
        level = entry.get("enforcementLevel", about.level)
        if about.mandatory_from and STAGES.index(stage) >= STAGES.index(about.mandatory_from):
            level = "mandatory" if level == "advisory" else level
        if level == "remediate" and not repair:
            level = "mandatory"
        config[about.name] = {**entry, **common, "enforcementLevel": level}
    for name, given in (overrides or {}).items():
        change = {"enforcementLevel": given} if isinstance(given, str) else given
        config[name] = {**config.get(name, {}), **change}
    return config


def only(config: Mapping[str, Any], rules: Iterable[str]) -> dict[str, Any]:
    """The same with every other rule switched off."""
    wanted = set(rules)
    return {
        name: entry if name in wanted else {**entry, "enforcementLevel": "disabled"}
        for name, entry in config.items()
    }


@cache
def _levels(environment: str) -> dict[str, dict[str, Any]]:
    text = (CONFIG / f"{environment}.json").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, Any]] = json.loads(text)
    return loaded
