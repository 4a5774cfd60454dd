"""`train`: a model from the offline features, evaluated on entities it has not seen, registered with lineage.

Honours the spot contract: checkpoints while it runs, goes on from the last one, and on SIGTERM saves and
ends with exit code 143. The same data, code and seed give the same artifact, interrupted or not.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from platform_jobs import artifact, baseline, dataset, estimators, layout, problem, registry, settings
from platform_jobs.aws import Bucket, Clients
from platform_jobs.checkpoint import Checkpoints, Interruption
from platform_jobs.commits import json_bytes
from platform_jobs.dataset import Dataset
from platform_jobs.encoding import Feature
from platform_jobs.evaluate import DECLARED_NAMES, by_group, evaluate
from platform_jobs.hashing import code_version, sha256
from platform_jobs.log import event
from platform_jobs.offline import OfflineStore
from platform_jobs.optimise import DEFAULT_TOLERANCE, Optimised, optimise
from platform_jobs.problem import Task
from platform_jobs.settings import Env, S3Location
from platform_jobs.views import View, load_views

_TASKS: Final = ("binary", "multiclass", "regression")
_ALIASES: Final = {declared: name for name, declared in DECLARED_NAMES.items()}


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """What `train` reads from its environment."""

    features_bucket: Annotated[str, Env("STAGECRAFT_FEATURES_BUCKET")]
    artifacts_bucket: Annotated[str, Env("STAGECRAFT_ARTIFACTS_BUCKET")]
    views_prefix: Annotated[S3Location, Env("STAGECRAFT_VIEWS_PREFIX", S3Location.parse)]
    model: Annotated[str, Env("STAGECRAFT_MODEL")]
    model_views: Annotated[Sequence[str], Env("STAGECRAFT_MODEL_VIEWS", settings.name_list)]
    group: Annotated[str, Env("STAGECRAFT_MODEL_PACKAGE_GROUP")]
    lineage_table: Annotated[str, Env("STAGECRAFT_LINEAGE_TABLE")]
    image: Annotated[str, Env("STAGECRAFT_IMAGE_URI")]
    label: Annotated[str | None, Env("STAGECRAFT_MODEL_LABEL")] = None
    """Default: the only label of the model's views."""
    task: Annotated[str, Env("STAGECRAFT_MODEL_TASK", settings.one_of(*_TASKS))] = "binary"
    group_by: Annotated[str | None, Env("STAGECRAFT_MODEL_GROUP_BY")] = None
    """A field; the model is evaluated for each of its values too. Default: as a whole only."""
    floors: Annotated[Mapping[str, float] | None, Env("STAGECRAFT_METRIC_FLOORS", settings.number_map)] = None
    """Metric → least value; a version under one is registered, but its approval is refused."""
    optimise: Annotated[bool, Env("STAGECRAFT_OPTIMISE", settings.truth)] = False
    """Whether the version gets a smaller form too, if one is as good."""
    tolerance: Annotated[float, Env("STAGECRAFT_PARITY_TOLERANCE", settings.fraction)] = DEFAULT_TOLERANCE
    """The most that a metric may lose by it: absolute, and of errors relative."""
    seed: Annotated[int, Env("STAGECRAFT_SEED", settings.positive_int)] = 20260
    iterations: Annotated[int, Env("STAGECRAFT_ITERATIONS", settings.positive_int)] = 100
    checkpoints: Annotated[S3Location | None, Env("STAGECRAFT_CHECKPOINT_URI", S3Location.parse)] = None
    """Default: none are written, and an interrupted run starts over."""
    checkpoint_minutes: Annotated[float, Env("STAGECRAFT_CHECKPOINT_MINUTES", settings.positive_float)] = 10
    grace_seconds: Annotated[float, Env("STAGECRAFT_GRACE_SECONDS", settings.positive_float)] = 120
    run: Annotated[str | None, Env("AWS_BATCH_JOB_ID")] = None
    """The run's id, the same for every attempt of a job. Default: a new one."""
    code_version: Annotated[str | None, Env("STAGECRAFT_CODE_VERSION")] = None
    """Default: a hash of this package's source."""


@dataclass(frozen=True)
class Trained:
    """A registered model version."""

    arn: str
    artifact_uri: str
    artifact_sha256: str
    candidate: str
    metrics: dict[str, float]
    data_version: str


def run(clients: Clients, config: TrainSettings, interruption: Interruption | None = None) -> Trained:
    """Trains and registers one version.

    Raises:
        JobError: the data or the declarations do not allow it.
        Interrupted: the machine is taken back; a checkpoint is saved.
    """
    views = load_views(clients, config.views_prefix, config.model_views)
    stores = [OfflineStore(clients.bucket(config.features_bucket), view) for view in views]
    data = dataset.load(stores, config.label, seed=config.seed, folds=estimators.FOLDS)
    task = problem.pose(
        data, config.task, group_by=config.group_by, seed=config.seed, iterations=config.iterations
    )
    code = config.code_version or code_version()
    checkpoints = _checkpoints(clients, config, _fingerprint(config, data, task, code))
    event(
        "train",
        "started",
        model=config.model,
        training_rows=len(task.problem.truth),
        test_rows=len(task.trial.truth),
        features=len(task.problem.features),
        data_version=data.version,
    )
    state = _fit(task, checkpoints, interruption or Interruption())
    trained = _Publisher(clients, config, views, data, task, code).publish(state)
    if checkpoints:
        checkpoints.clear()
    return trained


