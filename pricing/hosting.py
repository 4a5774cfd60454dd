"""What an hour of a SageMaker instance costs, where the region's own price is known and where it is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pricing.catalogue import InstanceType, catalogue
from pricing.snapshot import PriceUnknownError, Snapshot

_PRICE_DIGITS: Final = Decimal("0.000001")


@dataclass(frozen=True)
class HostingPrice:
    """US dollars for an hour of one instance."""

    hourly: Decimal
    as_of: str
    assumption: str = ""
    """What it takes for granted; empty where it is the region's own price."""


def hosting_price(instance_type: str, region: str, snapshot: Snapshot) -> HostingPrice:
    """The price of an hour of a SageMaker instance.

    Where the snapshot lacks the region's own price, it is EC2's price there and SageMaker's mark-up on it:
    that of the same type elsewhere, else the highest of any type with (or without) accelerators.

    Raises:
        PriceUnknownError: EC2's price is not known there either.
    """
    found = snapshot.sagemaker(region).get(instance_type)
    if found is not None:
        return HostingPrice(found, snapshot.instance_price_date("sagemaker", instance_type, region))
    machine = instance_type.removeprefix("ml.")
    known = catalogue(region, snapshot).get(machine)
    if known is None or not instance_type.startswith("ml."):
        raise PriceUnknownError(f"the price snapshot has no {instance_type or 'instance type'} in {region}")
    markups = snapshot.sagemaker_markups()
    markup = markups.get(instance_type) or _highest_markup(known, markups, snapshot)
    basis = "as elsewhere" if instance_type in markups else "the highest known"
    percent = ((markup - 1) * 100).quantize(Decimal(1))
    return HostingPrice(
        (known.hourly * markup).quantize(_PRICE_DIGITS),
        snapshot.instance_price_date("ec2", machine, region),
        f"{instance_type} in {region}: EC2's price and {percent:f} % on it, {basis}",
    )


def _highest_markup(machine: InstanceType, markups: Mapping[str, Decimal], snapshot: Snapshot) -> Decimal:
    accelerated = machine.accelerators > 0
    known = snapshot.specifications()
    alike = [
        markup
        for name, markup in markups.items()
        if (known[name.removeprefix("ml.")]["accelerators"] > 0) is accelerated
    ]
    return max(alike, default=Decimal(1))
