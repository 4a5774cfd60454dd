"""What has been counted of a release's two versions: SageMaker's metrics of its variants, and known labels.

A variant is not a version: the new one answers as `candidate` while the two share the traffic, and in the
live one's place when it has all. Each version's spans say when it answered as what.
"""

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from platform_jobs import layout, times
from platform_jobs.aws import Clients
from platform_jobs.errors import JobError
from platform_jobs.gate.evidence import Labelled, quality_of
from platform_jobs.gate.judge import Tally
from platform_jobs.loop.rollout import CANDIDATE, Rollout
from platform_jobs.prediction_log import CANARY, LIVE

NAMESPACE: Final = "AWS/SageMaker"
_MINUTE: Final = datetime.timedelta(minutes=1)
_CALLS: Final = "calls"
_ERRORS: Final = "errors"
_REFUSED: Final = "refused"
_TIMED: Final = "timed"
_SLOW: Final = "slow"


@dataclass(frozen=True)
class Span:
    """A version answered as this variant from `start` up to, not including, `end`."""

    variant: str
    start: datetime.datetime
    end: datetime.datetime


@dataclass(frozen=True)
class Evidence:
    """Both versions' counts."""

    canary: Tally
    live: Tally


def gather(
    clients: Clients,
    rollout: Rollout,
    now: datetime.datetime,
    *,
    slow_ms: float,
    quality: Mapping[str, Labelled],
) -> Evidence:
    """What is known by now.

    Args:
        clients: the AWS clients to use.
        rollout: the release, with its marks of when what was shared.
        now: up to when to count.
        slow_ms: an answer later than this is slow.
        quality: `canary` and `live` → what is known of the truth of their answers.
    """

    def tally(spans: Iterable[Span], known: Labelled) -> Tally:
        sums = dict.fromkeys((_CALLS, _ERRORS, _REFUSED, _SLOW), 0)
        for span in spans:
            for name, value in _counted(clients, rollout.endpoint, span, slow_ms).items():
                sums[name] += value
        # Metrics of one minute do not come at once: a part must not be more than the whole.
        errors = min(sums[_ERRORS], sums[_CALLS])
        answered = sums[_CALLS] - errors
        return Tally(
            requests=sums[_CALLS],
            errors=errors,
            refused=min(sums[_REFUSED], answered),
            slow=min(sums[_SLOW], answered),
            labelled=known.labelled,
            wrong=known.wrong,
        )

    return Evidence(
        canary=tally(canary_spans(rollout, now), quality.get(CANARY, Labelled())),
        live=tally(live_spans(rollout, now), quality.get(LIVE, Labelled())),
    )


def live_spans(rollout: Rollout, now: datetime.datetime) -> Iterator[Span]:
    """When the live version answered, in whole minutes: those in which it was replaced belong to nobody."""
    end = _floor(times.parse(rollout.left)) if rollout.left else now
    yield Span(rollout.variant, _floor(times.parse(rollout.since)), end)


def canary_spans(rollout: Rollout, now: datetime.datetime) -> Iterator[Span]:
    """When the new version answered, as which variant."""
    if rollout.side_by_side:
        end = times.parse(rollout.whole) if rollout.whole else now
        yield Span(CANDIDATE, _floor(times.parse(rollout.since)), end)
    if rollout.whole:
        yield Span(rollout.variant, _floor(times.parse(rollout.whole)) + _MINUTE, now)


def known_quality(clients: Clients, bucket: str, model: str, number: int) -> dict[str, Labelled]:
    """What the job `gate-labels` counted last for this version; nothing where it has not counted yet.

    Raises:
        JobError: reason `bad-labels` if it is no such count.
    """
    artifacts = clients.bucket(bucket)
    key = layout.gate_labels_key(model, number)
    body = artifacts.get(key)
    if body is None:
        return {}
    try:
        return quality_of(json.loads(body)["quality"], artifacts.uri(key))
    except (ValueError, KeyError, TypeError) as error:
        raise JobError("bad-labels", f"{artifacts.uri(key)}: {error}") from None


def _floor(moment: datetime.datetime) -> datetime.datetime:
    return moment.replace(second=0, microsecond=0)


def _counted(clients: Clients, endpoint: str, span: Span, slow_ms: float) -> dict[str, int]:
    if span.start >= span.end:
        return {}
    series = _series(clients, endpoint, span, slow_ms)
    # CloudWatch tells the share of answers above a bound; how many there were of a minute makes it a number.
    slow = sum(share / 100 * series[_TIMED].get(at, 0.0) for at, share in series[_SLOW].items())
    sums = {name: sum(series[name].values()) for name in (_CALLS, _ERRORS, _REFUSED)}
    return {name: round(value) for name, value in {**sums, _SLOW: slow}.items()}


def _series(
    clients: Clients, endpoint: str, span: Span, slow_ms: float
) -> dict[str, dict[datetime.datetime, float]]:
    """By minute: calls, failures, refusals, how many were timed, and per cent of those that were slow."""
    asked = {
        _CALLS: ("Invocations", "Sum"),
        _ERRORS: ("Invocation5XXErrors", "Sum"),
        _REFUSED: ("Invocation4XXErrors", "Sum"),
        _TIMED: ("ModelLatency", "SampleCount"),
        # SageMaker counts microseconds.
        _SLOW: ("ModelLatency", f"PR({slow_ms * 1000:g}:)"),
    }
    dimensions = [
        {"Name": "EndpointName", "Value": endpoint},
        {"Name": "VariantName", "Value": span.variant},
    ]
    queries: Any = [
        {
            "Id": name,
            "MetricStat": {
                "Metric": {"Namespace": NAMESPACE, "MetricName": metric, "Dimensions": dimensions},
                "Period": 60,
                "Stat": stat,
            },
        }
        for name, (metric, stat) in asked.items()
    ]
    found: dict[str, dict[datetime.datetime, float]] = {name: {} for name in asked}
    pages = clients.cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, StartTime=span.start, EndTime=span.end
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            found[result["Id"]].update(zip(result["Timestamps"], result["Values"], strict=True))
    return found
