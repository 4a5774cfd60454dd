"""`schedule`: what would run by the clock, and running it now: the twin fires nothing by itself."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console

from cli.batch_jobs import BatchJobError, wait_for_job
from cli.deploying import console_for, told_in_words
from cli.display import print_json
from cli.failures import FAILED, MISUSED, stop
from cli.stacks import deployed_outputs, not_deployed
from cli.workspace import Workspace


@dataclass(frozen=True)
class Schedule:
    """One thing that AWS would do by the clock."""

    name: str
    when: str
    """`rate(…)`, `cron(…)` or `at(…)`."""
    description: str
    enabled: bool
    targets: tuple[Mapping[str, Any], ...] = field(repr=False)
    """By botocore's names."""


_SHOWN: Final = ("name", "when", "description", "enabled")


def show(workspace: Workspace, *, as_json: bool) -> None:
    """Lists them."""
    console = console_for(as_json=as_json)
    with _cloud(workspace, console) as aws:
        found = schedules(aws)
    if as_json:
        print_json([{name: getattr(each, name) for name in _SHOWN} for each in found])
        return
    if not found:
        console.print(f"nothing runs by the clock in stack {workspace.stack!r}")
    for each in found:
        off = "" if each.enabled else "  (disabled)"
        console.print(f"[bold]{each.name}[/]  {each.when}{off}", soft_wrap=True)
        console.print(f"    {each.description}", markup=False, soft_wrap=True)


def run(workspace: Workspace, name: str) -> None:
    """Does now what a schedule would do, and waits for jobs and functions."""
    console = console_for(as_json=False)
    with _cloud(workspace, console) as aws:
        known = schedules(aws)
        found = [each for each in known if name in each.name]
        exact = [each for each in found if each.name == name]
        chosen = exact or found
        if len(chosen) != 1:
            said = "several schedules" if chosen else "no schedule"
            names = "\n  ".join(each.name for each in chosen or known)
            raise stop(
                console, f"stack {workspace.stack!r} has {said} of a name with {name!r}:\n  {names}", MISUSED
            )
        for target in chosen[0].targets:
            _run(aws, chosen[0].name, target, console)


def schedules(aws: Any) -> list[Schedule]:
    """Those of EventBridge Scheduler and EventBridge's rules with a schedule, by name."""
    return sorted((*_of_scheduler(aws.client("scheduler")), *_of_rules(aws.client("events"))), key=_name)


def _name(schedule: Schedule) -> str:
    return schedule.name


def _of_scheduler(scheduler: Any) -> Iterator[Schedule]:
    for page in scheduler.get_paginator("list_schedules").paginate():
        for listed in page["Schedules"]:
            told = scheduler.get_schedule(Name=listed["Name"], GroupName=listed["GroupName"])
            enabled = told.get("State", "ENABLED") == "ENABLED"
            description = told.get("Description", "")
            yield Schedule(told["Name"], told["ScheduleExpression"], description, enabled, (told["Target"],))


def _of_rules(events: Any) -> Iterator[Schedule]:
    for page in events.get_paginator("list_rules").paginate():
        for rule in page["Rules"]:
            if rule.get("ScheduleExpression"):
                targets = tuple(events.list_targets_by_rule(Rule=rule["Name"])["Targets"])
                enabled = rule["State"] == "ENABLED"
                description = rule.get("Description", "")
                yield Schedule(rule["Name"], rule["ScheduleExpression"], description, enabled, targets)


def _run(aws: Any, name: str, target: Mapping[str, Any], console: Console) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    from twin.aws.cloud.live.deliveries import NoDeliveryError, deliver, service_of

    text = target.get("Input") or "{}"
    try:
        if service_of(target) == "lambda":
            _invoke(aws, name, str(target["Arn"]), text, console)
            return
        answer = deliver(aws, target, text)
    except (BotoCoreError, ClientError, NoDeliveryError) as error:
        raise stop(console, f"{name} could not be run: {error}", FAILED) from None
    if "jobId" in answer:
        console.print(f"{name}: job {answer['jobId']} is under way")
        try:
            wait_for_job(aws.client("batch"), aws.client("logs"), answer["jobId"], name)
        except BatchJobError as error:
            for line in error.tail:
                console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
            raise stop(console, str(error), FAILED) from None
        console.print(f"{name}: done")
    elif "executionArn" in answer:
        console.print(f"{name}: execution {answer['executionArn'].rpartition(':')[2]} is under way")
    else:
        console.print(f"{name}: delivered")


def _invoke(aws: Any, name: str, function: str, text: str, console: Console) -> None:
    answer = aws.client("lambda").invoke(FunctionName=function, Payload=text.encode())
    told = json.loads(answer["Payload"].read() or b"null")
    if "FunctionError" in answer:
        raise stop(console, f"{name} failed: {told.get('errorMessage', told)}", FAILED)
    console.print(f"{name}: done")
    if told is not None:
        console.print(f"  {json.dumps(told)}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _cloud(workspace: Workspace, console: Console) -> Iterator[Any]:
    """A session of the stack's own cloud."""
    from twin.aws.cloud.client import session

    if not workspace.lives_in_twin:
        raise stop(
            console,
            f"schedules of stack {workspace.stack!r} are AWS's: EventBridge fires them; run one now with "
            "`aws batch submit-job`, or in the console",
            MISUSED,
        )
    with told_in_words(console):
        if not deployed_outputs(workspace):
            raise not_deployed(workspace, console)
        with workspace.cloud() as cloud:
            yield session(cloud, workspace.region)
