"""Route 53: hosted zones and health checks."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill

_MILLION: Final = Decimal(1_000_000)
_CALCULATED: Final = ("CALCULATED", "CLOUDWATCH_METRIC", "RECOVERY_CONTROL")
_FAST_SECONDS: Final = 10


def _zone(bill: Bill) -> None:
    bill.standing("hosted zone", "route53", "hosted-zone")
    # Queries for names in a private zone are free within its VPCs.
    if not bill.properties.size("vpcs"):
        bill.used("queries", "route53", "queries", bill.usage.dns_queries / _MILLION)


def _health_check(bill: Bill) -> None:
    properties = bill.properties
    kind = properties.text("type")
    host = properties.text("fqdn")
    inside = kind in _CALCULATED or host.endswith(".amazonaws.com")
    suffix = "" if inside else "-other"
    options = sum(
        (
            kind.startswith("HTTPS"),
            kind.endswith("STR_MATCH"),
            properties.number("requestInterval", 30) == _FAST_SECONDS,
            properties.flag("measureLatency"),
        )
    )
    bill.standing("health check", "route53", f"health-check{suffix}")
    if options:
        bill.standing("options", "route53", f"health-check-option{suffix}", options)


ESTIMATORS: Final = {
    "aws:route53/zone:Zone": _zone,
    "aws:route53/healthCheck:HealthCheck": _health_check,
}
