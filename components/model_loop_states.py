"""The model loop as a state machine in Amazon's States Language: pure functions of what is declared.

quality → materialise → train → evaluate → review → canary steps, each baked and judged (more of it, wait, or
back) → live, or back.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

State = dict[str, Any]

WHOLE: Final = 100
_LOOKS: Final = 600
"""Times that an execution's gates may be asked, all shares together."""
_LAMBDA_RETRY: Final = {
    "ErrorEquals": [
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
    ],
    "IntervalSeconds": 2,
    "MaxAttempts": 6,
    "BackoffRate": 2,
}
_NOT_YET_RETRY: Final = {
    "ErrorEquals": ["NotYetError"],
    "IntervalSeconds": 5,
    "MaxAttempts": 60,
    "BackoffRate": 1.5,
    "MaxDelaySeconds": 60,
}
"""An endpoint takes minutes to change, on machines of its own perhaps a quarter of an hour."""


@dataclass(frozen=True)
class LoopPlan:
    """What is declared of a model's loop."""

    model: str
    views: Sequence[str]
    human: bool
    canary_percent: Sequence[int]
    bake_seconds: int
    bake_limit_seconds: int
    """How long a share may wait for enough to be known."""
    review_seconds: int


@dataclass(frozen=True)
class LoopParts:
    """ARNs of what the loop calls."""

    steps: str
    """The function of the loop's steps."""
    topic: str
    jobs: Mapping[str, tuple[str, str]]
    """`quality`, `materialise`, `train` → job definition and queue; `labels` too, if labels are counted."""


def definition(plan: LoopPlan, parts: LoopParts) -> str:
    """The state machine's definition; the same plan gives the same text."""
    machine = {
        "Comment": f"The loop of model {plan.model}: from new data to a live version, or back",
        "StartAt": "Defaults",
        "States": {
            **_start(plan),
            **_make(plan, parts),
            **_review(plan, parts),
            **_release(plan, parts),
            **_ends(plan, parts),
        },
    }
    return json.dumps(machine, sort_keys=True)


def _look_seconds(plan: LoopPlan) -> int:
    """How long until a share is judged again: an execution holds 25,000 events, a look some twenty."""
    looks = _LOOKS // len(plan.canary_percent)
    return max(plan.bake_seconds, math.ceil(plan.bake_limit_seconds / max(looks, 1)))


def _start(plan: LoopPlan) -> dict[str, State]:
    """One execution at a time: what starts another finds one that is under way and ends."""
    defaults = json.dumps(
        {
            "bakeSeconds": plan.bake_seconds,
            "bakeLimitSeconds": plan.bake_limit_seconds,
            "lookSeconds": _look_seconds(plan),
            "trigger": "hand",
        }
    )
    return {
        "Defaults": {
            "Type": "Pass",
            "Parameters": {"told.$": f"States.JsonMerge(States.StringToJson('{defaults}'), $, false)"},
            "OutputPath": "$.told",
            "Next": "Who else runs?",
        },
        "Who else runs?": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sfn:listExecutions",
            "Parameters": {
                "StateMachineArn.$": "$$.StateMachine.Id",
                "StatusFilter": "RUNNING",
                "MaxResults": 2,
            },
            "ResultSelector": {"count.$": "States.ArrayLength($.Executions)"},
            "ResultPath": "$.running",
            "Retry": [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 3, "BackoffRate": 2}],
            "Catch": _catch("Tell of the failure"),
            "Next": "Alone?",
        },
        "Alone?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.running.count", "NumericGreaterThan": 1, "Next": "One is under way"}],
            "Default": "Data",
        },
        "One is under way": {"Type": "Succeed", "Comment": "Its version, or the next run, has the new data"},
    }


def _make(plan: LoopPlan, parts: LoopParts) -> dict[str, State]:
    """New data through the gate and into the features, then a version trained on them and judged."""
    return {
        "Data": {
            "Type": "Parallel",
            "Branches": [_view_branch(view, parts) for view in plan.views],
            "ResultPath": None,
            "Catch": _catch("Tell of the failure"),
            "Next": "Train",
        },
        "Train": {
            **_job(parts, "train", f"{plan.model}-loop"),
            "ResultSelector": {"run.$": "$.JobId"},
            "ResultPath": "$.trained",
            "Catch": _catch("Tell of the failure"),
            "Next": "Evaluate",
        },
        "Evaluate": _step(
            parts,
            "judge",
            {"run.$": "$.trained.run"},
            keep=("version", "number", "good", "reason"),
            at="$.candidate",
            then="Good enough?",
        ),
        "Good enough?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.candidate.good", "BooleanEquals": True, "Next": "Review"}],
            "Default": "Refuse",
        },
        "Refuse": _step(
            parts,
            "reject",
            {"version.$": "$.candidate.version", "reason.$": "$.candidate.reason"},
            at=None,
            then="Tell of the refusal",
        ),
    }


