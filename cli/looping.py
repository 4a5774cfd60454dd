"""`loop`: start a model's loop in the twin, see how it goes, decide about the version that it asks about."""

import getpass
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console

from cli import models
from cli.deploying import console_for, told_in_words
from cli.display import print_json
from cli.failures import FAILED, MISUSED, stop
from cli.stacks import deployed_outputs
from cli.workspace import Workspace
from platform_jobs.errors import JobError
from twin.wire import unwrap

_SHOWN: Final = 5
_REVIEW: Final = "Review"
_WAIT: Final = "wait"
"""What a gate says that knows too little yet."""


@dataclass(frozen=True)
class Loop:
    """A model's loop in a deployed stack."""

    model: str
    machine: str
    group: str
    lineage_table: str
    aws: Any
    """A session of the stack's own cloud."""


@dataclass(frozen=True)
class Execution:
    """One run of a loop."""

    id: str
    status: str
    state: str
    """The state that it is in, or was in last."""
    started: str
    result: str
    """How it ended, if it did not end well; while its gate waits, what is not known well enough yet."""


def start(
    workspace: Workspace, model: str | None, *, bake_seconds: int | None, limit_seconds: int | None
) -> None:
    """Starts an execution."""
    console = console_for(as_json=False)
    told: dict[str, Any] = {"trigger": "hand"}
    if bake_seconds is not None:
        # Whoever bakes for less long than declared looks again as soon, too.
        told |= {"bakeSeconds": bake_seconds, "lookSeconds": max(bake_seconds, 1)}
    if limit_seconds is not None:
        told["bakeLimitSeconds"] = limit_seconds
    with _loop(workspace, model, console) as loop:
        answer = loop.aws.client("stepfunctions").start_execution(
            stateMachineArn=loop.machine, input=json.dumps(told)
        )
        console.print(f"{loop.model}: execution {answer['executionArn'].rpartition(':')[2]} is under way")
        console.print(f"  stagecraft loop status --stack {workspace.stack} --model {loop.model}")


def status(workspace: Workspace, model: str | None, *, as_json: bool) -> None:
    """Shows the newest executions, and what waits for a person."""
    console = console_for(as_json=as_json)
    with _loop(workspace, model, console) as loop:
        found = list(executions(loop))
        if as_json:
            print_json({"model": loop.model, "executions": [each.__dict__ for each in found]})
            return
        if not found:
            console.print(f"{loop.model}: its loop has not run yet; `stagecraft loop start` starts it")
        for each in found:
            console.print(f"{each.started}  [bold]{each.status:<9}[/] {each.state}  {each.result}".rstrip())
            if each.status == "RUNNING" and each.state == _REVIEW:
                console.print(
                    "  waits for you: stagecraft loop approve|reject "
                    f"--stack {workspace.stack} --model {loop.model} --reason …"
                )
            elif each.status == "RUNNING" and each.result:
                console.print(
                    "  its gate waits until enough is known, up to a limit; what asks it here: "
                    f"stagecraft load --stack {workspace.stack} --model {loop.model} --log-predictions",
                    soft_wrap=True,
                )


def decide(workspace: Workspace, model: str | None, decision: str, reviewer: str | None, reason: str) -> None:
    """Approves or rejects the newest version; the execution that waits for it goes on by itself."""
    from platform_jobs import registry, review
    from platform_jobs.aws import Clients

    console = console_for(as_json=False)
    made: Mapping[str, Callable[..., registry.Registered]] = {
        "approve": review.approve,
        "reject": review.reject,
    }
    with _loop(workspace, model, console) as loop:
        clients = Clients(session=loop.aws)
        version = registry.latest(clients, loop.group)
        if version is None:
            raise stop(
                console, f"{loop.model} has no version yet; `stagecraft loop start` trains one", FAILED
            )
        try:
            decided = made[decision](
                clients,
                loop.group,
                version,
                reviewer or getpass.getuser(),
                reason,
                lineage_table=loop.lineage_table,
            )
        except JobError as error:
            raise stop(console, str(error), FAILED) from None
        console.print(f"{loop.model}: version {decided.number} is {decided.status}; kept in its lineage")


def executions(loop: Loop) -> Iterator[Execution]:
    """The newest executions, the newest first."""
    states = loop.aws.client("stepfunctions")
    listed = states.list_executions(stateMachineArn=loop.machine)["executions"]
    for each in sorted(listed, key=lambda item: item["startDate"], reverse=True)[:_SHOWN]:
        described = states.describe_execution(executionArn=each["executionArn"])
        state, given = _entered(states, each["executionArn"])
        result = ": ".join(filter(None, (described.get("error"), described.get("cause"))))
        verdict = given.get("verdict", {})
        if described["status"] == "RUNNING" and verdict.get("decision") == _WAIT:
            result = str(verdict["reason"])
        yield Execution(
            each["executionArn"].rpartition(":")[2],
            described["status"],
            state,
            each["startDate"].isoformat(timespec="seconds"),
            result,
        )


def _entered(states: Any, execution: str) -> tuple[str, Mapping[str, Any]]:
    """The state that was entered last, and with what."""
    entered = [
        event["stateEnteredEventDetails"]
        for page in states.get_paginator("get_execution_history").paginate(executionArn=execution)
        for event in page["events"]
        if "stateEnteredEventDetails" in event
    ]
    if not entered:
        return "", {}
    return entered[-1]["name"], json.loads(entered[-1].get("input") or "{}")


@contextmanager
def _loop(workspace: Workspace, model: str | None, console: Console) -> Iterator[Loop]:
    """The loop of a model, or of the stack's only one."""
    from twin.aws.cloud.client import session

    if not workspace.lives_in_twin:
        raise stop(
            console,
            f"loops of stack {workspace.stack!r} are AWS's: start and see them in Step Functions, decide "
            "with `python -m platform_jobs review` or in the model registry",
            MISUSED,
        )
    with told_in_words(console):
        outputs = unwrap(deployed_outputs(workspace)).value
        loops: Mapping[str, str] = outputs.get("loops", {})
        if not loops:
            raise stop(
                console,
                f"stack {workspace.stack!r} has no model loop: switch on the capability retraining "
                f"(stagecraft:capabilities), then `stagecraft up --stack {workspace.stack}`",
                FAILED,
            )
        name = models.chosen(console, workspace.stack, model, loops)
        with workspace.cloud() as cloud:
            yield Loop(
                name,
                loops[name],
                outputs["models"][name]["packageGroup"],
                outputs["lineageTable"],
                session(cloud, workspace.region),
            )
