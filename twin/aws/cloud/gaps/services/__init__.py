"""The gaps, one module a service; each has `fill(registry)`."""

from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.gaps.services import (
    athena,
    batch,
    budgets,
    cloudwatch,
    costexplorer,
    foreseen,
    glue,
    kubernetes,
    s3,
    sagemaker,
    small,
    tables,
)


def fill_all(registry: GapRegistry, hosting: sagemaker.Hosting, runner: batch.JobRunner) -> None:
    """Registers every gap filler."""
    sagemaker.fill(registry, hosting)
    batch.fill(registry, runner)
    for module in (athena, budgets, cloudwatch, costexplorer, foreseen, glue, kubernetes, s3, small, tables):
        module.fill(registry)
