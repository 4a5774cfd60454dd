"""One Batch job: its definition, and a role that holds the rights it needs and no more."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components import iam
from components.context import Cloud, Tags

DEFAULT_VCPUS: Final = 2
DEFAULT_MEMORY_MIB: Final = 3500
"""Fits twice into the smallest of the default instances, with room for the agent."""
DEFAULT_TIMEOUT_MINUTES: Final = 240
ATTEMPTS: Final = 5


@dataclass(frozen=True)
class JobSpec:
    """What a job definition says."""

    image_uri: pulumi.Input[str]
    command: Sequence[str]
    log_group: pulumi.Input[str]
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    vcpus: int = DEFAULT_VCPUS
    memory_mib: int = DEFAULT_MEMORY_MIB
    gpus: int = 0
    timeout_minutes: int = DEFAULT_TIMEOUT_MINUTES


def container_properties(
    spec: JobSpec, *, role_arn: str, region: str, image: str, log_group: str, environment: Mapping[str, str]
) -> str:
    """The container's properties as Batch takes them, in one order whatever the order they came in."""
    resources: list[tuple[str, int]] = [("MEMORY", spec.memory_mib), ("VCPU", spec.vcpus)]
    if spec.gpus:
        resources.insert(0, ("GPU", spec.gpus))
    properties: dict[str, Any] = {
        "command": list(spec.command),
        "environment": [{"name": key, "value": value} for key, value in sorted(environment.items())],
        "image": image,
        "jobRoleArn": role_arn,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": log_group, "awslogs-region": region},
        },
        "privileged": False,
        "resourceRequirements": [{"type": kind, "value": str(amount)} for kind, amount in resources],
    }
    return json.dumps(properties, sort_keys=True)


def batch_job(
    parent: pulumi.Resource,
    name: str,
    spec: JobSpec,
    *,
    cloud: Cloud,
    policies: Mapping[str, pulumi.Input[str]],
    tags: Tags,
) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
    """A job definition and its role, with the policies attached by name; both ARNs."""
    options = pulumi.ResourceOptions(parent=parent)
    role = aws.iam.Role(
        f"{name}-role",
        description=f"What the job {name} may do",
        assume_role_policy=cloud.account.apply(
            lambda account: iam.service_trust("ecs-tasks.amazonaws.com", account)
        ),
        tags=tags,
        opts=options,
    )
    for key, arn in sorted(policies.items()):
        aws.iam.RolePolicyAttachment(f"{name}-{key}", role=role.name, policy_arn=arn, opts=options)
    definition = aws.batch.JobDefinition(
        f"{name}-job",
        type="container",
        platform_capabilities=["EC2"],
        propagate_tags=True,
        container_properties=pulumi.Output.all(
            role_arn=role.arn,
            region=cloud.region,
            image=spec.image_uri,
            log_group=spec.log_group,
            environment=dict(spec.environment),
        ).apply(lambda known: container_properties(spec, **known)),
        # A reclaimed host is the spot market's doing and tried again; the job's own failure is not.
        retry_strategy=aws.batch.JobDefinitionRetryStrategyArgs(
            attempts=ATTEMPTS,
            evaluate_on_exits=[
                aws.batch.JobDefinitionRetryStrategyEvaluateOnExitArgs(
                    action="RETRY", on_status_reason="Host EC2*"
                ),
                # A reclaimed host may end the container (SIGTERM: 143) before Batch hears of the reclaim.
                aws.batch.JobDefinitionRetryStrategyEvaluateOnExitArgs(action="RETRY", on_exit_code="143"),
                aws.batch.JobDefinitionRetryStrategyEvaluateOnExitArgs(action="EXIT", on_reason="*"),
            ],
        ),
        timeout=aws.batch.JobDefinitionTimeoutArgs(attempt_duration_seconds=spec.timeout_minutes * 60),
        tags=tags,
        opts=options,
    )
    return definition.arn, role.arn
