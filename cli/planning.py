"""Plans a stack without a cloud: deploys it into a scratch twin, where every value is known."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from cli import deploying
from cli.deploying import Request
from cli.failures import INTERRUPTED
from cli.foresight import foresee_versions
from cli.workspace import Workspace
from twin.engine.deployment import Deployment, dump
from twin.engine.engine import PULUMI_VERSION, Engine
from twin.engine.events import Result
from twin.engine.secrets import find_passphrase
from twin.engine.store import StackStore


@dataclass(frozen=True)
class Plan:
    """A stack as it will be."""

    result: Result
    deployment: Deployment
    document: Mapping[str, Any]
    """The same in Pulumi's deployment format, version 3; secrets are encrypted."""

    @property
    def failures(self) -> tuple[str, ...]:
        """Why the stack cannot be made."""
        if self.result.problems or self.result.ok or self.result.violations:
            return tuple(self.result.problems)
        return ("the stack could not be planned, and nobody said why",)


def plan(workspace: Workspace, *, packs: bool) -> Plan:
    """The stack as production will have it, judged by the policy packs or only made.

    Each model of ours has an approved version there: without, its endpoint would not be planned. Ctrl-C ends
    the command.
    """
    with tempfile.TemporaryDirectory(prefix="stagecraft-plan-") as folder:
        scratch = workspace.scratch(Path(folder))
        _keep_passphrase(workspace, scratch)
        with scratch.cloud(scratch=True) as cloud:
            result = _deployed(scratch, cloud, packs=packs)
        if result.interrupted:
            raise typer.Exit(INTERRUPTED)
        deployment, encryption = StackStore(scratch.files, PULUMI_VERSION).load()
        return Plan(result, deployment, dump(deployment, encryption, PULUMI_VERSION))


def _deployed(scratch: Workspace, cloud: str, *, packs: bool) -> Result:
    if scratch.ours:
        foresee_versions(scratch.config.values, scratch.stack, cloud, scratch.region)
    return deploying.run(
        Request(scratch, as_json=True, options=deploying.options(audit=packs)),
        scratch.setup(cloud, whole=True, packs=packs),
        Engine.up,
        title=f"plan of {scratch.stack}",
        verb="planned",
    )


def _keep_passphrase(workspace: Workspace, scratch: Workspace) -> None:
    """A planned state that is kept opens with the stack's own passphrase."""
    passphrase = find_passphrase(os.environ, workspace.home)
    file = os.open(scratch.home / "passphrase", os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        opened.write(passphrase)
