"""The offline feature store: one Parquet object an event date, and a manifest of what each was made from."""

import json
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from platform_jobs import layout, tables
from platform_jobs.aws import THREADS, Bucket
from platform_jobs.commits import json_bytes
from platform_jobs.errors import JobError
from platform_jobs.hashing import sha256
from platform_jobs.log import WARNING, event
from platform_jobs.views import View

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Partition:
    """The features of one event date. `made_from` is a hash of the curated files and the declaration."""

    key: str
    rows: int
    sha256: str
    made_from: str


@dataclass(frozen=True)
class OfflineStore:
    """One view's history."""

    bucket: Bucket
    view: View

    def partitions(self) -> dict[str, Partition]:
        """What the store holds, by event date."""
        body = self.bucket.get(layout.offline_manifest_key(self.view.name))
        if body is None:
            return {}
        stored: dict[str, Any] = json.loads(body)["partitions"]
        return {date: Partition(**stored[date]) for date in sorted(stored)}

    def commit(self, partitions: Mapping[str, Partition]) -> None:
        """Makes the partitions visible, after their objects are written."""
        value = {
            "view": self.view.name,
            "view_version": self.view.version,
            "partitions": {date: asdict(partitions[date]) for date in sorted(partitions)},
        }
        key = layout.offline_manifest_key(self.view.name)
        self.bucket.put(key, json_bytes(value), content_type="application/json")

    def write(self, date: str, frame: "pd.DataFrame", made_from: str) -> Partition:
        """Writes one event date whole."""
        body = tables.to_parquet(frame, tables.arrow_schema(self.view))
        key = layout.offline_key(self.view.name, date)
        self.bucket.put(key, body, content_type="application/vnd.apache.parquet")
        return Partition(key, len(frame), sha256(body), made_from)

    def read(
        self, columns: list[str] | None = None, *, dates: Collection[str] | None = None
    ) -> "pd.DataFrame":
        """The history, by event time and key; each key and event time once.

        Args:
            columns: the columns to read. Default: all.
            dates: the event dates to read. Default: all.

        Raises:
            JobError: reason `no-features` if nothing was materialised.
        """
        import pandas as pd

        partitions = self.partitions()
        if not partitions:
            raise JobError(
                "no-features",
                f"view {self.view.name} has no offline features: run `materialise` for it first",
            )
        wanted = {date: item for date, item in partitions.items() if dates is None or date in dates}
        frames = [tables.from_parquet(body, self.view, columns) for _, body in self._bodies(wanted)]
        return pd.concat(frames, ignore_index=True) if frames else tables.empty_frame(self.view)

    def frames(
        self, partitions: "Mapping[str, Partition]", columns: list[str] | None = None
    ) -> "Iterator[pd.DataFrame]":
        """The history in the partitions given, one after another: no more than a few are in memory.

        Raises:
            JobError: reason `changed` if one was written anew since it was told of.
        """
        for partition, body in self._bodies(partitions):
            if sha256(body) != partition.sha256:
                raise JobError(
                    "changed", f"{self.bucket.uri(partition.key)} was written anew under its reader"
                )
            yield tables.from_parquet(body, self.view, columns)

    def _bodies(self, partitions: "Mapping[str, Partition]") -> Iterator[tuple[Partition, bytes]]:
        """The partitions' objects, fetched some ahead; those whose retention is over are left out."""
        with ThreadPoolExecutor(THREADS) as pool:
            waiting = deque[tuple[Partition, Future[bytes | None]]]()
            for partition in partitions.values():
                waiting.append((partition, pool.submit(self.bucket.get, partition.key)))
                if len(waiting) > THREADS:
                    yield from self._there(*waiting.popleft())
            while waiting:
                yield from self._there(*waiting.popleft())

    def _there(
        self, partition: Partition, fetched: "Future[bytes | None]"
    ) -> Iterator[tuple[Partition, bytes]]:
        body = fetched.result()
        if body is None:  # the bucket's lifecycle took it
            event("features", "partition-gone", WARNING, object=self.bucket.uri(partition.key))
        else:
            yield partition, body

    def version(self) -> str:
        """A hash of the history's content: the data version that lineage names."""
        content = [(date, item.sha256) for date, item in self.partitions().items()]
        return sha256(json.dumps([self.view.name, content]).encode())
