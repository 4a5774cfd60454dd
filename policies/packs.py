"""The packs: where each is, and which rules it holds."""

import importlib
from functools import cache
from pathlib import Path
from typing import Final

from policies.catalogue import Rule

PACKS: Final = ("cost", "governance", "security", "reliability", "maturity")
"""The packs' folders, in the order in which they run."""

PREFIX: Final = "stagecraft-"
"""Before a folder's name: the pack's name."""


def directory(pack: str) -> Path:
    """Where a pack is, to be handed to `--policy-pack`.

    Raises:
        ValueError: There is no such pack.
    """
    name = pack.removeprefix(PREFIX)
    if name not in PACKS:
        raise ValueError(f"there is no pack {pack!r}; write one of {', '.join(PACKS)}")
    return Path(__file__).parent / name


@cache
def rules_of(pack: str) -> tuple[Rule, ...]:
    """A pack's rules, in the catalogue's order."""
    module = importlib.import_module(f"policies.{directory(pack).name}.rules")
    return tuple(module.RULES)


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule of every pack."""
    return tuple(rule for pack in PACKS for rule in rules_of(pack))
