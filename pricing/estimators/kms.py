"""KMS: customer managed keys."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill

_REQUESTS_A_UNIT: Final = Decimal(10_000)
_BILLED_ROTATIONS: Final = 2


def _key(bill: Bill) -> None:
    # The first two rotations add a dollar each, which a key reaches in its third year.
    rotations = _BILLED_ROTATIONS if bill.properties.flag("enableKeyRotation") else 0
    bill.charge("key", "kms", "key", idle=1, expected=1, worst=1 + rotations)
    bill.used("requests", "kms", "requests", bill.usage.kms_requests / _REQUESTS_A_UNIT)


ESTIMATORS: Final = {
    "aws:kms/key:Key": _key,
    "aws:kms/replicaKey:ReplicaKey": _key,
    "aws:kms/externalKey:ExternalKey": _key,
}
