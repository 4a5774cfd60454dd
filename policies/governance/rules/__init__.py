"""The governance pack's rules."""

from typing import Final

from policies.catalogue import collect
from policies.governance.rules import audit, deletion, labels, models, residency, waivers

RULES: Final = collect(audit, deletion, labels, models, residency, waivers)
"""In the catalogue's order."""
