"""S3: buckets. Lifecycle, versioning and the like are configuration and free; what they keep is usage."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill

_THOUSAND: Final = Decimal(1000)


def _bucket(bill: Bill) -> None:
    usage = bill.usage
    bill.used("storage, Standard", "s3", "standard", usage.s3_storage_gb)
    bill.used("PUT, COPY, POST, LIST requests", "s3", "put", usage.s3_put_requests / _THOUSAND)
    bill.used("GET and other requests", "s3", "get", usage.s3_get_requests / _THOUSAND)


ESTIMATORS: Final = {
    "aws:s3/bucket:Bucket": _bucket,
    "aws:s3/bucketV2:BucketV2": _bucket,
}
