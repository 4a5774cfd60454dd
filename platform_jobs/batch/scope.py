"""What of the feature store a batch run is about: the model's inputs, as they were known at a time."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from platform_jobs.artifact import LoadedModel
from platform_jobs.dataset import label_view
from platform_jobs.errors import JobError
from platform_jobs.features import feature_names
from platform_jobs.offline import OfflineStore
from platform_jobs.views import Field, View

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

    def dates(self, store: OfflineStore) -> dict[str, int]:
        """The event dates of a store that count, each with its rows."""
        since, last = self.since(store.view), self.as_of.date().isoformat()
        first = "" if since is None else since.date().isoformat()
        return {date: item.rows for date, item in store.partitions().items() if first <= date <= last}
