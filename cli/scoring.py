"""`predict-batch`: a batch run of a model in the twin, and what it came to."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Console

from cli import models
from cli.batch_jobs import BatchJobError, BatchJobs
from cli.deploying import console_for, told_in_words
from cli.display import print_json
from cli.failures import FAILED, MISUSED, stop
from cli.stacks import deployed_outputs
from cli.workspace import Workspace
from platform_jobs import times
from platform_jobs.aws import Clients
from platform_jobs.batch import manifest
from platform_jobs.batch.manifest import Manifest
from platform_jobs.settings import S3Location
from twin.wire import unwrap

_SHOWN_REASONS: Final = 5


@dataclass(frozen=True)
class Asked:
    """What of a run is not as the stack declares it."""

    as_of: str | None = None
    entities: str | None = None
    rows: str | None = None
    run: str | None = None
    """The id of a run that gave up, to go on with."""

    def problems(self) -> list[str]:
        """What is wrong with it."""
        found = []
        if self.entities and self.rows:
            found.append("--entities and --rows: give one of them; rows say who they are about")
        for option, value, read in (
            ("--as-of", self.as_of, times.parse),
            ("--entities", self.entities, S3Location.parse),
            ("--rows", self.rows, S3Location.parse),
        ):
            try:
                if value is not None:
                    read(value)
            except ValueError as error:
                found.append(f"{option} {value}: {error}")
        return found

    def environment(self) -> dict[str, str]:
        """As the job is told; what is left empty is as if it were not declared."""
        told = {"STAGECRAFT_AS_OF": self.as_of, "STAGECRAFT_RUN": self.run}
        if self.entities or self.rows:
            told |= {"STAGECRAFT_ENTITIES_URI": self.entities or "", "STAGECRAFT_ROWS_URI": self.rows or ""}
        return {name: value for name, value in told.items() if value is not None}


def score(workspace: Workspace, model: str | None, asked: Asked, *, as_json: bool) -> None:
    """Submits a run, waits for it, and tells what it came to."""
    from twin.aws.cloud.client import session

    console = console_for(as_json=as_json)
    if not workspace.lives_in_twin:
        raise stop(
            console,
            f"runs of stack {workspace.stack!r} are AWS's: the clock starts them, or `aws batch submit-job` "
            "with the job predict-<model> of `stagecraft outputs`",
            MISUSED,
        )
    if problems := asked.problems():
        raise stop(console, "\n  ".join(["nothing was scored:", *problems]), MISUSED)
    with told_in_words(console):
        outputs = unwrap(deployed_outputs(workspace)).value
        declared: Mapping[str, Any] = outputs.get("batch", {})
        if not declared:
            raise stop(
                console,
                f"stack {workspace.stack!r} scores no model in batch: declare `batch: {{}}` for one "
                f"(stagecraft:models), then `stagecraft up --stack {workspace.stack}`",
                FAILED,
            )
        name = models.chosen(console, workspace.stack, model, declared)
        with workspace.cloud() as cloud:
            clients = Clients(session=session(cloud, workspace.region))
            with console.status(f"scoring with {name}"):
                run = _carry_out(console, BatchJobs(outputs, clients), name, asked)
            found = manifest.read(clients.bucket(outputs["buckets"]["artifacts"]), name, run)
    if found is None:
        raise stop(console, f"the job succeeded, but there is no result of run {run}", FAILED)
    if as_json:
        print_json(asdict(found))
    else:
        _show(console, found, declared[name]["predictions"])


def _carry_out(console: Console, jobs: BatchJobs, model: str, asked: Asked) -> str:
    """The id of a run that is through."""
    job = f"predict-{model}"
    submitted = jobs.submit(job, asked.environment(), job_name=job)
    run = asked.run or submitted
    try:
        jobs.wait(job, submitted)
    except BatchJobError as error:
        tail = "".join(f"\n    {line}" for line in error.tail)
        raise stop(console, f"{error}{tail}\n  run {run}: --run {run} goes on with it", FAILED) from None
    return run


def _show(console: Console, found: Manifest, place: str) -> None:
    chunks = f"{len(found.chunks)} chunk{'' if len(found.chunks) == 1 else 's'}"
    console.print(
        f"[bold]{found.model}[/] version {found.version_number} scored {found.predictions} of {found.rows} "
        f"as of {found.as_of}, in {found.seconds:.1f} s and {chunks}"
    )
    reasons = sorted(found.reasons.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN_REASONS]
    if found.put_aside:
        told = ", ".join(f"{name} {count}" for name, count in reasons)
        aside = f"{place}_put_aside/{found.run}/"
        console.print(f"  {found.put_aside} rows are put aside ({told}): {aside}", soft_wrap=True)
    if found.cost_per_thousand is not None:
        console.print(f"  1,000 predictions cost ${found.cost_per_thousand:.4f} of machine")
    runs = f"{place}version={found.version_number}/run={found.run}/"
    console.print(f"  predictions: {runs}", soft_wrap=True, markup=False)
