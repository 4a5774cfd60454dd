"""Lambda functions."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill
from pricing.money import SECONDS_PER_MONTH

_MB_PER_GB: Final = Decimal(1024)
_MILLION: Final = Decimal(1_000_000)


def _function(bill: Bill) -> None:
    properties, usage = bill.properties, bill.usage
    memory = properties.number("memorySize", 128) / _MB_PER_GB
    seconds = min(usage.lambda_seconds, properties.number("timeout", 3))
    expected = usage.lambda_requests * seconds * memory
    worst = expected * max(Decimal(1), usage.worst_factor)
    reserved = properties.number("reservedConcurrentExecutions", 0) if _reserved(bill) else Decimal(0)
    if reserved:
        # So many at once, all month, is all that can ever run.
        worst = max(expected, min(worst, reserved * memory * SECONDS_PER_MONTH))
    key = "gb-second-arm" if "arm64" in properties.texts("architectures") else "gb-second"
    bill.used("duration", "lambda", key, expected, worst)
    bill.used("requests", "lambda", "requests", usage.lambda_requests / _MILLION)


def _reserved(bill: Bill) -> bool:
    """Whether the function reserves concurrency: -1 is how Pulumi says that it does not."""
    return bill.properties.raw("reservedConcurrentExecutions") not in (None, -1, -1.0)


def _provisioned_concurrency(bill: Bill) -> None:
    function = bill.join("functionName", "aws:lambda/function:Function", ("name", "arn", "id"))
    if function is None:
        bill.unpriced("the memory of its function is not known: the function is not among the resources")
        return
    memory = function.number("memorySize", 128) / _MB_PER_GB
    count = bill.properties.number("provisionedConcurrentExecutions", 1)
    bill.standing(
        "provisioned concurrency", "lambda", "provisioned-gb-second", count * memory * SECONDS_PER_MONTH
    )


ESTIMATORS: Final = {
    "aws:lambda/function:Function": _function,
    "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig": _provisioned_concurrency,
}
