"""The outcome of an estimate: three months' bills, line by line, that add up to the cent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from pricing.money import ZERO, add, plain, subtract, to_cents

OUTSIDE_COMPONENTS: Final = ""
"""The component key of resources that are in no component."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """A sum for each of the three months, in US dollars and whole cents."""

    idle: Decimal = ZERO
    """What stands with no use and nothing stored."""
    expected: Decimal = ZERO
    """Declared use, with stated defaults."""
    worst: Decimal = ZERO
    """Limits and maxima."""

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            add(self.idle, other.idle), add(self.expected, other.expected), add(self.worst, other.worst)
        )

    def __sub__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            subtract(self.idle, other.idle),
            subtract(self.expected, other.expected),
            subtract(self.worst, other.worst),
        )

    def to_json(self) -> dict[str, str]:
        """Decimal strings, two places: JSON numbers could not carry cents exactly."""
        return {name: f"{to_cents(getattr(self, name))}" for name in ("idle", "expected", "worst")}


def total(amounts: Iterable[Amounts]) -> Amounts:
    """The sum of amounts, which are whole cents, so that any grouping of them sums to the same."""
    result = Amounts()
    for item in amounts:
        result += item
    return result


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill: a price, and how much of it in each month."""

    what: str
    unit: str
    unit_price: Decimal
    worst_unit_price: Decimal
    """The price in the worst month: another one where, say, spot may be missing all month."""
    idle: Decimal
    expected: Decimal
    worst: Decimal
    """Quantities, in `unit`s."""
    amounts: Amounts
    """Quantity times price, rounded to the cent: the only rounding there is."""

    def to_json(self) -> dict[str, Any]:
        """The line for a report."""
        return {
            "what": self.what,
            "unit": self.unit,
            "unitPrice": plain(self.unit_price),
            "worstUnitPrice": plain(self.worst_unit_price),
            "quantity": {
                "idle": plain(self.idle),
                "expected": plain(self.expected),
                "worst": plain(self.worst),
            },
            "amount": self.amounts.to_json(),
        }


@dataclass(frozen=True)
class ResourceCost:
    """What one resource costs."""

    urn: str
    type: str
    name: str
    component: str
    """URN of the nearest component above it, or `OUTSIDE_COMPONENTS`."""
    region: str
    lines: tuple[Line, ...]

    @cached_property
    def amounts(self) -> Amounts:
        """The sum of its lines."""
        return total(line.amounts for line in self.lines)


@dataclass(frozen=True, slots=True)
class ComponentCost:
    """What the resources right below a component cost together."""

    urn: str
    type: str
    name: str
    amounts: Amounts
    resources: int
    """How many of them cost something."""


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Something whose cost is not known. It is in no sum, and never counted as nothing."""

    urn: str
    type: str
    name: str
    component: str
    reason: str


@dataclass(frozen=True)
class Estimate:
    """The estimate of a stack. Every sum is of whole cents, so resources, components and totals agree."""

    region: str
    resources: tuple[ResourceCost, ...]
    """Resources that cost something, in the order of the stack."""
    components: tuple[ComponentCost, ...]
    """By descending expected cost, then name; resources outside components under `OUTSIDE_COMPONENTS`."""
    unpriced: tuple[Unpriced, ...]
    assumptions: tuple[str, ...]
    """What was taken for granted, sorted."""
    as_of: tuple[str, str] | None
    """Oldest and newest date of the prices used; None when none was."""

    @cached_property
    def amounts(self) -> Amounts:
        """The totals."""
        return total(component.amounts for component in self.components)

    @property
    def idle(self) -> Decimal:
        """Total of an idle month."""
        return self.amounts.idle

    @property
    def expected(self) -> Decimal:
        """Total of an expected month."""
        return self.amounts.expected

    @property
    def worst(self) -> Decimal:
        """Total of the worst month."""
        return self.amounts.worst

    def to_json(self) -> dict[str, Any]:
        """The estimate as plain JSON values; money as strings with two decimals, in US dollars a month."""
        return {
            "currency": "USD",
            "region": self.region,
            "pricesAsOf": None if self.as_of is None else {"oldest": self.as_of[0], "newest": self.as_of[1]},
            **self.amounts.to_json(),
            "byComponent": [
                {
                    "urn": item.urn,
                    "type": item.type,
                    "name": item.name,
                    **item.amounts.to_json(),
                    "resources": item.resources,
                }
                for item in self.components
            ],
            "byResource": [
                {
                    "urn": item.urn,
                    "type": item.type,
                    "name": item.name,
                    "component": item.component,
                    "region": item.region,
                    **item.amounts.to_json(),
                    "lines": [line.to_json() for line in item.lines],
                }
                for item in self.resources
            ],
            "unpriced": [
                {
                    "urn": item.urn,
                    "type": item.type,
                    "name": item.name,
                    "component": item.component,
                    "reason": item.reason,
                }
                for item in self.unpriced
            ],
            "assumptions": list(self.assumptions),
        }


def by_component(
    costs: Iterable[ResourceCost], names: Mapping[str, tuple[str, str]]
) -> tuple[ComponentCost, ...]:
    """Costs summed by component; `names` gives each component's type and name by its URN."""
    grouped: dict[str, list[Amounts]] = {}
    for cost in costs:
        grouped.setdefault(cost.component, []).append(cost.amounts)
    found = [
        ComponentCost(urn, *names.get(urn, ("", "")), total(amounts), len(amounts))
        for urn, amounts in grouped.items()
    ]
    return tuple(sorted(found, key=lambda item: (-item.amounts.expected, item.name, item.urn)))
