"""The demo: a real data set through a deployed environment, from a file to predictions.

Everything runs where it would in production: Batch jobs judge, materialise and train; the registry, the
release pointers and the endpoint are the environment's own.
"""

import getpass
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from cli.batch_jobs import BatchJobError, BatchJobs
from cli.cluster_gateway import ClusterGateway, NobodyAnswersError
from platform_jobs import demo_data, layout, registry, release, review
from platform_jobs.aws import Clients
from platform_jobs.errors import JobError
from platform_jobs.ingest import Ingested, ingest
from platform_jobs.online import OnlineReader
from platform_jobs.predict import Prediction, PredictionClient, instance_of
from platform_jobs.registry import Registered
from platform_jobs.release import PointerNames, Pointers
from platform_jobs.settings import S3Location
from platform_jobs.views import View, load_view

if TYPE_CHECKING:
    import boto3

STEPS: Final = (
    ("ingest", "put a real data set into the raw bucket"),
    ("quality", "judge its rows by the feature view's rules"),
    ("materialise", "bring the good rows into the offline and the online feature store"),
    ("train", "train a model and register a version of it"),
    ("approve", "approve the version"),
    ("release", "point live at the version"),
    ("deploy", "put the live version where it answers"),
    ("predict", "ask it about samples, with the features that are online"),
)
"""The demo's steps in their order, with what each does."""
SAMPLES: Final = 10
LIVE: Final = "live"
"""The ladder's first step."""
_POLL_SECONDS: Final = 0.25
_ENDPOINT_SECONDS: Final = 900


class Progress(NamedTuple):
    """News of a step: what it is about to do, or (`done`) what came of it."""

    step: str
    detail: str
    done: bool


