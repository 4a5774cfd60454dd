"""The cost pack's rules."""

from typing import Final

from policies.catalogue import collect
from policies.cost.rules import (
    budgets,
    dynamodb,
    ecr,
    estimate,
    idle,
    logs,
    machines,
    retention,
    s3,
    training,
)

RULES: Final = collect(budgets, dynamodb, ecr, estimate, idle, logs, machines, retention, s3, training)
"""In the catalogue's order."""
