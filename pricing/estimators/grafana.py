"""Amazon Managed Grafana."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill


def _workspace(bill: Bill) -> None:
    editors = max(Decimal(1), bill.usage.grafana_editors)
    # A workspace pays for one editor even when nobody signs in.
    bill.charge(
        "active editors",
        "grafana",
        "editor",
        idle=1,
        expected=editors,
        worst=editors * max(Decimal(1), bill.usage.worst_factor),
    )
    bill.used("active viewers", "grafana", "viewer", bill.usage.grafana_viewers)


ESTIMATORS: Final = {"aws:grafana/workspace:Workspace": _workspace}
