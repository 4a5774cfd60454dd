"""What has been counted of two variants since a release began: the gateway's metrics, and known labels."""

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_jobs import metrics
from platform_jobs.gate.judge import Tally
from platform_jobs.metrics import Metric

if TYPE_CHECKING:
    from platform_jobs.aws import Clients

_PERIOD_SECONDS = 60


@dataclass(frozen=True)
class Labelled:
    """Answers of a variant whose truth is known, and how many of them were wrong."""

    labelled: int = 0
    wrong: int = 0


def counted(
    clients: "Clients",
    dimensions: Mapping[str, str],
    since: datetime.datetime,
    until: datetime.datetime,
    quality: Labelled,
) -> Tally:
    """A variant's tally.

    Args:
        clients: The cloud with the gateway's metrics.
        dimensions: Stack, model and variant, by the names of `platform_jobs.metrics`.
        since: When the release began; its minute counts as a whole.
        until: Up to when to count.
        quality: What is known of its answers' truth.
    """
    cloudwatch = clients.client("cloudwatch")

    def total(metric: Metric) -> int:
        found = cloudwatch.get_metric_statistics(
            Namespace=metrics.NAMESPACE,
            MetricName=metric.name,
            Dimensions=[{"Name": name, "Value": value} for name, value in metric.ordered(dimensions)],
            StartTime=since.replace(second=0, microsecond=0),
            EndTime=until,
            Period=_period(since, until),
            Statistics=["Sum"],
        )
        sums: list[float] = [point["Sum"] for point in found["Datapoints"]]
        return round(sum(sums))

    return Tally(
        requests=total(metrics.VARIANT_REQUESTS),
        errors=total(metrics.VARIANT_ERRORS),
        slow=total(metrics.VARIANT_SLOW_REQUESTS),
        labelled=quality.labelled,
        wrong=quality.wrong,
    )


def read_quality(path: Path) -> dict[str, Labelled]:
    """Variant → what is known of its answers, from `{"canary": {"labelled": 900, "wrong": 41}, …}`.

    Raises:
        ValueError: naming everything that is wrong.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    return quality_of(value, str(path))


def quality_of(value: Any, source: str) -> dict[str, Labelled]:
    """The same from a parsed object; `source` is where it came from, for its errors."""
    if not isinstance(value, dict):
        raise ValueError(f'{source} must be {{"<variant>": {{"labelled": …, "wrong": …}}}}')
    problems: list[str] = []
    found = {name: _labelled(f"{source}: {name}", item, problems) for name, item in value.items()}
    if problems:
        raise ValueError("; ".join(problems))
    return found


def _labelled(path: str, item: Any, problems: list[str]) -> Labelled:
    numbers = [item.get(key) if isinstance(item, dict) else None for key in ("labelled", "wrong")]
    labelled, wrong = (
        number if isinstance(number, int) and not isinstance(number, bool) else -1 for number in numbers
    )
    if not 0 <= wrong <= labelled:
        problems.append(f"{path} needs whole numbers labelled and wrong, the latter not above the former")
        return Labelled()
    return Labelled(labelled, wrong)


def _period(since: datetime.datetime, until: datetime.datetime) -> int:
    """As coarse as CloudWatch's 1,440 points a call ask for, in whole minutes."""
    minutes = (until - since).total_seconds() / _PERIOD_SECONDS
    return _PERIOD_SECONDS * max(1, -(-int(minutes + 1) // 1000))
