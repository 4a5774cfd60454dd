"""Prices and the cost estimator: the lowest layer, which imports nothing else of Stagecraft.

`estimate` prices a stack's resources, `diff` compares two estimates, `instances` queries the catalogue of
instance types.
`pricing.refresh` renews the price snapshot and is the only part that talks to AWS.
"""

from pricing.catalogue import InstanceType, catalogue, instances
from pricing.difference import ComponentChange, Difference, diff
from pricing.estimate import Amounts, ComponentCost, Estimate, Line, ResourceCost, Unpriced
from pricing.estimator import estimate
from pricing.money import HOURS_PER_MONTH
from pricing.node_pools import allowed_types
from pricing.pools import Capacity, PoolCost, pool_cost
from pricing.resources import Resource
from pricing.snapshot import Price, PriceUnknownError, Snapshot, SpotPrice, bundled
from pricing.usage import Usage, UsageError, UsageProblem

__all__ = [
    "HOURS_PER_MONTH",
    "Amounts",
    "Capacity",
    "ComponentChange",
    "ComponentCost",
    "Difference",
    "Estimate",
    "InstanceType",
    "Line",
    "PoolCost",
    "Price",
    "PriceUnknownError",
    "Resource",
    "ResourceCost",
    "Snapshot",
    "SpotPrice",
    "Unpriced",
    "Usage",
    "UsageError",
    "UsageProblem",
    "allowed_types",
    "bundled",
    "catalogue",
    "diff",
    "estimate",
    "instances",
    "pool_cost",
]
