"""Commits of the curated bucket: which rows count, and where they came from.

Rows become visible when the commit of their raw object is written, after them. Whoever reads curated rows
goes by commits, so a job that died half-way leaves nothing half-read.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from platform_jobs import layout
from platform_jobs.aws import Bucket, in_parallel


@dataclass(frozen=True)
class Source:
    """A raw object. `id` is its content's hash where its name says it, else a hash of key and version."""

    uri: str
    id: str
    ingested_at: str
    """ISO 8601, UTC: of two rows for the same key and time, the one that came later counts."""


@dataclass(frozen=True)
class File:
    """One Parquet object of good rows."""

    key: str
    event_date: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Commit:
    """The good rows of one raw object."""

    view: str
    view_version: str
    source: Source
    rows_in: int
    rows_good: int
    rows_quarantined: int
    files: tuple[File, ...]
    quarantine: str | None

    @property
    def order(self) -> tuple[str, str]:
        """Sorts commits as their raw objects came."""
        return self.source.ingested_at, self.source.id

    def to_json(self) -> bytes:
        """The commit as it is stored; the same commit gives the same bytes."""
        return json_bytes(asdict(self))

    @classmethod
    def from_json(cls, body: bytes) -> "Commit":
        """Reads a stored commit."""
        value: dict[str, Any] = json.loads(body)
        value["source"] = Source(**value["source"])
        value["files"] = tuple(File(**item) for item in value["files"])
        return cls(**value)


def json_bytes(value: Any) -> bytes:
    """JSON for people and machines, the same bytes for the same value."""
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def committed_ids(curated: Bucket, view: str) -> set[str]:
    """Ids of the raw objects that are committed; one listing, nothing read."""
    prefix = layout.commits_prefix(view)
    return {item.key.removeprefix(prefix).removesuffix(".json") for item in curated.list(prefix)}


def load_commits(curated: Bucket, view: str) -> list[Commit]:
    """All commits of a view, as their raw objects came."""
    keys = [item.key for item in curated.list(layout.commits_prefix(view))]
    return sorted(_read(curated, keys), key=lambda commit: commit.order)


def _read(curated: Bucket, keys: list[str]) -> Iterator[Commit]:
    for body in in_parallel(curated.get, keys):
        if body is not None:
            yield Commit.from_json(body)
