"""An environment as it stands, as data: what the page is drawn from, and nothing else is."""

import datetime
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from cli.overview.components import ComponentMap
from cli.reports.report import Report

FIRING = "ALARM"
"""CloudWatch's word for an alarm that is on."""
ERRORS = frozenset({"mae", "rmse"})
"""Measures of which less is better."""


@dataclass(frozen=True)
class Burn:
    """How fast an error budget burns over one of an alarm's windows."""

    window: str
    minutes: int
    """Of the long window."""
    rate: float
    """Times faster than allowed, in the long window."""
    factor: float
    """What the alarm fires above."""
    fires: bool
    """Whether both of its windows are over, by the counts of now."""


@dataclass(frozen=True)
class Promise:
    """A service level objective, and how it is kept."""

    name: str
    says: str
    """What is promised, such as `99.9 % answered`."""
    requests: float
    """In the 30 days of the budget, as far back as anything was counted."""
    bad: float
    budget: float
    """The share of requests that may be bad."""
    burns: tuple[Burn, ...]

    @property
    def good_percent(self) -> float | None:
        """Per cent of requests that were good; None without requests."""
        return 100 * (1 - self.bad / self.requests) if self.requests else None

    @property
    def left(self) -> float | None:
        """The share of the budget that is left, below 0 when it is overspent; None without requests."""
        return 1 - self.bad / (self.requests * self.budget) if self.requests else None

    @property
    def kept(self) -> bool | None:
        """Whether the budget lasted so far; None without requests."""
        return None if self.left is None else self.left >= 0


@dataclass(frozen=True)
class Hour:
    """The requests of one hour."""

    at: datetime.datetime
    requests: float
    errors: float


@dataclass(frozen=True)
class Distribution:
    """A column in training and in a window: shares of the rows in each bin."""

    bins: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]


@dataclass(frozen=True)
class DriftLine:
    """A column's drift, window by window."""

    name: str
    values: tuple[float | None, ...]
    """One a window; None where the window held too few rows to say."""
    latest: Distribution | None
    """Of the newest window that says anything."""

    @property
    def last(self) -> float | None:
        """What the newest window says."""
        return self.values[-1] if self.values else None


@dataclass(frozen=True)
class DriftHistory:
    """What the `drift` job found, oldest window first."""

    ends: tuple[datetime.datetime, ...]
    predictions: tuple[int, ...]
    """Answers in each window."""
    threshold: float
    features: tuple[DriftLine, ...]
    """The furthest first."""
    answers: tuple[DriftLine, ...]
    """Predictions and confidences."""
    unreadable: tuple[str, ...] = ()
    """Objects that are no result of the job."""

    @property
    def over(self) -> tuple[str, ...]:
        """What is further than the threshold in the newest window."""
        return tuple(
            line.name
            for line in (*self.features, *self.answers)
            if line.last is not None and line.last > self.threshold
        )


@dataclass(frozen=True)
class Measure:
    """A measure of quality, window by window."""

    name: str
    values: tuple[float | None, ...]
    limit: float | None = None
    """What is declared good enough: the least, or of `mae` and `rmse` the most."""

    @property
    def last(self) -> float | None:
        """What the newest window says."""
        return self.values[-1] if self.values else None

    @property
    def bad(self) -> bool:
        """Whether the newest window is beyond the limit."""
        if self.limit is None or self.last is None:
            return False
        return self.last > self.limit if self.name in ERRORS else self.last < self.limit


@dataclass(frozen=True)
class Group:
    """The answers that one group got in the newest window."""

    name: str
    answers: int
    told: float | None
    """Share of them that are the positive class; None of a group too small to be compared."""


@dataclass(frozen=True)
class BiasHistory:
    """What the `bias` job found, oldest window first."""

    attribute: str
    limit: float | None
    """The widest gap that is declared fine."""
    ends: tuple[datetime.datetime, ...]
    disparity: tuple[float | None, ...]
    """One a window; None where fewer than two groups could be compared."""
    parity: float | None
    """Of the newest window: how far apart groups are in how often they are told the positive class."""
    odds: float | None
    """The same in how often rightly, and how often wrongly; None while labels are not known."""
    positive: str
    """The class that groups are compared by."""
    groups: tuple[Group, ...]
    """Of the newest window; those that are compared come first."""

    @property
    def last(self) -> float | None:
        """What the newest window says."""
        return self.disparity[-1]

    @property
    def bad(self) -> bool:
        """Whether the newest window is beyond the limit."""
        return self.limit is not None and self.last is not None and self.last > self.limit


