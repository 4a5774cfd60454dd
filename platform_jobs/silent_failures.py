"""`silent-failures`: what goes wrong with data without any error, for one feature view.

A source that ran dry or sends everything twice, rows that no longer come, a field that lost its values or
has one value only, columns that came, went or changed their type. Each is told by comparing a window with the
ones before it, so nobody has to state what is usual.
"""

import datetime
import json
import statistics
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from platform_jobs import layout, metrics, settings, times
from platform_jobs.aws import Bucket, Clients, in_parallel
from platform_jobs.log import INFO, WARNING, event
from platform_jobs.monitoring import Findings, WindowSettings
from platform_jobs.offline import OfflineStore
from platform_jobs.settings import Env, S3Location
from platform_jobs.telemetry import Datum
from platform_jobs.views import View, load_view
from platform_jobs.window import Window

if TYPE_CHECKING:
    import pandas as pd

WINDOWS_BEFORE: Final = 7
"""How many windows say what is usual: with daily ones, each weekday once."""
FEWEST_ROWS: Final = 30
"""Below it one value in a whole window is chance."""
_CHANGED: Final = 0.5
"""A column is of another type if so many of an object's rows have no value of the declared one."""


@dataclass(frozen=True, kw_only=True)
class SilentFailureSettings(WindowSettings):
    """What `silent-failures` reads from its environment."""

    curated_bucket: Annotated[str, Env("STAGECRAFT_CURATED_BUCKET")]
    features_bucket: Annotated[str, Env("STAGECRAFT_FEATURES_BUCKET")]
    views_prefix: Annotated[S3Location, Env("STAGECRAFT_VIEWS_PREFIX", S3Location.parse)]
    view: Annotated[str, Env("STAGECRAFT_VIEW")]


@dataclass(frozen=True)
class Health:
    """What a window says about a view. None: cannot be said, for want of rows now or before."""

    rows: int
    usual_rows: float | None
    """Median of the windows before."""
    age_seconds: float | None
    null_rates: dict[str, float]
    null_rates_before: dict[str, float]
    constant: tuple[str, ...]
    appeared: tuple[str, ...]
    disappeared: tuple[str, ...]
    retyped: tuple[str, ...]

    @property
    def row_ratio(self) -> float | None:
        """Rows over what is usual."""
        return self.rows / self.usual_rows if self.usual_rows else None

    @property
    def null_rise(self) -> float | None:
        """The largest rise of a field's null rate, at least 0."""
        rises = [rate - self.null_rates_before.get(name, rate) for name, rate in self.null_rates.items()]
        return max([0.0, *rises]) if self.null_rates and self.null_rates_before else None

    @property
    def schema_changes(self) -> int:
        """Columns that came, went or changed their type."""
        return len(self.appeared) + len(self.disappeared) + len(self.retyped)


def run(clients: Clients, config: SilentFailureSettings) -> Health:
    """Looks at one window and publishes what it found.

    Raises:
        JobError: reason `no-declaration` or `bad-declaration`.
    """
    view = load_view(clients, config.views_prefix, config.view)
    span = config.window()
    store = OfflineStore(clients.bucket(config.features_bucket), view)
    reports = _reports(clients.bucket(config.curated_bucket), view, span)
    found = _health(store, view, span, reports)
    _findings(config, span, found).publish(clients, clients.bucket(config.artifacts_bucket), view.name)
    odd = [*found.constant, *found.appeared, *found.disappeared, *found.retyped]
    level = WARNING if odd or not found.rows else INFO
    event("silent-failures", "measured", level, view=view.name, rows=found.rows, columns=odd)
    return found


def _health(store: OfflineStore, view: View, span: Window, reports: "_Reports") -> Health:
    earlier = span.before(WINDOWS_BEFORE)
    dates = sorted(store.partitions())
    wanted = {date for date in dates if _date(earlier[-1].start) <= date <= _date(span.end)}
    # The newest event may be older than all of these windows.
    wanted |= set([date for date in dates if date <= _date(span.end)][-1:])
    frame = store.read(dates=wanted) if wanted else None
    if frame is None:
        return Health(0, None, None, {}, {}, (), *reports.changes())
    moments = frame[view.event_time]
    now = frame[(moments >= span.start) & (moments < span.end)]
    before = frame[(moments >= earlier[-1].start) & (moments < span.start)]
    # Windows from before the view's first event say nothing of what is usual.
    known = [item for item in earlier if _date(item.end) > dates[0]]
    counts = [int(((moments >= item.start) & (moments < item.end)).sum()) for item in known]
    past = moments[moments < span.end]
    names = [field.name for field in view.fields]
    return Health(
        rows=len(now),
        usual_rows=float(statistics.median(counts)) if counts else None,
        age_seconds=None if past.empty else (span.end - past.max()).total_seconds(),
        null_rates=_null_rates(now, names),
        null_rates_before=_null_rates(before, names),
        constant=_constant(now, before, names),
        **dict(zip(("appeared", "disappeared", "retyped"), reports.changes(), strict=True)),
    )


