"""Amazon Kinesis: streams of records, and delivery of them to S3."""

from twin.aws.provider.services.kinesis.firehose import FirehoseDeliveryStream
from twin.aws.provider.services.kinesis.stream import Stream

__all__ = ["FirehoseDeliveryStream", "Stream"]
