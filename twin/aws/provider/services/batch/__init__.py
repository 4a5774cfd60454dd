"""AWS Batch: where jobs run, where they wait, and what they are."""

from twin.aws.provider.services.batch.definition import JobDefinition
from twin.aws.provider.services.batch.environment import ComputeEnvironment
from twin.aws.provider.services.batch.queue import JobQueue

__all__ = ["ComputeEnvironment", "JobDefinition", "JobQueue"]
