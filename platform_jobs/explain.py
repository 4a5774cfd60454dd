"""`explain`: which inputs the live version's answers hang on, by permutation importance.

How much worse the model gets on held-out entities when one input is shuffled among them (L. Breiman, Random
forests, 2001). Inputs that say the same stand in for each other, and both look unimportant then.
"""

import io
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np

from platform_jobs import artifact, dataset, encoding, layout, monitoring, settings
from platform_jobs.artifact import LoadedModel
from platform_jobs.aws import Bucket, Clients
from platform_jobs.commits import json_bytes
from platform_jobs.errors import JobError
from platform_jobs.evaluate import SELECTION_METRIC, evaluate
from platform_jobs.log import WARNING, event
from platform_jobs.monitoring import LiveModel, ModelSettings
from platform_jobs.offline import OfflineStore
from platform_jobs.settings import Env, S3Location
from platform_jobs.views import load_views

REPEATS: Final = 5
MOST_ROWS: Final = 5_000


@dataclass(frozen=True, kw_only=True)
class ExplainSettings(ModelSettings):
    """What `explain` reads from its environment."""

    features_bucket: Annotated[str, Env("STAGECRAFT_FEATURES_BUCKET")]
    views_prefix: Annotated[S3Location, Env("STAGECRAFT_VIEWS_PREFIX", S3Location.parse)]
    model_views: Annotated[Sequence[str], Env("STAGECRAFT_MODEL_VIEWS", settings.name_list)]


@dataclass(frozen=True)
class Importance:
    """How much the metric falls without a feature: mean and standard deviation over the shuffles."""

    feature: str
    mean: float
    deviation: float


@dataclass(frozen=True)
class Explanation:
    """A version's importances, the largest first."""

    version: str
    metric: str
    score: float
    """The metric with all features."""
    rows: int
    trained_on_this_data: bool
    """Whether the feature store still holds just the data that the version learnt from."""
    importances: tuple[Importance, ...]


def run(clients: Clients, config: ExplainSettings) -> Explanation | None:
    """Explains the live version and puts the result next to its artifact; None where no version is live.

    Raises:
        JobError: reason `no-model`, `altered` or `wrong-library`, or what is wrong with the data.
    """
    version = monitoring.live_model(clients, config)
    if version is None:
        return None
    artifacts = clients.bucket(config.artifacts_bucket)
    model = _load(artifacts, config.model, version)
    views = load_views(clients, config.views_prefix, config.model_views)
    stores = [OfflineStore(clients.bucket(config.features_bucket), view) for view in views]
    data = dataset.load(stores, version.label, seed=version.seed, folds=1)
    if data.version != version.data_version:
        event("explain", "data-moved-on", WARNING, model=config.model, version=version.number)
    found = explain(model, version, data)
    key = layout.explanation_key(config.model, version.digest)
    artifacts.put(key, json_bytes({"model": config.model, **asdict(found)}), content_type="application/json")
    event("explain", "finished", model=config.model, rows=found.rows, result=artifacts.uri(key))
    return found


def run_once(clients: Clients, config: ExplainSettings) -> Explanation | None:
    """Explains the live version unless that was done; errors as for `run`."""
    version = monitoring.live_model(clients, config)
    if version is None:
        return None
    key = layout.explanation_key(config.model, version.digest)
    done = clients.bucket(config.artifacts_bucket).metadata(key) is not None
    return None if done else run(clients, config)


def explain(model: LoadedModel, version: LiveModel, data: dataset.Dataset) -> Explanation:
    """Permutation importances on entities that the model was not trained on, the same every time."""
    from sklearn.inspection import permutation_importance

    frame = data.frame[data.test]
    if model.classes:  # one that came up since training has no place among the model's
        frame = frame[frame[data.label.name].isin(model.classes)]
    if len(frame) > MOST_ROWS:
        frame = frame.sample(MOST_ROWS, random_state=version.seed)
    inputs = encoding.encode_frame(model.features, frame)
    truth = _truth(model, frame[data.label.name].tolist())
    metric = SELECTION_METRIC[model.task]

    def score(estimator: Any, some: Any, true: Any) -> float:
        return evaluate(model.task, estimator, some, true).get(metric, 0.0)

    found = permutation_importance(
        model.estimator, inputs, truth, scoring=score, n_repeats=REPEATS, random_state=version.seed
    )
    importances = [
        Importance(feature.name, round(float(mean), 6), round(float(deviation), 6))
        for feature, mean, deviation in zip(
            model.features, found.importances_mean, found.importances_std, strict=True
        )
    ]
    return Explanation(
        version=version.digest,
        metric=metric,
        score=round(score(model.estimator, inputs, truth), 6),
        rows=len(frame),
        trained_on_this_data=data.version == version.data_version,
        importances=tuple(sorted(importances, key=lambda item: (-item.mean, item.feature))),
    )


def _truth(model: LoadedModel, labels: Sequence[Any]) -> Any:
    if not model.classes:
        return np.array(labels, dtype=float)
    places = {value: place for place, value in enumerate(model.classes)}
    return np.array([places[value] for value in labels])


def _load(artifacts: Bucket, name: str, version: LiveModel) -> LoadedModel:
    key = layout.artifact_key(name, version.digest)
    body = artifacts.get(key)
    if body is None:
        raise JobError(
            "no-model", f"{artifacts.uri(key)} is not there: the live version has lost its artifact"
        )
    with tempfile.TemporaryDirectory(prefix="explain-") as folder:
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            tar.extractall(folder, filter="data")
        return artifact.load(Path(folder), version.digest)


def main(_argv: Sequence[str]) -> int:
    """`explain`: everything comes from the environment."""
    run(Clients(), settings.load(ExplainSettings))
    return 0
