"""Application and Network Load Balancers, whoever asks for them."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill
from pricing.money import HOURS_PER_MONTH


def charge(bill: Bill, kind: str, *, public: bool, zones: int = 2) -> None:
    """Charge a load balancer: `application` or `network`, over so many zones."""
    bill.hours("load balancer", "load-balancing", f"{kind}-hour")
    units = bill.usage.load_balancer_units * HOURS_PER_MONTH
    bill.used("capacity units", "load-balancing", f"{kind}-lcu", units)
    if public:
        # One address in each zone.
        bill.hours("public IPv4 addresses", "network", "public-ipv4-hour", Decimal(zones))
        bill.used("data to the internet", "network", "internet-out-gb", bill.usage.internet_out_gb)


def _load_balancer(bill: Bill) -> None:
    properties = bill.properties
    kind = properties.text("loadBalancerType", "application")
    if kind not in ("application", "network"):
        bill.unpriced(f"load balancers of type {kind} are not in the price snapshot")
        return
    zones = max(2, properties.size("subnets"), properties.size("subnetMappings"))
    charge(bill, kind, public=not properties.flag("internal"), zones=zones)


ESTIMATORS: Final = {
    "aws:lb/loadBalancer:LoadBalancer": _load_balancer,
    "aws:alb/loadBalancer:LoadBalancer": _load_balancer,
}
