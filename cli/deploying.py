"""`up`, `preview`, `refresh`, `destroy` in the twin: the engine, its progress on the screen, Ctrl-C."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import typer
from rich.console import Console

from cli.display import Display, print_json, summary_object, visible_outputs
from cli.failures import FAILED, INTERRUPTED, MISUSED, stop
from cli.workspace import Workspace
from twin.aws.cloud.client import CloudError
from twin.engine.config import ConfigError
from twin.engine.deployment import DeploymentError
from twin.engine.engine import Engine, Setup
from twin.engine.events import Event, Result
from twin.engine.run import Options
from twin.engine.secrets import SecretsError
from twin.engine.store import StoreError

IDEMPOTENT = frozenset({"aws"})
"""Packages of the twin whose Create finds what an interrupted one has made."""


def options(**given: Any) -> Options:
    """How the twin's stacks are deployed."""
    return Options(idempotent=IDEMPOTENT, **given)


Step = Callable[[Engine], Result]


@dataclass(frozen=True)
class Request:
    """What the user asked a command to do, and how to show it."""

    workspace: Workspace
    as_json: bool = False
    yes: bool = False
    options: Options = Options()  # noqa: RUF009 - frozen, so it may be shared


def console_for(*, as_json: bool) -> Console:
    """Where a command draws; with `--json`, stdout is for the one object and all else goes to stderr."""
    return Console(stderr=as_json, highlight=False)


@contextmanager
def told_in_words(console: Console) -> Iterator[None]:
    """Turns what can go wrong for reasons of the user's into a message and an exit code."""
    try:
        yield
    except ConfigError as error:
        raise stop(console, str(error), MISUSED) from None
    except DeploymentError as error:
        lines = "\n".join(f"  {problem}" for problem in error.problems)
        raise stop(console, f"the document is refused, and nothing was changed:\n{lines}", MISUSED) from None
    except (StoreError, SecretsError, CloudError) as error:
        raise stop(console, str(error)) from None
    except ValueError as error:
        raise stop(console, str(error), MISUSED) from None


def check_settings(workspace: Workspace, console: Console) -> None:
    """Refuses a stack file with problems, all of them at once, before anything is started."""
    if not workspace.ours:
        return
    from stacks.settings import problems_of

    problems = problems_of(workspace.config.values)
    if not problems:
        return
    path = workspace.project.stack_file(workspace.stack)
    noun = "problem" if len(problems) == 1 else "problems"
    console.print(f"[bold red]error:[/] {path.name} has {len(problems)} {noun}; nothing was changed")
    for problem in problems:
        console.print(f"  {problem}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(MISUSED)


def up(request: Request) -> Result:
    """Preview, judged by the packs; then, if something changes and nothing forbids it, the deployment."""
    workspace = request.workspace
    console = console_for(as_json=request.as_json)
    with told_in_words(console):
        check_settings(workspace, console)
        with workspace.cloud() as cloud:
            Engine(workspace.setup(cloud, whole=False), quiet, request.options).settle()
            planned = run(
                request,
                workspace.setup(cloud, whole=False),
                Engine.preview,
                title=f"preview of {workspace.stack}",
                verb="plan",
                quiet_if_same=True,
            )
            unchanged = planned.ok and planned.changed == 0
            if not planned.ok or unchanged:
                return finish(request, planned, console)
            if not request.yes and not _confirmed(console):
                raise stop(console, "nothing was changed")
            done = run(
                request,
                workspace.setup(cloud, whole=True),
                Engine.up,
                title=f"up {workspace.stack}",
                verb="done",
            )
    return finish(request, done, console)


def one_step(request: Request, step: Step, *, title: str, verb: str, packs: bool) -> Result:
    """A command that is one step of the engine."""
    workspace = request.workspace
    console = console_for(as_json=request.as_json)
    with told_in_words(console):
        if packs:
            check_settings(workspace, console)
        with workspace.cloud() as cloud:
            setup = workspace.setup(cloud, whole=False, packs=packs)
            result = run(request, setup, step, title=title, verb=verb)
    return finish(request, result, console)


def run(
    request: Request, setup: Setup, step: Step, *, title: str, verb: str, quiet_if_same: bool = False
) -> Result:
    """One step with its progress drawn; Ctrl-C ends it in order."""
    console = console_for(as_json=request.as_json)
    if request.as_json:
        engine = Engine(setup, quiet, request.options)
        with _interruptible(engine, console):
            return step(engine)
    display = Display(console, title)
    engine = Engine(setup, display.listen, request.options)
    with _interruptible(engine, console), display:
        result = step(engine)
    if not (quiet_if_same and result.ok and result.changed == 0):
        display.finish(result, verb=verb)
    return result


def finish(request: Request, result: Result, console: Console) -> Result:
    """The outputs, or the one JSON object; then the exit code, if it is not 0."""
    if request.as_json:
        print_json(summary_object(result))
    else:
        if result.ok and result.changed == 0:
            console.print(f"[green]{request.workspace.stack} is as it should be:[/] 0 changes")
        print_outputs(console, result.outputs)
    if result.interrupted:
        raise typer.Exit(INTERRUPTED)
    if not result.ok:
        raise typer.Exit(FAILED)
    return result


def print_outputs(console: Console, outputs: dict[str, Any], *, show_secrets: bool = False) -> None:
    """The stack's outputs, one a line; what is nested is indented."""
    shown = visible_outputs(outputs, show_secrets=show_secrets)
    if not shown:
        return
    console.print("[bold]outputs[/]")
    _print_values(console, shown, "  ")


def _print_values(console: Console, values: dict[str, Any], indent: str) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            console.print(f"{indent}{key}", markup=False)
            _print_values(console, value, indent + "  ")
        else:
            text = value if isinstance(value, str) else str(value)
            console.print(f"{indent}{key}: {text}", markup=False, soft_wrap=True)


@contextmanager
def _interruptible(engine: Engine, console: Console) -> Iterator[None]:
    presses = 0

    def pressed(_number: int, _frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1
        if presses > 1:
            raise KeyboardInterrupt
        console.print("[yellow]interrupted:[/] waiting for what is under way; the state will be saved")
        engine.interrupt()

    before = {number: signal.signal(number, pressed) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _confirmed(console: Console) -> bool:
    if not sys.stdin.isatty():
        raise stop(console, "not asked at a terminal: add --yes to deploy without asking", MISUSED)
    return typer.confirm("Do you want to do this?")


def quiet(_event: Event) -> None:
    """Hears and shows nothing."""
