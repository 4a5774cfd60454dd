"""`load` on the screen: a gateway for the time of the load, the load, and what came of it."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.deploying import console_for, told_in_words
from cli.display import print_json
from cli.failures import FAILED, MISUSED, stop
from cli.load.drive import Target, drive
from cli.load.fronts import InCluster, Opener, OwnGateway
from cli.load.gateway_process import GatewayError
from cli.load.generator import Bodies
from cli.load.plan import LoadPlan, parse_plan
from cli.load.questions import question_bodies
from cli.load.report import Fault, LoadReport
from cli.stacks import deployed_outputs, not_deployed, served_in_cluster
from cli.workspace import Workspace
from twin.aws.cloud.client import CloudError
from twin.wire import unwrap

_PUBLISH_SECONDS: Final = "5"


def load(
    workspace: Workspace,
    model: str | None,
    *,
    rps: float,
    duration: str,
    kill_live_after: str | None,
    log_predictions: bool,
    as_json: bool,
) -> None:
    """Puts a load on a model of a stack in the twin, and says what came of it."""
    console = console_for(as_json=as_json)
    if not workspace.lives_in_twin:
        raise stop(console, f"loads run in the twin: a stack called local, not {workspace.stack!r}", MISUSED)
    with told_in_words(console):
        plan = parse_plan(rps, duration, kill_live_after)
        outputs: Mapping[str, Any] = unwrap(deployed_outputs(workspace)).value
        chosen = _chosen(workspace, console, outputs, model)
        with workspace.cloud() as cloud:
            target = Target(
                front=_front(workspace, cloud, outputs, chosen, log_predictions=log_predictions),
                model=chosen,
                bodies=_bodies(workspace, console, cloud, outputs, chosen),
            )
            try:
                report = _with_progress(console, target, plan)
            except (GatewayError, CloudError) as error:
                raise stop(console, str(error), FAILED) from None
    if as_json:
        print_json(report.to_json())
    else:
        _print(console, report)
    if report.lost:
        raise stop(console, f"{report.lost} of {len(report.outcomes)} requests were lost", FAILED)


def _front(
    workspace: Workspace, cloud: str, outputs: Mapping[str, Any], model: str, *, log_predictions: bool
) -> Opener:
    """Where the model answers: from the stack's cluster, or behind a gateway for the time of the load."""
    in_cluster = served_in_cluster(workspace, outputs).get(model)
    if in_cluster is not None:
        return InCluster(in_cluster)
    told = {"STAGECRAFT_GATEWAY_METRICS": "cloudwatch"}
    told["STAGECRAFT_GATEWAY_PUBLISH_SECONDS"] = _PUBLISH_SECONDS
    if log_predictions:
        told["STAGECRAFT_ARTIFACTS_BUCKET"] = outputs["buckets"]["artifacts"]
    return OwnGateway(
        cloud=cloud,
        region=workspace.region,
        stack=workspace.stack,
        model=model,
        endpoint=outputs["models"][model]["endpoint"],
        declaration=outputs["gateway"][model],
        told=told,
    )


def _chosen(workspace: Workspace, console: Console, outputs: Mapping[str, Any], model: str | None) -> str:
    """The model that is meant: the one named, or the only one."""
    if not outputs.get("models"):
        raise not_deployed(workspace, console)
    served: list[str] = sorted({*(outputs.get("gateway") or {}), *served_in_cluster(workspace, outputs)})
    names = sorted(outputs["models"])
    if model is None and len(served) == 1:
        return served[0]
    if model is None:
        raise stop(console, f"say which model: --model {' or --model '.join(served or names)}", MISUSED)
    if model not in names:
        raise stop(
            console,
            f"stack {workspace.stack!r} has no model {model!r}; it has: {', '.join(names)}",
            MISUSED,
        )
    if model not in served:
        raise stop(
            console,
            f"model {model} has no live version; `stagecraft demo --stack {workspace.stack}` makes one, or "
            "train, approve, release and deploy one",
        )
    return model


def _bodies(
    workspace: Workspace, console: Console, cloud: str, outputs: Mapping[str, Any], model: str
) -> Bodies:
    from botocore.exceptions import BotoCoreError, ClientError

    from platform_jobs.aws import Clients
    from platform_jobs.errors import JobError
    from twin.aws.cloud.client import session

    clients = Clients(session=session(cloud, workspace.region), endpoint_url=cloud)
    try:
        bodies = question_bodies(clients, outputs, model)
    except (JobError, BotoCoreError, ClientError) as error:
        raise stop(console, f"the features of model {model} cannot be read: {error}", FAILED) from None
    if not bodies:
        raise stop(
            console,
            f"no entity of model {model} has features online; ingest, judge and materialise some, or run "
            f"`stagecraft demo --stack {workspace.stack}`",
        )
    return bodies


def _with_progress(console: Console, target: Target, plan: LoadPlan) -> LoadReport:
    bar = Progress(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} requests"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        refresh_per_second=4,
    )
    task = bar.add_task(f"{plan.rps:g} a second", total=plan.requests)
    with bar:
        return drive(target, plan, lambda sent: bar.update(task, completed=sent))


def _print(console: Console, report: LoadReport) -> None:
    lost = f"[red]{report.lost} lost[/]" if report.lost else "[green]0 lost[/]"
    console.print(
        f"[bold]{report.model}[/]: {len(report.outcomes)} requests in {report.plan.seconds:g} s, "
        f"{report.rps:.1f} a second, {lost}"
    )
    latency = Table("latency", "ms", box=None, pad_edge=False)
    for name, percent in (("p50", 50), ("p95", 95), ("p99", 99), ("max", 100)):
        latency.add_row(name, f"{report.latency_ms(percent):.1f}")
    console.print(latency)
    answers = Table("answered by", "requests", "share", box=None, pad_edge=False)
    for step, number in report.answers.items():
        answers.add_row(step, str(number), f"{number / len(report.outcomes):.2%}")
    console.print(answers)
    for problem, number in report.problems.items():
        console.print(f"  [red]lost[/] {number}: {problem}", soft_wrap=True)
    if report.fault is not None:
        _print_fault(console, report, report.fault)


def _print_fault(console: Console, report: LoadReport, fault: Fault) -> None:
    if not fault.processes:
        console.print("[yellow]the live model had no process to kill[/]")
        return
    degraded = report.degraded_seconds
    back = (
        "the metrics show no live model answering everything again before the end"
        if degraded is None
        else f"the metrics show the live model answering everything again {degraded:.1f} s later"
    )
    console.print(f"live model killed after {fault.at:.1f} s; {back}")
    table = Table("seconds", "answers by step", "errors", box=None, pad_edge=False)
    for row in report.timeline():
        if fault.at - 1 <= row["to"] <= fault.at + (degraded or report.plan.seconds) + 1:
            shown = ", ".join(f"{step} {number}" for step, number in row["answers"].items() if number)
            table.add_row(f"{row['from']:.1f}-{row['to']:.1f}", shown or "none", str(row["errors"]))
    console.print(table)
