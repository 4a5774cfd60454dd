"""Rows that someone hands in: files under a prefix, typed and judged by the model's own views."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from platform_jobs import rows, schema, tables
from platform_jobs.aws import Bucket, StoredObject
from platform_jobs.batch.aside import Aside
from platform_jobs.batch.scope import AS_OF, Scope
from platform_jobs.errors import JobError
from platform_jobs.schema import Reason
from platform_jobs.times import iso
from platform_jobs.views import Field, View

_FILE: Final = "_file"
ORIGIN: Final = (Field(_FILE, "int"), Field(tables.ROW_NUMBER, "int"))
"""Where a row came from: the place of its object, and its number there."""


@dataclass(frozen=True)
class Given:
    """The objects under a prefix, in key order."""

    bucket: Bucket
    prefix: str
    whole: bool
    """Whether rows bring their features; else they only name entities."""

    def objects(self) -> list[StoredObject]:
        """What is there.

        Raises:
            JobError: reason `empty` if there is nothing, `unknown-format` of a file that cannot be read.
        """
        found = [item for item in self.bucket.list(self.prefix) if not item.key.endswith("/")]
        if not found:
            raise JobError("empty", f"there is nothing to score: {self.bucket.uri(self.prefix)} is empty")
        for item in found:
            rows.format_of(item.key)
        return found

    def columns(self, scope: Scope) -> list[Field]:
        """The columns of a good row."""
        return [*scope.keys, *(scope.inputs if self.whole else ())]


@dataclass(frozen=True)
class LocalFiles:
    """The objects on local disk."""

    given: Given
    objects: list[StoredObject]
    folder: Path

    @classmethod
    def fetch(cls, given: Given, folder: Path) -> "LocalFiles":
        """Downloads them."""
        files = cls(given, given.objects(), folder)
        folder.mkdir()
        for place in range(len(files.objects)):
            with files._path(place).open("wb") as file:
                given.bucket.download(files.objects[place].key, file)
        return files

    def rows(self) -> int:
        """How many rows they hold, readable or not."""
        paths = [self._path(place) for place in range(len(self.objects))]
        return sum(rows.count(path, rows.format_of(path.name)) for path in paths)

    def good(self, scope: Scope, aside: Aside) -> Iterator[pd.DataFrame]:
        """The rows that keep their views' rules, with where they came from; the others are put aside."""
        view = _view(scope, self.given)
        names = [column.name for column in view.columns]
        for place in range(len(self.objects)):
            path, source = self._path(place), self.source(place)
            for chunk in rows.read(path, rows.format_of(path.name)):
                cells = chunk.cells.reindex(columns=names).astype("str")
                cells[AS_OF] = pd.array([iso(scope.as_of)] * len(cells), dtype="str")
                checked = schema.check(view, cells, scope.as_of)
                aside.add(f"input-{place:05d}", _bad(source, chunk, checked.reasons))
                good = checked.good.drop(columns=AS_OF)
                good[_FILE], good[tables.ROW_NUMBER] = place, good.index.astype("int64")
                yield good

    def source(self, place: int) -> str:
        """The address of the object at a place."""
        return self.given.bucket.uri(self.objects[place].key)

    def later(self, frame: pd.DataFrame, reason: Reason) -> Iterator[tuple[str, int, list[Reason], Any]]:
        """Good rows that turned out bad among the others; of each, its keys are kept."""
        origin = [column.name for column in ORIGIN]
        for (place, number), keys in zip(
            frame[origin].itertuples(index=False, name=None),
            frame.drop(columns=origin).to_dict("records"),
            strict=True,
        ):
            yield self.source(int(place)), int(number), [reason], keys

    def _path(self, place: int) -> Path:
        return self.folder / f"{place:05d}-{self.objects[place].key.rpartition('/')[2][-120:]}"


def _view(scope: Scope, given: Given) -> View:
    """What a row must be like: the entity's keys, and its features if it brings them."""
    return dataclasses.replace(
        scope.home, event_time=AS_OF, fields=scope.inputs if given.whole else (), ttl_days=None
    )


def _bad(
    source: str, chunk: rows.Chunk, reasons: dict[int, list[Reason]]
) -> Iterator[tuple[str, int, list[Reason], Any]]:
    found: dict[int, tuple[list[Reason], Any]] = {
        item.number: ([Reason("", "malformed", item.problem)], item.original) for item in chunk.malformed
    }
    found.update({number: (why, chunk.original(number)) for number, why in reasons.items()})
    for number, (why, original) in sorted(found.items()):
        yield source, number, why, original