def _fit(task: Task, checkpoints: Checkpoints | None, interruption: Interruption) -> estimators.State:
    state: estimators.State = (checkpoints.load() if checkpoints else None) or estimators.State()
    event("train", "fitting", done=state.steps)
    if not state.finished:
        for state in estimators.steps(task.problem, state):  # noqa: B020 - one state, step by step
            event("train", "step", step=state.steps)
            if checkpoints:
                checkpoints.after_step(state, interruption)
            interruption.check()
    return state


def _checkpoints(clients: Clients, config: TrainSettings, fingerprint: str) -> Checkpoints | None:
    if config.checkpoints is None:
        return None
    bucket = clients.bucket(config.checkpoints.bucket)
    key = f"{config.checkpoints.prefix}{config.model}-{fingerprint}.checkpoint"
    return Checkpoints(bucket, key, config.checkpoint_minutes * 60)


def _fingerprint(config: TrainSettings, data: Dataset, task: Task, code: str) -> str:
    """What makes a run what it is: no other run's checkpoint must be gone on from."""
    content = [
        [config.model, config.task, config.seed, config.iterations],
        [data.label.name, data.version, code],
        [_described(feature) for feature in task.problem.features],
    ]
    return sha256(json.dumps(content).encode())[:32]


def _described(feature: Feature) -> dict[str, Any]:
    described: dict[str, Any] = {"name": feature.name, "type": feature.type}
    if feature.categories is not None:
        described["categories"] = list(feature.categories)
    return described


@dataclass(frozen=True)
class _Publisher:
    """Evaluates a fitted model, stores its artifact and reports, registers the version."""

    clients: Clients
    config: TrainSettings
    views: Sequence[View]
    data: Dataset
    task: Task
    code: str

    def publish(self, state: estimators.State) -> Trained:
        """Everything that makes a fitted model a version; the registration comes last."""
        config, trial = self.config, self.task.trial
        found = evaluate(config.task, state.model, trial.inputs, trial.truth)
        metrics = {name: round(value, 6) for name, value in found.items()}
        smaller = self._optimised(state)
        packed = artifact.pack(
            state.model, self._metadata(), smaller.form.body if smaller and smaller.form else None
        )
        bucket = self.clients.bucket(config.artifacts_bucket)
        prefix = layout.model_prefix(config.model, packed.digest)
        evaluation = {
            "task": config.task,
            "rows": len(trial.truth),
            "metrics": metrics,
            "cross_validation": state.scores,
        }
        if smaller is not None:
            evaluation["optimised"] = smaller.report
        quality = _report(bucket, f"{prefix}evaluation.json", evaluation)
        bias = None
        if trial.groups is not None:
            groups = by_group(config.task, state.model, trial.inputs, trial.truth, trial.groups)
            bias = _report(bucket, f"{prefix}groups.json", groups)
        known = baseline.of_training(
            self.data,
            [feature.name for feature in self.task.problem.features],
            self.task.classes,
            state.model,
            trial.inputs,
        )
        bucket.put(
            layout.baseline_key(config.model, packed.digest), known.to_json(), content_type="application/json"
        )
        key = layout.artifact_key(config.model, packed.digest)
        bucket.put(key, packed.body, content_type="application/gzip", metadata={"sha256": packed.sha256})
        version = registry.Version(
            group=config.group,
            model=config.model,
            task=config.task,
            label=self.data.label.name,
            run=config.run or str(uuid.uuid4()),
            artifact_uri=bucket.uri(key),
            artifact_sha256=packed.sha256,
            model_digest=packed.digest,
            image=config.image,
            data_version=self.data.version,
            code_version=self.code,
            views={view.name: view.version for view in self.views},
            metrics=metrics,
            floors={_ALIASES.get(name, name): floor for name, floor in (config.floors or {}).items()},
            quality_report=quality,
            bias_report=bias,
            facts={
                "candidate": state.chosen,
                "training_rows": str(len(self.task.problem.truth)),
                "test_rows": str(len(trial.truth)),
                "seed": str(config.seed),
                **({"optimised": smaller.form.name if smaller.form else "none"} if smaller else {}),
            },
        )
        arn = registry.register(self.clients, version, config.lineage_table)
        event("train", "registered", version=arn, candidate=state.chosen, metrics=metrics)
        return Trained(arn, bucket.uri(key), packed.sha256, state.chosen, metrics, self.data.version)

    def _optimised(self, state: estimators.State) -> Optimised | None:
        if not self.config.optimise:
            return None
        trial = self.task.trial
        return optimise(
            state.model,
            self.config.task,
            trial.inputs,
            trial.truth,
            lesson=self.task.problem.inputs,
            seed=self.config.seed,
            tolerance=self.config.tolerance,
        )

    def _metadata(self) -> dict[str, Any]:
        """What a server must know of the model, and what an auditor may ask it."""
        return {
            "model": self.config.model,
            "task": self.config.task,
            "label": self.data.label.name,
            "features": [_described(feature) for feature in self.task.problem.features],
            "classes": self.task.classes,
            "data_version": self.data.version,
            "code_version": self.code,
            "feature_views": {view.name: view.version for view in self.views},
        }


def _report(bucket: Bucket, key: str, value: Mapping[str, Any]) -> tuple[str, str]:
    body = json_bytes(value)
    bucket.put(key, body, content_type="application/json")
    return bucket.uri(key), sha256(body)


def main(_argv: Sequence[str]) -> int:
    """`train`: everything comes from the environment."""
    config = settings.load(TrainSettings)
    interruption = Interruption()
    interruption.install(config.grace_seconds)
    run(Clients(), config, interruption)
    return 0