def _view_branch(view: str, parts: LoopParts) -> State:
    told = {"Environment": [{"Name": "STAGECRAFT_VIEW", "Value": view}]}
    quality, materialise = f"Quality of {view}", f"Materialise {view}"
    return {
        "StartAt": quality,
        "States": {
            quality: {**_job(parts, "quality", f"{view}-quality", told), "Next": materialise},
            materialise: {**_job(parts, "materialise", f"{view}-materialise", told), "End": True},
        },
    }


def _review(plan: LoopPlan, parts: LoopParts) -> dict[str, State]:
    if not plan.human:
        return {
            "Review": _step(
                parts,
                "approve",
                {"version.$": "$.candidate.version", "reason.$": "$.candidate.reason"},
                at=None,
                then="Begin the release",
            )
        }
    return {
        "Review": {
            "Type": "Task",
            "Comment": "Goes on when the version is approved or rejected in the registry",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Parameters": {
                "FunctionName": parts.steps,
                "Payload": {
                    "step": "ask",
                    "version.$": "$.candidate.version",
                    "token.$": "$$.Task.Token",
                },
            },
            "TimeoutSeconds": plan.review_seconds,
            "ResultPath": "$.review",
            "Retry": [_LAMBDA_RETRY],
            "Catch": [
                {
                    "ErrorEquals": ["States.Timeout"],
                    "ResultPath": "$.failure",
                    "Next": "Tell that nobody decided",
                },
                *_catch("Tell of the failure"),
            ],
            "Next": "Approved?",
        },
        "Approved?": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.review.approved", "BooleanEquals": True, "Next": "Begin the release"}
            ],
            "Default": "Tell of the rejection",
        },
    }


def _release(plan: LoopPlan, parts: LoopParts) -> dict[str, State]:
    """Each step of the canary: shift traffic, wait for it, bake, judge; whatever fails leads back."""
    steps = list(plan.canary_percent)
    largest = max((percent for percent in steps if percent < WHOLE), default=WHOLE)
    states: dict[str, State] = {
        "Begin the release": {
            **_step(
                parts,
                "begin",
                {"version.$": "$.candidate.version", "number.$": "$.candidate.number"},
                at="$.rollout",
                then="Is there an endpoint?",
                retry=_NOT_YET_RETRY,
            ),
            "ResultSelector": {"state.$": "$.Payload"},
        },
        "Is there an endpoint?": {
            "Type": "Choice",
            "Comment": "The first version of a model goes live with the next deployment",
            "Choices": [
                {
                    "Variable": "$.rollout.state.deployed",
                    "BooleanEquals": True,
                    "Next": f"Canary {steps[0]} %",
                }
            ],
            "Default": "Point at it",
        },
    }
    for percent, following in zip(steps, [*steps[1:], None], strict=True):
        after = "Point at it" if following is None else f"Canary {following} %"
        states.update(_canary(parts, percent, largest, after))
    return {
        **states,
        "Point at it": {
            **_step(
                parts,
                "finish",
                {"version.$": "$.candidate.version"},
                keep=("live", "previous"),
                at="$.pointers",
                then="Tell of the release",
            ),
            # The version serves and is healthy: what failed is the record of it, and that is tried again.
            "Catch": _catch("Tell of the failure"),
        },
        "Name the cause": {
            "Type": "Pass",
            "Parameters": {"decision": "roll-back", "reason.$": "$.failure.Cause"},
            "ResultPath": "$.verdict",
            "Next": "Roll back",
        },
        "Roll back": _rollout_step(parts, "undo", "Is it back?"),
        "Is it back?": _rollout_step(parts, "settle", "Reject it"),
        "Reject it": _step(
            parts,
            "reject",
            {"version.$": "$.candidate.version", "reason.$": "$.verdict.reason"},
            at=None,
            then="Tidy up",
        ),
        "Tidy up": _step(parts, "tidy", {}, at=None, then="Tell of the rollback"),
    }


