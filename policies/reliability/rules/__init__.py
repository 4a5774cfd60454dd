"""The reliability pack's rules."""

from typing import Final

from policies.catalogue import Rule

RULES: Final[list[Rule]] = []
