"""The `stagecraft` command. Thin: every command's work is in the module it calls."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.reports.formats import CostFormat, Format

app = typer.Typer(
    name="stagecraft",
    help="Take an AI product's infrastructure from MVP to production, one stage at a time.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)
stack_app = typer.Typer(help="Export and import a stack's state, in Pulumi's format.", no_args_is_help=True)
app.add_typer(stack_app, name="stack")
cost_app = typer.Typer(help="What a stack costs, before it is deployed.", invoke_without_command=True)
app.add_typer(cost_app, name="cost")
policy_app = typer.Typer(help="Run the policy packs without a stack.", no_args_is_help=True)
app.add_typer(policy_app, name="policy")
loop_app = typer.Typer(
    help="A model's loop in the twin: retrain, review, release or roll back.", no_args_is_help=True
)
app.add_typer(loop_app, name="loop")
schedule_app = typer.Typer(
    help="What runs by the clock in the twin, where nothing fires by itself: see it, run it now.",
    no_args_is_help=True,
)
app.add_typer(schedule_app, name="schedule")
cluster_app = typer.Typer(
    help="The twin's Kubernetes cluster: a real control plane, the real Karpenter, nodes that are played.",
    no_args_is_help=True,
)
app.add_typer(cluster_app, name="cluster")
simulate_app = typer.Typer(help="Try a design out before it costs money.", no_args_is_help=True)
app.add_typer(simulate_app, name="simulate")

StackOption = Annotated[str, typer.Option("--stack", "-s", help="Stack to work on.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout instead of a drawing.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
FormatOption = Annotated[Format, typer.Option("--format", help="How the verdict is written to stdout.")]
CostFormatOption = Annotated[CostFormat, typer.Option("--format", help="How the estimate is written.")]
ReportOption = Annotated[
    list[str] | None,
    typer.Option("--report", metavar="FORMAT=FILE", help="Also write a format to a file; may be repeated."),
]
UsageOption = Annotated[
    Path | None, typer.Option("--usage", help="Declared usage (JSON or YAML), over the stack's own.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
ModelOption = Annotated[str | None, typer.Option("--model", "-m", help="Default: the stack's only one.")]
ReviewerOption = Annotated[str | None, typer.Option("--reviewer", help="Who decides. Default: you.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept in the version's lineage.")]
ParallelOption = Annotated[int, typer.Option("--parallel", "-p", min=1, help="Resources at once.")]


@app.command()
def up(
    stack: StackOption = "local",
    yes: YesOption = False,
    as_json: JsonOption = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Read the cloud back first.")] = False,
    parallel: ParallelOption = 16,
) -> None:
    """Deploy a stack: the twin's here, any other with the official Pulumi CLI; policies judge both."""
    from cli import deploying

    workspace = _workspace(stack)
    if not workspace.lives_in_twin:
        flags = [flag for flag, on in (("--yes", yes), ("--refresh", refresh), ("--json", as_json)) if on]
        _official("up", workspace, [*flags, "--parallel", str(parallel)])
    options = deploying.options(parallel=parallel, refresh=refresh)
    deploying.up(deploying.Request(workspace, as_json, yes, options))


@app.command()
def preview(stack: StackOption = "local", as_json: JsonOption = False) -> None:
    """Show what `up` would change, and what the policies say of it."""
    from cli import deploying
    from twin.engine.engine import Engine

    workspace = _workspace(stack)
    if not workspace.lives_in_twin:
        _official("preview", workspace, ["--json"] if as_json else [])
    deploying.one_step(
        deploying.Request(workspace, as_json),
        Engine.preview,
        title=f"preview of {stack}",
        verb="plan",
        packs=True,
    )


@app.command()
def refresh(stack: StackOption = "local", as_json: JsonOption = False) -> None:
    """Read the cloud back: show what was changed outside, and take it into the state."""
    from cli import deploying
    from twin.engine.engine import Engine

    workspace = _workspace(stack)
    if not workspace.lives_in_twin:
        _official("refresh", workspace, [])
    deploying.one_step(
        deploying.Request(workspace, as_json, options=deploying.options()),
        Engine.refresh,
        title=f"refresh of {stack}",
        verb="found",
        packs=False,
    )


@app.command()
def destroy(
    stack: StackOption = "local",
    yes: YesOption = False,
    as_json: JsonOption = False,
    target: Annotated[list[str] | None, typer.Option("--target", "-t", help="URN; may be repeated.")] = None,
) -> None:
    """Take an environment down: everything, or the targets and nothing else."""
    from cli import destroying

    workspace = _workspace(stack)
    if not workspace.lives_in_twin:
        chosen = [part for urn in target or () for part in ("--target", urn)]
        _official("destroy", workspace, [*(["--yes"] if yes else []), *chosen])
    destroying.destroy(workspace, tuple(target or ()), yes=yes, as_json=as_json)


