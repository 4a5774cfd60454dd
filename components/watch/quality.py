"""What is watched of a model's worth: data, drift, accuracy, fairness, what it brings and what it costs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from components.watch import metrics
from components.watch.alarms import ABOVE, BELOW, DAY, HOUR, OVER_BAND, REACHED, TICKET, Alarm, Composite
from components.watch.metrics import Metric, Series

LESS_IS_BETTER: Final = ("mae", "rmse")
UNDER_BAND: Final = "LessThanLowerThreshold"
MAX_CALIBRATION_ERROR: Final = 0.1
MAX_AGE_HOURS: Final = 48
MIN_ROW_RATIO: Final = 0.5
MAX_NULL_RISE: Final = 0.1
KPI_BAND: Final = 3.0
COST_BAND: Final = 3.0


@dataclass(frozen=True)
class Kpi:
    """A business figure that is watched."""

    metric: str
    """One of `metrics.KPIS`."""
    floor: float | None = None
    """The least that is good; None: what is usual for it."""


@dataclass(frozen=True)
class Judged:
    """A model as far as its answers are judged; what is None is not."""

    stack: str
    model: str
    live: bool = False
    """Whether a version answers, so that its monitors have something to say."""
    drift: float | None = None
    """Largest drift of a feature that is still fine."""
    accuracy: tuple[str, float] | None = None
    """Measure → the least it may be, or the most where less is better."""
    calibration: float | None = None
    bias: tuple[str, float] | None = None
    """Attribute → the widest gap between its groups."""
    kpis: Sequence[Kpi] = field(default_factory=tuple)
    feedback_rows: int | None = None
    """New labels that are worth a training."""
    unit_cost: bool = False
    """Whether the cost of predictions is watched."""
    unit_cost_usd: float | None = None
    """Dollars for 1,000 predictions that are too much; None: what is usual for it."""
    batch: bool = False
    """Whether it also scores in batch."""

    def line(self, metric: Metric, **more: str) -> Series:
        """One of its metrics."""
        return Series(metric, {"Stack": self.stack, "Model": self.model, **more})


def alarms_of(judged: Judged) -> Iterator[Alarm]:
    """Every alarm of a model's worth; the first of them are told of by `composites_of`."""
    yield from _parts(judged)
    if judged.live and (judged.drift is not None or judged.accuracy is not None):
        yield Alarm(
            f"{judged.model}-silent",
            "monitor-silent",
            f"Nothing has been heard of the monitors of {judged.model} for two days",
            (("heard", Series(metrics.CAPTURED, judged.line(metrics.CAPTURED).dimensions, "SampleCount")),),
            threshold=1,
            comparison=BELOW,
            period_seconds=DAY,
            periods=2,
            missing="missing",
            level=TICKET,
            silence=True,
        )
    if judged.feedback_rows is not None:
        yield _volume(judged, judged.feedback_rows)
    for kpi in judged.kpis:
        yield _business(judged, kpi)
    if judged.unit_cost:
        yield _cost(judged)


def composites_of(judged: Judged, *, views: bool) -> Iterator[Composite]:
    """One ticket for all that is wrong with a model's answers, and none where its data is to blame."""
    parts = tuple((alarm.name,) for alarm in _parts(judged))
    if parts:
        yield Composite(
            f"{judged.model}-quality",
            "model-quality",
            f"{judged.model} answers worse than it should; its parts say whether by drift, accuracy or bias",
            parts,
            level=TICKET,
            suppressed_by="data-quality" if views else "",
        )


def _parts(judged: Judged) -> Iterator[Alarm]:
    if judged.drift is not None:
        says = f"{judged.model} sees inputs unlike those it was trained on: drift above {judged.drift:g}"
        drift = judged.line(metrics.FEATURE_DRIFT_MAX)
        yield _latest(f"{judged.model}-drift", "drift", says, drift, (ABOVE, judged.drift))
        says = f"{judged.model} answers unlike it did in training: prediction drift above {judged.drift:g}"
        drift = judged.line(metrics.PREDICTION_DRIFT)
        yield _latest(
            f"{judged.model}-prediction-drift", "prediction-drift", says, drift, (ABOVE, judged.drift)
        )
    if judged.accuracy is not None:
        measure, limit = judged.accuracy
        worse = ABOVE if measure in LESS_IS_BETTER else BELOW
        says = (
            f"{judged.model} has lost accuracy: {measure} {'above' if worse == ABOVE else 'below'} {limit:g}"
        )
        quality = judged.line(metrics.MODEL_QUALITY, Measure=measure)
        yield _latest(f"{judged.model}-accuracy", "accuracy", says, quality, (worse, limit))
    if judged.calibration is not None:
        says = f"{judged.model} is surer than it is right: calibration error above {judged.calibration:g}"
        error = judged.line(metrics.CALIBRATION_ERROR)
        yield _latest(f"{judged.model}-calibration", "calibration", says, error, (ABOVE, judged.calibration))
    if judged.bias is not None:
        attribute, gap = judged.bias
        says = f"{judged.model} treats groups of {attribute} differently (bias): disparity above {gap:g}"
        disparity = judged.line(metrics.BIAS_DISPARITY, Attribute=attribute)
        yield _latest(f"{judged.model}-bias", "bias", says, disparity, (ABOVE, gap))


