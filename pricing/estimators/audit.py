"""CloudTrail, AWS Config and IAM Access Analyzer."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill

_HUNDRED_THOUSAND: Final = Decimal(100_000)


def _trail(bill: Bill) -> None:
    properties = bill.properties
    # The first copy of management events is free; data events are billed from the first.
    records_data = any(block.has("dataResources") for block in properties.blocks("eventSelectors"))
    for selector in properties.blocks("advancedEventSelectors"):
        for part in selector.blocks("fieldSelectors"):
            if part.text("field") == "eventCategory" and "Data" in part.texts("equals"):
                records_data = True
    if records_data:
        events = bill.usage.cloudtrail_data_events / _HUNDRED_THOUSAND
        bill.used("data events", "audit", "cloudtrail-data-events", events)
    bill.assume("each CloudTrail trail is its region's first, whose management events are free")


def _recorder(bill: Bill) -> None:
    bill.used("configuration items", "audit", "config-items", bill.usage.config_items)


def _rule(bill: Bill) -> None:
    bill.used("rule evaluations", "audit", "config-rule-evaluations", bill.usage.config_evaluations)


def _analyzer(bill: Bill) -> None:
    # External access findings are free, unused access and internal access findings are not.
    if "UNUSED" in bill.properties.text("type") or "INTERNAL" in bill.properties.text("type"):
        bill.unpriced("paid kinds of Access Analyzer are not in the price snapshot")


ESTIMATORS: Final = {
    "aws:accessanalyzer/analyzer:Analyzer": _analyzer,
    "aws:cloudtrail/trail:Trail": _trail,
    "aws:cfg/recorder:Recorder": _recorder,
    "aws:cfg/rule:Rule": _rule,
}
