"""What the monitoring jobs share: their settings, the live version that they are about, and their results."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from platform_jobs import layout, prediction_log, registry, release, settings, telemetry, times
from platform_jobs.aws import Bucket, Clients
from platform_jobs.captured import Lines
from platform_jobs.commits import json_bytes
from platform_jobs.errors import JobError
from platform_jobs.log import WARNING, event
from platform_jobs.metrics import LIVE_STEP, Metric
from platform_jobs.settings import Env
from platform_jobs.telemetry import Datum
from platform_jobs.window import Window


@dataclass(frozen=True, kw_only=True)
class WindowSettings:
    """Which time a job looks at."""

    stack: Annotated[str, Env("STAGECRAFT_STACK")]
    artifacts_bucket: Annotated[str, Env("STAGECRAFT_ARTIFACTS_BUCKET")]
    window_hours: Annotated[float, Env("STAGECRAFT_WINDOW_HOURS", settings.positive_float)] = 24
    window_end: Annotated[datetime.datetime | None, Env("STAGECRAFT_WINDOW_END", times.parse)] = None
    """Default: now."""

    def window(self) -> Window:
        """The window as set."""
        return Window.ending(self.window_end or datetime.datetime.now(datetime.UTC), self.window_hours)


@dataclass(frozen=True, kw_only=True)
class ModelSettings(WindowSettings):
    """Which model a job looks at."""

    model: Annotated[str, Env("STAGECRAFT_MODEL")]
    pointer_prefix: Annotated[str, Env("STAGECRAFT_POINTER_PREFIX")]

    @property
    def dimensions(self) -> dict[str, str]:
        """The dimensions of a model's metrics."""
        return {"Stack": self.stack, "Model": self.model}


@dataclass(frozen=True)
class LiveModel:
    """The version that is live."""

    arn: str
    number: int
    digest: str
    task: str
    label: str
    data_version: str
    seed: int
    trained_at: datetime.datetime


def live_model(clients: Clients, config: ModelSettings) -> LiveModel | None:
    """The version that `live` points at; None, and a warning in the log, where it points at none.

    Raises:
        JobError: reason `unknown-version` if it was not made by `train`.
    """
    names = release.PointerNames.of(config.pointer_prefix, config.model)
    arn = release.read(clients, names).live
    if arn == release.NONE:
        event("monitoring", "nothing-live", WARNING, model=config.model)
        return None
    return known_version(clients, config.model, arn)


def known_version(clients: Clients, model: str, arn: str) -> LiveModel:
    """A version of a model that was, or is, live.

    Raises:
        JobError: reason `no-version`, or `unknown-version` if it was not made by `train`.
    """
    version = registry.describe(clients, arn)
    known = version.properties
    absent = [name for name in ("model_digest", "task", "label", "data_version") if not known.get(name)]
    if absent:
        raise JobError(
            "unknown-version",
            f"version {version.number} of {model} lacks {', '.join(absent)}: it was registered by "
            "something else than `train`; train and release one",
        )
    return LiveModel(
        arn=arn,
        number=version.number,
        digest=known["model_digest"],
        task=known["task"],
        label=known["label"],
        data_version=known["data_version"],
        seed=int(known.get("seed", "0")),
        trained_at=version.created,
    )


def predictions(artifacts: Bucket, model: str, span: Window) -> Lines:
    """A model's prediction log in a window."""
    return Lines(artifacts, prediction_log.prefix(model), span)


def is_seen(table: Any) -> Any:
    """Which rows of a table with `variant` are answers that a caller got."""
    import pyarrow.compute as pc

    return pc.not_equal(table["variant"], prediction_log.SHADOW)


def is_of(table: Any, version: LiveModel) -> Any:
    """Which rows of a table with `step` and `version` were answered by this version itself."""
    import pyarrow.compute as pc

    by_model = pc.and_(pc.equal(table["step"], LIVE_STEP), pc.equal(table["version"], version.digest))
    return pc.and_(is_seen(table), by_model)


@dataclass(frozen=True)
class Findings:
    """A job's numbers, for the metrics and for the bucket."""

    job: str
    end: datetime.datetime
    result: Mapping[str, Any]
    data: Sequence[Datum]

    def publish(self, clients: Clients, artifacts: Bucket, about: str) -> None:
        """Writes the result under the model's or view's name, then puts the metrics."""
        key = layout.monitoring_key(about, self.job, self.end)
        artifacts.put(key, json_bytes(self.result), content_type="application/json")
        sent = telemetry.put(clients, self.data)
        event(self.job, "finished", about=about, metrics=sent, result=artifacts.uri(key))


def of_model(
    config: ModelSettings, end: datetime.datetime, values: Iterable[tuple[Metric, float]]
) -> list[Datum]:
    """Data of metrics that have no dimensions but stack and model."""
    return [Datum.of(metric, value, config.dimensions, end) for metric, value in values]
