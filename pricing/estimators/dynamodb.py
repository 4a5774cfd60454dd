"""DynamoDB tables."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill
from pricing.money import HOURS_PER_MONTH

_MILLION: Final = Decimal(1_000_000)
_SCALABLE_TARGET: Final = "aws:appautoscaling/target:Target"


def _table(bill: Bill) -> None:
    properties, usage = bill.properties, bill.usage
    copies = 1 + properties.size("replicas")
    if properties.text("billingMode", "PROVISIONED") == "PAY_PER_REQUEST":
        indexes = properties.size("globalSecondaryIndexes")
        # A write goes to the table and to each index that holds the item, in every replica.
        writes = usage.dynamodb_writes * (1 + indexes) * copies
        bill.used("write request units", "dynamodb", "write-request", writes / _MILLION)
        bill.used("read request units", "dynamodb", "read-request", usage.dynamodb_reads / _MILLION)
    else:
        for what, key, dimension in (
            ("write capacity", "write-capacity", "WriteCapacityUnits"),
            ("read capacity", "read-capacity", "ReadCapacityUnits"),
        ):
            _provisioned(bill, what, key, dimension, copies if key == "write-capacity" else 1)
    bill.used("storage", "dynamodb", "storage", usage.dynamodb_storage_gb * copies)
    if properties.flag("pointInTimeRecovery.enabled"):
        bill.used("point-in-time recovery", "dynamodb", "pitr", usage.dynamodb_storage_gb * copies)
    if properties.flag("streamEnabled"):
        bill.used("stream reads", "dynamodb", "stream-read", usage.dynamodb_writes / _MILLION)


def _provisioned(bill: Bill, what: str, key: str, dimension: str, copies: int) -> None:
    attribute = dimension[0].lower() + dimension[1:].removesuffix("Units")
    minimum = bill.properties.number(attribute, 1)
    maximum = minimum
    for target in bill.inventory.having(
        _SCALABLE_TARGET, "resourceId", f"table/{bill.properties.text('name')}"
    ):
        scaling = bill.read(target)
        if scaling.text("scalableDimension") == f"dynamodb:table:{dimension}":
            minimum = scaling.number("minCapacity", minimum)
            maximum = max(minimum, scaling.number("maxCapacity", minimum))
    likely = minimum + (maximum - minimum) * min(Decimal(1), bill.usage.autoscaling_share)
    hours = HOURS_PER_MONTH * copies
    bill.charge(what, "dynamodb", key, idle=minimum * hours, expected=likely * hours, worst=maximum * hours)
    for index in bill.properties.blocks("globalSecondaryIndexes"):
        bill.standing(f"{what}, index", "dynamodb", key, index.number(attribute, 1) * hours)


def _replica(bill: Bill) -> None:
    writes = bill.usage.dynamodb_writes / _MILLION
    bill.used("replicated write request units", "dynamodb", "write-request", writes)
    bill.used("storage", "dynamodb", "storage", bill.usage.dynamodb_storage_gb)
    if bill.properties.flag("pointInTimeRecovery"):
        bill.used("point-in-time recovery", "dynamodb", "pitr", bill.usage.dynamodb_storage_gb)


ESTIMATORS: Final = {
    "aws:dynamodb/table:Table": _table,
    "aws:dynamodb/tableReplica:TableReplica": _replica,
}
