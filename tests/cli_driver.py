"""Drives the `stagecraft` command as a user would: in a process of its own, in a home of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]


LABELLED = """config:
  aws:region: us-east-1
  aws:defaultTags:
    tags: {owner: growth, costCentre: cc-114, dataClassification: internal, environment: dev}
  stagecraft:environment: dev
"""
"""The head of a stack file whose resources carry the labels that the packs ask for."""


def waived(*rules: str) -> str:
    """Lines of a stack file that let a trial program pass rules that are not its point."""
    lines = "\n".join(
        f'    - {{rule: {rule}, resource: "*", owner: growth, reason: a trial, expires: "2099-01-01"}}'
        for rule in rules
    )
    return f"  stagecraft:waivers:\n{lines}\n"


@dataclass
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def object(self) -> Any:
        """The JSON on stdout."""
        return json.loads(self.out)

    @property
    def all(self) -> str:
        """Everything it said."""
        return self.out + self.err


@dataclass
class Stagecraft:
    """The command, with its own home and project."""

    home: Path
    project: Path = CHECKOUT
    checkout: Path = CHECKOUT
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, code: int | None = 0, seconds: float = 240) -> Ran:
        """Runs a command to its end; fails the test if it ends with another code than expected."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=seconds)
        ran = Ran(process.returncode, out, err)
        if code is not None and ran.code != code:
            raise AssertionError(f"{arguments} ended with {ran.code}, not {code}:\n{ran.all}")
        return ran

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a command."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_CONFIG")}
        environment |= {
            "STAGECRAFT_HOME": str(self.home),
            "STAGECRAFT_PYTHON": sys.executable,
            "PYTHONPATH": str(self.checkout),
            "COLUMNS": "160",
            **self.environment,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "cli.main", *arguments],
            cwd=self.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def state(self, stack: str) -> Any:
        """The stack's exported state."""
        return self.run("stack", "export", "--stack", stack).object

    def inventory(self, stack: str) -> list[dict[str, Any]]:
        """Everything that exists in the stack's cloud and clusters."""
        import urllib.request

        from twin.aws.cloud.client import ensure_cloud
        from twin.kubernetes.provider.clusters.recorded import names_in

        endpoint = ensure_cloud(self.home / stack / "cloud").endpoint
        with urllib.request.urlopen(f"{endpoint}/_stagecraft/inventory") as answer:  # noqa: S310 - loopback
            listed: list[dict[str, Any]] = json.load(answer)
        objects = names_in(self.home / stack / "kubernetes")
        return [*listed, *({"type": "kubernetes", "name": each} for each in objects)]

    def close(self) -> None:
        """Ends the clouds that the commands left running."""
        from twin.aws.cloud.client import stop_cloud

        for folder in sorted(self.home.glob("*/cloud")):
            stop_cloud(folder)


def write_project(folder: Path, program: str, stacks: dict[str, str], name: str = "trial") -> Path:
    """A small Pulumi project with one program and some stacks."""
    (folder / "program").mkdir(parents=True, exist_ok=True)
    (folder / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\nmain: program\n")
    (folder / "program" / "__main__.py").write_text(program)
    for stack, config in stacks.items():
        (folder / f"Pulumi.{stack}.yaml").write_text(config)
    return folder
