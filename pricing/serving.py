"""What a model's answers cost: by the hour while its serving stands, and by the request on top of that.

Prices, usage and averages are the estimate's own, so that both say the same of a month.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pricing.catalogue import catalogue
from pricing.hosting import hosting_price
from pricing.money import ZERO
from pricing.places import places
from pricing.snapshot import PriceUnknownError, Snapshot, bundled
from pricing.usage import Usage

_MIB_PER_GB: Final = Decimal(1024)
_KB_PER_GB: Final = Decimal(1024 * 1024)
_MILLION: Final = Decimal(1_000_000)
_DIGITS: Final = Decimal("1e-12")


@dataclass(frozen=True)
class ServingCost:
    """US dollars; the costs of parts add up to that of the whole."""

    hourly: Decimal = ZERO
    """For an hour, whether anybody asks or not."""
    request: Decimal = ZERO
    """For one request, on top of it."""

    def __add__(self, other: "ServingCost") -> "ServingCost":
        return ServingCost(self.hourly + other.hourly, self.request + other.request)

    def for_share(self, share: Decimal) -> "ServingCost":
        """The same where only a share of the requests, 0 to 1, reaches it."""
        return ServingCost(self.hourly, _rounded(self.request * share))


def average(least: Decimal | int, most: Decimal | int, usage: Usage) -> Decimal:
    """How many stand on average of what scales by itself."""
    return least + (most - least) * min(Decimal(1), usage.autoscaling_share)


def gb(mib: Decimal | int) -> Decimal:
    """Memory as it is billed."""
    return mib / _MIB_PER_GB


def serverless_gb_seconds(memory_mib: Decimal | int, usage: Usage) -> Decimal:
    """What one request on a serverless endpoint is billed for."""
    return usage.inference_seconds * gb(memory_mib)


def payload_gb(usage: Usage) -> Decimal:
    """What one request and its answer carry."""
    return usage.inference_payload_kb / _KB_PER_GB


def serverless(
    memory_mib: int, *, region: str, usage: Usage, snapshot: Snapshot | None = None
) -> ServingCost:
    """A serverless SageMaker endpoint. Raises PriceUnknownError."""
    prices = snapshot or bundled()
    second = prices.price("sagemaker", "serverless-gb-second", region).amount
    data = prices.price("sagemaker", "serverless-data-gb", region).amount
    billed = serverless_gb_seconds(memory_mib, usage) * second + payload_gb(usage) * data
    return ServingCost(request=_rounded(billed))


def function(memory_mib: int, *, region: str, usage: Usage, snapshot: Snapshot | None = None) -> ServingCost:
    """A Lambda function (x86) that every request goes through. Raises PriceUnknownError."""
    prices = snapshot or bundled()
    second = prices.price("lambda", "gb-second", region).amount
    call = prices.price("lambda", "requests", region).amount / _MILLION
    return ServingCost(request=_rounded(usage.lambda_seconds * gb(memory_mib) * second + call))


def instances(
    instance_type: str, count: Decimal, *, region: str, snapshot: Snapshot | None = None
) -> ServingCost:
    """A SageMaker endpoint on so many instances. Raises PriceUnknownError."""
    price = hosting_price(instance_type, region, snapshot or bundled())
    return ServingCost(hourly=_rounded(price.hourly * count))


def pods(
    types: Sequence[str],
    count: Decimal,
    *,
    vcpus: int,
    memory_mib: int,
    accelerators: int = 0,
    region: str,
    snapshot: Snapshot | None = None,
) -> ServingCost:
    """So many pods on a cluster's machines: of each machine the part that a pod keeps from others.

    That machine is the one of the types on which a pod comes cheapest, on demand, as Karpenter would take.

    Raises:
        PriceUnknownError: no type has a known price in the region and room for a pod.
    """
    known = catalogue(region, snapshot)
    shares = [
        known[name].hourly / room
        for name in types
        if name in known
        and (room := places(known[name], vcpus=vcpus, memory_mib=memory_mib, accelerators=accelerators))
    ]
    if not shares:
        raise PriceUnknownError(
            f"none of {', '.join(types)} has a known price in {region} and room for a pod of {vcpus} vCPUs, "
            f"{memory_mib} MiB and {accelerators} accelerators"
        )
    return ServingCost(hourly=_rounded(min(shares) * count))


def _rounded(amount: Decimal) -> Decimal:
    """Without the digits that a division leaves behind."""
    return amount.quantize(_DIGITS).normalize()
