"""Whether the version that a training run registered is good enough to go on with."""

from dataclasses import dataclass

from platform_jobs import registry, review
from platform_jobs.aws import Clients
from platform_jobs.errors import JobError


@dataclass(frozen=True)
class Verdict:
    """What is thought of a version."""

    version: str
    """Its ARN."""
    number: int
    good: bool
    """Whether every metric reaches its floor."""
    reason: str
    """In words, for whoever reads the execution or the message about it."""


def judge(clients: Clients, group: str, run: str) -> Verdict:
    """The verdict on the version of a training run.

    Raises:
        JobError: reason `no-version` if the run registered none.
    """
    version = registry.version_of_run(clients, group, run)
    if version is None:
        raise JobError("no-version", f"run {run} registered no version in {group}: look at the job's log")
    misses = review.under_floor(version)
    met = ", ".join(f"{name} {version.metrics[name]:g}" for name in sorted(version.floors)) or "none declared"
    reason = "; ".join(misses) or f"every floor is met: {met}"
    return Verdict(version.arn, version.number, not misses, reason)
