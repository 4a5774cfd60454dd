"""`simulate spot` on the screen."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from cli.batch_jobs import BatchJobError
from cli.deploying import told_in_words
from cli.failures import FAILED, INTERRUPTED, MISUSED, stop
from cli.spot.replay import ReplayError, Request, SpotError, prepare, simulate
from cli.spot.report import AttemptReport, Report
from cli.stacks import deployed_outputs, not_deployed
from cli.workspace import CLOUD_VARIABLE, Workspace
from platform_jobs.aws import Clients
from twin.wire import unwrap


def simulate_spot(
    workspace: Workspace,
    model: str | None,
    *,
    interruptions: int,
    seed: int,
    hours: float,
    json_out: Path | None,
) -> None:
    """Simulates and reports; exit 1 when a run fails or the models differ, 2 when it cannot be asked."""
    console = Console(stderr=True, highlight=False)
    outputs = _deployed(workspace, console)
    if json_out is not None and (json_out.is_dir() or not json_out.parent.is_dir()):
        raise stop(console, f"--json {json_out}: give a file in a folder that exists", MISUSED)
    request = Request(model, workspace.region, seed, interruptions, hours)
    try:
        with told_in_words(console):
            report = _simulated(workspace, outputs, request, console)
    except SpotError as error:
        raise stop(console, "\n  ".join(["nothing was simulated:", *error.problems]), MISUSED) from None
    except (ReplayError, BatchJobError, BotoCoreError, ClientError) as error:
        raise stop(console, str(error), FAILED) from None
    except KeyboardInterrupt:
        console.print("\nstopped; nothing of the simulation is left", markup=False)
        raise typer.Exit(INTERRUPTED) from None
    if json_out is not None:
        json_out.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    _show(report)
    if not report.same_model:
        raise stop(console, "the interrupted run reached another model than the uninterrupted one", FAILED)


def _deployed(workspace: Workspace, console: Console) -> Mapping[str, Any]:
    if not workspace.lives_in_twin:
        raise stop(
            console,
            f"interruptions are simulated in the twin: a stack called local, not {workspace.stack!r}",
            MISUSED,
        )
    if os.environ.get(CLOUD_VARIABLE):
        raise stop(
            console,
            f"the simulation needs the stack's own cloud, to copy it: unset {CLOUD_VARIABLE}",
            MISUSED,
        )
    with told_in_words(console):
        outputs: Mapping[str, Any] = unwrap(deployed_outputs(workspace)).value
    if not outputs.get("jobs"):
        raise not_deployed(workspace, console, MISUSED)
    return outputs


def _simulated(
    workspace: Workspace, outputs: Mapping[str, Any], request: Request, console: Console
) -> Report:
    """Asked of the stack itself, then carried out on a copy, so that the stack keeps no trace of it."""
    with workspace.cloud() as cloud:
        scene = prepare(outputs, _clients(workspace, cloud), request)
    with (
        tempfile.TemporaryDirectory(prefix="stagecraft-spot-") as folder,
        workspace.cloud_copy(Path(folder)) as cloud,
    ):
        return simulate(
            outputs,
            _clients(workspace, cloud),
            cloud,
            scene,
            say=lambda text: console.print(text, markup=False, soft_wrap=True, style="dim"),
        )


def _clients(workspace: Workspace, cloud: str) -> Clients:
    from twin.aws.cloud.client import session

    return Clients(session=session(cloud, workspace.region), region=workspace.region, endpoint_url=cloud)


def _show(report: Report) -> None:
    console = Console(highlight=False)
    console.print(
        f"\n[bold]{report.model}[/]: a training of {report.hours:g} h on spot in {report.region}, "
        f"a checkpoint every {report.checkpoint_minutes:g} min, seed {report.seed}"
    )
    table = Table("attempt", "resumed at", "reached step", "ended by", "lost")
    for attempt in report.attempts:
        table.add_row(
            str(attempt.number),
            f"step {attempt.resumed_at}" if attempt.resumed_at else "start",
            f"{attempt.reached} of {report.steps}",
            _end(attempt),
            ""
            if attempt.notice is None
            else f"{attempt.steps_lost} steps, {attempt.hours_lost * 60:.1f} min",
        )
    console.print(table)
    same = "the same model" if report.same_model else "[bold red]another model[/]"
    count = len(report.plan)
    console.print(
        f"{count} interruption{'' if count == 1 else 's'} survived; {same} as without: "
        f"sha256 {report.artifact_sha256[:16]}…"
    )
    saved = 1 - report.spot_usd / report.on_demand_usd
    machine = report.machine
    console.print(
        f"{report.hours_lost * 60:.1f} min lost; {machine.instance_type} for {report.spot_hours:.2f} h "
        f"of spot at ${machine.spot_hourly:.4f}: ${report.spot_usd:.2f}, against "
        f"${report.on_demand_usd:.2f} for {report.hours:g} h on demand at ${machine.on_demand_hourly:.4f} "
        + (f"({saved:.0%} less)" if saved >= 0 else f"({-saved:.0%} more)"),
        soft_wrap=True,
    )


def _end(attempt: AttemptReport) -> str:
    if attempt.notice is None:
        return "done"
    if not attempt.notice:
        return "machine gone"
    code = attempt.ended.exit_code
    return "notice" if code is None else f"notice, exit {code}"
