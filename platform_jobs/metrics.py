"""Every metric that the platform's own code emits: name, unit, dimensions, meaning, and who emits it.

Dashboards and alarms are made from this table, and nothing is emitted that it does not name. AWS's own
metrics (of endpoints, queues, machines) are AWS's, and not here. Imports nothing, so anything may read it.

CloudWatch adds nothing up over dimensions: a metric with other dimensions is another metric, with a name of
its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

NAMESPACE: Final = "Stagecraft"
"""The one namespace; roles may put metrics into no other."""

STACK: Final = "Stack"
MODEL: Final = "Model"
FEATURE: Final = "Feature"
VIEW: Final = "FeatureView"
MEASURE: Final = "Measure"
"""What quality is measured by, as declarations call it: `f1`, `accuracy`, `auc`, `rmse` and so on."""
ATTRIBUTE: Final = "Attribute"
"""The declared field whose values make the groups."""
VARIANT: Final = "Variant"
STEP: Final = "Step"
"""Who answered: a step of the degradation ladder."""

CLUSTER: Final = "Cluster"
POOL: Final = "Pool"
"""Machines of one kind in a cluster."""

Unit = Literal["Count", "Milliseconds", "None", "Percent", "Seconds"]
COUNT: Final = "Count"
PERCENT: Final = "Percent"
MILLISECONDS: Final = "Milliseconds"
SECONDS: Final = "Seconds"
NONE: Final = "None"
"""CloudWatch's word for a number without one of its units: shares, scores, dollars."""

LIVE_STEP: Final = "live"
PREVIOUS_STEP: Final = "previous"
LAST_GOOD_STEP: Final = "last-good"
DEFAULT_STEP: Final = "default-answer"
STEPS: Final = (LIVE_STEP, PREVIOUS_STEP, LAST_GOOD_STEP, DEFAULT_STEP)
"""The degradation ladder, from the best answer down."""


@dataclass(frozen=True)
class Metric:
    """One metric. `meaning` says what a value is, and whether high or low is bad."""

    name: str
    unit: Unit
    dimensions: tuple[str, ...]
    meaning: str
    emitted_by: str
    """The command of `python -m platform_jobs` that emits it."""

    def ordered(self, values: Mapping[str, str]) -> list[tuple[str, str]]:
        """The dimensions' names and values in declared order.

        Raises:
            ValueError: a dimension is missing, empty or not the metric's.
        """
        if set(values) != set(self.dimensions) or not all(values.values()):
            raise ValueError(
                f"{self.name} takes the dimensions {', '.join(self.dimensions)}, each with a value; "
                f"got {', '.join(f'{name}={value!r}' for name, value in sorted(values.items())) or 'none'}"
            )
        return [(name, values[name]) for name in self.dimensions]


_OF_MODEL: Final = (STACK, MODEL)
_OF_VIEW: Final = (STACK, VIEW)

# --- drift: captured requests against the live version's training data ---
FEATURE_DRIFT: Final = Metric(
    "FeatureDrift",
    NONE,
    (STACK, MODEL, FEATURE),
    "How far a feature is from its training data: population stability index beyond what chance explains. "
    "0 is none; above monitor.drift.threshold (0.2) is bad",
    "drift",
)
FEATURE_DRIFT_MAX: Final = Metric(
    "FeatureDriftMax",
    NONE,
    _OF_MODEL,
    "The largest FeatureDrift of a window: what drift alarms read",
    "drift",
)
PREDICTION_DRIFT: Final = Metric(
    "PredictionDrift",
    NONE,
    _OF_MODEL,
    "The same of the answers: predictions and confidences against those on held-out training data",
    "drift",
)
CAPTURED_PREDICTIONS: Final = Metric(
    "CapturedPredictions",
    COUNT,
    _OF_MODEL,
    "Answers that the window's log holds; 0 while serving is bad",
    "drift",
)
MODEL_AGE: Final = Metric(
    "ModelAge",
    SECONDS,
    _OF_MODEL,
    "Time since the live version was trained; high means retraining stands still",
    "drift",
)

# --- accuracy: answers against what came true later ---
MODEL_QUALITY: Final = Metric(
    "ModelQuality",
    NONE,
    (STACK, MODEL, MEASURE),
    "The live version's quality on delayed labels; low is bad, but for errors (mae, rmse) high is",
    "accuracy",
)
LABELLED_PREDICTIONS: Final = Metric(
    "LabelledPredictions", COUNT, _OF_MODEL, "Answers of the window whose label is known by now", "accuracy"
)
CALIBRATION_ERROR: Final = Metric(
    "CalibrationError",
    NONE,
    _OF_MODEL,
    "Expected calibration error: how far confidence is from the share that is right; 0 is best, 1 worst",
    "accuracy",
)

