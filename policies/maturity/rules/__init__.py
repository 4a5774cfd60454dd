"""The maturity pack's rules."""

from typing import Final

from policies.catalogue import collect
from policies.maturity.rules import stages

RULES: Final = collect(stages)
"""In the catalogue's order."""
