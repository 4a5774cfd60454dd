"""The metrics that alarms and dashboards read: AWS's own, and those of the platform's jobs.

A name that nobody emits gives an alarm that never fires and a chart that stays empty, both in silence. So
each is written down once, here, and the tests hold the platform's to what its jobs say they emit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pulumi

PLATFORM: Final = "Stagecraft"
"""Namespace of the platform's own metrics."""
ENDPOINT: Final = ("EndpointName", "VariantName")
_MODEL: Final = ("Stack", "Model")
_VIEW: Final = ("Stack", "FeatureView")
_POOL: Final = ("Cluster", "Pool")


@dataclass(frozen=True)
class Metric:
    """What is measured, whoever for."""

    namespace: str
    name: str
    unit: str
    """CloudWatch's word, such as `Count` or `Percent`; `None` for a bare number."""
    dimensions: tuple[str, ...]
    """What tells one series from another."""
    stat: str = "Average"
    """How its points are put together where nothing else is said."""


@dataclass(frozen=True)
class Series:
    """One line of a metric: its dimensions filled in, its points put together."""

    metric: Metric
    dimensions: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    stat: str = ""

    @property
    def statistic(self) -> str:
        """CloudWatch's statistic, such as `Sum`, `p95` or `PR(300000:)`."""
        return self.stat or self.metric.stat


INVOCATIONS: Final = Metric("AWS/SageMaker", "Invocations", "None", ENDPOINT, "Sum")
SERVER_ERRORS: Final = Metric("AWS/SageMaker", "Invocation5XXErrors", "None", ENDPOINT, "Sum")
CLIENT_ERRORS: Final = Metric("AWS/SageMaker", "Invocation4XXErrors", "None", ENDPOINT, "Sum")
MODEL_LATENCY: Final = Metric("AWS/SageMaker", "ModelLatency", "Microseconds", ENDPOINT, "p95")
OVERHEAD_LATENCY: Final = Metric("AWS/SageMaker", "OverheadLatency", "Microseconds", ENDPOINT, "p95")
SETUP_TIME: Final = Metric("AWS/SageMaker", "ModelSetupTime", "Microseconds", ENDPOINT, "p95")
CONCURRENCY: Final = Metric(
    "AWS/SageMaker", "ServerlessConcurrentExecutionsUtilization", "None", ENDPOINT, "Maximum"
)
PER_INSTANCE: Final = Metric("AWS/SageMaker", "InvocationsPerInstance", "None", ENDPOINT, "Sum")
_HOST: Final = "/aws/sagemaker/Endpoints"
CPU: Final = Metric(_HOST, "CPUUtilization", "Percent", ENDPOINT, "Maximum")
MEMORY: Final = Metric(_HOST, "MemoryUtilization", "Percent", ENDPOINT, "Maximum")
GPU: Final = Metric(_HOST, "GPUUtilization", "Percent", ENDPOINT, "Maximum")
GPU_MEMORY: Final = Metric(_HOST, "GPUMemoryUtilization", "Percent", ENDPOINT, "Maximum")

AWS_METRICS: Final = (
    INVOCATIONS,
    SERVER_ERRORS,
    CLIENT_ERRORS,
    MODEL_LATENCY,
    OVERHEAD_LATENCY,
    SETUP_TIME,
    CONCURRENCY,
    PER_INSTANCE,
    CPU,
    MEMORY,
    GPU,
    GPU_MEMORY,
)
"""What SageMaker emits of an endpoint (its guide, "Amazon SageMaker AI metrics in Amazon CloudWatch").

Serverless endpoints have neither `CPUUtilization` nor GPU metrics; only they have `ModelSetupTime` and
`ServerlessConcurrentExecutionsUtilization`.
"""