NEW_LABELS: Final = Metric(
    "NewLabels",
    COUNT,
    _OF_MODEL,
    "Labels since the newest version was trained; from training.feedbackRows on, they start the model loop",
    "feedback-volume",
)

# --- bias: groups by a declared attribute ---
BIAS_DISPARITY: Final = Metric(
    "BiasDisparity",
    NONE,
    (STACK, MODEL, ATTRIBUTE),
    "The larger of the two differences below; above monitor.bias.maxDisparity is bad",
    "bias",
)
DEMOGRAPHIC_PARITY_DIFFERENCE: Final = Metric(
    "DemographicParityDifference",
    NONE,
    (STACK, MODEL, ATTRIBUTE),
    "Widest gap between groups in how often the answer is the positive one",
    "bias",
)
EQUALISED_ODDS_DIFFERENCE: Final = Metric(
    "EqualisedOddsDifference",
    NONE,
    (STACK, MODEL, ATTRIBUTE),
    "Widest gap between groups in true or false positive rate; only where labels are known",
    "bias",
)

# --- data quality: failures that raise no error ---
ROW_COUNT: Final = Metric(
    "RowCount", COUNT, _OF_VIEW, "Rows of a feature view whose event time is in the window", "silent-failures"
)
ROW_COUNT_RATIO: Final = Metric(
    "RowCountRatio",
    NONE,
    _OF_VIEW,
    "RowCount over the median of the windows before; far under 1: a source ran dry, far over: doubled",
    "silent-failures",
)
FEATURE_AGE: Final = Metric(
    "FeatureAge",
    SECONDS,
    _OF_VIEW,
    "Time since a feature view's newest event; high is bad",
    "silent-failures",
)
NULL_RATE: Final = Metric(
    "NullRate", NONE, (STACK, VIEW, FEATURE), "Share of the window's rows without a value", "silent-failures"
)
NULL_RATE_RISE: Final = Metric(
    "NullRateRise",
    NONE,
    _OF_VIEW,
    "The largest rise of a field's NullRate over its rate before the window: 0.1 is ten points",
    "silent-failures",
)
CONSTANT_FEATURES: Final = Metric(
    "ConstantFeatures",
    COUNT,
    _OF_VIEW,
    "Fields with one value in the whole window that had several before; above 0 is bad",
    "silent-failures",
)
SCHEMA_CHANGES: Final = Metric(
    "SchemaChanges",
    COUNT,
    _OF_VIEW,
    "Columns that appeared, went away or changed type between what came before the window and in it",
    "silent-failures",
)

# --- gateway: what callers get ---
REQUESTS: Final = Metric("Requests", COUNT, _OF_MODEL, "Requests for predictions", "gateway")
ERRORS: Final = Metric(
    "Errors",
    COUNT,
    _OF_MODEL,
    "Requests that no step of the ladder answered; the availability SLO's",
    "gateway",
)
SLOW_REQUESTS: Final = Metric(
    "SlowRequests", COUNT, _OF_MODEL, "Answers later than slo.latencyP95Ms; the latency SLO's", "gateway"
)
LATENCY: Final = Metric(
    "Latency", MILLISECONDS, _OF_MODEL, "From a request's arrival to its answer, whoever answered", "gateway"
)
WAITING: Final = Metric(
    "Waiting", COUNT, _OF_MODEL, "Requests in the gateway without an answer yet: its saturation", "gateway"
)
ANSWERS: Final = Metric(
    "Answers",
    COUNT,
    (STACK, MODEL, STEP),
    "Answers by a step of the ladder; all but `live` are degraded",
    "gateway",
)
STEP_FAILURES: Final = Metric(
    "StepFailures", COUNT, (STACK, MODEL, STEP), "Times that a step was tried and had no answer", "gateway"
)
UNLOGGED_ANSWERS: Final = Metric(
    "UnloggedAnswers",
    COUNT,
    _OF_MODEL,
    "Answers that the prediction log lost, because it could not be written for long; above 0 is bad",
    "gateway",
)
VARIANT_REQUESTS: Final = Metric(
    "VariantRequests", COUNT, (STACK, MODEL, VARIANT), "Requests sent to a variant", "gateway"
)
VARIANT_ERRORS: Final = Metric(
    "VariantErrors", COUNT, (STACK, MODEL, VARIANT), "Requests that a variant did not answer", "gateway"
)
VARIANT_SLOW_REQUESTS: Final = Metric(
    "VariantSlowRequests",
    COUNT,
    (STACK, MODEL, VARIANT),
    "Requests that a variant answered later than slo.latencyP95Ms",
    "gateway",
)
VARIANT_LATENCY: Final = Metric(
    "VariantLatency", MILLISECONDS, (STACK, MODEL, VARIANT), "Time a variant took to answer", "gateway"
)

