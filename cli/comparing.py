"""With what an estimate is compared: the same stack at a git ref, or a state file."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.estimating import declared_usage, estimate_deployment, estimate_judged, region_of
from cli.planning import plan
from cli.resource_files import read_resource_file
from cli.workspace import Workspace
from pricing import Estimate, Usage
from twin.engine import config as files
from twin.engine.config import ConfigError

_GIT_SECONDS: Final = 120


class CompareError(Exception):
    """There is nothing to compare with; the message says why."""


@dataclass(frozen=True)
class Baseline:
    """What is compared with, found and not yet estimated."""

    what: str
    file: Path | None = None
    commit: str = ""
    repository: Path | None = None


def find_baseline(against: str, root: Path) -> Baseline:
    """A state file if there is one of that name, else a git ref of the project's repository.

    Raises:
        CompareError: It is neither.
    """
    file = Path(against)
    if file.is_file():
        return Baseline(against, file=file)
    try:
        repository = Path(_git(root, "rev-parse", "--show-toplevel"))
        commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{against}^{{commit}}")
    except CompareError as error:
        told = f" ({error})" if str(error) else ""
        raise CompareError(
            f"--against {against!r}: there is no such file, and no such commit in the repository of {root}"
            f"{told}; name a state file, a branch, a tag or a commit"
        ) from None
    return Baseline(against, commit=commit, repository=repository)


def estimate_baseline(baseline: Baseline, workspace: Workspace, usage_file: Path | None) -> Estimate:
    """What the stack costs there, by its own program, its own settings and today's prices.

    Raises:
        CompareError: It cannot be planned there.
        UsageError: The usage declared there is wrong.
    """
    if baseline.file is not None:
        usage = declared_usage(workspace.setting("usage"), usage_file)
        return estimate_file(baseline.file, workspace.region, usage)
    with _checked_out(baseline) as tree:
        old = _same_stack(baseline, workspace, tree)
        usage = declared_usage(old.setting("usage"), usage_file)
        planned = plan(old, packs=False)
        if planned.failures:
            reasons = "; ".join(planned.failures)
            raise CompareError(f"stack {old.stack!r} cannot be planned at {baseline.what}: {reasons}")
        return estimate_deployment(planned.deployment, old.region, usage)


def estimate_file(path: Path, region: str | None, usage: Usage | None) -> Estimate:
    """What the resources of a state file, or of a list as `policy eval` takes it, cost.

    Args:
        path: The file.
        region: Of resources that name none; None: that of the file's only AWS provider.
        usage: Declared usage.

    Raises:
        ValueError: The file cannot be used: every problem, one a line.
    """
    read = read_resource_file(path)
    judged = [item.outputs for item in read.judged]
    return estimate_judged(judged, region or region_of(judged), usage, read.custom)


def _same_stack(baseline: Baseline, workspace: Workspace, tree: Path) -> Workspace:
    """The stack in that checkout; its secrets open with this one's passphrase."""
    assert baseline.repository is not None  # noqa: S101 - a ref has one
    root = tree / workspace.project.root.resolve().relative_to(baseline.repository.resolve())
    try:
        old = Workspace(files.load_project(root), workspace.stack, workspace.home)
        old.config  # noqa: B018 - read now, so that what is wrong with it is told as such
    except ConfigError as error:
        told = str(error).replace(f"{tree}/", "")
        raise CompareError(f"at {baseline.what}: {told}") from None
    return old


@contextmanager
def _checked_out(baseline: Baseline) -> Iterator[Path]:
    """A commit in a folder of its own, which git forgets again."""
    assert baseline.repository is not None  # noqa: S101 - a ref has one
    repository = baseline.repository
    with tempfile.TemporaryDirectory(prefix="stagecraft-against-") as folder:
        tree = Path(folder) / "checkout"
        try:
            # Another commit's hooks are not ours to run.
            _git(
                repository,
                *("-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach"),
                str(tree),
                baseline.commit,
            )
        except CompareError as error:
            raise CompareError(f"{baseline.what} cannot be checked out: {error}") from None
        try:
            yield tree
        finally:
            _git(repository, "worktree", "remove", "--force", str(tree))


def _git(folder: Path, *arguments: str) -> str:
    """Git's answer. Raises CompareError with what it said."""
    try:
        ran = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GIT_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        raise CompareError("git is not installed") from None
    except subprocess.TimeoutExpired:
        raise CompareError(f"git did not answer within {_GIT_SECONDS} s") from None
    if ran.returncode != 0:
        raise CompareError(ran.stderr.strip())
    return ran.stdout.strip()
