"""Step Functions state machines."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill

_MILLION: Final = Decimal(1_000_000)
_EXPRESS_GB: Final = Decimal(64) / Decimal(1024)
"""Smallest memory step that an express execution is billed for."""


def _state_machine(bill: Bill) -> None:
    usage = bill.usage
    if bill.properties.text("type", "STANDARD") == "EXPRESS":
        bill.used("express requests", "step-functions", "express-requests", usage.workflow_runs / _MILLION)
        hours = usage.workflow_runs * usage.workflow_seconds * _EXPRESS_GB / 3600
        bill.used("express duration", "step-functions", "express-gb-hour", hours)
        return
    transitions = usage.workflow_runs * usage.workflow_transitions
    bill.used("state transitions", "step-functions", "transitions", transitions / 1000)


ESTIMATORS: Final = {"aws:sfn/stateMachine:StateMachine": _state_machine}
