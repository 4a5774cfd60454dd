"""Amazon Managed Service for Prometheus."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill

_TEN_MILLION: Final = Decimal(10_000_000)
_BILLION: Final = Decimal(1_000_000_000)


def _workspace(bill: Bill) -> None:
    usage = bill.usage
    bill.used("samples ingested", "prometheus", "samples", usage.prometheus_samples / _TEN_MILLION)
    bill.used("storage", "prometheus", "storage", usage.prometheus_storage_gb)
    bill.used("samples queried", "prometheus", "query-samples", usage.prometheus_query_samples / _BILLION)


def _scraper(bill: Bill) -> None:
    bill.hours("managed collector", "prometheus", "collector-hour")


ESTIMATORS: Final = {
    "aws:amp/workspace:Workspace": _workspace,
    "aws:amp/scraper:Scraper": _scraper,
}
