"""Kinesis data streams and Firehose delivery streams."""

from decimal import ROUND_CEILING, Decimal
from typing import Final

from pricing.bill import Bill

_KB_PER_GB: Final = Decimal(1024 * 1024)
_MILLION: Final = Decimal(1_000_000)
_PUT_UNIT_KB: Final = Decimal(25)
_FIREHOSE_UNIT_KB: Final = Decimal(5)
_FREE_RETENTION_HOURS: Final = 24


def _stream(bill: Bill) -> None:
    properties, usage = bill.properties, bill.usage
    if properties.text("streamModeDetails.streamMode", "PROVISIONED") == "ON_DEMAND":
        bill.hours("on-demand stream", "kinesis", "on-demand-hour")
        bill.used("data in", "kinesis", "on-demand-in-gb", usage.stream_gb)
        bill.used("data out", "kinesis", "on-demand-out-gb", usage.stream_gb)
        return
    shards = properties.number("shardCount", 1)
    bill.hours("shards", "kinesis", "shard-hour", shards)
    if properties.number("retentionPeriod", _FREE_RETENTION_HOURS) > _FREE_RETENTION_HOURS:
        bill.hours("retention above 24 hours", "kinesis", "extended-retention-shard-hour", shards)
    record = max(usage.stream_record_kb, Decimal(1) / 1024)
    units = (record / _PUT_UNIT_KB).to_integral_value(ROUND_CEILING)
    records = usage.stream_gb * _KB_PER_GB / record
    bill.used("PUT payload units", "kinesis", "put-units", records * units / _MILLION)


def _delivery_stream(bill: Bill) -> None:
    usage = bill.usage
    record = max(usage.stream_record_kb, Decimal(1) / 1024)
    # Firehose bills each record in steps of 5 KB.
    billed = (record / _FIREHOSE_UNIT_KB).to_integral_value(ROUND_CEILING) * _FIREHOSE_UNIT_KB
    bill.used("data ingested", "firehose", "ingest-gb", usage.stream_gb * billed / record)
    conversion = bill.properties.block("extendedS3Configuration.dataFormatConversionConfiguration")
    if conversion.values and conversion.flag("enabled", default=True):
        bill.used("format conversion", "firehose", "conversion-gb", usage.stream_gb)


ESTIMATORS: Final = {
    "aws:kinesis/stream:Stream": _stream,
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": _delivery_stream,
}
