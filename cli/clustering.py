"""`cluster`: the twin's Kubernetes cluster, from the shell."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console

from cli.failures import FAILED, INTERRUPTED, stop
from cli.workspace import Workspace
from twin.kubernetes.cluster import cluster
from twin.kubernetes.cluster.cluster import ClusterError, Status
from twin.kubernetes.cluster.programs import BuildError, NoGoError


def up(workspace: Workspace) -> None:
    """Starts the cluster; exit 1 when it does not come up."""
    console = Console(stderr=True, highlight=False)
    with troubles_told(console):
        found = cluster.up(
            workspace.files.cluster,
            region=workspace.region,
            cloud=workspace.files.cloud,
            say=lambda text: _say(console, text),
        )
    console.print(f"[green]the cluster of stack {workspace.stack} is ready[/] at {found.server}\n")
    console.print(f"export KUBECONFIG={found.kubeconfig}", markup=False, soft_wrap=True)
    console.print("kubectl get nodepools,nodes,pods -A", markup=False)


def down(workspace: Workspace) -> None:
    """Ends the cluster."""
    console = Console(stderr=True, highlight=False)
    ended = cluster.down(workspace.files.cluster)
    text = "ended; nothing of it is left" if ended else "was not there"
    console.print(f"the cluster of stack {workspace.stack} {text}", markup=False)


def status(workspace: Workspace, *, as_json: bool) -> None:
    """Tells how the cluster is; exit 1 unless all of it works."""
    found = cluster.status(workspace.files.cluster)
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=2))
    else:
        _show(workspace.stack, found)
    if not found.well:
        raise typer.Exit(FAILED)


@contextmanager
def troubles_told(console: Console) -> Iterator[None]:
    """Turns what can be wrong with a cluster into words and an exit code."""
    try:
        yield
    except NoGoError as error:
        reason = f"{error}. Without it the twin checks Kubernetes manifests by their schemas only."
        raise stop(console, reason) from None
    except (BuildError, ClusterError) as error:
        raise stop(console, str(error)) from None
    except KeyboardInterrupt:
        console.print("\nstopped; `stagecraft cluster down` clears away what runs", markup=False)
        raise typer.Exit(INTERRUPTED) from None


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True, style="dim")


def _show(stack: str, found: Status) -> None:
    console = Console(highlight=False)
    if not found.exists:
        console.print(f"stack {stack} has no cluster; `stagecraft cluster up --stack {stack}` starts one")
        return
    state = "[green]ready[/]" if found.well else "[bold red]not well[/]"
    told = f"the cluster of stack {stack}: {state}, {found.server}, prices of {found.region}"
    console.print(told, soft_wrap=True)
    for part in found.components:
        state = "running" if part.alive else "[bold red]ended[/]"
        console.print(f"  {part.name:<24} {state}  pid {part.pid}")
        for line in part.last_words:
            console.print(f"      {line}", markup=False, soft_wrap=True)
    if found.problem:
        console.print(found.problem, markup=False, soft_wrap=True)
    if not found.well:
        console.print(f"`stagecraft cluster up --stack {stack}` starts what ended")


def _as_json(found: Status) -> dict[str, Any]:
    return {
        "exists": found.exists,
        "well": found.well,
        "server": found.server,
        "region": found.region,
        "kubeconfig": str(found.kubeconfig) if found.exists else None,
        "problem": found.problem or None,
        "components": [
            {"name": part.name, "pid": part.pid, "alive": part.alive, "lastWords": list(part.last_words)}
            for part in found.components
        ],
    }
