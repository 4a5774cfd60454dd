"""Where a component is being deployed, and what its children share."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

Tags = Mapping[str, pulumi.Input[str]]


@dataclass(frozen=True)
class Cloud:
    """The account, region and partition (`aws`, `aws-cn`, …) of the provider in use."""

    account: pulumi.Output[str]
    region: pulumi.Output[str]
    partition: pulumi.Output[str]

    def arn(self, service: str, resource: pulumi.Input[str]) -> pulumi.Output[str]:
        """The ARN of a resource of this account and region, by the service's own notation."""
        return pulumi.Output.format(
            "arn:{0}:{1}:{2}:{3}:{4}", self.partition, service, self.region, self.account, resource
        )

    def bucket_arn(self, bucket: pulumi.Input[str]) -> pulumi.Output[str]:
        """The ARN of a bucket, which names neither account nor region."""
        return pulumi.Output.format("arn:{0}:s3:::{1}", self.partition, bucket)


def current_cloud(parent: pulumi.Resource) -> Cloud:
    """The cloud of the provider that `parent` hands to its children."""
    options = pulumi.InvokeOptions(parent=parent)
    identity = aws.get_caller_identity_output(opts=options)
    return Cloud(
        account=identity.account_id,
        region=aws.get_region_output(opts=options).region,
        partition=identity.arn.apply(lambda arn: arn.split(":")[1]),
    )


def by_name(values: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[dict[str, str]]:
    """Values by the name of what was declared, as one output; also when there are none."""
    collected: dict[str, Any] = {**values}
    return pulumi.Output.from_input(collected)


def declared_outputs(component: pulumi.ComponentResource) -> dict[str, Any]:
    """What a component hands out: the attributes that its class declares, by name."""
    return {name: getattr(component, name) for name in inspect.get_annotations(type(component))}


def scope() -> str:
    """What tells this stack's physical names from another's in the same account."""
    return f"{pulumi.get_project()}-{pulumi.get_stack()}"


def data_options(parent: pulumi.Resource, allow_data_loss: bool) -> pulumi.ResourceOptions:
    """Options of a resource that holds data: protected by Pulumi until the switch is set."""
    return pulumi.ResourceOptions(parent=parent, protect=not allow_data_loss)