@dataclass(frozen=True)
class Importance:
    """How much a model's metric falls without a feature."""

    feature: str
    mean: float
    deviation: float
    before: float | None = None
    """The same of the version before; None where that has no such feature, or no explanation."""


@dataclass(frozen=True)
class Explanation:
    """What the live version's answers hang on."""

    metric: str
    score: float
    """The metric with all features."""
    rows: int
    same_data: bool
    """Whether the features are still those that the version learnt from."""
    importances: tuple[Importance, ...]
    """The largest first."""
    agreement: float | None = None
    """Rank correlation with the version before, from -1 to 1: 1 is the same order of features."""

    @property
    def scale(self) -> tuple[float, float]:
        """The least and the largest value that is drawn of any feature."""
        ends = [
            value
            for item in self.importances
            for value in (item.mean - item.deviation, item.mean + item.deviation, item.before)
            if value is not None
        ]
        return min(ends, default=0.0), max(ends, default=0.0)


class Form(enum.Enum):
    """How a figure is written."""

    SHARE = "share"
    DOLLARS = "dollars"
    TIMES = "times"


@dataclass(frozen=True)
class Figure:
    """A business figure, window by window."""

    name: str
    form: Form
    values: tuple[float | None, ...]
    limit: float | None
    """What is declared: the least that is good, or the most."""
    less_is_good: bool
    missing: str
    """Why a window may have none."""

    @property
    def last(self) -> float | None:
        """What the newest window says."""
        return self.values[-1]

    @property
    def bad(self) -> bool:
        """Whether the newest window is beyond the limit."""
        if self.limit is None or self.last is None:
            return False
        return self.last > self.limit if self.less_is_good else self.last < self.limit


@dataclass(frozen=True)
class VariantWorth:
    """What one variant's answers of the newest window were worth."""

    name: str
    predictions: int
    conversion: float | None
    retention: float | None
    revenue_each: float | None


@dataclass(frozen=True)
class Worth:
    """What the `kpis` job found, oldest window first."""

    ends: tuple[datetime.datetime, ...]
    predictions: tuple[int, ...]
    figures: tuple[Figure, ...]
    variants: tuple[VariantWorth, ...]


@dataclass(frozen=True)
class ModelFacts:
    """A model and its endpoint."""

    name: str
    description: str
    endpoint: str
    """Empty while nothing is live."""
    status: str
    """SageMaker's word; empty while nothing is live."""
    version: str
    """Number of the live version; empty while nothing is live."""
    promises: tuple[Promise, ...]
    traffic: tuple[Hour, ...]
    latency_p95_ms: float | None
    """Of the last day."""
    drift: DriftHistory | None
    quality: tuple[Measure, ...]
    watched: bool = False
    """Whether the stack has a job that watches it."""
    bias_attribute: str = ""
    """Whose values make the groups; empty where none is declared."""
    bias: BiasHistory | None = None
    explanation: Explanation | None = None
    worth: Worth | None = None


@dataclass(frozen=True)
class ViewFacts:
    """A feature view, as its newest watched window found it; without one, only its name."""

    name: str
    end: datetime.datetime | None = None
    rows: int | None = None
    usual_rows: float | None = None
    age_seconds: float | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class AlarmFacts:
    """An alarm's state."""

    name: str
    state: str
    says: str
    since: datetime.datetime | None
    composite: bool


@dataclass(frozen=True)
class Overview:
    """One environment at one moment."""

    stack: str
    region: str
    at: datetime.datetime
    components: ComponentMap
    component_costs: Mapping[str, Decimal]
    """Component of the map → US dollars in an expected month; without those that cost nothing."""
    models: tuple[ModelFacts, ...]
    views: tuple[ViewFacts, ...]
    alarms: tuple[AlarmFacts, ...]
    told: Sequence[Mapping[str, Any]]
    """What topics were told, newest first, as `stagecraft alerts` has it."""
    verdict: Report
    """What the policies say of what is deployed, and what it costs."""
    unknown: tuple[str, ...] = field(default=())
    """What could not be read, and why: never shown as if all were well."""

    @property
    def firing(self) -> tuple[AlarmFacts, ...]:
        """The alarms that are on; a composite's parts tell nobody, and come after those that do."""
        on = [alarm for alarm in self.alarms if alarm.state == FIRING]
        return tuple(sorted(on, key=lambda alarm: (not alarm.composite, alarm.name)))
