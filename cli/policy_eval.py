"""`policy eval`: the packs on a list of resources or a state file, without any stack or program."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from cli.estimating import estimate_judged, region_of
from cli.failures import FAILED, MISUSED, stop
from cli.reports.findings import Sorted, every_pack, rules_in_force
from cli.reports.formats import Format
from cli.reports.render import save, show
from cli.reports.report import Costs, Report
from cli.resource_files import ResourceFile, read_resource_file
from policies.evaluation import Evaluator
from policies.inputs import Judged
from policies.levels import pack_config
from policies.packs import PREFIX
from policies.settings import ENVIRONMENTS, STAGES
from twin.engine.analyzer import Diagnostic, PolicyPackError
from twin.engine.redaction import Redactor


def evaluate(
    file: Path,
    *,
    packs: Sequence[str],
    stage: str,
    environment: str,
    form: Format,
    saved: Sequence[tuple[Format, Path]] = (),
) -> None:
    """Prints the verdict; exit 0 allowed, 1 not (or a pack failed), 2 bad input.

    Args:
        file: A list of resources, or a Pulumi state.
        packs: Names of packs; none: all.
        stage: The stage that the rules are judged at.
        environment: Whose levels are in force.
        form: How the verdict is printed.
        saved: Further formats, each with the file it is written to.
    """
    console = Console(stderr=True, highlight=False)
    began = time.monotonic()
    wanted = list(dict.fromkeys(pack.removeprefix(PREFIX) for pack in packs)) or list(every_pack())
    problems = _misused(wanted, stage, environment)
    read = ResourceFile()
    try:
        read = read_resource_file(file)
    except ValueError as error:
        problems += str(error).splitlines()
    if problems:
        raise stop(console, "\n  ".join(["nothing was judged:", *problems]), MISUSED)
    report = _judged(file, read, wanted, stage, environment)
    report = replace(report, seconds=time.monotonic() - began)
    for other, path in saved:
        try:
            save(report, other, path)
        except OSError as error:
            raise stop(console, f"{path} cannot be written: {error.strerror}", MISUSED) from None
    show(report, form)
    if not report.ok:
        raise typer.Exit(FAILED)


def _misused(packs: Sequence[str], stage: str, environment: str) -> list[str]:
    """Everything that is wrong with the call itself."""
    known = every_pack()
    problems = [
        f"--pack {pack}: there is no such pack; write one of {', '.join(known)}"
        for pack in packs
        if pack not in known
    ]
    for option, value, allowed in (("stage", stage, STAGES), ("environment", environment, ENVIRONMENTS)):
        if value not in allowed:
            problems.append(
                f"--{option} {value}: there is no such {option}; write one of {', '.join(allowed)}"
            )
    return problems


def _judged(file: Path, read: ResourceFile, packs: Sequence[str], stage: str, environment: str) -> Report:
    config = pack_config(environment, stage, repair=False)
    diagnostics, failures = diagnosed(packs, config, read.judged)
    rules = rules_in_force(packs, config, stage)
    found = Sorted(diagnostics, rules)
    outputs = [item.outputs for item in read.judged]
    estimate = estimate_judged(outputs, region_of(outputs), custom=read.custom)
    return Report(
        subject=file.name,
        source=file.as_posix(),
        stage=stage,
        environment=environment,
        resources=len(read.judged),
        rules=rules,
        violations=found.violations,
        cannot_judge=found.cannot_judge,
        waived=found.waived,
        cost=Costs(estimate),
        problems=tuple(failures),
    )


def diagnosed(
    packs: Sequence[str], config: Mapping[str, Any], judged: Sequence[Judged]
) -> tuple[list[Diagnostic], list[str]]:
    """What the packs say, side by side; and why a pack said nothing: that is not `nothing is wrong`.

    Neither quotes what is secret in the resources.
    """
    redactor = Redactor()
    for item in judged:
        redactor.learn(item.inputs.properties)
        redactor.learn(item.outputs.properties)

    def ask(pack: str) -> list[Diagnostic]:
        with Evaluator([pack], config) as evaluator:
            return evaluator.diagnose(judged)

    diagnostics: list[Diagnostic] = []
    failures: list[str] = []
    with ThreadPoolExecutor(max_workers=len(packs)) as pool:
        asked = [pool.submit(ask, pack) for pack in packs]
    for answer in asked:
        try:
            diagnostics += answer.result()
        except PolicyPackError as error:
            failures.append(redactor.clean(str(error)))
    return [replace(item, message=redactor.clean(item.message)) for item in diagnostics], failures
