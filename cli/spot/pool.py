"""What a training pool's machine costs, as `stagecraft cost` takes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pricing import catalogue
from pricing.pools import VCPU, Capacity, pool_cost


@dataclass(frozen=True)
class Machine:
    """The instance type that a pool most likely buys, and its hourly prices in US dollars."""

    instance_type: str
    spot_hourly: float
    on_demand_hourly: float
    spot_as_of: str


def buys_spot(environments: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The first of a queue's compute environments that buys spot."""
    for environment in environments:
        if str(environment.get("computeResources", {}).get("type", "")).upper() == "SPOT":
            return environment
    return None


def likely_machine(environment: Mapping[str, Any], region: str) -> Machine | None:
    """The machine of a spot environment; None where a price is not known."""
    resources = environment["computeResources"]
    known = catalogue(region)
    types = [known[name] for name in resources.get("instanceTypes", []) if name in known]
    if not types:
        return None
    limit = max(Decimal(resources["maxvCpus"]), Decimal(min(item.vcpu for item in types)))
    found = pool_cost(Capacity(types, {VCPU: limit}, spot=True))
    if found is None or found.likely_type.spot is None:
        return None
    machine = found.likely_type
    assert machine.spot is not None  # noqa: S101  (seen above)
    return Machine(machine.name, float(machine.spot.hourly), float(machine.hourly), machine.spot.as_of)
