"""The key of a component's data: brought, or made."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import iam
from components.context import Cloud, data_options


class KeyArgs(TypedDict):
    """What components' inputs say of their key."""

    kms_key_arn: NotRequired[pulumi.Input[str]]
    allow_data_loss: NotRequired[bool]
    tags: NotRequired[dict[str, pulumi.Input[str]]]


def data_key(
    parent: pulumi.Resource, name: str, args: KeyArgs, cloud: Cloud, *, purpose: str
) -> pulumi.Output[str]:
    """The ARN of the key that was brought, or of one made here: rotated yearly, with an alias."""
    if "kms_key_arn" in args:
        return pulumi.Output.from_input(args["kms_key_arn"])
    allow_data_loss = args.get("allow_data_loss", False)
    key = aws.kms.Key(
        f"{name}-key",
        description=f"{purpose} of {name}",
        enable_key_rotation=True,
        rotation_period_in_days=365,
        deletion_window_in_days=7 if allow_data_loss else 30,
        policy=pulumi.Output.all(cloud.partition, cloud.region, cloud.account).apply(
            lambda place: iam.key_policy(*place)
        ),
        tags=args.get("tags", {}),
        opts=data_options(parent, allow_data_loss),
    )
    aws.kms.Alias(f"{name}-key-alias", target_key_id=key.key_id, opts=pulumi.ResourceOptions(parent=parent))
    return key.arn
