"""Who is scored, and by what features: gathered on local disk, then judged and handed out a part at a time.

Everything of an entity is in one part, so memory holds a part and no more, however many there are.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from platform_jobs import tables
from platform_jobs.batch.aside import Aside
from platform_jobs.batch.given import ORIGIN, LocalFiles
from platform_jobs.batch.scope import AS_OF, History, Scope
from platform_jobs.batch.spill import Spill
from platform_jobs.features import training_frame
from platform_jobs.schema import Reason
from platform_jobs.views import Field, View

_GIVEN: Final = "given"
_JUDGED: Final = "judged"
_READ_ROWS: Final = 200_000
"""Rows of a history that are divided at once."""
_TWICE: Final = Reason("", "duplicate", "an earlier row names the same entity")
_UNKNOWN: Final = Reason("", "unknown", "no view has fresh features of the entity")


@dataclass
class Population:
    """Gathers, judges, hands out."""

    scope: Scope
    spill: Spill
    aside: Aside
    files: LocalFiles | None = None
    """Rows that were handed in. Default: whoever the home view knows is scored."""
    good: int = 0

    @property
    def rows(self) -> int:
        """Rows, or entities, that were there to score."""
        return self.good + self.aside.rows

    def gather(self, histories: Sequence[History]) -> None:
        """Brings everything to local disk that a prediction is made from.

        Raises:
            JobError: reason `changed` if a history is written anew meanwhile.
        """
        if self.files is not None:
            columns = [*self.files.given.columns(self.scope), *ORIGIN]
            for frame in self.files.good(self.scope, self.aside):
                self.spill.add(_GIVEN, columns, frame)
        if self.files is None or not self.files.given.whole:
            for history in histories:
                self._gather_history(history)

    def judge(self) -> None:
        """Finds each part's entities and joins their features; what cannot be scored is put aside."""
        for part in range(self.spill.parts):
            frame = self._judged(part)
            self.good += len(frame)
            self.spill.put(_JUDGED, self._columns, part, frame)

    def part(self, number: int) -> pd.DataFrame:
        """A part's entities with their features, by key."""
        return self.spill.read(_JUDGED, self._columns, number)

    @property
    def _columns(self) -> list[Field]:
        return [*self.scope.keys, *self.scope.inputs]

    def _gather_history(self, history: History) -> None:
        view, columns = history.view, self.scope.columns(history.view)
        names = [column.name for column in columns]
        waiting: list[pd.DataFrame] = []
        for frame in history.frames(names):
            waiting.append(self._counting(view, frame[names]))
            if sum(map(len, waiting)) >= _READ_ROWS:
                self.spill.add(view.name, columns, _newest(view, waiting))
                waiting = []
        if waiting:
            self.spill.add(view.name, columns, _newest(view, waiting))

    def _counting(self, view: View, frame: pd.DataFrame) -> pd.DataFrame:
        """What was known at the time, and had not aged out by then."""
        since, times = self.scope.since(view), frame[view.event_time]
        known = times <= pd.Timestamp(self.scope.as_of)
        return frame[known if since is None else known & (times >= pd.Timestamp(since))]

    def _judged(self, part: int) -> pd.DataFrame:
        keys = [key.name for key in self.scope.keys]
        if self.files is None:
            home = self.spill.read(self.scope.home.name, self.scope.columns(self.scope.home), part)
            return self._joined(home[keys].drop_duplicates(), part).sort_values(keys, ignore_index=True)
        columns = [*self.files.given.columns(self.scope), *ORIGIN]
        frame = self.spill.read(_GIVEN, columns, part)
        frame = self._without(part, frame, frame.duplicated(keys), _TWICE)
        if not self.files.given.whole:
            frame = self._without(part, frame, ~self._known(frame, part), _UNKNOWN)
            frame = self._joined(frame[keys], part)
        return frame[[column.name for column in self._columns]].sort_values(keys, ignore_index=True)

    def _without(
        self, part: int, frame: pd.DataFrame, bad: "pd.Series[bool]", reason: Reason
    ) -> pd.DataFrame:
        assert self.files is not None  # noqa: S101  (only rows that were handed in can be bad here)
        kept = [*(key.name for key in self.scope.keys), *(column.name for column in ORIGIN)]
        self.aside.add(f"chunk-{part:05d}", self.files.later(frame.loc[bad, kept], reason))
        return frame[~bad]

    def _known(self, entities: pd.DataFrame, part: int) -> "pd.Series[bool]":
        """Which entities at least one view knows."""
        known = pd.Series(False, index=entities.index)
        for view in self.scope.views:
            keys = list(view.join_keys)
            history = self.spill.read(view.name, self.scope.columns(view), part)[keys]
            known |= pd.MultiIndex.from_frame(entities[keys]).isin(pd.MultiIndex.from_frame(history))
        return known

    def _joined(self, entities: pd.DataFrame, part: int) -> pd.DataFrame:
        if entities.empty:  # pandas cannot join nothing by keys
            return tables.typed_frame(tables.schema_of(self._columns).empty_table(), self._columns)
        histories = [
            (_narrowed(view, self.scope), self.spill.read(view.name, self.scope.columns(view), part))
            for view in self.scope.views
        ]
        moment = pd.Series(pd.Timestamp(self.scope.as_of), index=entities.index).dt.as_unit("us")
        return training_frame(entities.assign(**{AS_OF: moment}), AS_OF, histories).drop(columns=AS_OF)


def _newest(view: View, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Of each entity the newest row: of the others nothing is needed."""
    frame = pd.concat(frames, ignore_index=True).sort_values(view.event_time, kind="stable")
    return frame.drop_duplicates(list(view.join_keys), keep="last", ignore_index=True)


def _narrowed(view: View, scope: Scope) -> View:
    """The view with no features but the model's."""
    names = {field.name for field in scope.inputs}
    return dataclasses.replace(view, fields=tuple(field for field in view.fields if field.name in names))
