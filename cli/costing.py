"""`cost`: what a stack costs in an idle, an expected and the worst month, and what a change does to it."""

from pathlib import Path

from rich.console import Console

from cli.checking import budget_of, read_request
from cli.comparing import Baseline, CompareError, estimate_baseline, estimate_file
from cli.deploying import check_settings, told_in_words
from cli.estimating import declared_usage, estimate_deployment
from cli.failures import FAILED, MISUSED, stop
from cli.planning import plan
from cli.reports.formats import CostFormat
from cli.reports.render import show_costs
from cli.reports.report import Comparison, Costs
from cli.workspace import Workspace
from pricing import Estimate, UsageError, diff


def cost_of_stack(
    workspace: Workspace, *, against: str | None, usage_file: Path | None, form: CostFormat
) -> None:
    """Plans the stack and prints its estimate; exit 0, 1 it cannot be planned, 2 bad settings."""
    console = Console(stderr=True, highlight=False)
    with told_in_words(console):
        check_settings(workspace, console)
        usage, baseline = read_request(workspace, console, usage_file, against)
        with console.status(f"planning {workspace.stack}"):
            planned = plan(workspace, packs=False)
        if planned.failures:
            reasons = "\n  ".join(planned.failures)
            raise stop(console, f"{workspace.stack} cannot be planned:\n  {reasons}")
        estimate = estimate_deployment(planned.deployment, workspace.region, usage)
        comparison = None
        if baseline is not None:
            with console.status(f"planning {workspace.stack} at {baseline.what}"):
                comparison = _compared(baseline, estimate, workspace, usage_file, console)
        show_costs(Costs(estimate, budget_of(workspace), comparison), form, workspace.stack)


def cost_of_file(file: Path, *, against: str | None, usage_file: Path | None, form: CostFormat) -> None:
    """Prints the estimate of a state file, or of a list of resources."""
    console = Console(stderr=True, highlight=False)
    problems: list[str] = []
    estimates: list[Estimate] = []
    try:
        usage = declared_usage(None, usage_file)
    except UsageError as error:
        problems += map(str, error.problems)
        usage = None
    for path in (file, *([Path(against)] if against else [])):
        try:
            estimates.append(estimate_file(path, None, usage))
        except ValueError as error:
            problems += str(error).splitlines()
    if problems:
        raise stop(console, "\n  ".join(["nothing was estimated:", *problems]), MISUSED)
    comparison = Comparison(against, diff(estimates[1], estimates[0])) if against else None
    show_costs(Costs(estimates[0], None, comparison), form, file.name)


def _compared(
    baseline: Baseline, estimate: Estimate, workspace: Workspace, usage_file: Path | None, console: Console
) -> Comparison:
    try:
        return Comparison(baseline.what, diff(estimate_baseline(baseline, workspace, usage_file), estimate))
    except UsageError as error:
        raise stop(console, f"no comparison with {baseline.what}: {error}", MISUSED) from None
    except CompareError as error:
        raise stop(console, f"no comparison: {error}", FAILED) from None
