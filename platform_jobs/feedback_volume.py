"""`feedback-volume`: how many labels have come true since a version was trained; enough are worth another.

Told by the newest version, whatever became of it: what it learnt from is not new to the next one either.
"""

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from platform_jobs import attribution, metrics, monitoring, registry, settings
from platform_jobs.aws import Clients
from platform_jobs.dataset import label_view
from platform_jobs.labelled import LabelSettings
from platform_jobs.log import event
from platform_jobs.monitoring import Findings
from platform_jobs.offline import OfflineStore
from platform_jobs.outcomes import LABEL
from platform_jobs.registry import Registered
from platform_jobs.views import View, load_views
from platform_jobs.window import Window

if TYPE_CHECKING:
    import pandas as pd

LONGEST: Final = datetime.timedelta(days=90)
"""How far back is counted; a model that was trained before that has enough, or nobody asks it."""


@dataclass(frozen=True)
class Volume:
    """Labels that no version has learnt from."""

    since: datetime.datetime
    """When the newest version was registered, or as far back as is counted."""
    told: int
    """In the outcome log: an answer, or an entity, counts once."""
    learnt: int
    """In the feature store."""

    @property
    def rows(self) -> int:
        """How many there are: the same label often comes both ways, so the larger of the two."""
        return max(self.told, self.learnt)


def run(clients: Clients, config: LabelSettings) -> Volume | None:
    """Counts and publishes; None where no version is live.

    Raises:
        JobError: reason `no-label` or `unknown-format`.
    """
    live = monitoring.live_model(clients, config)
    if live is None:
        return None
    newest = _newest(clients, live.arn)
    end = config.window().end
    span = Window(max(newest.created.astimezone(datetime.UTC), end - LONGEST), end)
    views = load_views(clients, config.views_prefix, config.model_views)
    home, _ = label_view(views, live.label)
    artifacts = clients.bucket(config.artifacts_bucket)
    outcomes = attribution.happened(artifacts, config.model, span, home.join_keys)
    found = Volume(span.start, _told(outcomes), _learnt(clients, config, home, live.label, span))
    result: dict[str, Any] = {
        "window": span.to_json(),
        "model": config.model,
        "newest": newest.arn,
        "rows": found.rows,
        **{name: value for name, value in asdict(found).items() if name != "since"},
    }
    data = monitoring.of_model(config, end, [(metrics.NEW_LABELS, found.rows)])
    Findings("feedback-volume", end, result, data).publish(clients, artifacts, config.model)
    event("feedback-volume", "counted", model=config.model, rows=found.rows, since=newest.number)
    return found


def _newest(clients: Clients, live: str) -> Registered:
    """The version that was trained last; the live one's group is the model's."""
    known = registry.describe(clients, live)
    newest = registry.latest(clients, known.group)
    return known if newest in {None, live} else registry.describe(clients, str(newest))


def _told(outcomes: "pd.DataFrame") -> int:
    labels = outcomes[outcomes["kind"] == LABEL]
    return int(labels["prediction"].fillna(labels[attribution.ENTITY]).nunique())


def _learnt(clients: Clients, config: LabelSettings, home: View, label: str, span: Window) -> int:
    store = OfflineStore(clients.bucket(config.features_bucket), home)
    dates = sorted(date for date in store.partitions() if date >= span.start.date().isoformat())
    if not dates:
        return 0
    history = store.read(dates=dates)
    times = history.loc[history[label].notna(), home.event_time]
    return int(((times >= span.start) & (times < span.end)).sum())


def main(_argv: Sequence[str]) -> int:
    """`feedback-volume`: everything comes from the environment."""
    run(Clients(), settings.load(LabelSettings))
    return 0
