"""A log group with the platform's key and an end to what it keeps."""

from typing import Final

import pulumi
import pulumi_aws as aws

from components.context import Tags

RETENTION_DAYS: Final = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    3653,
)
"""The retentions that CloudWatch Logs takes."""


def log_group(
    parent: pulumi.Resource,
    name: str,
    physical_name: str,
    *,
    kms_key_arn: pulumi.Input[str],
    retention_days: int,
    tags: Tags,
) -> aws.cloudwatch.LogGroup:
    """A log group by a name that people and roles can rely on."""
    return aws.cloudwatch.LogGroup(
        name,
        name=physical_name,
        kms_key_id=kms_key_arn,
        retention_in_days=retention_days,
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
