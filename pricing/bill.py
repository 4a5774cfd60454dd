"""The bill of one resource while an estimator writes it."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from pricing.catalogue import InstanceType, catalogue
from pricing.estimate import Amounts, Line
from pricing.money import HOURS_PER_MONTH, ZERO, to_cents
from pricing.resources import Inventory, Properties, Resource
from pricing.snapshot import Price, PriceUnknownError, Snapshot
from pricing.usage import Usage

ONE: Final = Decimal(1)


class Bill:
    """What an estimator is given, and where it writes the lines of one resource.

    An estimator that writes no line and no `unpriced` says that the resource costs nothing by itself.
    """

    def __init__(
        self,
        resource: Resource,
        *,
        region: str,
        inventory: Inventory,
        snapshot: Snapshot,
        usage: Usage,
    ) -> None:
        self.resource = resource
        self.region = region
        self.inventory = inventory
        self.snapshot = snapshot
        self.usage = usage.of(resource.name)
        self.properties = self.read(resource)
        self.lines: list[Line] = []
        self.missing: list[str] = []
        self.assumptions: list[str] = []
        self.prices: list[Price] = []
        self.dates: list[str] = []

    def read(self, resource: Resource) -> Properties:
        """Another resource's properties; what cannot be read is noted as an assumption of this bill."""
        return Properties(resource.properties, lambda text: self.assume(f"{resource.name}: {text}"))

    def standing(self, what: str, service: str, key: str, quantity: Decimal | int = ONE) -> None:
        """A charge that is there whatever the use."""
        self.charge(what, service, key, idle=quantity, expected=quantity, worst=quantity)

    def hours(self, what: str, service: str, key: str, quantity: Decimal | int = ONE) -> None:
        """A charge for every hour of the month."""
        self.standing(what, service, key, quantity * HOURS_PER_MONTH)

    def used(
        self, what: str, service: str, key: str, expected: Decimal, worst: Decimal | None = None
    ) -> None:
        """A charge by use. `worst` is its limit; without one, `worst_factor` times the expected use."""
        limit = expected * max(ONE, self.usage.worst_factor) if worst is None else worst
        self.charge(what, service, key, expected=expected, worst=limit)

    def charge(
        self,
        what: str,
        service: str,
        key: str,
        *,
        idle: Decimal | int = ZERO,
        expected: Decimal | int = ZERO,
        worst: Decimal | int = ZERO,
    ) -> None:
        """A charge by the snapshot's unit price, for a quantity in each month."""
        try:
            price = self.snapshot.price(service, key, self.region)
        except PriceUnknownError as error:
            self.unpriced(str(error))
            return
        self.prices.append(price)
        self.amount(what, price.unit, price.amount, idle=idle, expected=expected, worst=worst)

    def amount(
        self,
        what: str,
        unit: str,
        unit_price: Decimal,
        *,
        idle: Decimal | int = ZERO,
        expected: Decimal | int = ZERO,
        worst: Decimal | int = ZERO,
        worst_price: Decimal | None = None,
    ) -> None:
        """A charge by a price of the estimator's own; `worst_price` where the worst month's differs."""
        standing = max(ZERO, Decimal(idle))
        likely = max(standing, Decimal(expected))
        most = max(likely, Decimal(worst))
        highest = unit_price if worst_price is None else max(unit_price, worst_price)
        amounts = Amounts(
            to_cents(standing * unit_price), to_cents(likely * unit_price), to_cents(most * highest)
        )
        self.lines.append(Line(what, unit, unit_price, highest, standing, likely, most, amounts))

    def assume(self, text: str) -> None:
        """Note what the estimate takes for granted."""
        self.assumptions.append(text)

    def unpriced(self, reason: str) -> None:
        """Say that the resource, or a part of it, has a cost that is not in the sum."""
        self.missing.append(reason)

    def instance_types(self) -> dict[str, InstanceType]:
        """The EC2 instance types with a known price in this resource's region."""
        return catalogue(self.region, self.snapshot)

    def instance_type(self, name: str) -> InstanceType | None:
        """One instance type, or None, said to be unpriced."""
        found = self.instance_types().get(name)
        if found is None:
            self.unpriced(f"the price snapshot has no {name or 'instance type'} in {self.region}")
        else:
            self.dates.append(self.snapshot.instance_price_date("ec2", name, self.region))
        return found

    def join(self, path: str, token: str, keys: Sequence[str] = ("id", "name", "arn")) -> Properties | None:
        """The properties of the resource of type `token` that the property at `path` refers to."""
        value = self.properties.text(path)
        found = self.inventory.referred(self.resource, path, value, token, keys)
        return None if found is None else self.read(found)


Estimator = Callable[[Bill], None]
"""Writes the bill of one kind of resource."""
