"""SQS, SNS and EventBridge."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill

_MILLION: Final = Decimal(1_000_000)
_HUNDRED_THOUSAND: Final = Decimal(100_000)
_EVENTS_PER_GB: Final = Decimal(1024 * 1024)
"""An event is taken to be 1 KB."""
_DAYS_PER_MONTH: Final = Decimal(730) / 24
_UNLIMITED_MONTHS: Final = Decimal(12)


def _queue(bill: Bill) -> None:
    key = "sqs-fifo-requests" if bill.properties.flag("fifoQueue") else "sqs-requests"
    bill.used("requests", "messaging", key, bill.usage.queue_requests / _MILLION)


def _topic(bill: Bill) -> None:
    if bill.properties.flag("fifoTopic"):
        bill.unpriced("FIFO topics are not in the price snapshot")
        return
    bill.used("messages published", "messaging", "sns-publishes", bill.usage.topic_publishes / _MILLION)


def _subscription(bill: Bill) -> None:
    protocol = bill.properties.text("protocol")
    if protocol.startswith("email"):
        bill.used("e-mails", "messaging", "sns-emails", bill.usage.topic_emails / _HUNDRED_THOUSAND)
    elif protocol == "sms":
        bill.unpriced("SMS prices depend on the country and are not in the price snapshot")


def _event_bus(bill: Bill) -> None:
    bill.used("custom events", "messaging", "custom-events", bill.usage.bus_events / _MILLION)


def _event_archive(bill: Bill) -> None:
    gigabytes = bill.usage.bus_events / _EVENTS_PER_GB
    bill.used("events archived", "messaging", "archive-gb", gigabytes)
    days = bill.properties.number("retentionDays", 0)
    months = days / _DAYS_PER_MONTH if days else _UNLIMITED_MONTHS
    bill.used("archive storage", "messaging", "archive-storage-gb", gigabytes * months)


ESTIMATORS: Final = {
    "aws:cloudwatch/eventArchive:EventArchive": _event_archive,
    "aws:sqs/queue:Queue": _queue,
    "aws:sns/topic:Topic": _topic,
    "aws:sns/topicSubscription:TopicSubscription": _subscription,
    "aws:cloudwatch/eventBus:EventBus": _event_bus,
}
