"""Global Accelerator."""

from typing import Final

from pricing.bill import Bill


def _accelerator(bill: Bill) -> None:
    bill.hours("accelerator", "global-accelerator", "accelerator-hour")
    bill.hours("public IPv4 addresses", "network", "public-ipv4-hour", 2)
    bill.used("data transfer premium", "global-accelerator", "premium-gb", bill.usage.internet_out_gb)


ESTIMATORS: Final = {"aws:globalaccelerator/accelerator:Accelerator": _accelerator}
