"""The prediction log: every answer that a model's callers got, as JSON lines in the artifacts bucket.

The gateway writes it; drift, accuracy, bias and business numbers are made from it. Light to import: a server
waits for it. docs/jobs.md describes the format for everyone else.

It holds what people asked with: it lies under one prefix, so that one retention and one erasure reach it.
"""

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from platform_jobs.metrics import LIVE_STEP
from platform_jobs.times import iso

if TYPE_CHECKING:
    from platform_jobs.aws import Bucket

FORMAT: Final = 1
"""Raised when a field changes its meaning; readers refuse formats that they do not know."""
LIVE: Final = "live"
CANARY: Final = "canary"
BATCH: Final = "batch"
"""Scored ahead of any question, for everyone at once, by `predict-batch`."""
SHADOW: Final = "shadow"
"""Asked along for comparison; nobody saw the answer, and no number about callers may count it."""
_PREFIX: Final = "predictions"
_CONTENT_TYPE: Final = "application/jsonl"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One answer."""

    id: str
    """`<request>/<number>`: what feedback and outcomes refer to. A shadow's is its request's."""
    at: datetime.datetime
    """When the request arrived, with a time zone."""
    model: str
    variant: str
    """`live`, `canary`, `shadow`, `batch`, or the name of an A/B variant."""
    step: str = LIVE_STEP
    """Which step of the degradation ladder answered: one of `metrics.STEPS`."""
    version: str | None = None
    """Digest of the model that answered, as `serve` says it; None where no model did."""
    entity: Mapping[str, str]
    """Join key → value."""
    features: Mapping[str, Any]
    """What the model was asked with: feature → value, null where it was not known; no labels, no times."""
    prediction: Any
    """A class's value, or a number."""
    probability: float | None = None
    """How sure the model was of `prediction`; None for regression and for answers of no model."""
    latency_ms: float | None = None

    def to_line(self) -> bytes:
        """The record as one line, with its end."""
        value = {
            "format": FORMAT,
            "id": self.id,
            "at": iso(self.at),
            "model": self.model,
            "variant": self.variant,
            "step": self.step,
            "version": self.version,
            "entity": dict(self.entity),
            "features": dict(self.features),
            "prediction": self.prediction,
            "probability": self.probability,
            "latency_ms": self.latency_ms,
        }
        # NaN is no JSON: a writer that has one has a mistake, and it must not spoil the file.
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def prefix(model: str) -> str:
    """Artifacts bucket: a model's log."""
    return f"{_PREFIX}/{model}/"


def hour_prefix(model: str, at: datetime.datetime) -> str:
    """Artifacts bucket: the answers to requests that arrived in an hour (UTC)."""
    return hour_folder(prefix(model), at)


def hour_folder(log: str, at: datetime.datetime) -> str:
    """The part of a log, by its prefix, that holds an hour (UTC)."""
    moment = at.astimezone(datetime.UTC)
    return f"{log}dt={moment:%Y-%m-%d}/hh={moment:%H}/"


def hours(start: datetime.datetime, end: datetime.datetime) -> Iterator[datetime.datetime]:
    """The hours (UTC) that a window from `start` up to, not including, `end` touches."""
    moment = start.astimezone(datetime.UTC).replace(minute=0, second=0, microsecond=0)
    while moment < end:
        yield moment
        moment += datetime.timedelta(hours=1)


def write(bucket: "Bucket", records: Iterable[Record], name: str) -> list[str]:
    """Writes records, one object for each model and hour of arrival; returns the keys.

    Args:
        bucket: the artifacts bucket.
        records: in any order.
        name: unique among all that is ever written, such as `<writer's id>-<counter>`.
    """
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((hour_prefix(record.model, record.at), record.model), []).append(record)
    return [_put(bucket, place, name, found[place, model]) for place, model in sorted(found)]


def write_hour(
    bucket: "Bucket", model: str, at: datetime.datetime, records: Iterable[Record], name: str
) -> str:
    """Writes a model's records of one hour, the one of `at`, as one object, also if there are none.

    Written again under its name the object is replaced: what was in it counts once, or no longer.
    """
    return _put(bucket, hour_prefix(model, at), name, records)


def _put(bucket: "Bucket", place: str, name: str, records: Iterable[Record]) -> str:
    key = f"{place}{name}.jsonl"
    bucket.put(key, b"".join(record.to_line() for record in records), content_type=_CONTENT_TYPE)
    return key