@app.command()
def outputs(
    name: Annotated[str | None, typer.Argument(help="One output; without it, all.")] = None,
    stack: StackOption = "local",
    as_json: JsonOption = False,
    show_secrets: Annotated[bool, typer.Option("--show-secrets", help="Show what is secret.")] = False,
) -> None:
    """Show what a deployed stack hands out."""
    from cli import stacks

    stacks.show_outputs(_workspace(stack), name, as_json=as_json, show_secrets=show_secrets)


@app.command()
def check(
    *,
    stack: StackOption = "local",
    form: FormatOption = Format.TEXT,
    as_json: JsonFlag = False,
    against: Annotated[
        str | None, typer.Option("--against", help="Git ref or state file to compare the cost with.")
    ] = None,
    usage: UsageOption = None,
    report: ReportOption = None,
    state_out: Annotated[
        Path | None, typer.Option("--state-out", help="Keep the planned state (deployment version 3).")
    ] = None,
) -> None:
    """Is this stack allowed, and what will it cost? Planned in a scratch twin, where every value is known.

    Exit code 0: allowed; 1: not; 2: the settings or the call are wrong.
    """
    from cli import checking
    from cli.reports.formats import targets

    checking.check(
        _workspace(stack),
        form=Format.JSON if as_json else form,
        state_out=state_out,
        against=against,
        usage_file=usage,
        saved=targets(report or ()),
    )


@cost_app.callback()
def cost(
    context: typer.Context,
    *,
    stack: StackOption = "local",
    against: Annotated[
        str | None, typer.Option("--against", help="Git ref or state file to compare with.")
    ] = None,
    usage: UsageOption = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="Estimate a state file instead of a stack.")
    ] = None,
    form: CostFormatOption = CostFormat.TEXT,
    as_json: JsonFlag = False,
) -> None:
    """What a stack costs in an idle, an expected and the worst month; what a change does to it.

    Exit code 0; 1: it cannot be planned; 2: the settings or the call are wrong.
    """
    if context.invoked_subcommand is not None:
        return
    from cli import costing

    chosen = CostFormat.JSON if as_json else form
    if state is not None:
        costing.cost_of_file(state, against=against, usage_file=usage, form=chosen)
    else:
        costing.cost_of_stack(_workspace(stack), against=against, usage_file=usage, form=chosen)


