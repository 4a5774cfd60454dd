"""A topic that people are told by: encrypted, TLS only, published to by named services."""

from collections.abc import Iterable

import pulumi
import pulumi_aws as aws

from components import iam
from components.context import Cloud, Tags


def alert_topic(
    parent: pulumi.Resource,
    name: str,
    *,
    cloud: Cloud,
    kms_key_arn: pulumi.Input[str],
    services: Iterable[str],
    emails: Iterable[str],
    tags: Tags,
) -> pulumi.Output[str]:
    """The ARN of a topic with its policy and a subscription for each address, which its owner confirms."""
    options = pulumi.ResourceOptions(parent=parent)
    topic = aws.sns.Topic(name, kms_master_key_id=kms_key_arn, tags=tags, opts=options)
    aws.sns.TopicPolicy(
        f"{name}-policy",
        arn=topic.arn,
        policy=pulumi.Output.all(topic.arn, cloud.account).apply(
            lambda known: iam.topic_policy(known[0], known[1], services)
        ),
        opts=options,
    )
    for email in sorted(set(emails)):
        aws.sns.TopicSubscription(
            f"{name}-{email}", topic=topic.arn, protocol="email", endpoint=email, opts=options
        )
    return topic.arn
