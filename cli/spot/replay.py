"""Runs a model's training job twice, left alone and interrupted, and compares what comes of it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.batch_jobs import BatchJobError, BatchJobs
from cli.spot import plan as plans
from cli.spot.history import Attempt, read_attempt, step_lines, work_hours
from cli.spot.plan import Interruption, PlanError
from cli.spot.pool import Machine, buys_spot, likely_machine
from cli.spot.report import Ended, Report, attempt_reports
from platform_jobs import layout, registry
from platform_jobs.aws import Clients
from twin.aws.cloud.client import reclaim_host

_OWN_CHECKPOINTS: Final = "simulation/"
"""Below the job's own prefix: an unfinished run of the stack's must not be gone on from."""
_LEAST_SECONDS: Final = 0.01


@dataclass(frozen=True)
class Request:
    """What to simulate."""

    model: str | None
    """None for the only one that the stack trains."""
    region: str
    seed: int
    interruptions: int
    hours: float
    """How long the uninterrupted run is taken to be."""


class SpotError(Exception):
    """Nothing can be simulated: all the reasons, in `problems`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class ReplayError(Exception):
    """The runs did not go as they must; the text says how."""


@dataclass(frozen=True)
class Scene:
    """A request that can be carried out, with what is known of the job."""

    request: Request
    model: str
    job: str
    package_group: str
    checkpoint_uri: str
    checkpoint_minutes: float
    machine: Machine
    plan: tuple[Interruption, ...]


def prepare(outputs: Mapping[str, Any], clients: Clients, request: Request) -> Scene:
    """Looks whether the deployed stack can be asked this.

    Raises:
        SpotError: it cannot.
    """
    trained = sorted(name.removeprefix("train-") for name in outputs["jobs"] if name.startswith("train-"))
    trained = [name for name in trained if name in outputs.get("models", {})]
    model = request.model or (trained[0] if len(trained) == 1 else None)
    known = ", ".join(trained) or "none"
    if model is None:
        raise SpotError([f"--model: say which model's training to interrupt; the stack trains: {known}"])
    if model not in trained:
        raise SpotError([f"--model {model}: the stack trains no such model; it trains: {known}"])
    job = f"train-{model}"
    jobs = BatchJobs(outputs, clients)
    definition, environment = jobs.definition(job), jobs.environment(job)
    problems = _without_data(clients, environment)
    plan: tuple[Interruption, ...] = ()
    attempts = int(definition.get("retryStrategy", {}).get("attempts", 1))
    if request.interruptions >= attempts:
        problems.append(
            f"--interruptions {request.interruptions}: the job {job} has {attempts} attempts, "
            f"so it survives at most {attempts - 1}"
        )
    else:
        try:
            plan = plans.draw(request.seed, request.interruptions, request.hours)
        except PlanError as error:
            problems.append(f"--interruptions {request.interruptions}: {error}")
    missing = [
        name
        for name in ("STAGECRAFT_CHECKPOINT_URI", "STAGECRAFT_CHECKPOINT_MINUTES")
        if not environment.get(name)
    ]
    problems += [f"job {job}: {name} is not set, so it keeps no checkpoint" for name in missing]
    spot = buys_spot(jobs.compute_environments(job))
    machine = None if spot is None else likely_machine(spot, request.region)
    if spot is None:
        problems.append(f"model {model} trains on demand, where nobody interrupts it: training.spot is false")
    elif machine is None:
        types = ", ".join(spot["computeResources"].get("instanceTypes", []))
        problems.append(f"no spot price is known of {types} in {request.region}: `stagecraft cost refresh`")
    if problems or machine is None:
        raise SpotError(problems)
    return Scene(
        request=request,
        model=model,
        job=job,
        package_group=outputs["models"][model]["packageGroup"],
        checkpoint_uri=environment["STAGECRAFT_CHECKPOINT_URI"],
        checkpoint_minutes=float(environment["STAGECRAFT_CHECKPOINT_MINUTES"]),
        machine=machine,
        plan=plan,
    )


def _without_data(clients: Clients, environment: Mapping[str, str]) -> list[str]:
    features = clients.bucket(environment["STAGECRAFT_FEATURES_BUCKET"])
    views = json.loads(environment["STAGECRAFT_MODEL_VIEWS"])
    empty = [view for view in views if features.get(layout.offline_manifest_key(view)) is None]
    return [
        f"feature view {view} has no data to train on: ingest and materialise some (`stagecraft demo` does)"
        for view in empty
    ]