@cost_app.command("refresh")
def refresh_prices(
    region: Annotated[
        list[str] | None, typer.Option("--region", help="Region to renew or add; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write the snapshot; default: in its place.")
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Renew the price snapshot from AWS itself, with YOUR AWS credentials; reads prices, makes nothing.

    The only command, beside those that the official Pulumi CLI carries out, that talks to a real cloud.
    """
    from cli import price_refresh

    price_refresh.refresh_prices(region or (), out, yes=yes, as_json=as_json)


@policy_app.command("eval")
def evaluate(
    *,
    file: Annotated[Path, typer.Option("--file", help="A list of resources, or a Pulumi state file (JSON).")],
    pack: Annotated[
        list[str] | None, typer.Option("--pack", help="Pack to run; may be repeated; default: all.")
    ] = None,
    stage: Annotated[str, typer.Option("--stage", help="Stage whose rules apply.")] = "govern",
    environment: Annotated[
        str, typer.Option("--environment", help="Environment whose levels are in force.")
    ] = "prod",
    form: FormatOption = Format.TEXT,
    as_json: JsonFlag = False,
    report: ReportOption = None,
) -> None:
    """Judge resources by the policy packs, without any stack; anyone's, not only ours.

    Exit code 0: allowed; 1: not; 2: the file or the call is wrong.
    """
    from cli import policy_eval
    from cli.reports.formats import targets

    policy_eval.evaluate(
        file,
        packs=pack or (),
        stage=stage,
        environment=environment,
        form=Format.JSON if as_json else form,
        saved=targets(report or ()),
    )


@app.command()
def demo(
    stack: StackOption = "local",
    bad_rows: Annotated[
        int, typer.Option("--bad-rows", min=0, help="Rows to spoil, for the quality gate.")
    ] = 3,
) -> None:
    """Send a real data set through the deployed platform: ingest, train, approve, release, predict."""
    from cli import demonstrating

    demonstrating.demonstrate(_workspace(stack), bad_rows=bad_rows)


@app.command()
def alerts(
    stack: StackOption = "local",
    as_json: JsonOption = False,
    last: Annotated[int, typer.Option("--last", min=1, help="How many, counted from the newest.")] = 20,
) -> None:
    """Show what a stack's topics were told: alarms, approvals, budgets. In the twin, nobody has a mailbox."""
    from cli import alerting

    alerting.show_alerts(_workspace(stack), last=last, as_json=as_json)


@app.command()
def report(
    stack: StackOption = "local",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file; default: stagecraft-<stack>.html here.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write one HTML page on a deployed stack: map, endpoints and SLOs, drift, cost, policies, alarms.

    The page needs no network and no other file. Exit code 0: written; 1: nothing is deployed; 2: the call is
    wrong.
    """
    from cli import reporting

    reporting.report(_workspace(stack), out, as_json=as_json)


@app.command()
def load(
    *,
    stack: StackOption = "local",
    model: Annotated[
        str | None, typer.Option("--model", help="Which model; may be left out if one is live.")
    ] = None,
    rps: Annotated[float, typer.Option("--rps", help="Requests a second, sent whatever comes back.")] = 50,
    duration: Annotated[str, typer.Option("--for", help="How long, such as 30s or 2m.")] = "10s",
    kill_live_after: Annotated[
        str | None,
        typer.Option("--kill-live-after", help="Kill the live model's process after this time, such as 10s."),
    ] = None,
    log_predictions: Annotated[
        bool, typer.Option("--log-predictions", help="Write the answers to the stack's prediction log too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a constant load on a model's gateway in the twin: latency, losses, and who answered.

    Exit code 0: every request was answered; 1: some were lost; 2: the call is wrong.
    """
    from cli import loading

    loading.load(
        _workspace(stack),
        model,
        rps=rps,
        duration=duration,
        kill_live_after=kill_live_after,
        log_predictions=log_predictions,
        as_json=as_json,
    )


@app.command()
def cloud(stack: StackOption = "local") -> None:
    """Serve a stack's twin cloud in the foreground, for `aws` and boto3, until Ctrl-C."""
    from cli import clouds

    clouds.serve(_workspace(stack))


@cluster_app.command("up")
def cluster_up(stack: StackOption = "local") -> None:
    """Start the stack's cluster and wait until it is ready; built with Go at the first time.

    Exit code 0: ready; 1: it does not come up, or there is no Go to build it with.
    """
    from cli import clustering

    clustering.up(_workspace(stack))


@cluster_app.command("down")
def cluster_down(stack: StackOption = "local") -> None:
    """End every process of the stack's cluster and remove its files; what was built is kept."""
    from cli import clustering

    clustering.down(_workspace(stack))


@cluster_app.command("status")
def cluster_status(stack: StackOption = "local", as_json: JsonOption = False) -> None:
    """Tell how the stack's cluster is. Exit code 0: all of it works; 1: it does not, or there is none."""
    from cli import clustering

    clustering.status(_workspace(stack), as_json=as_json)


@simulate_app.command("pools")
def simulate_pools(
    *,
    trace: Annotated[Path, typer.Option("--trace", help="The load: jobs and serving, JSON or CSV.")],
    stack: StackOption = "local",
    pools: Annotated[
        Path | None, typer.Option("--pools", help="NodePools and node classes (YAML), for the stack's own.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of spot's shortages and interruptions.")] = 1,
    speed: Annotated[
        float, typer.Option("--speed", min=1, max=600, help="Simulated seconds in a second.")
    ] = 120,
    spot_missing: Annotated[
        float | None,
        typer.Option(
            "--spot-missing",
            min=0,
            max=100,
            help="Percent of the time without spot; default: the price snapshot's.",
        ),
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the report here, as JSON.")] = None,
    plot_out: Annotated[
        Path | None, typer.Option("--plot", help="Draw nodes over time here, as SVG.")
    ] = None,
) -> None:
    """Replay a load on a stack's pools: real scheduler, real Karpenter, spot that comes and goes.

    Exit code 0; 1: it could not be run to its end; 2: the trace or the pools are wrong.
    """
    from cli import simulating

    asked = simulating.Asked(trace, pools, seed, speed, spot_missing, json_out, plot_out)
    simulating.simulate_pools(_workspace(stack), asked)


@simulate_app.command("spot")
def simulate_spot(
    *,
    stack: StackOption = "local",
    model: Annotated[
        str | None, typer.Option("--model", help="Whose training; default: the stack's only model.")
    ] = None,
    interruptions: Annotated[
        int, typer.Option("--interruptions", min=1, help="How often the machine is taken back.")
    ] = 3,
    seed: Annotated[int, typer.Option("--seed", help="Of when, and with or without notice.")] = 1,
    hours: Annotated[
        float, typer.Option("--hours", min=0.1, max=1000, help="Length of the uninterrupted run.")
    ] = 4,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the report here, as JSON.")] = None,
) -> None:
    """Interrupt a model's training as spot does: does it come to the same model, and at what cost?

    The stack's own job runs twice in a copy of its twin. Exit code 0; 1: a run failed, or the models
    differ; 2: it cannot be asked of this stack.
    """
    from cli.spot import simulating

    simulating.simulate_spot(
        _workspace(stack),
        model,
        interruptions=interruptions,
        seed=seed,
        hours=hours,
        json_out=json_out,
    )


@stack_app.command("export")
def export(
    stack: StackOption = "local",
    file: Annotated[
        Path | None, typer.Option("--file", help="Where to write it; without it, stdout.")
    ] = None,
) -> None:
    """Write a stack's state, as `pulumi stack export` does; secrets stay encrypted."""
    from cli import stacks

    stacks.export_state(_workspace(stack), file)


@stack_app.command("import")
def import_(
    stack: StackOption = "local",
    file: Annotated[Path | None, typer.Option("--file", help="What to read; without it, stdin.")] = None,
) -> None:
    """Take a state in the place of a stack's own, as `pulumi stack import` does; the old one is kept."""
    from cli import stacks

    stacks.import_state(_workspace(stack), file)


@app.command("predict-batch")
def predict_batch(
    *,
    stack: StackOption = "local",
    model: ModelOption = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Score by what was known then (ISO 8601). Default: now.")
    ] = None,
    entities: Annotated[
        str | None, typer.Option("--entities", help="s3:// prefix of files that name whom to score.")
    ] = None,
    rows: Annotated[
        str | None, typer.Option("--rows", help="s3:// prefix of rows to score by their own features.")
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help="A run that gave up: goes on with it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Score everyone, or given rows, with a model's live version; what is done is not done twice."""
    from cli import scoring

    asked = scoring.Asked(as_of=as_of, entities=entities, rows=rows, run=run)
    scoring.score(_workspace(stack), model, asked, as_json=as_json)


@loop_app.command("start")
def start_loop(
    stack: StackOption = "local",
    model: ModelOption = None,
    bake_seconds: Annotated[
        int | None,
        typer.Option("--bake-seconds", min=0, help="Watch each canary step for so long, not as declared."),
    ] = None,
    limit_seconds: Annotated[
        int | None,
        typer.Option("--bake-limit-seconds", min=0, help="Wait for evidence for so long, not as declared."),
    ] = None,
) -> None:
    """Start a model's loop: quality, features, training, review, release."""
    from cli import looping

    looping.start(_workspace(stack), model, bake_seconds=bake_seconds, limit_seconds=limit_seconds)


@loop_app.command("status")
def loop_status(stack: StackOption = "local", model: ModelOption = None, as_json: JsonOption = False) -> None:
    """Show where a model's loop is, and what waits for a person."""
    from cli import looping

    looping.status(_workspace(stack), model, as_json=as_json)


@loop_app.command("approve")
def approve_version(
    reason: ReasonOption,
    stack: StackOption = "local",
    model: ModelOption = None,
    reviewer: ReviewerOption = None,
) -> None:
    """Approve the newest version: the loop that waits for it releases it."""
    from cli import looping

    looping.decide(_workspace(stack), model, "approve", reviewer, reason)


@loop_app.command("reject")
def reject_version(
    reason: ReasonOption,
    stack: StackOption = "local",
    model: ModelOption = None,
    reviewer: ReviewerOption = None,
) -> None:
    """Reject the newest version: the loop that waits for it ends, and what is live stays."""
    from cli import looping

    looping.decide(_workspace(stack), model, "reject", reviewer, reason)


@schedule_app.command("list")
def list_schedules(stack: StackOption = "local", as_json: JsonOption = False) -> None:
    """List what AWS would do by the clock: monitors, retraining, the reaper."""
    from cli import scheduling

    scheduling.show(_workspace(stack), as_json=as_json)


@schedule_app.command("run")
def run_schedule(
    name: Annotated[str, typer.Argument(help="Its name, or a part of it that no other has.")],
    stack: StackOption = "local",
) -> None:
    """Do now what a schedule would do, and wait for it."""
    from cli import scheduling

    scheduling.run(_workspace(stack), name)


def _workspace(stack: str) -> Any:
    from cli.deploying import console_for, told_in_words
    from cli.workspace import Workspace

    with told_in_words(console_for(as_json=True)):
        return Workspace.find(stack)


def _official(command: str, workspace: Any, extra: list[str]) -> None:
    """Hands a stack of a real cloud to the official CLI; does not come back."""
    from cli.deploying import console_for
    from cli.failures import stop
    from cli.official import NoPulumiError, run_pulumi

    try:
        code = run_pulumi(command, workspace, extra)
    except NoPulumiError as error:
        raise stop(console_for(as_json=True), str(error)) from None
    raise typer.Exit(code)


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
