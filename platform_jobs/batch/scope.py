"""What of the feature store a batch run is about: the model's inputs, as they were known at a time."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from platform_jobs.artifact import LoadedModel
from platform_jobs.dataset import label_view
from platform_jobs.errors import JobError
from platform_jobs.features import feature_names
from platform_jobs.offline import OfflineStore, Partition
from platform_jobs.views import Field, View

if TYPE_CHECKING:
    import pandas as pd

AS_OF: Final = "__as_of__"
"""The time that features are joined for, as a column."""


@dataclass(frozen=True)
class Scope:
    """A model's views as of a time."""

    views: tuple[View, ...]
    home: View
    """The view with the model's label: its join keys name an entity."""
    inputs: tuple[Field, ...]
    """The model's features, as the views declare them."""
    as_of: datetime.datetime

    @classmethod
    def of(cls, views: Sequence[View], model: LoadedModel, label: str, as_of: datetime.datetime) -> "Scope":
        """The scope of a model.

        Raises:
            JobError: reason `no-label`, `name-clash`, or `wrong-views` if the views are no longer those that
                the model was trained on.
        """
        home, _ = label_view(views, label)
        feature_names(views)
        declared = {field.name: field for view in views for field in view.features}
        strange = [
            feature.name
            for feature in model.features
            if feature.name not in declared or declared[feature.name].type != feature.type
        ]
        if strange:
            raise JobError(
                "wrong-views",
                f"the views no longer declare {', '.join(strange)} as the live version knows them: "
                "train and release one on the views as they are",
            )
        return cls(tuple(views), home, tuple(declared[feature.name] for feature in model.features), as_of)

    @property
    def keys(self) -> tuple[Field, ...]:
        """The columns that name an entity."""
        return tuple(Field(name, "string") for name in self.home.join_keys)

    @property
    def shared(self) -> list[str]:
        """The keys that every view has: by them, all that is known of an entity can be kept together."""
        return [name for name in self.home.join_keys if all(name in view.join_keys for view in self.views)]

    def columns(self, view: View) -> list[Field]:
        """What is read of a view."""
        names = {*view.join_keys, view.event_time, *(field.name for field in self.inputs)}
        return [column for column in view.columns if column.name in names]

    def since(self, view: View) -> datetime.datetime | None:
        """The oldest event time that still counts; None if all do."""
        return None if view.ttl_days is None else self.as_of - datetime.timedelta(days=view.ttl_days)

    def history(self, store: OfflineStore) -> "History":
        """What a store holds now of the event dates that count."""
        since, last = self.since(store.view), self.as_of.date().isoformat()
        first = "" if since is None else since.date().isoformat()
        known = store.partitions()
        return History(store, {date: known[date] for date in known if first <= date <= last})


@dataclass(frozen=True)
class History:
    """A view's partitions as they were at one time: what is hashed is what is read."""

    store: OfflineStore
    partitions: Mapping[str, Partition]

    @property
    def view(self) -> View:
        """The view."""
        return self.store.view

    @property
    def rows(self) -> int:
        """How many there are, of all entities and times."""
        return sum(partition.rows for partition in self.partitions.values())

    def content(self) -> list[Any]:
        """What tells it from another."""
        return [self.view.name, [[date, item.sha256] for date, item in self.partitions.items()]]

    def frames(self, columns: list[str]) -> "Iterator[pd.DataFrame]":
        """Its rows, an event date at a time.

        Raises:
            JobError: reason `changed` if it is no longer what it was.
        """
        return self.store.frames(self.partitions, columns)
