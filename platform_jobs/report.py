"""`report`: an HTML page for people, by Evidently: a window's requests and answers next to the training data.

Alarms do not hang on it: their numbers are `drift`'s. Evidently takes seconds to import and hundreds of
megabytes to install, so it is in an extra of its own (`reports`), and imported here only.
"""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import pyarrow as pa

from platform_jobs import baseline, dataset, layout, monitoring, settings, stability
from platform_jobs.aws import Clients
from platform_jobs.baseline import ARROW, Baseline
from platform_jobs.captured import Lines
from platform_jobs.errors import JobError
from platform_jobs.log import WARNING, event
from platform_jobs.monitoring import LiveModel, ModelSettings
from platform_jobs.offline import OfflineStore
from platform_jobs.settings import Env, S3Location
from platform_jobs.views import load_views

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS: Final = 10_000
"""A page with more points is slow to open and tells no more."""


@dataclass(frozen=True, kw_only=True)
class ReportSettings(ModelSettings):
    """What `report` reads from its environment."""

    features_bucket: Annotated[str, Env("STAGECRAFT_FEATURES_BUCKET")]
    views_prefix: Annotated[S3Location, Env("STAGECRAFT_VIEWS_PREFIX", S3Location.parse)]
    model_views: Annotated[Sequence[str], Env("STAGECRAFT_MODEL_VIEWS", settings.name_list)]
    threshold: Annotated[float, Env("STAGECRAFT_DRIFT_THRESHOLD", settings.positive_float)] = (
        stability.THRESHOLD
    )


def run(clients: Clients, config: ReportSettings) -> str | None:
    """Writes the page; its URI, or None where no version is live or the window has too few answers.

    Raises:
        JobError: reason `no-evidently` if it is not installed, or what is wrong with version and data.
    """
    version = monitoring.live_model(clients, config)
    if version is None:
        return None
    artifacts = clients.bucket(config.artifacts_bucket)
    known = baseline.load(artifacts, config.model, version.digest, version.data_version)
    span = config.window()
    current = _captured(monitoring.predictions(artifacts, config.model, span), known, version.seed)
    if len(current) < stability.FEWEST_ROWS:
        event("report", "too-few-answers", WARNING, model=config.model, answers=len(current))
        return None
    page = render(_reference(clients, config, known, version), current, known, config.threshold)
    key = layout.monitoring_key(config.model, "report", span.end, "html")
    artifacts.put(key, page, content_type="text/html; charset=utf-8")
    event("report", "written", model=config.model, answers=len(current), report=artifacts.uri(key))
    return artifacts.uri(key)


def render(reference: "pd.DataFrame", current: "pd.DataFrame", known: Baseline, threshold: float) -> bytes:
    """Evidently's page on two frames with the baseline's features as columns.

    Raises:
        JobError: reason `no-evidently`.
    """
    evidently, presets = _evidently()
    numbers = [item.name for item in known.features if item.type in {"int", "float"}]
    categories = [item.name for item in known.features if item.name not in numbers]
    definition = evidently.DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    drift = presets.DataDriftPreset(
        num_method="psi", cat_method="psi", num_threshold=threshold, cat_threshold=threshold
    )
    snapshot = evidently.Report([drift, presets.DataSummaryPreset()]).run(
        *(evidently.Dataset.from_pandas(frame, data_definition=definition) for frame in (current, reference))
    )
    with tempfile.TemporaryDirectory(prefix="report-") as folder:
        path = Path(folder, "report.html")
        snapshot.save_html(str(path))
        return path.read_bytes()


def _evidently() -> tuple[Any, Any]:
    os.environ.setdefault("DO_NOT_TRACK", "1")  # nothing of ours is told to anyone
    from pandas.core.dtypes import common

    if not hasattr(common, "infer_dtype_from_object"):
        # Evidently 0.7.23 imports this private name, gone in pandas 3.1, for tests that we do not use.
        common.infer_dtype_from_object = common.pandas_dtype  # type: ignore[attr-defined]
    try:
        import evidently
        from evidently import presets
    except ImportError as error:
        raise JobError(
            "no-evidently", f"{error}: this image was built without the extra `reports`; see docs/jobs.md"
        ) from None
    return evidently, presets


def _captured(lines: Lines, known: Baseline, seed: int) -> "pd.DataFrame":
    """The features of a window's requests."""
    features = pa.struct([(item.name, ARROW[item.type]) for item in known.features])
    tables = [
        table.filter(monitoring.is_seen(table))["features"]
        for table in lines.tables({"variant": pa.string(), "features": features})
    ]
    rows = [chunk for column in tables for chunk in column.chunks]
    frame = pa.Table.from_struct_array(pa.chunked_array(rows, features)).to_pandas()
    return _plain(frame, known, seed)


def _reference(
    clients: Clients, config: ReportSettings, known: Baseline, version: LiveModel
) -> "pd.DataFrame":
    """The version's training rows, as far as the feature store still has them as they were."""
    views = load_views(clients, config.views_prefix, config.model_views)
    stores = [OfflineStore(clients.bucket(config.features_bucket), view) for view in views]
    data = dataset.load(stores, version.label, seed=version.seed, folds=1)
    if data.version != known.data_version:
        event("report", "data-moved-on", WARNING, model=config.model, version=version.number)
    home, _ = dataset.label_view(views, version.label)
    frame = data.frame[data.frame[home.event_time] <= version.trained_at]
    return _plain(frame, known, version.seed)


def _plain(frame: "pd.DataFrame", known: Baseline, seed: int) -> "pd.DataFrame":
    """The features, at most `MOST_ROWS` of them, as types that Evidently knows."""
    if len(frame) > MOST_ROWS:
        frame = frame.sample(MOST_ROWS, random_state=seed)
    columns: dict[str, Any] = {}
    for item in known.features:
        column = frame[item.name]
        if item.type in {"int", "float"}:
            columns[item.name] = column.astype("Float64").to_numpy(dtype=float, na_value=float("nan"))
        else:
            texts = column.astype("object")
            columns[item.name] = texts.where(texts.notna(), None).map(str, na_action="ignore").to_numpy()
    import pandas as pd

    return pd.DataFrame(columns)


def main(_argv: Sequence[str]) -> int:
    """`report`: everything comes from the environment."""
    run(Clients(), settings.load(ReportSettings))
    return 0
