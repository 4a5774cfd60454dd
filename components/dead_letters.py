"""A queue for what could not be delivered: encrypted, TLS only, kept for two weeks."""

from collections.abc import Iterable
from typing import Final

import pulumi
import pulumi_aws as aws

from components import iam
from components.context import Cloud, Tags

RETENTION_SECONDS: Final = 14 * 24 * 3600
"""The longest that SQS keeps a message."""


def dead_letter_queue(
    parent: pulumi.Resource,
    name: str,
    *,
    cloud: Cloud,
    kms_key_arn: pulumi.Input[str],
    tags: Tags,
    services: Iterable[str] = (),
) -> aws.sqs.Queue:
    """A queue that roles of this account write to, and the services named, which write without one."""
    options = pulumi.ResourceOptions(parent=parent)
    queue = aws.sqs.Queue(
        name,
        message_retention_seconds=RETENTION_SECONDS,
        kms_master_key_id=kms_key_arn,
        kms_data_key_reuse_period_seconds=300,
        tags=tags,
        opts=options,
    )
    named = sorted(set(services))
    aws.sqs.QueuePolicy(
        f"{name}-policy",
        queue_url=queue.url,
        policy=pulumi.Output.all(queue.arn, cloud.account).apply(
            lambda known: iam.queue_policy(known[0], known[1], named)
        ),
        opts=options,
    )
    return queue