class DemoError(Exception):
    """The demo cannot go on. `tail` holds the last lines that a failed job logged."""

    def __init__(self, step: str, message: str, tail: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.step = step
        self.tail = tuple(tail)


@dataclass(frozen=True)
class Deployed:
    """A deployment that went well."""

    outputs: Mapping[str, Any]
    """The stack's plain outputs."""
    in_cluster: Mapping[str, ClusterGateway]
    """What answers for the models that are live in the stack's cluster."""


class _Asked(NamedTuple):
    """Who is asked."""

    where: str
    about: Callable[[Sequence[Mapping[str, Any]]], list[Prediction]]
    """Entities → what it says of each."""


@dataclass(frozen=True)
class Answer:
    """What the model says of a sample, and what is true."""

    sample: str
    prediction: Any
    probability: float
    truth: Any
    id: str

    @property
    def right(self) -> bool:
        """Whether the model is right."""
        return bool(self.prediction == self.truth)


@dataclass(frozen=True)
class DemoReport:
    """What the demo did."""

    model: str
    where: str
    """Where it answers."""
    added: bool
    """Whether the data set was new to the raw bucket."""
    rows_in: int
    rows_good: int
    rows_quarantined: int
    failed_checks: Mapping[str, int]
    quarantine: str | None
    """S3 URI of the bad rows, if there are any."""
    version: str
    version_number: int
    metrics: Mapping[str, float]
    pointers: Pointers
    answers: tuple[Answer, ...]


def run_demo(
    outputs: Mapping[str, Any],
    endpoint: str | None,
    region: str,
    progress: Callable[[Progress], None],
    deploy: Callable[[], Deployed],
    *,
    bad_rows: int = 3,
    session: "boto3.Session | None" = None,
) -> DemoReport:
    """Takes the data set through the environment. Run again, it makes and releases a new version.

    Args:
        outputs: the stack's plain outputs (docs/components.md).
        endpoint: where the cloud's APIs are; None for AWS itself.
        region: the environment's region.
        progress: is told of each step, in the order of `STEPS`, once before and once after.
        deploy: deploys the stack.
        bad_rows: rows to spoil, for the quality gate to find.
        session: credentials to use. Default: those of the environment.

    Raises:
        DemoError: a step failed; the message says which and why.
    """
    return _Demo(outputs, Clients(session=session, region=region, endpoint_url=endpoint), progress).run(
        deploy, bad_rows
    )


class _Demo:
    """One run."""

    def __init__(
        self, outputs: Mapping[str, Any], clients: Clients, progress: Callable[[Progress], None]
    ) -> None:
        self._outputs = outputs
        self._clients = clients
        self._progress = progress
        self._jobs = BatchJobs(outputs, clients)

    def run(self, deploy: Callable[[], Deployed], bad_rows: int) -> DemoReport:
        """All steps."""
        model = self._step("ingest", self._model)
        ingested = self._step("ingest", lambda: self._ingest(bad_rows))
        judged = self._step("quality", lambda: self._quality(ingested))
        self._step("materialise", self._materialise)
        version = self._step("train", lambda: self._train(model))
        version = self._step("approve", lambda: self._approve(version))
        pointers = self._step("release", lambda: self._release(model, version))
        asked: _Asked = self._step("deploy", lambda: self._deploy(model, deploy))
        answers = self._step("predict", lambda: self._predict(asked))
        return DemoReport(
            model=model,
            where=asked.where,
            added=ingested.added,
            rows_in=judged["rows_in"],
            rows_good=judged["rows_good"],
            rows_quarantined=judged["rows_quarantined"],
            failed_checks=judged["failed_checks"],
            quarantine=judged["quarantine"],
            version=version.arn,
            version_number=version.number,
            metrics=version.metrics,
            pointers=pointers,
            answers=tuple(answers),
        )

    def _step(self, name: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except BatchJobError as error:
            raise DemoError(name, str(error), error.tail) from error
        except (JobError, NobodyAnswersError, BotoCoreError, ClientError) as error:
            raise DemoError(name, str(error)) from error

    def _say(self, step: str, detail: str, *, done: bool = True) -> None:
        self._progress(Progress(step, detail, done))

    def _begin(self, step: str) -> None:
        self._say(step, dict(STEPS)[step], done=False)

    def _model(self) -> str:
        """The model that learns from the demo's view, and nothing else."""
        if demo_data.VIEW not in self._outputs.get("views", {}):
            raise DemoError(
                "ingest",
                f"the stack declares no feature view {demo_data.VIEW}: take it over from "
                "stacks/Pulumi.local.yaml, deploy, and run the demo again",
            )
        for job in sorted(self._outputs["jobs"]):
            if job.startswith("train-"):
                views = self._jobs.environment(job).get("STAGECRAFT_MODEL_VIEWS", "[]")
                if json.loads(views) == [demo_data.VIEW]:
                    return str(job.removeprefix("train-"))
        raise DemoError("ingest", f"no model of the stack has the features [{demo_data.VIEW}]: declare one")

    def _ingest(self, bad_rows: int) -> Ingested:
        self._begin("ingest")
        with tempfile.TemporaryDirectory(prefix="stagecraft-demo-") as folder:
            path = demo_data.write(Path(folder, "breast-cancer.csv"), bad_rows=bad_rows)
            ingested = ingest(
                self._clients,
                self._outputs["buckets"]["raw"],
                demo_data.VIEW,
                path,
                source="scikit-learn load_breast_cancer",
            )
        what = (
            f"{ingested.rows} rows" if ingested.added else f"the same {ingested.rows} rows are there already"
        )
        self._say("ingest", f"{what}: {ingested.uri}")
        return ingested

    def _quality(self, ingested: Ingested) -> dict[str, Any]:
        self._begin("quality")
        curated = self._clients.bucket(self._outputs["buckets"]["curated"])
        try:
            self._run_job("quality", {"STAGECRAFT_VIEW": demo_data.VIEW})
        except BatchJobError as error:
            if not ingested.added:
                raise
            # What the gate refuses would be refused by every later run as well; its report stays.
            self._clients.bucket(self._outputs["buckets"]["raw"]).delete(ingested.key)
            raise DemoError(
                "quality", f"{error}. The demo has taken its file out of raw again", error.tail
            ) from error
        body = curated.get(layout.report_key(demo_data.VIEW, ingested.sha256))
        if body is None:
            raise DemoError("quality", f"the job left no report of {ingested.uri}")
        judged: dict[str, Any] = json.loads(body)
        judged["quarantine"] = None
        found = ""
        if judged["rows_quarantined"]:
            judged["quarantine"] = curated.uri(layout.quarantine_key(demo_data.VIEW, ingested.sha256))
            found = f" ({', '.join(sorted(judged['failed_checks']))})"
        self._say(
            "quality", f"{judged['rows_good']} good rows, {judged['rows_quarantined']} in quarantine{found}"
        )
        return judged

    def _materialise(self) -> None:
        self._begin("materialise")
        self._run_job("materialise", {"STAGECRAFT_VIEW": demo_data.VIEW})
        view = self._outputs["views"][demo_data.VIEW]
        self._say("materialise", f"offline in {view['offlineUri']}, online in table {view['table']}")

    def _train(self, model: str) -> Registered:
        self._begin("train")
        job = self._run_job(f"train-{model}", {})
        group = self._outputs["models"][model]["packageGroup"]
        version = registry.version_of_run(self._clients, group, job)
        if version is None:
            raise DemoError("train", f"job {job} registered no version in {group}")
        shown = ", ".join(f"{name} {version.metrics[name]:.3f}" for name in sorted(version.metrics))
        rows = version.properties.get("test_rows", "?")
        self._say("train", f"version {version.number}: {shown} on {rows} samples not seen in training")
        return version

    def _approve(self, version: Registered) -> Registered:
        self._begin("approve")
        reviewer = getpass.getuser()
        approved = review.approve(
            self._clients,
            version.group,
            version.arn,
            reviewer,
            "approved by the demo",
            lineage_table=self._outputs["lineageTable"],
        )
        self._say("approve", f"version {approved.number} approved by {reviewer}; kept in its lineage")
        return approved

    def _release(self, model: str, version: Registered) -> Pointers:
        self._begin("release")
        known = self._outputs["models"][model]
        names = PointerNames(known["livePointer"], known["previousPointer"])
        pointers = release.release(self._clients, version.group, names, version.arn)
        previous = "none" if pointers.previous == release.NONE else pointers.previous.rpartition("/")[2]
        self._say("release", f"live is version {version.number}, previous is {previous}")
        return pointers

    def _deploy(self, model: str, deploy: Callable[[], Deployed]) -> "_Asked":
        self._begin("deploy")
        deployed = deploy()
        self._outputs = deployed.outputs
        pods = deployed.in_cluster.get(model)
        if pods is not None:
            pods.wait(_ENDPOINT_SECONDS if pods.folder.exists() else 0)
            self._say("deploy", f"{len(pods.live().pods)} pods answer at {pods.live_url}")
            return _Asked(pods.gateway_url, lambda entities: self._from_gateway(model, pods, entities))
        name: str = self._outputs["models"][model]["endpoint"]
        if name == "none":
            raise DemoError("deploy", f"the deployment made no endpoint for model {model}")
        deadline = time.monotonic() + _ENDPOINT_SECONDS
        while True:
            endpoint = self._clients.sagemaker.describe_endpoint(EndpointName=name)
            status = endpoint["EndpointStatus"]
            if status == "InService":
                break
            if status in {"Failed", "OutOfService", "UpdateRollbackFailed"} or time.monotonic() > deadline:
                cause = endpoint.get("FailureReason", "no reason given")
                raise DemoError("deploy", f"endpoint {name} is {status}: {cause}")
            time.sleep(_POLL_SECONDS)
        self._say("deploy", f"endpoint {name} is in service")
        return _Asked(f"endpoint {name}", lambda entities: self._from_endpoint(name, entities))

    def _predict(self, asked: "_Asked") -> list[Answer]:
        self._begin("predict")
        rows = _some(demo_data.samples())
        found = asked.about([{demo_data.KEY: row[demo_data.KEY]} for row in rows])
        answers = [
            Answer(
                row[demo_data.KEY], item.prediction, item.probability or 0.0, row[demo_data.LABEL], item.id
            )
            for row, item in zip(rows, found, strict=True)
        ]
        right = sum(answer.right for answer in answers)
        self._say("predict", f"{right} of {len(answers)} samples told rightly")
        return answers

    def _from_endpoint(self, name: str, entities: Sequence[Mapping[str, Any]]) -> list[Prediction]:
        view, table = self._view()
        return PredictionClient(self._clients, name, [view], {view.name: table}).predict(entities)

    def _from_gateway(
        self, model: str, pods: ClusterGateway, entities: Sequence[Mapping[str, Any]]
    ) -> list[Prediction]:
        view, table = self._view()
        features = OnlineReader(self._clients, [view], {view.name: table}).read(entities)
        answers = [
            pods.predict(model, entity, instance_of([view], known))
            for entity, known in zip(entities, features, strict=True)
        ]
        lower = sorted({answer["step"] for answer in answers} - {LIVE})
        if lower:
            raise DemoError("predict", f"not the live version answers, but the ladder: {', '.join(lower)}")
        return [
            Prediction(answer["id"], answer["prediction"], answer["probability"], answer["model_version"])
            for answer in answers
        ]

    def _view(self) -> tuple[View, str]:
        """The demo's view, and its online table."""
        known = self._outputs["views"][demo_data.VIEW]
        base = known["declarationUri"].rpartition("/")[0]
        declared = load_view(self._clients, S3Location.parse(f"{base}/"), demo_data.VIEW)
        return declared, known["table"]

    def _run_job(self, name: str, environment: Mapping[str, str]) -> str:
        """Submits a job and waits for its success; returns its id."""
        job = self._jobs.submit(name, environment, job_name=f"demo-{name}")
        self._jobs.wait(name, job)
        return job


def _some(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A few samples, malignant and benign ones in turn, from all over the data set."""
    kinds = [[row for row in rows if row[demo_data.LABEL] == label] for label in (1, 0)]
    half = SAMPLES // 2
    spread = [kind[:: len(kind) // half][:half] for kind in kinds]
    return [row for pair in zip(*spread, strict=True) for row in pair]
