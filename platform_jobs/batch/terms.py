"""What a batch run is told: its settings, from environment variables."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from platform_jobs import metrics, settings, times
from platform_jobs.rows import CHUNK_ROWS
from platform_jobs.settings import Env, S3Location
from platform_jobs.views import DEFAULT_BAD_FRACTION


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """What `predict-batch` reads from its environment."""

    stack: Annotated[str, Env("STAGECRAFT_STACK")]
    features_bucket: Annotated[str, Env("STAGECRAFT_FEATURES_BUCKET")]
    artifacts_bucket: Annotated[str, Env("STAGECRAFT_ARTIFACTS_BUCKET")]
    views_prefix: Annotated[S3Location, Env("STAGECRAFT_VIEWS_PREFIX", S3Location.parse)]
    model: Annotated[str, Env("STAGECRAFT_MODEL")]
    model_views: Annotated[Sequence[str], Env("STAGECRAFT_MODEL_VIEWS", settings.name_list)]
    pointer_prefix: Annotated[str, Env("STAGECRAFT_POINTER_PREFIX")]
    checkpoints: Annotated[S3Location, Env("STAGECRAFT_CHECKPOINT_URI", S3Location.parse)]
    entities: Annotated[S3Location | None, Env("STAGECRAFT_ENTITIES_URI", S3Location.parse)] = None
    """Files that name whom to score. Default: everyone with fresh features."""
    rows: Annotated[S3Location | None, Env("STAGECRAFT_ROWS_URI", S3Location.parse)] = None
    """Files of rows to score by their own features, not the store's."""
    as_of: Annotated[datetime.datetime | None, Env("STAGECRAFT_AS_OF", times.parse)] = None
    """Features are those known then. Default: when the run begins."""
    chunk_rows: Annotated[int, Env("STAGECRAFT_CHUNK_ROWS", settings.positive_int)] = CHUNK_ROWS
    """About how many rows are in memory, and in a file of predictions."""
    max_bad_fraction: Annotated[float, Env("STAGECRAFT_MAX_BAD_FRACTION", settings.fraction)] = (
        DEFAULT_BAD_FRACTION
    )
    """The most rows that may be put aside, as a share; above it nothing is scored."""
    optimised: Annotated[bool, Env("STAGECRAFT_SERVE_OPTIMISED", settings.truth)] = False
    """Whether to score with the model's smaller form, if the version has one."""
    hourly_cost: Annotated[float | None, Env("STAGECRAFT_BATCH_HOURLY_COST_USD", settings.not_negative)] = (
        None
    )
    """What the job's machine costs an hour. Default: not known, and no number of cost."""
    grace_seconds: Annotated[float, Env("STAGECRAFT_GRACE_SECONDS", settings.positive_float)] = 120
    run: Annotated[str | None, Env("STAGECRAFT_RUN")] = None
    """The run's id; that of a run that gave up goes on with it. Default: the Batch job's."""
    job: Annotated[str | None, Env("AWS_BATCH_JOB_ID")] = None
    """The same for every attempt of a job. Default: a new one."""

    @property
    def dimensions(self) -> dict[str, str]:
        """The dimensions of a model's metrics."""
        return {metrics.STACK: self.stack, metrics.MODEL: self.model}
