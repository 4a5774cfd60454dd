"""`drift`: how far a window's requests and answers are from the live version's training data.

One pass over the window's prediction log, counted into the baseline's bins: a light job for every hour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc

from platform_jobs import baseline, metrics, monitoring, settings, stability
from platform_jobs.aws import Clients
from platform_jobs.baseline import ARROW, Baseline, Distribution
from platform_jobs.bins import Counts
from platform_jobs.captured import Lines
from platform_jobs.log import INFO, WARNING, event
from platform_jobs.monitoring import Findings, LiveModel, ModelSettings
from platform_jobs.settings import Env
from platform_jobs.telemetry import Datum
from platform_jobs.window import Window


@dataclass(frozen=True, kw_only=True)
class DriftSettings(ModelSettings):
    """What `drift` reads from its environment."""

    threshold: Annotated[float, Env("STAGECRAFT_DRIFT_THRESHOLD", settings.positive_float)] = (
        stability.THRESHOLD
    )
    """For the log and the result; alarms have their own, from the same declaration."""


@dataclass(frozen=True)
class ColumnDrift:
    """What a window says about one column."""

    name: str
    drift: float
    """Population stability index beyond chance."""
    index: float
    """Population stability index as counted."""
    bins: tuple[str, ...]
    reference: tuple[int, ...]
    current: tuple[int, ...]
    """Rows in each bin, in training and in the window; the last bin is that of missing values."""


@dataclass(frozen=True)
class Drift:
    """What a window says. Columns are left out where it holds too few rows for them to say anything."""

    window: Window
    version: str
    predictions: int
    """Answers that callers got."""
    features: tuple[ColumnDrift, ...]
    answers: tuple[ColumnDrift, ...]
    """Of the predictions and their confidences, those of the live version only."""

    @property
    def worst_feature(self) -> float | None:
        """The largest drift of a feature."""
        return max((item.drift for item in self.features), default=None)

    @property
    def prediction(self) -> float | None:
        """The larger drift of predictions and confidences."""
        return max((item.drift for item in self.answers), default=None)

    def over(self, threshold: float) -> list[str]:
        """What has drifted further than a threshold."""
        return [item.name for item in (*self.features, *self.answers) if item.drift > threshold]


def run(clients: Clients, config: DriftSettings) -> Drift | None:
    """Measures one window and publishes what it found; None where no version is live.

    Raises:
        JobError: reason `no-baseline`, `altered` or `unknown-format`.
    """
    version = monitoring.live_model(clients, config)
    if version is None:
        return None
    artifacts = clients.bucket(config.artifacts_bucket)
    known = baseline.load(artifacts, config.model, version.digest, version.data_version)
    span = config.window()
    found = measure(monitoring.predictions(artifacts, config.model, span), known, version)
    over = found.over(config.threshold)
    _findings(config, found, version, over).publish(clients, artifacts, config.model)
    event(
        "drift",
        "drifted" if over else "measured",
        WARNING if over else INFO,
        model=config.model,
        predictions=found.predictions,
        enough=bool(found.features),
        over_threshold=over,
    )
    return found


def measure(lines: Lines, known: Baseline, version: LiveModel) -> Drift:
    """Counts the window's log into the baseline's bins and compares."""
    answers = [item for item in (known.prediction, known.confidence) if item is not None]
    features = [_Counted(item) for item in known.features]
    counted = [_Counted(item) for item in answers]
    rows = 0
    for table in lines.tables(_columns(known)):
        seen = table.filter(monitoring.is_seen(table))
        rows += seen.num_rows
        values = seen["features"].combine_chunks()
        for place, feature in enumerate(features):
            feature.add(pc.struct_field(values, [place]))
        of_model = table.filter(monitoring.is_of(table, version))
        for item, column in zip(counted, ("prediction", "probability"), strict=False):
            item.add(of_model[column])
    return Drift(
        window=lines.window,
        version=version.digest,
        predictions=rows,
        features=tuple(item.compared() for item in features if item.enough),
        answers=tuple(item.compared() for item in counted if item.enough),
    )


class _Counted:
    """A column's counts as they grow."""

    def __init__(self, reference: Distribution) -> None:
        self._reference = reference
        self._counts: Counts = reference.empty()

    def add(self, column: Any) -> None:
        self._counts += self._reference.bins.count(column)

    @property
    def enough(self) -> bool:
        return int(self._counts.sum()) >= stability.FEWEST_ROWS

    def compared(self) -> ColumnDrift:
        shift = stability.compare(self._reference.counts, self._counts)
        return ColumnDrift(
            name=self._reference.name,
            drift=shift.drift,
            index=shift.index,
            bins=tuple(self._reference.bins.names()),
            reference=self._reference.counts,
            current=tuple(self._counts.tolist()),
        )


def _columns(known: Baseline) -> dict[str, pa.DataType]:
    return {
        "variant": pa.string(),
        "step": pa.string(),
        "version": pa.string(),
        "features": pa.struct([(item.name, ARROW[item.type]) for item in known.features]),
        "prediction": pa.int64() if known.prediction.type == "int" else ARROW[known.prediction.type],
        "probability": pa.float64(),
    }


def _findings(config: DriftSettings, found: Drift, version: LiveModel, over: Sequence[str]) -> Findings:
    end = found.window.end
    age = (end - version.trained_at).total_seconds()
    whole: list[tuple[metrics.Metric, float]] = [
        (metrics.CAPTURED_PREDICTIONS, found.predictions),
        (metrics.MODEL_AGE, max(0.0, age)),
    ]
    if found.worst_feature is not None:
        whole.append((metrics.FEATURE_DRIFT_MAX, found.worst_feature))
    if found.prediction is not None:
        whole.append((metrics.PREDICTION_DRIFT, found.prediction))
    data = monitoring.of_model(config, end, whole)
    data += [
        Datum.of(metrics.FEATURE_DRIFT, item.drift, {**config.dimensions, metrics.FEATURE: item.name}, end)
        for item in found.features
    ]
    result = {
        "window": found.window.to_json(),
        "model": config.model,
        "version": version.arn,
        "predictions": found.predictions,
        "threshold": config.threshold,
        "over_threshold": list(over),
        "features": [item.__dict__ for item in found.features],
        "answers": [item.__dict__ for item in found.answers],
    }
    return Findings("drift", end, result, data)


def main(_argv: Sequence[str]) -> int:
    """`drift`: everything comes from the environment."""
    run(Clients(), settings.load(DriftSettings))
    return 0
