"""`simulate pools`: a load replayed on the twin's cluster, and what came of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from cli.clustering import troubles_told
from cli.deploying import check_settings, told_in_words
from cli.failures import FAILED, MISUSED, stop
from cli.planning import plan
from cli.workspace import Workspace
from twin.kubernetes.cluster.api import ApiError
from twin.kubernetes.simulation.plot import draw
from twin.kubernetes.simulation.pools import Group, PoolsError, groups_of, read_manifests
from twin.kubernetes.simulation.replay import check_placement
from twin.kubernetes.simulation.report import GroupReport, Report
from twin.kubernetes.simulation.simulate import Request, simulate
from twin.kubernetes.simulation.trace import Trace, TraceError, read_trace

_KINDS: Final = ("kubernetes:karpenter.sh/v1:NodePool", "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass")


@dataclass(frozen=True)
class Asked:
    """What the command was asked for."""

    trace: Path
    pools: Path | None
    """Manifests; None for the stack's own pools."""
    seed: int
    speed: float
    missing_percent: float | None
    json_out: Path | None
    plot_out: Path | None


def simulate_pools(workspace: Workspace, asked: Asked) -> None:
    """Simulates and reports; exit 1 when it cannot be run, 2 when the trace or the pools are wrong."""
    console = Console(stderr=True, highlight=False)
    trace, manifests, groups = _read(workspace, asked, console)
    missing = asked.missing_percent
    request = Request(
        manifests=manifests,
        groups=groups,
        trace=trace,
        region=workspace.region,
        seed=asked.seed,
        speed=asked.speed,
        missing_share=None if missing is None else missing / 100,
    )
    minutes = trace.hours * 60 / asked.speed
    console.print(
        f"replaying {len(trace.jobs)} jobs and {len(trace.serving)} deployments over {trace.hours:g} h: "
        f"about {minutes:.0f} min",
        markup=False,
    )
    with troubles_told(console):
        try:
            report = simulate(
                workspace.files.folder / "simulation",
                request,
                say=lambda text: console.print(text, markup=False, soft_wrap=True, style="dim"),
            )
        except ApiError as error:
            raise stop(console, f"the API server refuses an object: {error}", MISUSED) from None
    if asked.json_out is not None:
        asked.json_out.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    if asked.plot_out is not None:
        asked.plot_out.write_text(draw(report), encoding="utf-8")
    _show(report)
    if report.ended_early:
        raise stop(console, "not everything was done or removed when time was up", FAILED)


def _read(
    workspace: Workspace, asked: Asked, console: Console
) -> tuple[Trace, Sequence[Mapping[str, Any]], list[Group]]:
    """What is to be simulated; every problem of trace and pools at once."""
    problems = [
        f"{path}: there is no folder {path.parent}"
        for path in (asked.json_out, asked.plot_out)
        if path is not None and not path.parent.is_dir()
    ]
    if asked.plot_out is not None and asked.plot_out.suffix != ".svg":
        problems.append(f"{asked.plot_out}: the drawing is an SVG; name it .svg")
    trace, groups, manifests = None, None, None
    try:
        trace = read_trace(asked.trace)
    except TraceError as error:
        problems += error.problems
    try:
        if asked.pools is not None:
            manifests = read_manifests(asked.pools)
        elif not problems:  # planning takes a while: not for a trace that is wrong
            manifests = _of_stack(workspace, console)
        if manifests is not None:
            groups = groups_of(manifests)
    except PoolsError as error:
        problems += error.problems
    if trace is not None and groups is not None:
        problems += check_placement(trace, groups)
    if problems or trace is None or groups is None or manifests is None:
        raise stop(console, "\n  ".join(["nothing was simulated:", *problems]), MISUSED)
    return trace, manifests, groups


def _of_stack(workspace: Workspace, console: Console) -> list[dict[str, Any]]:
    """The pools that the stack declares, from its plan."""
    with told_in_words(console):
        check_settings(workspace, console)
        with console.status(f"planning {workspace.stack}"):
            planned = plan(workspace, packs=False)
        if planned.failures:
            reasons = "\n  ".join(planned.failures)
            raise stop(console, f"{workspace.stack} cannot be planned:\n  {reasons}")
        found = [
            {key: state.inputs[key] for key in ("apiVersion", "kind", "metadata", "spec")}
            for state in planned.deployment.resources
            if state.type in _KINDS and not state.delete
        ]
    if not found:
        remedy = "switch the capability `cluster` on, or give manifests with --pools"
        raise PoolsError([f"stack {workspace.stack} declares no NodePool; {remedy}"])
    return found


def _show(report: Report) -> None:
    console = Console(highlight=False)
    share = report.spot_plan.missing_share
    console.print(
        f"\n{report.hours:.1f} h at prices of {report.region}, seed {report.seed}; spot sold out "
        f"{share:.0%} of the time, in {len(report.spot_plan.shortages)} shortages"
    )
    nodes = Table("pool", "bought", "nodes", "at once", "node-hours", "cost", "types")
    for group in report.groups:
        for pool in group.pools:
            types = ", ".join(f"{count} x {name}" for name, count in pool.instance_types.items())
            nodes.add_row(
                pool.name,
                "spot" if pool.spot else "on demand",
                str(pool.nodes),
                str(pool.most_at_once),
                f"{pool.node_hours:.1f}",
                f"${pool.cost_usd:,.2f}",
                types,
            )
    console.print(nodes)
    for group in report.groups:
        _show_group(console, group)


def _show_group(console: Console, group: GroupReport) -> None:
    done = f"{group.jobs_done} of {group.jobs} jobs done, {group.deadlines_missed} deadlines missed"
    lines = [f"{done}, {group.interruptions} interruptions, {group.hours_lost:.2f} h of work done again"]
    if group.wait_minutes_p50 is not None:
        lines.append(f"waiting: p50 {group.wait_minutes_p50:.1f} min, p95 {group.wait_minutes_p95:.1f} min")
    if group.spot_share is not None:
        lines.append(
            f"{group.spot_share:.0%} of node-hours on spot; {group.fallback_hours:.1f} h with fall-back nodes"
        )
    money = f"cost ${group.cost_usd:,.2f}; all on demand ${group.all_on_demand_usd:,.2f}"
    if group.estimate_usd is not None and group.off_estimate is not None:
        money += f"; estimate ${group.estimate_usd:,.2f} ({group.off_estimate:+.1%})"
    console.print(f"\n[bold]{group.name}[/]")
    for line in (*lines, money):
        console.print(f"  {line}", markup=False, soft_wrap=True)
