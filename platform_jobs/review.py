"""`review`: a person approves or rejects a model version; who and why stays in its lineage."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from platform_jobs import registry, settings
from platform_jobs.aws import Clients
from platform_jobs.errors import JobError
from platform_jobs.log import event
from platform_jobs.registry import APPROVED, PENDING, REJECTED, Registered
from platform_jobs.settings import Env


@dataclass(frozen=True, kw_only=True)
class ReviewSettings:
    """What `review` reads from its environment."""

    group: Annotated[str, Env("STAGECRAFT_MODEL_PACKAGE_GROUP")]
    lineage_table: Annotated[str, Env("STAGECRAFT_LINEAGE_TABLE")]


def approve(
    clients: Clients,
    group: str,
    version_arn: str,
    reviewer: str,
    reason: str,
    *,
    lineage_table: str,
    floors: Mapping[str, float] | None = None,
    force: bool = False,
) -> Registered:
    """Approves a version.

    Args:
        clients: the AWS clients to use.
        group: model package group that the version must belong to.
        version_arn: the version.
        reviewer: who decides.
        reason: why.
        lineage_table: where the decision is kept.
        floors: metric → least value, over those that the version was registered with.
        force: decide anew what was decided, and accept metrics under their floor; kept in the lineage.

    Raises:
        JobError: reason `no-version`, `no-reviewer`, `decided` or `under-floor`.
    """
    version = _open_version(clients, group, version_arn, reviewer, reason, force=force)
    under = under_floor(version, floors)
    if under and not force:
        raise JobError(
            "under-floor",
            f"version {version.number} of {group} is not good enough: {'; '.join(under)}. "
            "Train a better one, or approve it with force and your reason",
        )
    decision = {"status": APPROVED, "reviewer": reviewer, "reason": reason, "forced": force}
    return _decide(clients, version, decision, lineage_table)


def reject(
    clients: Clients,
    group: str,
    version_arn: str,
    reviewer: str,
    reason: str,
    *,
    lineage_table: str,
    force: bool = False,
) -> Registered:
    """Rejects a version; arguments and errors as for `approve`."""
    version = _open_version(clients, group, version_arn, reviewer, reason, force=force)
    decision = {"status": REJECTED, "reviewer": reviewer, "reason": reason, "forced": force}
    return _decide(clients, version, decision, lineage_table)


def under_floor(version: Registered, floors: Mapping[str, float] | None = None) -> list[str]:
    """The floors that a version does not reach, in words; a metric that is not known reaches none."""
    return [
        f"{metric} is {_shown(version.metrics.get(metric))}, its floor is {floor:g}"
        for metric, floor in sorted({**version.floors, **(floors or {})}.items())
        if version.metrics.get(metric, float("-inf")) < floor
    ]


def _shown(value: float | None) -> str:
    return "not known" if value is None else f"{value:g}"


def _open_version(
    clients: Clients, group: str, version_arn: str, reviewer: str, reason: str, *, force: bool
) -> Registered:
    """The version, if this reviewer may decide about it now."""
    if not reviewer.strip() or not reason.strip():
        raise JobError("no-reviewer", "a decision needs a reviewer and a reason")
    version = registry.describe(clients, version_arn)
    if version.group != group:
        raise JobError("no-version", f"{version_arn} is not a version of {group}")
    if version.status != PENDING and not force:
        raise JobError(
            "decided",
            f"version {version.number} of {group} is {version.status} already "
            f"({version.description or 'no reason given'}); deciding anew takes force",
        )
    return version


def _decide(
    clients: Clients, version: Registered, decision: Mapping[str, Any], lineage_table: str
) -> Registered:
    # First the record, then the effect: nothing is ever approved without a trace.
    registry.record_decision(clients, lineage_table, version.arn, decision)
    reviewer = decision["reviewer"]
    clients.sagemaker.update_model_package(
        ModelPackageArn=version.arn,
        ModelApprovalStatus=decision["status"],
        ApprovalDescription=" ".join(f"{reviewer}: {decision['reason']}".split())[:1024],
        CustomerMetadataProperties={**version.properties, "reviewed_by": registry.property_text(reviewer)},
    )
    event("review", "decided", version=version.arn, **decision)
    return registry.describe(clients, version.arn)


def main(argv: Sequence[str]) -> int:
    """`review list | show | approve | reject`."""
    parser = argparse.ArgumentParser(prog="platform_jobs review", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the versions, the newest first")
    show = commands.add_parser("show", help="a version's lineage: its origin, decisions, and canary's gate")
    show.add_argument("--version", help="its ARN; default: the newest")
    for name in ("approve", "reject"):
        command = commands.add_parser(name, help=f"{name} a version")
        command.add_argument("--version", help="its ARN; default: the newest")
        command.add_argument("--reviewer", required=True, help="who decides")
        command.add_argument("--reason", required=True, help="why")
        command.add_argument(
            "--force", action="store_true", help="decide anew, accept metrics under their floor"
        )
    arguments = parser.parse_args(argv)
    config = settings.load(ReviewSettings)
    clients = Clients()
    if arguments.command == "list":
        for summary in registry.versions(clients.sagemaker, config.group):
            _show(registry.describe(clients, summary["ModelPackageArn"]))
        return 0
    arn = arguments.version or registry.latest(clients, config.group)
    if arn is None:
        raise JobError("no-version", f"group {config.group} has no version: run `train` first")
    if arguments.command == "show":
        known = registry.lineage(clients, config.lineage_table, arn)
        if known is None:
            raise JobError("no-version", f"table {config.lineage_table} knows nothing of {arn}")
        sys.stdout.write(json.dumps(known) + "\n")
        return 0
    decide = approve if arguments.command == "approve" else reject
    _show(
        decide(
            clients,
            config.group,
            arn,
            arguments.reviewer,
            arguments.reason,
            lineage_table=config.lineage_table,
            force=arguments.force,
        )
    )
    return 0


def _show(version: Registered) -> None:
    known = {
        "version": version.number,
        "arn": version.arn,
        "status": version.status,
        "metrics": version.metrics,
    }
    sys.stdout.write(json.dumps(known) + "\n")
