"""The governance pack's rules."""

from typing import Final

from policies.catalogue import collect
from policies.governance.rules import deletion, labels, residency, waivers

RULES: Final = collect(deletion, labels, residency, waivers)
"""In the catalogue's order."""
