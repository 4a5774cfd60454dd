"""A project, the toy provider and its cloud in a folder of their own, driven through `Engine`."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from twin.engine.config import load_project, load_stack
from twin.engine.deployment import ResourceState
from twin.engine.engine import Engine, Setup
from twin.engine.events import Event, Message, Op, Result, StepDone, StepFailed, StepStarted
from twin.engine.run import Options
from twin.engine.store import StackFiles

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[2]
PASSPHRASE = "correct horse"
PRELUDE = "import pulumi\nfrom toy import *\n"


@dataclass
class Outcome:
    """What a command left behind."""

    result: Result
    events: list[Event] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.result.ok

    @property
    def changes(self) -> dict[str, int]:
        return self.result.changes

    @property
    def problems(self) -> str:
        return "\n".join(self.result.problems)

    @property
    def text(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, Message))

    def started(self, name: str) -> list[Op]:
        """What was begun on a resource, in order."""
        return [each.op for each in self.events if isinstance(each, StepStarted) and each.name == name]

    def done(self) -> list[tuple[Op, str]]:
        """What was done, in order, as (op, name)."""
        return [(each.op, name_of(each.urn)) for each in self.events if isinstance(each, StepDone)]

    def failed(self) -> list[StepFailed]:
        return [each for each in self.events if isinstance(each, StepFailed)]


def name_of(urn: str) -> str:
    return urn.split("::", 3)[3]


class World:
    """One project with one stack."""

    def __init__(self, root: Path, stack: str = "dev") -> None:
        self.root = root
        self.stack = stack
        self.cloud = root / "cloud"
        self.home = root / "home"
        self.environment: dict[str, str] = {}
        self.packs: list[Path] = []
        (root / "program").mkdir(parents=True, exist_ok=True)
        (root / "Pulumi.yaml").write_text("name: toys\nruntime: python\nmain: program\n")
        shutil.copy(HERE / "toy.py", root / "program" / "toy.py")
        self.config()
        self.cloud.mkdir(exist_ok=True)
        self.plugin("toy", HERE / "toy_provider.py")

    @classmethod
    def there(cls, root: Path) -> "World":
        """A world that was laid before, as it is."""
        settings = (root / "Pulumi.dev.yaml").read_text()
        world = cls(root)
        (root / "Pulumi.dev.yaml").write_text(settings)
        return world

    def copy(self, root: Path) -> "World":
        """The same world elsewhere, cloud and all."""
        shutil.copytree(self.root, root)
        return World.there(root)

    def plugin(self, package: str, script: Path) -> None:
        """Lays a provider plugin that is a Python script where the engine looks for plugins."""
        (self.root / "bin").mkdir(exist_ok=True)
        path = self.root / "bin" / f"pulumi-resource-{package}"
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
        path.chmod(0o755)

    def config(self, **values: Any) -> None:
        """Writes the stack's settings; `toy__region` stands for `toy:region`."""
        told = {key.replace("__", ":"): value for key, value in values.items()}
        (self.root / f"Pulumi.{self.stack}.yaml").write_text(yaml.safe_dump({"config": told}))

    def program(self, source: str) -> None:
        """Writes the program; `pulumi` and the toys are imported."""
        (self.root / "program" / "__main__.py").write_text(PRELUDE + textwrap.dedent(source))

    def setup(self) -> Setup:
        project = load_project(self.root)
        paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
        return Setup(
            project=project,
            stack=self.stack,
            config=load_stack(project, self.stack, PASSPHRASE),
            files=StackFiles(self.home, self.stack),
            plugin_folders=[self.root / "bin"],
            environment={
                "TOY_CLOUD": str(self.cloud),
                "PYTHONPATH": os.pathsep.join(paths),
                "PYTHONDONTWRITEBYTECODE": "1",
                **self.environment,
            },
            policy_packs=self.packs,
        )

    def engine(self, events: list[Event] | None = None, **options: Any) -> Engine:
        noted = events if events is not None else []
        return Engine(self.setup(), noted.append, Options(**options))

    def run(self, command: str, source: str | None = None, **options: Any) -> Outcome:
        if source is not None:
            self.program(source)
        events: list[Event] = []
        result = getattr(self.engine(events, **options), command)()
        return Outcome(result, events)

    def up(self, source: str | None = None, **options: Any) -> Outcome:
        return self.run("up", source, **options)

    def deployed(self, source: str | None = None, **options: Any) -> Outcome:
        """An `up` that must succeed."""
        outcome = self.up(source, **options)
        assert outcome.ok, outcome.problems
        return outcome

    def preview(self, source: str | None = None, **options: Any) -> Outcome:
        return self.run("preview", source, **options)

    def process(self, command: str, **environment: str) -> subprocess.Popen[str]:
        """A command in a process of its own: see `engine_process`."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.twin.engine.engine_process", str(self.root), command],
            cwd=CHECKOUT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def told(self, command: str, **environment: str) -> dict[str, Any]:
        """What a command in a process of its own says at its end; empty when it was killed."""
        out, err = self.process(command, **environment).communicate(timeout=120)
        last = out.splitlines()[-1] if out else ""
        assert last.startswith("{") or "KILL_AT" in environment, err
        return json.loads(last) if last.startswith("{") else {}

    def processes(self) -> list[str]:
        """The command lines of every process that serves this world."""
        mark = f"TOY_CLOUD={self.cloud}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found

    def deserted(self, seconds: float = 10.0) -> bool:
        """Whether every process of this world is gone in time."""
        end = time.monotonic() + seconds
        while self.processes():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def facts(self) -> list[dict[str, Any]]:
        """The state without what differs from run to run: times, provider instances' ids."""
        deployment, _ = self.engine().store.load()
        assert deployment.pending == []
        ids = {state.id: f"provider {state.name}" for state in deployment.resources if state.is_provider}
        facts = []
        for state in deployment.resources:
            urn, _, identity = state.provider.rpartition("::")
            fact = dataclasses.asdict(state)
            fact |= {"created": bool(state.created), "modified": bool(state.modified)}
            fact |= {"id": ids.get(state.id, state.id), "provider": f"{urn}::{ids.get(identity, identity)}"}
            facts.append(fact)
        return facts

    def refresh(self, **options: Any) -> Outcome:
        return self.run("refresh", **options)

    def destroy(self, **options: Any) -> Outcome:
        return self.run("destroy", **options)

    # -- what there is

    def records(self) -> list[ResourceState]:
        """The state's resources, in its order."""
        return self.engine().store.load()[0].resources

    def names(self) -> list[str]:
        """The names of the toy's resources in the state, in its order."""
        return [state.name for state in self.records() if state.type.startswith("toy:")]

    def record(self, name: str) -> ResourceState:
        """The one live record of a name."""
        (found,) = [state for state in self.records() if state.name == name and not state.delete]
        return found

    def things(self) -> dict[str, dict[str, Any]]:
        """What is in the toy's cloud: the resource's name → its properties. One of each name, or it fails."""
        found: dict[str, dict[str, Any]] = {}
        for path in sorted(self.cloud.glob("*.json")):
            raw = json.loads(path.read_text())
            name = name_of(raw["urn"])
            assert name not in found, f"{name} is there twice"
            found[name] = raw["props"]
        return found

    def count(self) -> int:
        """How many things are in the toy's cloud."""
        return len(list(self.cloud.glob("*.json")))

    def change_outside(self, name: str, **props: Any) -> None:
        """Changes a thing behind the engine's back; without properties, it is gone."""
        path = self.cloud / f"{self.record(name).id}.json"
        if not props:
            path.unlink()
            return
        raw = json.loads(path.read_text())
        raw["props"].update(props)
        path.write_text(json.dumps(raw))

    def calls(self, *kinds: str) -> list[tuple[str, str]]:
        """The calls that the toy noted, as (call, resource's name), in order."""
        log = self.cloud / "calls.log"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [
            (line["call"], name_of(line["urn"])) for line in lines if "urn" in line and line["call"] in kinds
        ]

    def log(self, kind: str) -> list[dict[str, Any]]:
        """Everything that the toy noted of one kind of call."""
        log = self.cloud / "calls.log"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [line for line in lines if line["call"] == kind]

    def forget_calls(self) -> None:
        (self.cloud / "calls.log").unlink(missing_ok=True)

    def written(self) -> str:
        """Everything that the engine has written under its home, as one text."""
        files = sorted(path for path in self.home.rglob("*") if path.is_file() and path.name != "passphrase")
        return "\n".join(path.read_text(errors="replace") for path in files)
