"""What a command is carried out with: the stack's set-up, the engine's own service, the provider plugins."""

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from twin.engine.config import Project, StackConfig
from twin.engine.engine_service import EngineServer, EngineService, Severity
from twin.engine.events import Level
from twin.engine.plugins import scrubbed
from twin.engine.providers import PluginOptions, Providers
from twin.engine.run import Run
from twin.engine.store import StackFiles

_LEVELS: Final = {
    Severity.DEBUG: Level.DEBUG,
    Severity.INFO: Level.INFO,
    Severity.WARNING: Level.WARNING,
    Severity.ERROR: Level.ERROR,
}


@dataclass(frozen=True)
class Setup:
    """What a stack is deployed with."""

    project: Project
    stack: str
    config: StackConfig
    files: StackFiles
    plugin_folders: Sequence[Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for the program and the plugins, such as the cloud's address."""
    policy_packs: Sequence[Path] = ()
    policy_config: Mapping[str, Any] = field(default_factory=dict)
    organization: str = "organization"


class Session:
    """One command's children, from `with` to its end. Plugins are started when they are first needed."""

    def __init__(self, setup: Setup, run: Run) -> None:
        self.setup = setup
        self.run = run
        self._over = threading.Event()
        self._closing = ExitStack()
        service = EngineService(
            lambda severity, text, urn, _stream: run.tell(_LEVELS[severity], text.rstrip(), urn)
        )
        engine = self._closing.enter_context(EngineServer(service))
        self.engine_address = engine.address
        self.providers = Providers(
            PluginOptions(
                folders=setup.plugin_folders,
                environment={
                    **scrubbed(os.environ),
                    **setup.environment,
                    "PULUMI_PROJECT": setup.project.name,
                    "PULUMI_STACK": setup.stack,
                },
                program=setup.project.program_folder,
                engine_address=engine.address,
                tell=lambda line: run.tell(Level.DEBUG, line),
            ),
            run.journal,
        )
        self._closing.callback(self.providers.close)

    def give_up(self, seconds: float) -> None:
        """Asks the providers to stop what they do; those that have not when the time is over are ended."""
        self.providers.cancel()
        if not self._over.wait(seconds):
            self.providers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._closing.close()