def _canary(parts: LoopParts, percent: int, largest: int, after: str) -> dict[str, State]:
    shift, settle = f"Canary {percent} %", f"Has it {percent} %?"
    bake, labels, gate = f"Bake {percent} %", f"Labels at {percent} %", f"Gate {percent} %"
    choice, longer = f"Good enough at {percent} %?", f"Wait at {percent} %"
    back = _catch("Name the cause")
    counted = "labels" in parts.jobs
    look = labels if counted else gate
    states: dict[str, State] = {
        shift: {
            **_rollout_step(parts, "shift", settle, {"percent": percent, "largest": largest}),
            "Catch": back,
        },
        settle: {**_rollout_step(parts, "settle", bake), "Catch": back},
        bake: {"Type": "Wait", "SecondsPath": "$.bakeSeconds", "Next": look},
        gate: {
            **_step(
                parts,
                "gate",
                {
                    "rollout.$": "$.rollout.state",
                    "version.$": "$.candidate.version",
                    "percent": percent,
                    "limitSeconds.$": "$.bakeLimitSeconds",
                },
                keep=("decision", "reason"),
                at="$.verdict",
                then=choice,
            ),
            "Catch": back,
        },
        choice: {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.verdict.decision", "StringEquals": "promote", "Next": after},
                {"Variable": "$.verdict.decision", "StringEquals": "wait", "Next": longer},
            ],
            "Default": "Roll back",
        },
        longer: {"Type": "Wait", "SecondsPath": "$.lookSeconds", "Next": look},
    }
    if counted:
        told = {
            "Environment": [
                {"Name": "STAGECRAFT_GATE_VERSION", "Value.$": "$.candidate.version"},
                {"Name": "STAGECRAFT_GATE_SINCE", "Value.$": "$.rollout.state.since"},
            ]
        }
        states[labels] = {
            **_job(parts, "labels", "gate-labels", told),
            "Catch": back,
            "Next": gate,
        }
    return states


def _ends(plan: LoopPlan, parts: LoopParts) -> dict[str, State]:
    """Every way out tells people; only what is broken counts as a failed execution."""
    model = plan.model
    told = {
        "release": (
            f"{model}: a version went live",
            "States.Format('Version {} is live: {}', $.candidate.number, $.candidate.reason)",
            "Released",
        ),
        "refusal": (
            f"{model}: a trained version is not good enough",
            "States.Format('Version {} was refused: {}', $.candidate.number, $.candidate.reason)",
            "Refused",
        ),
        "rejection": (
            f"{model}: a version was rejected",
            "States.Format('Version {} was rejected in review', $.candidate.number)",
            "Rejected",
        ),
        "rollback": (
            f"{model}: a version was rolled back",
            "States.Format('Version {} was rolled back: {}', $.candidate.number, $.verdict.reason)",
            "Rolled back",
        ),
        "failure": (
            f"{model}: the model loop failed",
            "States.Format('{}: {}', $.failure.Error, $.failure.Cause)",
            "Failed",
        ),
    }
    states = {
        f"Tell of the {what}": _tell(parts, subject, message, end)
        for what, (subject, message, end) in told.items()
        if plan.human or what != "rejection"
    }
    if plan.human:
        states["Tell that nobody decided"] = _tell(
            parts,
            f"{model}: nobody decided about a version",
            "States.Format('Version {} still waits in the registry; the loop no longer waits for it', "
            "$.candidate.number)",
            "Nobody decided",
        )
        states["Rejected"] = {"Type": "Succeed"}
        states["Nobody decided"] = {"Type": "Succeed"}
    return {
        **states,
        "Released": {"Type": "Succeed"},
        "Refused": {"Type": "Succeed"},
        "Rolled back": {"Type": "Fail", "Error": "Stagecraft.RolledBack", "CausePath": "$.verdict.reason"},
        "Failed": {"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "$.failure.Cause"},
    }


def _tell(parts: LoopParts, subject: str, message: str, end: str) -> State:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sns:publish",
        "Parameters": {"TopicArn": parts.topic, "Subject": subject[:WHOLE], "Message.$": message},
        "ResultPath": None,
        "Retry": [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 3, "BackoffRate": 2}],
        # That nobody could be told changes nothing about what happened.
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": end}],
        "Next": end,
    }


def _job(parts: LoopParts, job: str, name: str, overrides: State | None = None) -> State:
    job_definition, queue = parts.jobs[job]
    parameters: State = {"JobName": name, "JobDefinition": job_definition, "JobQueue": queue}
    if overrides is not None:
        parameters["ContainerOverrides"] = overrides
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Parameters": parameters,
        "ResultPath": None,
    }


def _step(
    parts: LoopParts,
    step: str,
    told: State,
    *,
    at: str | None,
    then: str,
    keep: Sequence[str] = (),
    retry: State | None = None,
) -> State:
    """A call of the loop's function; `keep` names what of its answer the execution carries on."""
    state: State = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": parts.steps, "Payload": {"step": step, **told}},
        "ResultPath": at,
        "Retry": [_LAMBDA_RETRY, *([] if retry is None else [retry])],
        "Catch": _catch("Tell of the failure"),
        "Next": then,
    }
    if keep:
        state["ResultSelector"] = {f"{name}.$": f"$.Payload.{name}" for name in keep}
    return state


def _rollout_step(parts: LoopParts, step: str, then: str, told: State | None = None) -> State:
    """A step that changes the endpoint, or waits for it, and carries the rollout on."""
    return {
        **_step(
            parts,
            step,
            {"rollout.$": "$.rollout.state", **(told or {})},
            at="$.rollout",
            then=then,
            retry=_NOT_YET_RETRY,
        ),
        "ResultSelector": {"state.$": "$.Payload"},
    }


def _catch(then: str) -> list[State]:
    return [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": then}]
