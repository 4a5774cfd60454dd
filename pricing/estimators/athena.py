"""Athena workgroups, by the data their queries scan."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill

_BYTES_PER_TB: Final = Decimal(1024**4)


def _workgroup(bill: Bill) -> None:
    expected = bill.usage.athena_scanned_tb
    worst = expected * max(Decimal(1), bill.usage.worst_factor)
    cutoff = bill.properties.number("configuration.bytesScannedCutoffPerQuery", 0)
    if cutoff:
        # No query scans more than the workgroup lets it.
        worst = max(expected, min(worst, bill.usage.athena_queries * cutoff / _BYTES_PER_TB))
    bill.used("data scanned", "athena", "scanned-tb", expected, worst)


ESTIMATORS: Final = {"aws:athena/workgroup:Workgroup": _workgroup}
