"""`materialise`: curated rows into the offline store (history) and the online store (newest per entity).

An event date is rebuilt when the curated files or the declaration it was made from have changed. Objects
and items are written before the manifest, so a run that died is simply run again.
"""

import datetime
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd

from platform_jobs import online, settings, tables
from platform_jobs.aws import Bucket, Clients, in_parallel
from platform_jobs.commits import Commit, File, load_commits
from platform_jobs.errors import JobError
from platform_jobs.hashing import sha256
from platform_jobs.log import event
from platform_jobs.offline import OfflineStore
from platform_jobs.settings import Env, S3Location
from platform_jobs.views import View, load_view

_ORDER = "__order__"


@dataclass(frozen=True, kw_only=True)
class MaterialiseSettings:
    """What `materialise` reads from its environment."""

    curated_bucket: Annotated[str, Env("STAGECRAFT_CURATED_BUCKET")]
    features_bucket: Annotated[str, Env("STAGECRAFT_FEATURES_BUCKET")]
    views_prefix: Annotated[S3Location, Env("STAGECRAFT_VIEWS_PREFIX", S3Location.parse)]
    view: Annotated[str, Env("STAGECRAFT_VIEW")]
    online_tables: Annotated[Mapping[str, str], Env("STAGECRAFT_ONLINE_TABLES", settings.name_map)]


@dataclass(frozen=True)
class Materialised:
    """What a run changed."""

    view: str
    partitions: tuple[str, ...]
    """Event dates that were rebuilt."""
    rows: int
    entities_written: int
    entities_newer: int
    """Entities whose online features were newer already."""
    entities_expired: int
    """Entities whose newest features are past the view's TTL: not put online."""


def run(
    clients: Clients, config: MaterialiseSettings, *, now: datetime.datetime | None = None
) -> Materialised:
    """Brings both stores up to what is curated.

    Raises:
        JobError: reason `empty` if nothing was curated, `no-table` if the view has no online table.
    """
    view = load_view(clients, config.views_prefix, config.view)
    table = config.online_tables.get(view.name)
    if table is None:
        raise JobError("no-table", f"STAGECRAFT_ONLINE_TABLES names no table for view {view.name}")
    curated = clients.bucket(config.curated_bucket)
    store = OfflineStore(clients.bucket(config.features_bucket), view)
    contributions = _by_date(load_commits(curated, view.name))
    if not contributions:
        raise JobError("empty", f"view {view.name} has no curated rows: run `quality` for it first")
    known = store.partitions()
    wanted = {date: _signature(view, parts) for date, parts in contributions.items()}
    changed = [date for date in sorted(wanted) if date not in known or known[date].made_from != wanted[date]]
    partitions = dict(known)
    newest: list[pd.DataFrame] = []
    rows = 0
    for date in changed:
        frame = _merged(curated, view, contributions[date])
        partitions[date] = store.write(date, frame, wanted[date])
        newest.append(frame.drop_duplicates(list(view.join_keys), keep="last"))
        rows += len(frame)
    written = online.Written(0, 0)
    expired = 0
    if newest:
        fresh, expired = _fresh(view, newest, now or datetime.datetime.now(datetime.UTC))
        written = online.write(clients, view, table, _records(fresh))
        store.commit(partitions)
    result = Materialised(view.name, tuple(changed), rows, written.written, written.older, expired)
    event("materialise", "finished", **{**result.__dict__, "partitions": len(changed)})
    return result


def _by_date(commits: Sequence[Commit]) -> dict[str, list[File]]:
    """Curated files by event date, in the order their raw objects came."""
    found: dict[str, list[File]] = defaultdict(list)
    for commit in commits:
        for file in commit.files:
            found[file.event_date].append(file)
    return found


def _signature(view: View, files: Sequence[File]) -> str:
    content = [view.version, [[file.key, file.sha256] for file in files]]
    return sha256(json.dumps(content).encode())


def _merged(curated: Bucket, view: View, files: Sequence[File]) -> pd.DataFrame:
    """The rows of one event date; of rows with the same keys and time the one that came last."""
    columns = [*(column.name for column in view.columns), tables.ROW_NUMBER]

    def load(numbered: tuple[int, File]) -> pd.DataFrame:
        order, file = numbered
        body = curated.get(file.key)
        if body is None or sha256(body) != file.sha256:
            raise JobError(
                "altered", f"{curated.uri(file.key)} is not what its commit says; run `quality` anew for it"
            )
        return tables.from_parquet(body, view, columns).assign(**{_ORDER: order})

    frame = pd.concat(in_parallel(load, enumerate(files)), ignore_index=True)
    identity = [view.event_time, *view.join_keys]
    frame = frame.sort_values([*identity, _ORDER, tables.ROW_NUMBER], kind="stable")
    frame = frame.drop_duplicates(identity, keep="last")
    return frame.drop(columns=[_ORDER, tables.ROW_NUMBER]).reset_index(drop=True)


def _fresh(view: View, newest: Sequence[pd.DataFrame], now: datetime.datetime) -> tuple[pd.DataFrame, int]:
    """The newest row of each entity that is not past its TTL, and how many are."""
    # Frames come by ascending date, rows by ascending event time: the last one is the newest.
    frame = pd.concat(newest, ignore_index=True).drop_duplicates(list(view.join_keys), keep="last")
    if view.ttl_days is None:
        return frame, 0
    fresh = frame[frame[view.event_time] + pd.Timedelta(days=view.ttl_days) >= pd.Timestamp(now)]
    return fresh, len(frame) - len(fresh)


def _records(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows with plain Python values, None for what is missing."""
    columns = {
        name: [None if pd.isna(value) else value for value in frame[name].tolist()] for name in frame.columns
    }
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def main(_argv: Sequence[str]) -> int:
    """`materialise`: everything comes from the environment."""
    run(Clients(), settings.load(MaterialiseSettings))
    return 0
