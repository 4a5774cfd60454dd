"""A version's answers with what came true: what accuracy, calibration and bias are measured on."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from platform_jobs import attribution, baseline, monitoring, settings
from platform_jobs.aws import Clients
from platform_jobs.baseline import ARROW, Baseline
from platform_jobs.dataset import label_view
from platform_jobs.errors import JobError
from platform_jobs.metrics import LIVE_STEP
from platform_jobs.monitoring import LiveModel, ModelSettings
from platform_jobs.offline import OfflineStore
from platform_jobs.outcomes import LABEL, class_text
from platform_jobs.settings import Env, S3Location
from platform_jobs.views import View, load_views
from platform_jobs.window import Window

if TYPE_CHECKING:
    from platform_jobs.aws import Bucket

FEWEST_ROWS: Final = 30
"""Below it quality is not told: the next answer could turn it over."""


@dataclass(frozen=True, kw_only=True)
class LabelSettings(ModelSettings):
    """What the jobs that wait for labels read from their environment."""

    features_bucket: Annotated[str, Env("STAGECRAFT_FEATURES_BUCKET")]
    views_prefix: Annotated[S3Location, Env("STAGECRAFT_VIEWS_PREFIX", S3Location.parse)]
    model_views: Annotated[Sequence[str], Env("STAGECRAFT_MODEL_VIEWS", settings.name_list)]
    delay_hours: Annotated[float, Env("STAGECRAFT_LABEL_DELAY_HOURS", settings.not_negative)] = 0
    """How long labels take: the window of predictions ends so much earlier."""
    horizon_days: Annotated[float, Env("STAGECRAFT_LABEL_HORIZON_DAYS", settings.positive_float)] = 30
    """How long after a prediction a label still belongs to it."""

    def asked_window(self) -> Window:
        """The window of the predictions."""
        end = self.window().end - datetime.timedelta(hours=self.delay_hours)
        return Window.ending(end, self.window_hours)


@dataclass(frozen=True)
class Answers:
    """Answers of a version in a window.

    `frame` has `prediction` (a class's place, or an amount), `truth` (the same; missing where no label is
    known), `probability` and the columns that were asked for.
    """

    version: LiveModel
    known: Baseline
    window: Window
    frame: pd.DataFrame

    @property
    def labelled(self) -> pd.DataFrame:
        """Those whose label is known."""
        return self.frame[self.frame["truth"].notna()]


def answers(clients: Clients, config: LabelSettings, features: Sequence[str] = ()) -> Answers | None:
    """Reads the live version's answers in a window and joins what came true; None where no version is live.

    Args:
        clients: the AWS clients to use.
        config: which model and window.
        features: logged features to have as columns too.

    Raises:
        JobError: reason `no-baseline`, `altered`, `no-label`, `no-group` or `unknown-format`.
    """
    version = monitoring.live_model(clients, config)
    return None if version is None else answers_of(clients, config, version, features)


def answers_of(
    clients: Clients, config: LabelSettings, version: LiveModel, features: Sequence[str] = ()
) -> Answers:
    """Reads a version's answers in a window and joins what came true; arguments and errors as for `answers`.

    Feedback that names a prediction comes first, then feedback that names an entity, then labels that the
    feature store learnt since.
    """
    artifacts = clients.bucket(config.artifacts_bucket)
    known = baseline.load(artifacts, config.model, version.digest, version.data_version)
    views = load_views(clients, config.views_prefix, config.model_views)
    home, _ = label_view(views, version.label)
    asked = _asked(artifacts, config, version, home.join_keys, _columns(known, features))
    truth = _truths(clients, config, version, home, asked)
    answered = asked.pop("prediction")
    if version.task == "regression":
        asked["prediction"] = answered.astype("float64")
        asked["truth"] = asked["id"].map(truth).astype("float64")
    else:
        places = {class_text(value): float(place) for place, value in enumerate(known.classes)}
        # A class that the model does not know is no answer of it, and no truth that it could have found.
        asked["prediction"] = [places.get(text, np.nan) for text in _class_texts(answered)]
        asked["truth"] = asked["id"].map(truth).map(places).astype("float64")
    asked = asked[asked["prediction"].notna()].reset_index(drop=True)
    return Answers(version, known, config.asked_window(), asked)


def _asked(
    artifacts: "Bucket",
    config: LabelSettings,
    version: LiveModel,
    keys: Sequence[str],
    wanted: Mapping[str, pa.DataType],
) -> pd.DataFrame:
    """The version's own answers; a struct of features becomes a column for each."""
    frame = attribution.predictions(artifacts, config.model, config.asked_window(), keys, wanted)
    frame = frame[(frame["step"] == LIVE_STEP) & (frame["version"] == version.digest)].reset_index(drop=True)
    if "features" in wanted:
        held = frame.pop("features").tolist()
        for name in (part.name for part in wanted["features"]):
            frame[name] = [None if item is None else item[name] for item in held]
    return frame


def _columns(known: Baseline, features: Sequence[str]) -> dict[str, pa.DataType]:
    kinds = {item.name: ARROW[item.type] for item in known.features}
    strange = [name for name in features if name not in kinds]
    if strange:
        raise JobError(
            "no-group", f"{', '.join(strange)} is no feature of the live version: {', '.join(kinds)}"
        )
    wanted: dict[str, pa.DataType] = attribution.answer_columns(known)
    if features:
        wanted["features"] = pa.struct([(name, kinds[name]) for name in features])
    return wanted


def _truths(
    clients: Clients, config: LabelSettings, version: LiveModel, home: View, asked: pd.DataFrame
) -> Mapping[str, Any]:
    """Prediction id → its label: a class's text, or an amount."""
    within = datetime.timedelta(days=config.horizon_days)
    artifacts = clients.bucket(config.artifacts_bucket)
    span = Window(config.asked_window().start, config.window().end)
    told = attribution.happened(artifacts, config.model, span, home.join_keys)
    told = attribution.attributed(told[told["kind"] == LABEL], asked, within)
    regression = version.task == "regression"
    column = "value" if regression else "label"
    told = told[told[column].notna()].drop_duplicates("prediction", keep="last")
    truth: dict[str, Any] = {}
    store = OfflineStore(clients.bucket(config.features_bucket), home)
    dates = sorted(date for date in store.partitions() if date >= span.start.date().isoformat())
    if dates:
        history = store.read(dates=dates)
        learnt = attribution.later_labels(history, home, version.label, asked, within)
        values = [float(value) if regression else class_text(value) for value in learnt["label"].tolist()]
        truth.update(zip(learnt["prediction"], values, strict=True))
    truth.update(zip(told["prediction"], told[column], strict=True))
    return truth


def _class_texts(values: "pd.Series[Any]") -> list[str]:
    return ["" if pd.isna(value) else class_text(value) for value in values.tolist()]
