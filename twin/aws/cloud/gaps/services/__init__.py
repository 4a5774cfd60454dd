"""The gaps, one module a service; each has `fill(registry)`."""

from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.gaps.services import batch, budgets, costexplorer, sagemaker


def fill_all(registry: GapRegistry, hosting: sagemaker.Hosting, runner: batch.JobRunner) -> None:
    """Registers every gap filler."""
    sagemaker.fill(registry, hosting)
    batch.fill(registry, runner)
    budgets.fill(registry)
    costexplorer.fill(registry)
