"""`watch`: everything that watches a live model, one job after the other: one machine a day instead of five.

A job that fails does not keep the others from telling what they know; the run fails in the end.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from platform_jobs import accuracy, bias, drift, explain, feedback_volume, kpis, monitoring, settings
from platform_jobs.aws import Clients
from platform_jobs.bias import BiasSettings
from platform_jobs.drift import DriftSettings
from platform_jobs.errors import JobError, SettingsError, cause_of
from platform_jobs.explain import ExplainSettings
from platform_jobs.kpis import KpiSettings
from platform_jobs.labelled import LabelSettings
from platform_jobs.log import ERROR, event

_GROUPS: Final = "STAGECRAFT_MODEL_GROUP_BY"
_Job = tuple[str, type[Any], Callable[[Clients, Any], Any]]
_JOBS: Final[tuple[_Job, ...]] = (
    ("drift", DriftSettings, drift.run),
    ("accuracy", LabelSettings, accuracy.run),
    ("kpis", KpiSettings, kpis.run),
    ("explain", ExplainSettings, explain.run_once),
    ("feedback-volume", LabelSettings, feedback_volume.run),
)
_BIAS: Final[_Job] = ("bias", BiasSettings, bias.run)


def run(clients: Clients, environ: Mapping[str, str]) -> list[str]:
    """Runs the jobs; `bias` where an attribute is declared, `explain` where the version has no explanation.

    Returns:
        The names of the jobs that ran: none where no version is live.

    Raises:
        SettingsError: with the problems of all of them, before any is run.
        JobError: reason `watch`, naming each that failed and why.
    """
    jobs = [*_JOBS, _BIAS] if environ.get(_GROUPS, "").strip() else list(_JOBS)
    known = _settings(jobs, environ)
    if monitoring.live_model(clients, known["drift"]) is None:
        return []
    failed: list[str] = []
    for name, _, work in jobs:
        try:
            work(clients, known[name])
        except Exception as error:  # whatever one of them breaks on, the others have something to tell
            reason = error.reason if isinstance(error, JobError) else type(error).__name__
            event(name, "failed", ERROR, reason=reason, cause=cause_of(error))
            failed.append(f"{name} ({reason}): {cause_of(error)}")
    if failed:
        raise JobError("watch", f"{len(failed)} of {len(jobs)} failed: {'; '.join(failed)}")
    return [name for name, _, _ in jobs]


def _settings(jobs: Sequence[_Job], environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    problems: dict[str, None] = {}
    for name, kind, _ in jobs:
        try:
            found[name] = settings.load(kind, environ)
        except SettingsError as error:
            problems.update(dict.fromkeys(error.problems))
    if problems:
        raise SettingsError(tuple(problems))
    return found


def main(_argv: Sequence[str]) -> int:
    """`watch`: everything comes from the environment."""
    run(Clients(), os.environ)
    return 0
