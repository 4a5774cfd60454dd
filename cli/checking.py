"""`check`: is a stack allowed? It is deployed into a scratch twin, where every value is known, and judged."""

import json
import tempfile
from pathlib import Path

import typer

from cli import deploying
from cli.deploying import Request, check_settings, console_for, told_in_words
from cli.display import print_json, summary_object
from cli.failures import FAILED
from cli.seeding import seed_approved_versions
from cli.workspace import Workspace
from twin.engine.engine import Engine
from twin.engine.events import Event, Result


def check(workspace: Workspace, *, as_json: bool, state_out: Path | None) -> None:
    """Prints what the packs say of the stack as it would be; exit 0 allowed, 1 not, 2 bad settings."""
    console = console_for(as_json=as_json)
    with told_in_words(console), tempfile.TemporaryDirectory(prefix="stagecraft-check-") as folder:
        check_settings(workspace, console)
        scratch = workspace.scratch(Path(folder))
        with scratch.cloud(scratch=True) as cloud:
            result = _planned(scratch, cloud, as_json=as_json)
            if state_out is not None:
                document = Engine(scratch.setup(cloud, whole=True), _quiet).store.export_document()
                state_out.write_text(json.dumps(document, indent=4) + "\n", encoding="utf-8")
    if as_json:
        told = summary_object(result)
        told["resources"] = sum(result.changes.values())
        print_json(told)
    else:
        _print_verdict(workspace, result)
    if not result.ok:
        raise typer.Exit(FAILED)


def _planned(scratch: Workspace, cloud: str, *, as_json: bool) -> Result:
    """The stack as production will have it: deployed, one version of each model approved, deployed again."""
    setup = scratch.setup(cloud, whole=True, packs=False)
    bare = Engine(setup, _quiet, deploying.options()).up()
    if not bare.ok:
        return bare
    seed_approved_versions(bare.outputs, cloud, scratch.region)
    request = Request(scratch, as_json, options=deploying.options(audit=True))
    return deploying.run(
        request,
        scratch.setup(cloud, whole=True),
        Engine.up,
        title=f"check of {scratch.stack}",
        verb="judged",
        quiet_if_same=True,
    )


def _print_verdict(workspace: Workspace, result: Result) -> None:
    console = console_for(as_json=False)
    for problem in result.problems:
        console.print(f"[red]problem:[/] {problem}", highlight=False)
    broken = [each for each in result.violations if each.level != "advisory"]
    remarks = len(result.violations) - len(broken)
    total = sum(result.changes.values())
    if result.ok:
        console.print(f"[green]{workspace.stack} is allowed:[/] {total} resources, {remarks} remarks")
    else:
        console.print(
            f"[bold red]{workspace.stack} is not allowed:[/] "
            f"{len(broken)} violations, {remarks} remarks, {total} resources"
        )


def _quiet(_event: Event) -> None:
    """Hears and shows nothing."""