FEATURE_DRIFT: Final = Metric(PLATFORM, "FeatureDrift", "None", (*_MODEL, "Feature"), "Maximum")
FEATURE_DRIFT_MAX: Final = Metric(PLATFORM, "FeatureDriftMax", "None", _MODEL, "Maximum")
PREDICTION_DRIFT: Final = Metric(PLATFORM, "PredictionDrift", "None", _MODEL, "Maximum")
CAPTURED: Final = Metric(PLATFORM, "CapturedPredictions", "Count", _MODEL, "Sum")
MODEL_AGE: Final = Metric(PLATFORM, "ModelAge", "Seconds", _MODEL, "Maximum")
MODEL_QUALITY: Final = Metric(PLATFORM, "ModelQuality", "None", (*_MODEL, "Measure"))
LABELLED: Final = Metric(PLATFORM, "LabelledPredictions", "Count", _MODEL, "Sum")
NEW_LABELS: Final = Metric(PLATFORM, "NewLabels", "Count", _MODEL, "Minimum")
CALIBRATION_ERROR: Final = Metric(PLATFORM, "CalibrationError", "None", _MODEL)
BIAS_DISPARITY: Final = Metric(PLATFORM, "BiasDisparity", "None", (*_MODEL, "Attribute"), "Maximum")
ROW_COUNT: Final = Metric(PLATFORM, "RowCount", "Count", _VIEW, "Sum")
ROW_COUNT_RATIO: Final = Metric(PLATFORM, "RowCountRatio", "None", _VIEW, "Minimum")
FEATURE_AGE: Final = Metric(PLATFORM, "FeatureAge", "Seconds", _VIEW, "Maximum")
NULL_RATE_RISE: Final = Metric(PLATFORM, "NullRateRise", "None", _VIEW, "Maximum")
CONSTANT_FEATURES: Final = Metric(PLATFORM, "ConstantFeatures", "Count", _VIEW, "Maximum")
SCHEMA_CHANGES: Final = Metric(PLATFORM, "SchemaChanges", "Count", _VIEW, "Maximum")
REQUESTS: Final = Metric(PLATFORM, "Requests", "Count", _MODEL, "Sum")
ERRORS: Final = Metric(PLATFORM, "Errors", "Count", _MODEL, "Sum")
SLOW_REQUESTS: Final = Metric(PLATFORM, "SlowRequests", "Count", _MODEL, "Sum")
LATENCY: Final = Metric(PLATFORM, "Latency", "Milliseconds", _MODEL, "p95")
WAITING: Final = Metric(PLATFORM, "Waiting", "Count", _MODEL, "Maximum")
ANSWERS: Final = Metric(PLATFORM, "Answers", "Count", (*_MODEL, "Step"), "Sum")
BATCH_PREDICTIONS: Final = Metric(PLATFORM, "BatchPredictions", "Count", _MODEL, "Sum")
BATCH_PUT_ASIDE: Final = Metric(PLATFORM, "BatchRowsPutAside", "Count", _MODEL, "Sum")
BATCH_SECONDS: Final = Metric(PLATFORM, "BatchSeconds", "Seconds", _MODEL, "Maximum")
BATCH_FAILURES: Final = Metric(PLATFORM, "BatchFailures", "Count", _MODEL, "Sum")
BATCH_COST_PER_THOUSAND: Final = Metric(PLATFORM, "BatchCostPerThousandPredictions", "None", _MODEL)
CONVERSION_RATE: Final = Metric(PLATFORM, "ConversionRate", "None", _MODEL)
RETENTION_RATE: Final = Metric(PLATFORM, "RetentionRate", "None", _MODEL)
REVENUE_PER_PREDICTION: Final = Metric(PLATFORM, "RevenuePerPrediction", "None", _MODEL)
RETURN_ON_COST: Final = Metric(PLATFORM, "ReturnOnCost", "None", _MODEL)
COST_PER_THOUSAND: Final = Metric(PLATFORM, "CostPerThousandPredictions", "None", _MODEL)
GPU_UTILISATION: Final = Metric(PLATFORM, "GpuUtilisation", "Percent", _POOL)
GPU_MEMORY_OF_POOL: Final = Metric(PLATFORM, "GpuMemoryUtilisation", "Percent", _POOL, "Maximum")
GPU_TEMPERATURE: Final = Metric(PLATFORM, "GpuTemperature", "None", _POOL, "Maximum")
GPUS: Final = Metric(PLATFORM, "Gpus", "Count", _POOL, "Sum")
IDLE_GPUS: Final = Metric(PLATFORM, "IdleGpus", "Count", _POOL, "Sum")
GPU_ERRORS: Final = Metric(PLATFORM, "GpuErrors", "Count", _POOL, "Sum")
GPU_EXPORTER_SILENCE: Final = Metric(PLATFORM, "GpuExporterSilence", "Count", _POOL, "Sum")

PLATFORM_METRICS: Final = tuple(
    item for item in list(globals().values()) if isinstance(item, Metric) and item.namespace == PLATFORM
)
"""What the platform's jobs emit (`platform_jobs/metrics.py` says which, and what a value means)."""

KPIS: Final = {
    "conversionRate": CONVERSION_RATE,
    "retentionRate": RETENTION_RATE,
    "revenuePerPrediction": REVENUE_PER_PREDICTION,
    "returnOnCost": RETURN_ON_COST,
}
"""Business figures by the name that a declaration calls them."""

STEPS: Final = ("live", "previous", "last-good", "default-answer")
"""The degradation ladder, from the best answer down; all but the first are degraded."""