def _date(moment: datetime.datetime) -> str:
    return moment.date().isoformat()


def _null_rates(frame: "pd.DataFrame", names: Sequence[str]) -> dict[str, float]:
    if frame.empty:
        return {}
    return {name: round(float(frame[name].isna().mean()), 6) for name in names}


def _constant(now: "pd.DataFrame", before: "pd.DataFrame", names: Sequence[str]) -> tuple[str, ...]:
    """Fields that had several values, and have one now."""
    if len(now) < FEWEST_ROWS:
        return ()
    return tuple(name for name in names if now[name].nunique() == 1 and before[name].nunique() > 1)


@dataclass(frozen=True)
class _Reports:
    """The quality gate's reports of the window, and those of the windows before."""

    now: Sequence[dict[str, Any]]
    before: Sequence[dict[str, Any]]

    def changes(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Columns that appeared, disappeared, changed type: in the window and not before it."""
        if not self.before:
            return (), (), ()
        kinds = (_undeclared, _missing, _mistyped)
        found = [
            {name for report in self.now for name in kind(report)}
            - {name for report in self.before for name in kind(report)}
            for kind in kinds
        ]
        appeared, disappeared, retyped = (tuple(sorted(names)) for names in found)
        return appeared, disappeared, retyped


def _undeclared(report: dict[str, Any]) -> Collection[str]:
    return list(report["undeclared_columns"])


def _missing(report: dict[str, Any]) -> Collection[str]:
    return list(report.get("missing_columns", ()))


def _mistyped(report: dict[str, Any]) -> Collection[str]:
    limit = report["rows_in"] * _CHANGED
    checks = report["failed_checks"].items()
    return [name.removesuffix(":type") for name, count in checks if name.endswith(":type") and count > limit]


def _reports(curated: Bucket, view: View, span: Window) -> _Reports:
    start = span.before(WINDOWS_BEFORE)[-1].start
    # A report is written after its object came: older ones need not be read.
    keys = [item.key for item in curated.list(layout.reports_prefix(view.name)) if item.modified >= start]
    now, before = [], []
    for body in in_parallel(curated.get, keys):
        report = {} if body is None else json.loads(body)
        if "ingested_at" not in report:  # written by older code, which did not say it
            continue
        came = times.parse(report["ingested_at"])
        if span.start <= came < span.end:
            now.append(report)
        elif start <= came < span.start:
            before.append(report)
    return _Reports(now, before)


def _findings(config: SilentFailureSettings, span: Window, found: Health) -> Findings:
    dimensions = {metrics.STACK: config.stack, metrics.VIEW: config.view}
    values: dict[metrics.Metric, float | None] = {
        metrics.ROW_COUNT: found.rows,
        metrics.ROW_COUNT_RATIO: found.row_ratio,
        metrics.FEATURE_AGE: found.age_seconds,
        metrics.NULL_RATE_RISE: found.null_rise,
        metrics.CONSTANT_FEATURES: len(found.constant),
        metrics.SCHEMA_CHANGES: found.schema_changes,
    }
    data = [
        Datum.of(metric, value, dimensions, span.end) for metric, value in values.items() if value is not None
    ]
    data += [
        Datum.of(metrics.NULL_RATE, rate, {**dimensions, metrics.FEATURE: name}, span.end)
        for name, rate in found.null_rates.items()
    ]
    result = {"window": span.to_json(), "view": config.view, **asdict(found)}
    return Findings("silent-failures", span.end, result, data)


def main(_argv: Sequence[str]) -> int:
    """`silent-failures`: everything comes from the environment."""
    run(Clients(), settings.load(SilentFailureSettings))
    return 0
