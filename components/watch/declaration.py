"""What is watched, as an input of Monitoring; and what it comes to for alarms and dashboards."""

from collections.abc import Sequence
from typing import Final, NotRequired, TypedDict

import pulumi

from components.checks import COLUMN, NAME, NAME_REMEDY, Problems
from components.watch import metrics, quality
from components.watch.endpoint import Served
from components.watch.quality import Fed, Judged, Kpi

MEASURES: Final = ("accuracy", "auc", "f1", "mae", "precision", "r2", "recall", "rmse")
_UNBOUNDED: Final = (*quality.LESS_IS_BETTER, "r2")
MOST_MODELS: Final = 50
MOST_VIEWS: Final = 20
"""A composite alarm speaks of at most 100 others: two of each model, five of each view."""


class Slo(TypedDict):
    """What users of a model may rely on."""

    availability: float
    """Requests that are answered, per cent; from 90 to 99.999."""
    latency_p95_ms: NotRequired[int]
    """What 95 % of the answers are faster than, in ms. Default: nothing is promised of that."""


class AccuracyLimit(TypedDict):
    """How good answers must be."""

    metric: str
    """`accuracy`, `auc`, `f1`, `precision`, `r2` or `recall`; or `mae` or `rmse`, of which less is better."""
    limit: float
    """The least that is good enough, or the most where less is better."""


class BiasLimit(TypedDict):
    """How differently groups may be treated."""

    attribute: str
    """Column whose values are the groups."""
    max_disparity: float
    """The widest gap that is fine; from 0 to 1."""


class BusinessKpi(TypedDict):
    """A business figure to watch."""

    metric: str
    """`conversionRate`, `retentionRate`, `revenuePerPrediction` or `returnOnCost`."""
    floor: NotRequired[float]
    """The least that is good. Default: what is usual for it."""


class UnitCost(TypedDict):
    """What predictions may cost."""

    max_usd_per_thousand: NotRequired[float]
    """Dollars for 1,000 predictions. Default: what is usual for them."""


class ServingCost(TypedDict):
    """What a model's answers cost."""

    hourly_usd: float
    """Dollars for an hour of what serves it; 0 where only requests are billed."""
    request_usd: NotRequired[float]
    """Dollars for one request on top of that. Default: 0."""


class WatchedModel(TypedDict):
    """One model, and what of it is watched."""

    name: str
    """Name of the model."""
    endpoint_name: NotRequired[pulumi.Input[str]]
    """SageMaker endpoint that answers. Default: none; then the gateway tells, if there is one."""
    feature_views: NotRequired[list[str]]
    """Its feature views; with them, Monitoring's `jobs` watch it. Default: none do."""
    live: NotRequired[bool]
    """Whether a version answers, so that silence of its monitors means something. Default: false."""
    serverless: NotRequired[bool]
    """Whether the endpoint is serverless. Default: true."""
    vcpus: NotRequired[int]
    """vCPUs of one of the endpoint's instances. Default: 0; the processor is not watched."""
    gpus: NotRequired[int]
    """GPUs of one of the endpoint's instances. Default: 0."""
    gateway: NotRequired[bool]
    """Whether callers come through the gateway, which then counts what was promised. Default: false."""
    slo: NotRequired[Slo]
    """What is promised. Default: nothing; plain limits on errors and latency are watched."""
    drift_threshold: NotRequired[float]
    """Drift from the training data that is too much; above 0, at most 1. Default: not watched."""
    accuracy: NotRequired[AccuracyLimit]
    """How good answers must be. Default: not watched."""
    max_calibration_error: NotRequired[float]
    """Gap between confidence and truth that is too wide; from 0 to 1. Default: not watched."""
    bias: NotRequired[BiasLimit]
    """How differently groups may be treated. Default: not watched."""
    feedback_rows: NotRequired[int]
    """New labels that are worth a training, which their alarm starts; from 1. Default: not watched."""
    business: NotRequired[list[BusinessKpi]]
    """Business figures to watch. Default: none."""
    unit_cost: NotRequired[UnitCost]
    """Watches what predictions cost. Default: not."""
    batch: NotRequired[bool]
    """Whether it also scores in batch, which its dashboard shows then. Default: false."""
    serving_cost: NotRequired[ServingCost]
    """What its answers cost, for figures of cost and return. Default: not known; there are none then."""


class WatchedView(TypedDict):
    """One feature view whose data is watched."""

    name: str
    """Name of the feature view."""
    max_age_hours: NotRequired[float]
    """Hours without news that are too many; above 0. Default: 48."""
    min_row_ratio: NotRequired[float]
    """Share of the usual rows that is too few; from 0 to 1. Default: 0.5."""
    max_null_rise: NotRequired[float]
    """Rise of a column's share of empty values that is too much; from 0 to 1. Default: 0.1."""


