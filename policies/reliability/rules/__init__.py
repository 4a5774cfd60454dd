"""The reliability pack's rules."""

from typing import Final

from policies.catalogue import collect
from policies.reliability.rules import alarms, compute, endpoints, functions, pods, storage

RULES: Final = collect(alarms, compute, endpoints, functions, pods, storage)
"""In the catalogue's order."""
