"""ECR repositories."""

from typing import Final

from pricing.bill import Bill


def _repository(bill: Bill) -> None:
    bill.used("image storage", "ecr", "storage", bill.usage.ecr_storage_gb)


ESTIMATORS: Final = {"aws:ecr/repository:Repository": _repository}
