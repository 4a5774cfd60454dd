"""Where things lie in the buckets: the one place that spells keys."""

import datetime
from typing import Final

EVENT_DATE: Final = "event_date"
"""The partition column of curated rows and offline features: the UTC date of the event time."""


def raw_prefix(view: str) -> str:
    """Raw bucket: a view's files as they came."""
    return f"{view}/"


def raw_key(view: str, ingest_date: datetime.date, sha256: str, name: str) -> str:
    """Raw bucket: one file, named by its content so that it is never kept twice."""
    return f"{raw_prefix(view)}ingest_date={ingest_date.isoformat()}/{sha256}-{name}"


def curated_key(view: str, event_date: str, source_id: str, part: int) -> str:
    """Curated bucket: the good rows of one raw object, one event date and one chunk."""
    return f"{view}/{EVENT_DATE}={event_date}/{source_id[:32]}-{part:05d}.parquet"


def commits_prefix(view: str) -> str:
    """Curated bucket: one commit for each raw object whose good rows count."""
    return f"{view}/_commits/"


def commit_key(view: str, source_id: str) -> str:
    """Curated bucket: the commit of one raw object, written after its rows."""
    return f"{commits_prefix(view)}{source_id}.json"


def reports_prefix(view: str) -> str:
    """Curated bucket: what the quality gate found, one report for each raw object."""
    return f"{view}/_reports/"


def report_key(view: str, source_id: str) -> str:
    """Curated bucket: what the quality gate found in one raw object."""
    return f"{reports_prefix(view)}{source_id}.json"


def quarantine_key(view: str, source_id: str) -> str:
    """Curated bucket: the bad rows of one raw object."""
    return f"_quarantine/{view}/{source_id}.jsonl"


def offline_key(view: str, event_date: str) -> str:
    """Features bucket: the features of one event date."""
    return f"{view}/{EVENT_DATE}={event_date}/features.parquet"


def offline_manifest_key(view: str) -> str:
    """Features bucket: which dates the offline store holds, and what each was made from."""
    return f"{view}/_manifest.json"


def model_prefix(model: str, digest: str) -> str:
    """Artifacts bucket: everything of one trained model, by its content."""
    return f"models/{model}/{digest}/"


def artifact_key(model: str, digest: str) -> str:
    """Artifacts bucket: a trained model, packed."""
    return f"{model_prefix(model, digest)}model.tar.gz"


def baseline_key(model: str, digest: str) -> str:
    """Artifacts bucket: how a version's training data is distributed."""
    return f"{model_prefix(model, digest)}baseline.json"


def explanation_key(model: str, digest: str) -> str:
    """Artifacts bucket: which inputs a version's answers hang on."""
    return f"{model_prefix(model, digest)}explanation.json"


def batch_part_key(model: str, version: int, run: str, chunk: int) -> str:
    """Artifacts bucket: the predictions of one chunk of a batch run."""
    return f"batch/{model}/version={version}/run={run}/part-{chunk:05d}.parquet"


def batch_manifest_key(model: str, run: str) -> str:
    """Artifacts bucket: what a batch run came to, written after all its predictions."""
    return f"batch/{model}/_runs/{run}.json"


def batch_aside_prefix(model: str, run: str) -> str:
    """Artifacts bucket: the rows that a batch run did not score, with the reasons."""
    return f"batch/{model}/_put_aside/{run}/"


def monitoring_key(model: str, job: str, end: datetime.datetime, suffix: str = "json") -> str:
    """Artifacts bucket: what a monitoring job found in the window that ends then; keys sort by time."""
    return f"monitoring/{model}/{job}/{end.astimezone(datetime.UTC):%Y-%m-%dT%H-%M-%SZ}.{suffix}"


def gate_labels_key(model: str, number: int) -> str:
    """Artifacts bucket: what a version's release knows of the truth of its and the live one's answers."""
    return f"gate/{model}/{number}.json"
