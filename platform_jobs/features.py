"""Features as models see them: point-in-time correct for training, newest for predictions."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from platform_jobs.aws import Clients
from platform_jobs.errors import JobError
from platform_jobs.online import Features, OnlineReader
from platform_jobs.views import View

if TYPE_CHECKING:
    import pandas as pd

_TIME = "__feature_time__"


def online(
    clients: Clients,
    views: Sequence[View],
    tables: Mapping[str, str],
    entities: Sequence[Mapping[str, Any]],
) -> list[Features]:
    """The newest features of each entity. For more than one call keep an `OnlineReader`."""
    return OnlineReader(clients, views, tables).read(entities)


def feature_names(views: Sequence[View]) -> list[str]:
    """The features of the views, in declared order.

    Raises:
        JobError: reason `name-clash` if two views have a feature of the same name.
    """
    names: dict[str, str] = {}
    clashes: list[str] = []
    for view in views:
        for field in view.features:
            if field.name in names:
                clashes.append(f"{field.name} (in {names[field.name]} and {view.name})")
            names.setdefault(field.name, view.name)
    if clashes:
        raise JobError("name-clash", f"a model's views must not share feature names: {', '.join(clashes)}")
    return list(names)


def training_frame(
    labels: "pd.DataFrame", event_time: str, histories: Sequence[tuple[View, "pd.DataFrame"]]
) -> "pd.DataFrame":
    """Joins to each label what was known at its time: never a value from its future.

    Args:
        labels: one row a label: the views' join keys (text), the time the label is for, anything else.
        event_time: the label time's column, `datetime64[us, UTC]`.
        histories: each view with its history; a key and event time occurs at most once.

    Returns:
        The labels' rows and columns in their order, plus each feature's latest value at or before the
        label's time and not older than the view's `ttlDays`; missing where there is none.

    Raises:
        JobError: reason `name-clash` or `bad-entity`.
    """
    import pandas as pd

    feature_names([view for view, _ in histories])
    frame = labels.reset_index(drop=True)
    for view, history in histories:
        absent = [name for name in view.join_keys if name not in frame]
        if absent:
            raise JobError(
                "bad-entity", f"the labels lack the join keys {', '.join(absent)} of view {view.name}"
            )
        names = [field.name for field in view.features]
        own = [name for name in names if name in frame]
        if own:
            raise JobError(
                "name-clash", f"features of view {view.name} are label columns too: {', '.join(own)}"
            )
        keys = list(view.join_keys)
        right = history[[*keys, view.event_time, *names]].rename(columns={view.event_time: _TIME})
        joined = pd.merge_asof(
            frame.sort_values(event_time, kind="stable"),
            right.sort_values(_TIME, kind="stable"),
            left_on=event_time,
            right_on=_TIME,
            by=keys,
            tolerance=None if view.ttl_days is None else pd.Timedelta(days=view.ttl_days),
        )
        # merge_asof numbers its rows anew: they stand in the order of the sorted labels.
        joined.index = frame.sort_values(event_time, kind="stable").index
        frame = joined.sort_index().drop(columns=_TIME)
    return frame
