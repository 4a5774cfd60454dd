"""`demo` on the screen: a progress bar, what happened at each step, and what to try next."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from cli import deploying
from cli.demo import STEPS, DemoError, DemoReport, Deployed, run_demo
from cli.demo import Progress as News
from cli.deploying import console_for, told_in_words
from cli.failures import FAILED, MISUSED, stop
from cli.stacks import deployed_outputs, not_deployed, served_in_cluster
from cli.workspace import Workspace
from twin.engine.engine import Engine
from twin.wire import unwrap

_SHOWN_ANSWERS: Final = 4


def demonstrate(workspace: Workspace, *, bad_rows: int) -> None:
    """Sends the data set through a stack of the twin and prints what came of it."""
    console = console_for(as_json=False)
    if not workspace.lives_in_twin:
        raise stop(
            console, f"the demo runs in the twin: a stack called local, not {workspace.stack!r}", MISUSED
        )
    with told_in_words(console):
        outputs = unwrap(deployed_outputs(workspace)).value
        if not outputs.get("buckets"):
            raise not_deployed(workspace, console)
        with workspace.cloud() as cloud:
            report = _run(workspace, console, cloud, outputs, bad_rows)
            _print_report(console, report)
            _print_next(console, workspace, cloud)


def _run(
    workspace: Workspace, console: Console, cloud: str, outputs: Mapping[str, Any], bad_rows: int
) -> DemoReport:
    from twin.aws.cloud.client import session

    bar = Progress(
        SpinnerColumn(),
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task("demo", total=len(STEPS))

    def tell(news: News) -> None:
        if news.done:
            bar.advance(task)
            bar.console.print(f"[green]✓[/] [bold]{news.step:<12}[/]", news.detail, soft_wrap=True)
        else:
            bar.update(task, description=news.detail)

    try:
        with bar:
            return run_demo(
                outputs,
                cloud,
                workspace.region,
                tell,
                lambda: _deploy(workspace, cloud),
                bad_rows=bad_rows,
                session=session(cloud, workspace.region),
            )
    except DemoError as error:
        tail = "".join(f"\n    {line}" for line in error.tail)
        raise stop(console, f"{error.step}: {error}{tail}", FAILED) from None


def _deploy(workspace: Workspace, cloud: str) -> Deployed:
    """The release as what it is, a deployment: judged by the packs, recorded in the state."""
    result = Engine(workspace.setup(cloud, whole=True), deploying.quiet, deploying.options()).up()
    if not result.ok:
        reasons = [each.message for each in result.violations if each.level != "advisory"] + result.problems
        raise DemoError("deploy", "; ".join(reasons) or "the deployment failed")
    plain: Mapping[str, Any] = unwrap(result.outputs).value
    return Deployed(plain, served_in_cluster(workspace, plain))


def _print_report(console: Console, report: DemoReport) -> None:
    for answer in report.answers[:_SHOWN_ANSWERS]:
        verdict = "[green]right[/]" if answer.right else "[yellow]wrong[/]"
        console.print(
            f"  prediction for {answer.sample}: [bold]{answer.prediction}[/] "
            f"(probability {answer.probability:.3f}; the truth is {answer.truth}: {verdict})"
        )
    right = sum(answer.right for answer in report.answers)
    console.print(
        f"[bold]{report.model}[/] version {report.version_number} answers at {report.where}: "
        f"{right} of {len(report.answers)} predictions right"
    )
    if report.quarantine:
        console.print(f"  {report.rows_quarantined} bad rows wait at {report.quarantine}", soft_wrap=True)


def _print_next(console: Console, workspace: Workspace, cloud: str) -> None:
    named = "" if workspace.stack == "local" else f" --stack {workspace.stack}"
    region = workspace.region
    console.print("\n[bold]next[/]")
    for command, what in (
        ("outputs", "what the environment hands out"),
        ("up --yes", "0 changes"),
        ("demo", "a second version; this one becomes `previous`"),
        ("predict-batch", "every sample scored at once, into the lake"),
        ("check", "what the policy packs say, every value known"),
        ("destroy --yes", "nothing is left"),
    ):
        verb, _, flags = command.partition(" ")
        line = f"stagecraft {verb}{named} {flags}".rstrip()
        console.print(f"  {line:<32} [dim]# {what}[/]")
    console.print("\n[bold]look at the twin[/] (it serves until it is idle; `stagecraft cloud` keeps it up)")
    credentials = f"AWS_ACCESS_KEY_ID=twin AWS_SECRET_ACCESS_KEY=twin AWS_DEFAULT_REGION={region}"
    console.print(f"  {credentials} aws --endpoint-url {cloud} s3 ls", soft_wrap=True)
    console.print(
        f'  boto3.client("s3", endpoint_url="{cloud}", region_name="{region}", '
        'aws_access_key_id="twin", aws_secret_access_key="twin").list_buckets()',
        soft_wrap=True,
        markup=False,
    )
