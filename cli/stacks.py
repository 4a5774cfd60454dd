"""`outputs`, `stack export`, `stack import`: a stack's state, looked at and carried about."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from cli.cluster_gateway import ClusterGateway
from cli.deploying import console_for, print_outputs, told_in_words
from cli.display import print_json, visible_outputs
from cli.failures import FAILED, MISUSED, stop
from cli.workspace import Workspace
from twin.engine.deployment import plain_outputs
from twin.engine.engine import PULUMI_VERSION
from twin.engine.store import StackStore


def show_outputs(workspace: Workspace, name: str | None, *, as_json: bool, show_secrets: bool) -> None:
    """Prints all outputs, or one."""
    console = console_for(as_json=as_json)
    with told_in_words(console):
        outputs = deployed_outputs(workspace)
    if not outputs:
        raise not_deployed(workspace, console)
    if name is None:
        if as_json:
            print_json(visible_outputs(outputs, show_secrets=show_secrets))
        else:
            print_outputs(console, outputs, show_secrets=show_secrets)
        return
    if name not in outputs:
        known = ", ".join(sorted(outputs))
        raise stop(console, f"stack {workspace.stack!r} has no output {name!r}; it has: {known}", MISUSED)
    value = visible_outputs({name: outputs[name]}, show_secrets=show_secrets)[name]
    if as_json or not isinstance(value, str):
        print_json(value)
    else:
        print(value)


def deployed_outputs(workspace: Workspace) -> dict[str, Any]:
    """The outputs in the stack's state; empty if it is not deployed."""
    store = StackStore(workspace.files, PULUMI_VERSION)
    return plain_outputs(store.load()[0]) if store.exists() else {}


def served_in_cluster(workspace: Workspace, outputs: Mapping[str, Any]) -> dict[str, ClusterGateway]:
    """Model → what answers for it in the stack's cluster, of the models that are live there."""
    found = outputs.get("servingCluster")
    if not isinstance(found, Mapping):
        return {}
    urls = found["modelUrls"]
    return {
        name: ClusterGateway(workspace.files.cluster, found["gatewayUrl"], urls[f"{name}-live"])
        for name in sorted(outputs.get("models") or ())
        if f"{name}-live" in urls
    }


def not_deployed(workspace: Workspace, console: Console, code: int = FAILED) -> typer.Exit:
    """Says so, and how to mend it; raise what it returns."""
    return stop(
        console,
        f"stack {workspace.stack!r} is not deployed; `stagecraft up --stack {workspace.stack}` deploys it",
        code,
    )


def export_state(workspace: Workspace, file: Path | None) -> None:
    """Writes the state's document."""
    console = console_for(as_json=True)
    with told_in_words(console):
        document = StackStore(workspace.files, PULUMI_VERSION).export_document()
    text = json.dumps(document, indent=4, ensure_ascii=False) + "\n"
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise stop(console, f"{file} cannot be written: {error.strerror}", MISUSED) from None


def import_state(workspace: Workspace, file: Path | None) -> None:
    """Takes a document as the stack's state."""
    console = console_for(as_json=False)
    try:
        text = sys.stdin.read() if file is None else file.read_text(encoding="utf-8")
        document = json.loads(text)
    except OSError as error:
        raise stop(console, f"{file} cannot be read: {error.strerror}", MISUSED) from None
    except ValueError as error:
        raise stop(console, f"{file or 'stdin'} is not JSON: {error}", MISUSED) from None
    with told_in_words(console):
        store = StackStore(workspace.files, PULUMI_VERSION)
        with store.locked():
            deployment = store.import_document(document)
    console.print(f"stack {workspace.stack}: {len(deployment.resources)} resources imported")
