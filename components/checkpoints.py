"""The spot contract: where a job keeps its work, how often it saves it, and how long it has to stop in."""

from typing import Final

import pulumi

from components import iam

DEFAULT_CHECKPOINT_MINUTES: Final = 15
DEFAULT_GRACE_SECONDS: Final = 110
"""AWS reclaims a spot host two minutes after it says so."""


def contract_variables(
    checkpoint_uri: pulumi.Input[str], job: str, *, minutes: int, grace_seconds: int
) -> dict[str, pulumi.Input[str]]:
    """What a job is told of it; each has a prefix of its own under the one that all share."""
    return {
        "STAGECRAFT_CHECKPOINT_MINUTES": str(minutes),
        "STAGECRAFT_CHECKPOINT_URI": pulumi.Output.concat(checkpoint_uri, job, "/"),
        "STAGECRAFT_GRACE_SECONDS": str(grace_seconds),
    }


def checkpoint_policy(*, partition: str, uri: str, job: str, key: str) -> str:
    """A job reads, writes and clears its own checkpoints."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    own = [f"{prefix}{job}/"]
    return iam.document(
        *iam.bucket_access(f"arn:{partition}:s3:::{bucket}", read=own, write=own, delete=own),
        iam.key_access(key),
    )
