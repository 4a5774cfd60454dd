"""Secrets Manager secrets and SSM parameters."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill

_TEN_THOUSAND: Final = Decimal(10_000)


def _secret(bill: Bill) -> None:
    copies = 1 + bill.properties.size("replicas")
    bill.standing("secret", "secrets-manager", "secret", copies)
    bill.used("API calls", "secrets-manager", "requests", bill.usage.secret_requests / _TEN_THOUSAND)


def _parameter(bill: Bill) -> None:
    # Standard parameters are free; Intelligent-Tiering makes an advanced one only of what does not fit.
    if bill.properties.text("tier", "Standard") == "Advanced":
        bill.unpriced("advanced SSM parameters are not in the price snapshot")


ESTIMATORS: Final = {
    "aws:secretsmanager/secret:Secret": _secret,
    "aws:ssm/parameter:Parameter": _parameter,
}
