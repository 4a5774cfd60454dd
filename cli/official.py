"""Stacks of a real cloud are deployed by the official Pulumi CLI and nothing else."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cli.workspace import Workspace, policy_packs

_INSTALL: Final = """\
stack {stack!r} lives in a real cloud, which only the official Pulumi CLI deploys to, and there is no `pulumi`
on your PATH. Install it (macOS: `brew install pulumi/tap/pulumi`; Windows: `winget install pulumi`; Linux:
the script on Pulumi's download page), then run this command again.
To see the platform without it: `stagecraft up --stack local`.
To ask whether this stack is allowed: `stagecraft check --stack {stack}`."""


class NoPulumiError(Exception):
    """The official CLI is not installed; the message says how to install it."""


def run_pulumi(command: str, workspace: Workspace, extra: Sequence[str]) -> int:
    """Runs the official CLI on a stack, with the policy packs attached. Returns its exit code."""
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        raise NoPulumiError(_INSTALL.format(stack=workspace.stack))
    arguments = [pulumi, command, "--stack", workspace.stack, "--cwd", str(workspace.project.root)]
    if command in ("up", "preview"):
        for pack in policy_packs():
            arguments += ["--policy-pack", str(pack)]
    # The packs and the program run on this interpreter's environment.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([*arguments, *extra], env=environment, check=False).returncode
