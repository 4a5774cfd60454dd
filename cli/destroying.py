"""`destroy` in the twin: first what releases made outside Pulumi, then the stack itself."""

import sys
from collections.abc import Mapping
from typing import Any

import typer

from cli import deploying
from cli.deploying import Request, console_for, told_in_words
from cli.failures import MISUSED, stop
from cli.stacks import deployed_outputs
from cli.workspace import Workspace
from twin.engine.engine import Engine
from twin.wire import unwrap


def destroy(workspace: Workspace, targets: tuple[str, ...], *, yes: bool, as_json: bool) -> None:
    """Deletes everything, or the targets; asks first unless told not to."""
    console = console_for(as_json=as_json)
    if not yes:
        if not sys.stdin.isatty():
            raise stop(console, "not asked at a terminal: add --yes to destroy without asking", MISUSED)
        what = f"{len(targets)} resources of stack" if targets else "everything in stack"
        if not typer.confirm(f"Delete {what} {workspace.stack}? What it stores is lost"):
            raise stop(console, "nothing was changed")
    with told_in_words(console):
        outputs = unwrap(deployed_outputs(workspace)).value
        if outputs.get("models") and not targets:
            with workspace.cloud() as cloud:
                _retire(outputs, cloud, workspace.region)
    deploying.one_step(
        Request(workspace, as_json, yes, deploying.options(targets=targets)),
        Engine.destroy,
        title=f"destroy {workspace.stack}",
        verb="done",
        packs=False,
    )


def _retire(outputs: Mapping[str, Any], cloud: str, region: str) -> None:
    """Jobs register versions, and AWS keeps a group while it has any; what loops made would be left over."""
    from platform_jobs.loop import rollout
    from platform_jobs.retire import retire_group
    from twin.aws.cloud.client import session

    sagemaker = session(cloud, region).client("sagemaker")
    for name in sorted(outputs["models"]):
        model = outputs["models"][name]
        rollout.remove(sagemaker, model["endpoint"])
        retire_group(sagemaker, model["packageGroup"])
