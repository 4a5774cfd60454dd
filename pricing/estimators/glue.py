"""Glue: jobs and crawlers. The Data Catalog's first million objects are free."""

from decimal import Decimal
from typing import Final

from pricing.bill import Bill

_WORKER_DPU: Final = {"G.025X": "0.25", "Standard": "1", "G.1X": "1", "G.2X": "2", "G.4X": "4", "G.8X": "8"}
_CRAWLER_DPU: Final = 2


def _job(bill: Bill) -> None:
    properties = bill.properties
    worker = properties.text("workerType")
    if worker:
        if worker not in _WORKER_DPU:
            bill.unpriced(f"Glue worker type {worker} is not known")
            return
        units = Decimal(_WORKER_DPU[worker]) * properties.number("numberOfWorkers", 10)
    else:
        shell = properties.text("command.name") == "pythonshell"
        units = properties.number("maxCapacity", Decimal("0.0625") if shell else 10)
    # One run at a time, unless more are allowed.
    parallel = max(Decimal(1), properties.number("executionProperty.maxConcurrentRuns", 1))
    hours = bill.usage.glue_job_hours
    worst = min(units * hours * max(Decimal(1), bill.usage.worst_factor), units * parallel * 730)
    bill.used(f"{units.normalize():f} DPUs", "glue", "dpu-hour", units * hours, max(units * hours, worst))


def _crawler(bill: Bill) -> None:
    bill.used("crawler DPUs", "glue", "dpu-hour", _CRAWLER_DPU * bill.usage.glue_job_hours)


ESTIMATORS: Final = {
    "aws:glue/job:Job": _job,
    "aws:glue/crawler:Crawler": _crawler,
}
