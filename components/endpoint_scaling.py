"""How an endpoint's machines come and go: with requests, and by the clock."""

import re
from typing import Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components.checks import Problems
from components.context import Tags

DEFAULT_REQUESTS_PER_MINUTE: Final = 600
DEFAULT_SCALE_IN_SECONDS: Final = 300
DEFAULT_SCALE_OUT_SECONDS: Final = 60
_DIMENSION: Final = "sagemaker:variant:DesiredInstanceCount"
_NAMESPACE: Final = "sagemaker"
_SCHEDULE: Final = re.compile(r"^(cron\((\S+ ){5}\S+\)|rate\(\d+ \w+\)|at\([-0-9T:]+\))$")


class QuietHours(TypedDict):
    """When few machines are enough, whatever they cost to have waiting."""

    start: str
    """Schedule such as `cron(0 19 ? * MON-FRI *)`, from which `instance_count` machines are enough."""
    end: str
    """Schedule from which the usual least holds again."""
    instance_count: NotRequired[int]
    """Machines that then remain at most; from 1. Default: 1."""
    timezone: NotRequired[str]
    """Such as `Europe/Berlin`. Default: UTC."""


class EndpointScaling(TypedDict):
    """How the machines of an endpoint follow its requests."""

    max_count: int
    """The most machines; at least `instance_count`."""
    requests_per_minute: NotRequired[int]
    """Requests a minute that one machine should get; from 1. Default: 600."""
    concurrency: NotRequired[float]
    """Requests at once that one machine should have, in place of `requests_per_minute`: for answers that
    take long, or that differ much in how long they take. Default: not used."""
    scale_in_seconds: NotRequired[int]
    """Seconds between two steps down; from 0 to 3600. Default: 300."""
    scale_out_seconds: NotRequired[int]
    """Seconds between two steps up; from 0 to 3600. Default: 60."""
    quiet_hours: NotRequired[QuietHours]
    """When fewer machines are enough. Default: never."""


def scale(
    parent: pulumi.Resource,
    name: str,
    scaling: EndpointScaling,
    *,
    endpoint: pulumi.Input[str],
    variant: str,
    least: int,
    tags: Tags,
) -> None:
    """Registers the variant as a target that scales, with its policy and quiet hours.

    Args:
        parent: Whose children they are.
        name: What their names begin with.
        scaling: How it scales.
        endpoint: Name of an endpoint that exists.
        variant: Which of its variants.
        least: The least machines, outside of quiet hours.
        tags: Tags of the target.
    """
    options = pulumi.ResourceOptions(parent=parent)
    target = aws.appautoscaling.Target(
        f"{name}-scaling",
        service_namespace=_NAMESPACE,
        resource_id=pulumi.Output.format("endpoint/{0}/variant/{1}", endpoint, variant),
        scalable_dimension=_DIMENSION,
        min_capacity=least,
        max_capacity=int(scaling["max_count"]),
        tags=tags,
        # The clock changes both during quiet hours: that is no drift.
        opts=pulumi.ResourceOptions(
            parent=parent,
            ignore_changes=["minCapacity", "maxCapacity"] if "quiet_hours" in scaling else [],
        ),
    )
    concurrency = scaling.get("concurrency")
    wanted = scaling.get("requests_per_minute", DEFAULT_REQUESTS_PER_MINUTE)
    aws.appautoscaling.Policy(
        f"{name}-scaling-policy",
        service_namespace=target.service_namespace,
        resource_id=target.resource_id,
        scalable_dimension=target.scalable_dimension,
        policy_type="TargetTrackingScaling",
        target_tracking_scaling_policy_configuration=aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs(
            predefined_metric_specification=aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs(
                predefined_metric_type="SageMakerVariantInvocationsPerInstance"
                if concurrency is None
                else "SageMakerVariantConcurrentRequestsPerModelHighResolution",
            ),
            target_value=float(wanted if concurrency is None else concurrency),
            scale_in_cooldown=int(scaling.get("scale_in_seconds", DEFAULT_SCALE_IN_SECONDS)),
            scale_out_cooldown=int(scaling.get("scale_out_seconds", DEFAULT_SCALE_OUT_SECONDS)),
        ),
        opts=options,
    )
    if "quiet_hours" in scaling:
        quiet = scaling["quiet_hours"]
        few = int(quiet.get("instance_count", 1))
        for role, schedule, between in (
            ("quiet", quiet["start"], (few, few)),
            ("busy", quiet["end"], (least, int(scaling["max_count"]))),
        ):
            aws.appautoscaling.ScheduledAction(
                f"{name}-{role}",
                service_namespace=target.service_namespace,
                resource_id=target.resource_id,
                scalable_dimension=target.scalable_dimension,
                schedule=schedule,
                timezone=quiet.get("timezone", "UTC"),
                scalable_target_action=aws.appautoscaling.ScheduledActionScalableTargetActionArgs(
                    min_capacity=between[0], max_capacity=between[1]
                ),
                opts=options,
            )


def check_scaling(problems: Problems, scaling: EndpointScaling, *, least: int) -> None:
    """What is wrong with it."""
    most = scaling["max_count"]
    problems.between("scaling.maxCount", most, 1, 100)
    if most < least:
        problems.add("scaling.maxCount", most, f"must be at least instances.instanceCount ({least})")
    problems.between("scaling.requestsPerMinute", scaling.get("requests_per_minute"), 1, 1e9)
    problems.between("scaling.concurrency", scaling.get("concurrency"), 0.1, 1e6)
    for path, key in (("scaleInSeconds", "scale_in_seconds"), ("scaleOutSeconds", "scale_out_seconds")):
        problems.between(f"scaling.{path}", scaling.get(key), 0, 3600, "s")
    if "quiet_hours" in scaling:
        quiet = scaling["quiet_hours"]
        remedy = "must be a schedule such as cron(0 19 ? * MON-FRI *)"
        problems.matches("scaling.quietHours.start", quiet["start"], _SCHEDULE, remedy)
        problems.matches("scaling.quietHours.end", quiet["end"], _SCHEDULE, remedy)
        problems.between("scaling.quietHours.instanceCount", quiet.get("instance_count"), 1, 100)