def served(stack: str, model: WatchedModel, endpoint: pulumi.Input[str] | None, variant: str) -> Served:
    """A model's endpoint as alarms and dashboards take it."""
    promised = model.get("slo")
    latency = None if promised is None else promised.get("latency_p95_ms")
    return Served(
        stack=stack,
        model=model["name"],
        endpoint=endpoint,
        variant=variant,
        serverless=model.get("serverless", True),
        gateway=model.get("gateway", False),
        vcpus=int(model.get("vcpus", 0)),
        gpus=int(model.get("gpus", 0)),
        availability=None if promised is None else float(promised["availability"]),
        latency_p95_ms=None if latency is None else int(latency),
    )


def judged(stack: str, model: WatchedModel) -> Judged:
    """A model's worth as alarms and dashboards take it."""
    accuracy, bias, cost = model.get("accuracy"), model.get("bias"), model.get("unit_cost")
    return Judged(
        stack=stack,
        model=model["name"],
        live=model.get("live", False),
        drift=model.get("drift_threshold"),
        accuracy=None if accuracy is None else (accuracy["metric"], accuracy["limit"]),
        calibration=model.get("max_calibration_error"),
        bias=None if bias is None else (bias["attribute"], bias["max_disparity"]),
        feedback_rows=None if "feedback_rows" not in model else int(model["feedback_rows"]),
        kpis=tuple(Kpi(kpi["metric"], kpi.get("floor")) for kpi in model.get("business", [])),
        unit_cost=cost is not None,
        unit_cost_usd=None if cost is None else cost.get("max_usd_per_thousand"),
        batch=model.get("batch", False),
    )


def fed(stack: str, view: WatchedView) -> Fed:
    """A view's data as alarms and dashboards take it."""
    return Fed(
        stack=stack,
        view=view["name"],
        max_age_hours=view.get("max_age_hours", quality.MAX_AGE_HOURS),
        min_row_ratio=view.get("min_row_ratio", quality.MIN_ROW_RATIO),
        max_null_rise=view.get("max_null_rise", quality.MAX_NULL_RISE),
    )


def check_models(problems: Problems, models: Sequence[WatchedModel]) -> None:
    """What is wrong with the models' declarations."""
    if len(models) > MOST_MODELS:
        problems.add("models", len(models), f"at most {MOST_MODELS}; split the stack")
    problems.distinct("models", [model["name"] for model in models])
    for index, model in enumerate(models):
        path = f"models[{index}]"
        problems.matches(f"{path}.name", model["name"], NAME, NAME_REMEDY)
        problems.between(f"{path}.vcpus", model.get("vcpus"), 0, 1000)
        problems.between(f"{path}.gpus", model.get("gpus"), 0, 16)
        problems.between(f"{path}.driftThreshold", model.get("drift_threshold"), 0.001, 1)
        problems.between(f"{path}.maxCalibrationError", model.get("max_calibration_error"), 0, 1)
        if "serving_cost" in model:
            cost = model["serving_cost"]
            problems.between(f"{path}.servingCost.hourlyUsd", cost["hourly_usd"], 0, 1e6, "dollars")
            problems.between(f"{path}.servingCost.requestUsd", cost.get("request_usd"), 0, 1e6, "dollars")
        problems.between(f"{path}.feedbackRows", model.get("feedback_rows"), 1, 1e9, "labels")
        if "slo" in model:
            problems.between(f"{path}.slo.availability", model["slo"]["availability"], 90, 99.999, "%")
            problems.between(f"{path}.slo.latencyP95Ms", model["slo"].get("latency_p95_ms"), 1, 60_000, "ms")
        if "accuracy" in model:
            accuracy = model["accuracy"]
            problems.one_of(f"{path}.accuracy.metric", accuracy["metric"], MEASURES)
            if accuracy["metric"] not in _UNBOUNDED:
                problems.between(f"{path}.accuracy.limit", accuracy["limit"], 0, 1)
        if "bias" in model:
            problems.matches(
                f"{path}.bias.attribute", model["bias"]["attribute"], COLUMN, "must be a column's name"
            )
            problems.between(f"{path}.bias.maxDisparity", model["bias"]["max_disparity"], 0, 1)
        kpis = model.get("business", [])
        problems.distinct(f"{path}.business", [kpi["metric"] for kpi in kpis])
        for place, kpi in enumerate(kpis):
            problems.one_of(f"{path}.business[{place}].metric", kpi["metric"], metrics.KPIS)
        if "unit_cost" in model:
            most = model["unit_cost"].get("max_usd_per_thousand")
            problems.between(f"{path}.unitCost.maxUsdPerThousand", most, 1e-6, 1e6, "USD")


def check_views(problems: Problems, views: Sequence[WatchedView]) -> None:
    """What is wrong with the views' declarations."""
    if len(views) > MOST_VIEWS:
        problems.add("views", len(views), f"at most {MOST_VIEWS}; split the stack")
    problems.distinct("views", [view["name"] for view in views])
    for index, view in enumerate(views):
        path = f"views[{index}]"
        problems.matches(f"{path}.name", view["name"], COLUMN, "must be a feature view's name")
        problems.between(f"{path}.maxAgeHours", view.get("max_age_hours"), 0.01, 24 * 365, "hours")
        problems.between(f"{path}.minRowRatio", view.get("min_row_ratio"), 0, 1)
        problems.between(f"{path}.maxNullRise", view.get("max_null_rise"), 0, 1)
