"""Batch's types."""

import json

from tests.twin.aws.provider.samples import ACCOUNT, ROLE, Made, Sample
from tests.twin.aws.provider.samples_ec2 import GROUP, SUBNET, VPC

MACHINES = {
    "v": VPC,
    "s": SUBNET,
    "g": GROUP,
    "r": ROLE,
    "p": ("aws:iam/instanceProfile:InstanceProfile", lambda made: {"role": made["r"].id}),
    "t": ("aws:ec2/launchTemplate:LaunchTemplate", {"userData": "aGk="}),
}


def resources(made: Made, **more: object) -> dict:
    return {
        "type": "SPOT",
        "allocationStrategy": "SPOT_PRICE_CAPACITY_OPTIMIZED",
        "minVcpus": 0,
        "maxVcpus": 32,
        "instanceRole": made["p"].state["arn"],
        "instanceTypes": ["m6a.xlarge", "m6i.xlarge", "m7i.xlarge"],
        "ec2Configurations": [{"imageType": "ECS_AL2023"}],
        "launchTemplate": {"launchTemplateId": made["t"].id, "version": "1"},
        "securityGroupIds": [made["g"].id],
        "subnets": [made["s"].id],
        "tags": {"owner": "a"},
        **more,
    }


def container(**more: object) -> str:
    return json.dumps(
        {
            "command": ["train"],
            "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "image": "registry/image:1",
            "jobRoleArn": f"arn:aws:iam::{ACCOUNT}:role/job",
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/it"}},
            "privileged": False,
            "resourceRequirements": [
                {"type": "MEMORY", "value": "3500"},
                {"type": "VCPU", "value": "2"},
            ],
            **more,
        }
    )


ENVIRONMENT = (
    "aws:batch/computeEnvironment:ComputeEnvironment",
    lambda made: {"type": "MANAGED", "computeResources": resources(made)},
)

BATCH = [
    Sample(
        "aws:batch/computeEnvironment:ComputeEnvironment",
        lambda made: {
            "type": "MANAGED",
            "computeResources": resources(made),
            "tags": {"a": "b"},
        },
        lambda made: {
            "computeResources": resources(
                made,
                maxVcpus=64,
                tags={"owner": "b"},
                instanceTypes=["m6i.xlarge", "m7i.xlarge", "m6i.large"],
            ),
        },
        MACHINES,
        {"name": "other"},
    ),
    Sample(
        "aws:batch/jobQueue:JobQueue",
        lambda made: {
            "priority": 1,
            "state": "ENABLED",
            "computeEnvironmentOrders": [
                {"order": 1, "computeEnvironment": made["e"].state["arn"]},
                {"order": 2, "computeEnvironment": made["f"].state["arn"]},
            ],
            "tags": {"a": "b"},
        },
        lambda made: {
            "priority": 3,
            "computeEnvironmentOrders": [{"order": 1, "computeEnvironment": made["f"].state["arn"]}],
        },
        {**MACHINES, "e": ENVIRONMENT, "f": ENVIRONMENT},
        {"name": "other", "schedulingPolicyArn": f"arn:aws:batch:us-east-1:{ACCOUNT}:scheduling-policy/x"},
    ),
    Sample(
        "aws:batch/jobDefinition:JobDefinition",
        {
            "type": "container",
            "platformCapabilities": ["EC2"],
            "propagateTags": True,
            "containerProperties": container(),
            "parameters": {"a": "b"},
            "retryStrategy": {
                "attempts": 5,
                "evaluateOnExits": [
                    {"action": "RETRY", "onStatusReason": "Host EC2*"},
                    {"action": "EXIT", "onReason": "*"},
                ],
            },
            "timeout": {"attemptDurationSeconds": 600},
            "tags": {"a": "b"},
        },
        {"containerProperties": container(command=["quality"]), "timeout": {"attemptDurationSeconds": 900}},
        replaces={"name": "other"},
    ),
]