def simulate(
    outputs: Mapping[str, Any],
    clients: Clients,
    endpoint: str,
    scene: Scene,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Trains without and with the interruptions, in a cloud that nobody else needs.

    Args:
        outputs: the stack's plain outputs.
        clients: of the cloud.
        endpoint: the cloud's, which must be the twin's.
        scene: what `prepare` made of a request.
        say: told what happens.

    Raises:
        SpotError: the training is too short for the interruptions.
        ReplayError: a run failed, or an interruption did not come.
    """
    return _Replay(BatchJobs(outputs, clients), clients, endpoint, scene, say).run()


@dataclass(frozen=True)
class _Replay:
    jobs: BatchJobs
    clients: Clients
    endpoint: str
    scene: Scene
    say: Callable[[str], None]

    def run(self) -> Report:
        scene, hours = self.scene, self.scene.request.hours
        checkpoints = f"{scene.checkpoint_uri}{_OWN_CHECKPOINTS}"
        self.say("training without interruption")
        whole_run = self._submit("whole", {"STAGECRAFT_CHECKPOINT_URI": checkpoints})
        whole = self._attempts(self._wait(whole_run))[0]
        work = work_hours(whole, hours)
        try:
            steps = plans.place(scene.plan, work)
        except PlanError as error:
            raise SpotError([f"--interruptions {len(scene.plan)}: {error}"]) from None
        hours_a_second = hours / max(whole.seconds, _LEAST_SECONDS)
        minutes = scene.checkpoint_minutes / 3600 / hours_a_second
        self.say(f"{whole.reached} steps in {whole.seconds:.1f} s; interruptions to come: {len(steps)}")
        interrupted_run = self._submit(
            "interrupted",
            {
                "STAGECRAFT_CHECKPOINT_URI": checkpoints,
                "STAGECRAFT_CHECKPOINT_MINUTES": f"{minutes:.9f}",
            },
        )
        for interruption, step in zip(scene.plan, steps, strict=True):
            reclaim_host(
                self.endpoint,
                scene.request.region,
                interrupted_run,
                grace_seconds=plans.NOTICE_SECONDS if interruption.notice else 0,
                when=step_lines(step, whole.reached),
            )
        job = self._wait(interrupted_run)
        attempts = self._attempts(job)
        if len(attempts) != len(scene.plan) + 1:
            raise ReplayError(f"{len(attempts) - 1} of {len(scene.plan)} interruptions came while it trained")
        return Report(
            model=scene.model,
            region=scene.request.region,
            seed=scene.request.seed,
            hours=hours,
            steps=whole.reached,
            checkpoint_minutes=scene.checkpoint_minutes,
            plan=scene.plan,
            attempts=attempt_reports(
                attempts, [_ended(told) for told in job["attempts"]], scene.plan, hours_a_second
            ),
            machine=scene.machine,
            artifact_sha256=self._artifact(interrupted_run),
            uninterrupted_sha256=self._artifact(whole_run),
        )

    def _submit(self, name: str, environment: Mapping[str, str]) -> str:
        return self.jobs.submit(self.scene.job, environment, job_name=f"simulate-spot-{name}")

    def _wait(self, run: str) -> Mapping[str, Any]:
        try:
            return self.jobs.wait(self.scene.job, run)
        except BatchJobError as error:
            raise ReplayError("\n    ".join([str(error), *error.tail])) from error

    def _attempts(self, job: Mapping[str, Any]) -> list[Attempt]:
        found = []
        for number, told in enumerate(job["attempts"], start=1):
            attempt = read_attempt(self.jobs.lines(self.scene.job, told["container"]["logStreamName"]))
            if attempt is None:
                raise ReplayError(f"attempt {number} ended before it began to train")
            found.append(attempt)
        return found

    def _artifact(self, run: str) -> str:
        version = registry.version_of_run(self.clients, self.scene.package_group, run)
        if version is None:
            raise ReplayError(f"job {self.scene.job} ({run}) registered no version")
        return version.properties["artifact_sha256"]


def _ended(told: Mapping[str, Any]) -> Ended:
    return Ended(told["container"].get("exitCode"), told.get("statusReason", ""))