def _latest(name: str, kind: str, says: str, series: Series, limit: tuple[str, float]) -> Alarm:
    """Jobs speak once a window: what they said last holds until they speak again."""
    return Alarm(
        name,
        kind,
        says,
        ((_identifier(kind), series),),
        threshold=limit[1],
        comparison=limit[0],
        period_seconds=HOUR,
        missing="ignore",
    )


def _identifier(text: str) -> str:
    return text.replace("-", "_")


def _volume(judged: Judged, rows: int) -> Alarm:
    """Nobody's ticket: it is on until a version has learnt from them, and so starts one loop."""
    return Alarm(
        f"{judged.model}-feedback",
        "feedback-volume",
        f"{judged.model} has {rows} labels or more that no version has learnt from: it is to be trained",
        (("labels", judged.line(metrics.NEW_LABELS)),),
        threshold=float(rows),
        comparison=REACHED,
        period_seconds=HOUR,
        missing="ignore",
    )


def _business(judged: Judged, kpi: Kpi) -> Alarm:
    metric = metrics.KPIS[kpi.metric]
    spoken = f"{kpi.metric} of {judged.model}"
    says = f"{spoken} is below {kpi.floor:g}" if kpi.floor is not None else f"{spoken} is lower than usual"
    return Alarm(
        f"{judged.model}-{metric.name.lower()}",
        "business-kpi",
        says,
        (("kpi", judged.line(metric)),),
        threshold=kpi.floor,
        band=0 if kpi.floor is not None else KPI_BAND,
        comparison=UNDER_BAND if kpi.floor is None else BELOW,
        period_seconds=DAY,
        periods=2,
        missing="ignore",
        level=TICKET,
    )


def _cost(judged: Judged) -> Alarm:
    limit = judged.unit_cost_usd
    says = "more than usual" if limit is None else f"more than ${limit:g}"
    return Alarm(
        f"{judged.model}-unit-cost",
        "unit-cost",
        f"1,000 predictions of {judged.model} cost {says}",
        (("cost", judged.line(metrics.COST_PER_THOUSAND)),),
        threshold=limit,
        band=COST_BAND if limit is None else 0,
        comparison=OVER_BAND if limit is None else ABOVE,
        period_seconds=DAY,
        periods=2,
        missing="ignore",
        level=TICKET,
    )


@dataclass(frozen=True)
class Fed:
    """A feature view as far as its data is judged."""

    stack: str
    view: str
    max_age_hours: float = MAX_AGE_HOURS
    min_row_ratio: float = MIN_ROW_RATIO
    max_null_rise: float = MAX_NULL_RISE

    def line(self, metric: Metric) -> Series:
        """One of its metrics."""
        return Series(metric, {"Stack": self.stack, "FeatureView": self.view})


def data_alarms(fed: Fed) -> Iterator[Alarm]:
    """Failures of data that raise no error: no rows, old rows, empty columns, stuck or changed ones."""
    view = fed.view.replace("_", "-")
    age, rows, nulls = fed.max_age_hours, fed.min_row_ratio, fed.max_null_rise
    for name, wrong, metric, limit in (
        ("stale", f"has had no news for {age:g} h", metrics.FEATURE_AGE, (ABOVE, age * HOUR)),
        ("rows", f"got less than {rows:.0%} of its usual rows", metrics.ROW_COUNT_RATIO, (BELOW, rows)),
        ("nulls", f"has {nulls:.0%} more empty values than before", metrics.NULL_RATE_RISE, (ABOVE, nulls)),
        ("constant", "has a field that stopped changing", metrics.CONSTANT_FEATURES, (ABOVE, 0.0)),
        ("schema", "has columns that came, went or changed type", metrics.SCHEMA_CHANGES, (ABOVE, 0.0)),
    ):
        says = f"Data quality: feature view {fed.view} {wrong}"
        yield _latest(f"{view}-{name}", "data-quality", says, fed.line(metric), limit)


def data_composite(all_fed: Sequence[Fed]) -> Composite | None:
    """One ticket for all views; None without any."""
    names = tuple((alarm.name,) for fed in all_fed for alarm in data_alarms(fed))
    if not names:
        return None
    return Composite(
        "data-quality",
        "data-quality",
        "Data quality: what models read is not what it was; its parts say which view and how",
        names,
        level=TICKET,
    )