# --- batch: everyone scored at once ---
BATCH_PREDICTIONS: Final = Metric(
    "BatchPredictions", COUNT, _OF_MODEL, "Predictions of a run that came to its end", "predict-batch"
)
BATCH_PUT_ASIDE: Final = Metric(
    "BatchRowsPutAside",
    COUNT,
    _OF_MODEL,
    "Rows of a run that could not be scored and wait with their reasons; above 0 is worth a look",
    "predict-batch",
)
BATCH_SECONDS: Final = Metric(
    "BatchSeconds", SECONDS, _OF_MODEL, "Time that a run worked, over all its attempts", "predict-batch"
)
BATCH_FAILURES: Final = Metric(
    "BatchFailures", COUNT, _OF_MODEL, "Runs that gave up: 0 for one that did not", "predict-batch"
)
BATCH_COST_PER_THOUSAND: Final = Metric(
    "BatchCostPerThousandPredictions",
    NONE,
    _OF_MODEL,
    "US dollars of machine for 1,000 predictions of a run",
    "predict-batch",
)

# --- business: outcomes joined to predictions ---
CONVERSION_RATE: Final = Metric(
    "ConversionRate", NONE, _OF_MODEL, "Share of predictions followed by a `conversion` outcome", "kpis"
)
RETENTION_RATE: Final = Metric(
    "RetentionRate", NONE, _OF_MODEL, "Share of predictions with a `retention` outcome that was kept", "kpis"
)
REVENUE_PER_PREDICTION: Final = Metric(
    "RevenuePerPrediction", NONE, _OF_MODEL, "US dollars of `revenue` outcomes over predictions", "kpis"
)
RETURN_ON_COST: Final = Metric(
    "ReturnOnCost",
    NONE,
    _OF_MODEL,
    "Revenue of the window's predictions over what serving cost; under 1 loses",
    "kpis",
)
COST_PER_THOUSAND: Final = Metric(
    "CostPerThousandPredictions", NONE, _OF_MODEL, "US dollars of serving for 1,000 predictions", "kpis"
)

# --- GPUs of a cluster's machines, each told once a minute ---
_OF_POOL: Final = (CLUSTER, POOL)
GPU_UTILISATION: Final = Metric(
    "GpuUtilisation", PERCENT, _OF_POOL, "How much of the time each GPU is at work", "gpu-telemetry"
)
GPU_MEMORY: Final = Metric(
    "GpuMemoryUtilisation", PERCENT, _OF_POOL, "How much of each GPU's memory is in use", "gpu-telemetry"
)
GPU_TEMPERATURE: Final = Metric(
    "GpuTemperature",
    NONE,
    _OF_POOL,
    "Degrees Celsius of each GPU; above about 85 it slows down",
    "gpu-telemetry",
)
GPUS: Final = Metric("Gpus", COUNT, _OF_POOL, "GPUs of a machine: what is paid for", "gpu-telemetry")
IDLE_GPUS: Final = Metric(
    "IdleGpus",
    COUNT,
    _OF_POOL,
    "GPUs of a machine that have done nothing for half an hour; above 0 is money for nothing",
    "gpu-telemetry",
)
GPU_ERRORS: Final = Metric(
    "GpuErrors",
    COUNT,
    _OF_POOL,
    "GPUs of a machine whose driver has told an error (XID) since it was loaded; above 0 is bad",
    "gpu-telemetry",
)
GPU_EXPORTER_SILENCE: Final = Metric(
    "GpuExporterSilence",
    COUNT,
    _OF_POOL,
    "1 of a machine whose exporter did not answer, else 0; above 0 nobody knows what its GPUs do",
    "gpu-telemetry",
)

ALL: Final[tuple[Metric, ...]] = tuple(item for item in list(globals().values()) if isinstance(item, Metric))
BY_NAME: Final[Mapping[str, Metric]] = {metric.name: metric for metric in ALL}
