"""`report`: one self-contained page on an environment as it stands, for people without a terminal."""

import datetime
import os
import tempfile
from pathlib import Path

from rich.console import Console

from cli.deploying import check_settings, console_for, told_in_words
from cli.display import print_json
from cli.failures import MISUSED, stop
from cli.stacks import not_deployed
from cli.workspace import Workspace
from twin.engine.deployment import dump
from twin.engine.engine import PULUMI_VERSION
from twin.engine.store import StackStore


def report(workspace: Workspace, out: Path | None, *, as_json: bool) -> None:
    """Writes the page; exit 0 written, whatever it says; 1 nothing is deployed; 2 the call is wrong."""
    console = console_for(as_json=as_json)
    if not workspace.lives_in_twin:
        raise stop(
            console,
            f"stack {workspace.stack!r} is a real cloud's: look at its dashboards "
            f"(`stagecraft outputs dashboards --stack {workspace.stack}`)",
            MISUSED,
        )
    file = out or Path(f"stagecraft-{workspace.stack}.html")
    _check_file(file, console)
    with told_in_words(console):
        check_settings(workspace, console)
        store = StackStore(workspace.files, PULUMI_VERSION)
        if not store.exists():
            raise not_deployed(workspace, console)
        deployment, encryption = store.load()
        if not deployment.resources:
            raise not_deployed(workspace, console)
        from cli.overview.gather import gather
        from cli.overview.page import page

        with console.status(f"looking at {workspace.stack}"), workspace.cloud() as cloud:
            document = dump(deployment, encryption, PULUMI_VERSION)
            now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
            overview = gather(workspace, deployment, document, cloud, now)
        _write(page(overview), file, console)
    if as_json:
        print_json(
            {
                "file": str(file),
                "allowed": overview.verdict.ok,
                "alarms": [alarm.name for alarm in overview.firing],
                "unknown": list(overview.unknown),
            }
        )
        return
    for problem in overview.unknown:
        console.print("[yellow]not shown:[/] ", end="")
        console.print(problem, markup=False, highlight=False, soft_wrap=True)
    console.print(f"report on {workspace.stack}: {file}", markup=False, soft_wrap=True)


def _check_file(file: Path, console: Console) -> None:
    """Before anything is asked: a minute's work is not to end in a folder that is not there."""
    if file.is_dir():
        raise stop(
            console, f"--out {file} is a folder; name a file in it, such as {file}/report.html", MISUSED
        )
    if not file.parent.is_dir():
        raise stop(console, f"--out {file}: there is no folder {file.parent}; make it first", MISUSED)


def _write(text: str, file: Path, console: Console) -> None:
    """All of it or nothing: a page that someone has open is never half a page."""
    try:
        number, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as opened:
                opened.write(text)
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise stop(console, f"{file} cannot be written: {error.strerror}", MISUSED) from None
