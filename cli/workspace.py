"""What a command works on: the project, its stacks, and where the twin keeps them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from twin.engine import config as files
from twin.engine.config import Project, StackConfig
from twin.engine.engine import Setup
from twin.engine.secrets import find_passphrase
from twin.engine.store import StackFiles, find_home
from twin.loopback import require_loopback

CHECKOUT: Final = Path(__file__).resolve().parents[1]
CLOUD_VARIABLE: Final = "STAGECRAFT_CLOUD"
KUBERNETES_VARIABLE: Final = "STAGECRAFT_KUBERNETES"
KUBECONFIG_VARIABLE: Final = "STAGECRAFT_KUBECONFIG"
TWIN_STACK: Final = "local"
_SCRATCH_IDLE_SECONDS: Final = 60
_CLOUD_IDLE_SECONDS: Final = 600


@dataclass(frozen=True)
class Workspace:
    """A project with one of its stacks."""

    project: Project
    stack: str
    home: Path
    thrown_away: bool = False
    """Whether it is a scratch copy, of which nothing stays."""

    @classmethod
    def find(cls, stack: str) -> "Workspace":
        """The project around the working directory, else this checkout's. Raises ConfigError."""
        project = files.load_project(_project_folder(Path.cwd()))
        return cls(project, files.check_stack_name(stack), find_home(project.root))

    @property
    def files(self) -> StackFiles:
        """Where the twin keeps the stack."""
        return StackFiles(self.home, self.stack)

    @property
    def lives_in_twin(self) -> bool:
        """Whether the stack is the twin's: `local`, or `local-` and anything."""
        return self.stack == TWIN_STACK or self.stack.startswith(f"{TWIN_STACK}-")

    @property
    def ours(self) -> bool:
        """Whether the program is Stagecraft's own, with its settings and stages."""
        return self.project.program == CHECKOUT / "stacks" or (self.project.program / "settings.py").exists()

    @cached_property
    def config(self) -> StackConfig:
        """The stack's configuration. Raises ConfigError, SecretsError."""
        return files.load_stack(self.project, self.stack, find_passphrase(os.environ, self.home))

    def setting(self, name: str) -> Any:
        """One of the stack's `stagecraft:` settings, or None."""
        return self.config.values.get(f"stagecraft:{name}")

    @property
    def region(self) -> str:
        """The stack's AWS region."""
        return str(self.config.values.get("aws:region") or "us-east-1")

    def scratch(self, home: Path) -> "Workspace":
        """The same stack in a twin that is thrown away."""
        copy = replace(self, home=home, thrown_away=True)
        # Its secrets open with the real stack's passphrase, not with the scratch home's.
        copy.__dict__["config"] = self.config
        return copy

    def setup(self, cloud: str, *, whole: bool, packs: bool = True) -> Setup:
        """What the engine needs to deploy the stack.

        Args:
            cloud: The twin's cloud to deploy to.
            whole: Every value will be known, so a rule that cannot judge is a violation; in a preview, where
                much is not known yet, it is a remark.
            packs: Whether the policy packs judge.
        """
        return Setup(
            project=self.project,
            stack=self.stack,
            config=self.config,
            files=self.files,
            plugin_folders=[CHECKOUT / "twin" / "bin"],
            environment={
                CLOUD_VARIABLE: cloud,
                "STAGECRAFT_HOME": str(self.home),
                **self._kubernetes(),
            },
            policy_packs=policy_packs() if packs else (),
            policy_config=self._policy_config(whole=whole) if packs else {},
        )

    def _kubernetes(self) -> dict[str, str]:
        """Where the stack's Kubernetes objects go: to its own cluster, where there is one."""
        from twin.kubernetes.cluster.files import ClusterFiles

        recorded = {KUBERNETES_VARIABLE: str(self.files.kubernetes)}
        if self.thrown_away:
            # A plan, or a check, leaves a server alone: it is judged by schemas and records of its own.
            return recorded | {KUBECONFIG_VARIABLE: ""}
        own = ClusterFiles(self.files.cluster).kubeconfig()
        if own.exists() and not os.environ.get(KUBECONFIG_VARIABLE):
            return recorded | {KUBECONFIG_VARIABLE: str(own)}
        return recorded

    @contextmanager
    def cloud(self, *, scratch: bool = False) -> Iterator[str]:
        """The endpoint of the cloud that the stack lives in; a scratch one ends with the block."""
        named = os.environ.get(CLOUD_VARIABLE)
        if named and not scratch:
            yield require_loopback(named)
            return
        from twin.aws.cloud.client import ensure_cloud, stop_cloud

        idle = _SCRATCH_IDLE_SECONDS if scratch else _CLOUD_IDLE_SECONDS
        handle = ensure_cloud(self.files.cloud, idle_seconds=idle, live=not scratch)
        try:
            yield handle.endpoint
        finally:
            if scratch:
                stop_cloud(self.files.cloud)

    @contextmanager
    def cloud_copy(self, folder: Path) -> Iterator[str]:
        """The endpoint of a cloud in `folder` that holds what the stack's own holds, and ends with the block.

        Raises:
            CloudError: the stack's own holds nothing, or the copy does not start.
        """
        from twin.aws.cloud.client import copy_cloud, ensure_cloud, stop_cloud

        with self.cloud():  # it must run, so that what it holds is saved
            copy_cloud(self.files.cloud, folder)
        handle = ensure_cloud(folder, idle_seconds=_SCRATCH_IDLE_SECONDS)
        try:
            yield handle.endpoint
        finally:
            stop_cloud(folder)

    def _policy_config(self, *, whole: bool) -> Mapping[str, Any]:
        from policies.levels import pack_config

        return pack_config(
            str(self.setting("environment") or "prod"),
            str(self.setting("stage") or "validate"),
            waivers=self.setting("waivers") or (),
            when_unknown="violation" if whole else "advisory",
        )


def policy_packs() -> list[Path]:
    """The packs of this checkout, in the order of their names."""
    return sorted(path.parent for path in (CHECKOUT / "policies").glob("*/PulumiPolicy.yaml"))


def _project_folder(start: Path) -> Path:
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").exists():
            return folder
    return CHECKOUT
