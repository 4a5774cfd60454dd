"""`check`: is a stack allowed, and what will it cost? Planned in a scratch twin, judged, priced."""

import json
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console

from cli.comparing import Baseline, CompareError, estimate_baseline, find_baseline
from cli.deploying import check_settings, told_in_words
from cli.display import visible_outputs
from cli.estimating import declared_usage, estimate_deployment
from cli.failures import FAILED, MISUSED, stop
from cli.planning import Plan, plan
from cli.reports.findings import Sorted, diagnostics_of, every_pack, rules_in_force
from cli.reports.formats import Format
from cli.reports.render import save, show
from cli.reports.report import Comparison, Costs, Report
from cli.workspace import Workspace
from policies.settings import STAGES
from pricing import Estimate, Usage, UsageError, diff
from pricing.money import number

_OPS: Final = ("create", "update", "replace", "delete", "same")


def check(
    workspace: Workspace,
    *,
    form: Format,
    state_out: Path | None = None,
    against: str | None = None,
    usage_file: Path | None = None,
    saved: Sequence[tuple[Format, Path]] = (),
) -> None:
    """Prints the verdict; exit 0 allowed, 1 not, 2 bad settings.

    Args:
        workspace: The stack.
        form: How the verdict is printed.
        state_out: Where the planned state is kept; half a stack is not.
        against: A git ref or state file to compare the cost with.
        usage_file: Declared usage, over the stack's own.
        saved: Further formats, each with the file it is written to.
    """
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()
    with told_in_words(console):
        check_settings(workspace, console)
        usage, baseline = read_request(workspace, console, usage_file, against)
        with console.status(f"checking {workspace.stack}"):
            planned = plan(workspace, packs=True)
            if state_out is not None and not planned.failures:
                _keep(planned.document, state_out, console)
            costs = _costs(workspace, planned, usage, baseline, usage_file)
        report = _report(workspace, planned, costs, began)
    for other, path in saved:
        try:
            save(report, other, path)
        except OSError as error:
            raise stop(console, f"{path} cannot be written: {error.strerror}", MISUSED) from None
    show(report, form)
    if not report.ok:
        raise typer.Exit(FAILED)


def read_request(
    workspace: Workspace, console: Console, usage_file: Path | None, against: str | None
) -> tuple[Usage, Baseline | None]:
    """What an estimate is asked to go by; every problem at once, before anything is started."""
    problems: list[str] = []
    usage, baseline = Usage(), None
    try:
        usage = declared_usage(workspace.setting("usage"), usage_file)
    except UsageError as error:
        problems += map(str, error.problems)
    try:
        baseline = find_baseline(against, workspace.project.root) if against else None
    except CompareError as error:
        problems.append(str(error))
    if problems:
        raise stop(console, "\n  ".join(["nothing was planned:", *problems]), MISUSED)
    return usage, baseline


def budget_of(workspace: Workspace) -> Decimal | None:
    """The stack's `stagecraft:monthlyBudgetUsd`."""
    return number(workspace.setting("monthlyBudgetUsd"))


def _costs(
    workspace: Workspace, planned: Plan, usage: Usage, baseline: Baseline | None, usage_file: Path | None
) -> Costs | None:
    """What the stack costs; nothing for half a stack, whose cost would pass for the whole's."""
    if planned.failures:
        return None
    estimate = estimate_deployment(planned.deployment, workspace.region, usage)
    comparison = None if baseline is None else _compared(baseline, estimate, workspace, usage_file)
    return Costs(estimate, budget_of(workspace), comparison)


def _compared(
    baseline: Baseline, estimate: Estimate, workspace: Workspace, usage_file: Path | None
) -> Comparison:
    """The change; where there cannot be one, the reason: the verdict does not hang on it."""
    try:
        before = estimate_baseline(baseline, workspace, usage_file)
    except (CompareError, UsageError, ValueError) as error:
        return Comparison(baseline.what, None, str(error))
    return Comparison(baseline.what, diff(before, estimate))


def _report(workspace: Workspace, planned: Plan, costs: Costs | None, began: float) -> Report:
    stage = str(workspace.setting("stage") or STAGES[0])
    result = planned.result
    rules = rules_in_force(every_pack(), workspace.setup("", whole=True).policy_config, stage)
    found = Sorted(diagnostics_of(result.violations), rules)
    return Report(
        subject=workspace.stack,
        source=_source(workspace),
        stage=stage,
        environment=str(workspace.setting("environment") or "prod"),
        resources=len(planned.deployment.resources),
        rules=rules,
        violations=found.violations,
        cannot_judge=found.cannot_judge,
        waived=found.waived,
        cost=costs,
        problems=planned.failures,
        changes={word: result.changes.get(word, 0) for word in _OPS},
        outputs=visible_outputs(result.outputs, show_secrets=False),
        seconds=time.monotonic() - began,
    )


def _source(workspace: Workspace) -> str:
    """The stack's file, as its repository names it; without a repository, as its project does."""
    root = workspace.project.root.resolve()
    repository = next((each for each in (root, *root.parents) if (each / ".git").exists()), root)
    path = workspace.project.stack_file(workspace.stack).resolve()
    return path.relative_to(repository).as_posix() if path.is_relative_to(repository) else path.as_posix()


def _keep(document: Mapping[str, Any], path: Path, console: Console) -> None:
    try:
        path.write_text(json.dumps(document, indent=4) + "\n", encoding="utf-8")
    except OSError as error:
        raise stop(console, f"{path} cannot be written: {error.strerror}", MISUSED) from None
