"""`kpis`: what a model's answers were worth: conversion, retention, revenue, and what serving them cost."""

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

from platform_jobs import attribution, metrics, monitoring, settings
from platform_jobs.aws import Clients
from platform_jobs.dataset import label_view
from platform_jobs.labelled import LabelSettings
from platform_jobs.log import event
from platform_jobs.monitoring import Findings
from platform_jobs.outcomes import CONVERSION, RETENTION, REVENUE
from platform_jobs.prediction_log import BATCH
from platform_jobs.settings import Env
from platform_jobs.views import load_views
from platform_jobs.window import Window

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class KpiSettings(LabelSettings):
    """What `kpis` reads from its environment. An outcome belongs to predictions as a label does."""

    hourly_cost: Annotated[float | None, Env("STAGECRAFT_SERVING_HOURLY_COST_USD", settings.not_negative)] = (
        None
    )
    """What the model's serving costs while it stands. Default: not known, and no numbers of cost."""
    request_cost: Annotated[float, Env("STAGECRAFT_SERVING_REQUEST_COST_USD", settings.not_negative)] = 0
    """What an answer costs on top of it."""


@dataclass(frozen=True)
class Worth:
    """What a number of answers was worth. None: no outcome tells, or no cost is known."""

    predictions: int
    asked: int
    """Those that someone asked for: a batch run tells what its own cost."""
    conversion_rate: float | None
    retention_rate: float | None
    revenue: float | None
    """US dollars, refunds taken off."""
    cost: float | None
    """US dollars."""

    @property
    def revenue_per_prediction(self) -> float | None:
        """US dollars."""
        return None if self.revenue is None else self.revenue / self.predictions

    @property
    def return_on_cost(self) -> float | None:
        """Revenue over cost."""
        return None if self.revenue is None or not self.cost else self.revenue / self.cost

    @property
    def cost_per_thousand(self) -> float | None:
        """US dollars for 1,000 answers."""
        return None if self.cost is None or not self.asked else self.cost / self.asked * 1000


@dataclass(frozen=True)
class Kpis:
    """A window's answers, all of them and by variant."""

    window: Window
    whole: Worth
    variants: dict[str, Worth]
    """Without cost, which cannot be told apart."""


def run(clients: Clients, config: KpiSettings) -> Kpis | None:
    """Measures one window and publishes what it found; None where no version is live.

    Raises:
        JobError: reason `no-label`, `no-declaration` or `unknown-format`.
    """
    version = monitoring.live_model(clients, config)
    if version is None:
        return None
    artifacts = clients.bucket(config.artifacts_bucket)
    home, _ = label_view(load_views(clients, config.views_prefix, config.model_views), version.label)
    span = config.asked_window()
    asked = attribution.predictions(artifacts, config.model, span, home.join_keys, {})
    until = Window(span.start, config.window().end)
    told = attribution.happened(artifacts, config.model, until, home.join_keys)
    told = attribution.attributed(told, asked, datetime.timedelta(days=config.horizon_days))
    found = measure(asked, told, span, _cost(config, span, _asked_for(asked)))
    _findings(config, found).publish(clients, artifacts, config.model)
    event("kpis", "measured", model=config.model, predictions=len(asked), outcomes=len(told))
    return found


def measure(asked: "pd.DataFrame", told: "pd.DataFrame", span: Window, cost: float | None) -> Kpis:
    """The worth of answers by the outcomes that belong to them."""
    variants = {
        str(name): _worth(rows, told[told["prediction"].isin(rows["id"])], None)
        for name, rows in asked.groupby("variant", sort=True)
    }
    return Kpis(span, _worth(asked, told, cost), variants)


def _worth(asked: "pd.DataFrame", told: "pd.DataFrame", cost: float | None) -> Worth:
    converted = told.loc[told["kind"] == CONVERSION, "prediction"].nunique()
    kept = told.loc[told["kind"] == RETENTION].drop_duplicates("prediction", keep="last")["value"]
    earned = told.loc[told["kind"] == REVENUE, "value"]
    # No outcome at all may mean that nobody tells: a rate of 0 would be a claim.
    return Worth(
        predictions=len(asked),
        asked=_asked_for(asked),
        conversion_rate=converted / len(asked) if converted else None,
        retention_rate=float(kept.mean()) if len(kept) else None,
        revenue=float(earned.sum()) if len(earned) else None,
        cost=cost,
    )


def _asked_for(asked: "pd.DataFrame") -> int:
    return int((asked["variant"] != BATCH).sum())


def _cost(config: KpiSettings, span: Window, predictions: int) -> float | None:
    if config.hourly_cost is None:
        return None
    hours = span.length / datetime.timedelta(hours=1)
    return config.hourly_cost * hours + config.request_cost * predictions


def _findings(config: KpiSettings, found: Kpis) -> Findings:
    end = config.window().end
    values = {
        metrics.CONVERSION_RATE: found.whole.conversion_rate,
        metrics.RETENTION_RATE: found.whole.retention_rate,
        metrics.REVENUE_PER_PREDICTION: found.whole.revenue_per_prediction,
        metrics.RETURN_ON_COST: found.whole.return_on_cost,
        metrics.COST_PER_THOUSAND: found.whole.cost_per_thousand,
    }
    known = [(metric, value) for metric, value in values.items() if value is not None]
    result = {
        "window": found.window.to_json(),
        "model": config.model,
        **asdict(found.whole),
        **{metric.name: value for metric, value in known},
        "variants": {name: asdict(worth) for name, worth in found.variants.items()},
    }
    return Findings("kpis", end, result, monitoring.of_model(config, end, known))


def main(_argv: Sequence[str]) -> int:
    """`kpis`: everything comes from the environment."""
    run(Clients(), settings.load(KpiSettings))
    return 0
