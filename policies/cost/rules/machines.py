"""Which machines may be used at all."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from policies.catalogue import About, Findings, joined_rule
from policies.machines import BATCH_POOL, NODE_POOL, TRAINING_JOB, Pool
from policies.models import CONFIGURATION
from policies.resources import Resource, Stack
from policies.settings import Settings


@joined_rule(
    About(
        id="C6",
        name="instance-type-allowed",
        title="Instance types are on the environment's list",
        remedy="Use a type from the list (option `allowed`), or have the list widened.",
        options={
            "allowed": {
                "type": "array",
                "items": {"type": "string"},
                "default": ["*"],
                "description": "Types that may be used, as patterns (`m7*`, `g5.xlarge`).",
            }
        },
    ),
    types=(
        NODE_POOL,
        BATCH_POOL,
        TRAINING_JOB,
        "aws:eks:NodeGroup",
        "aws:ec2:Instance",
        "aws:ec2:LaunchTemplate",
        "aws:ec2:LaunchConfiguration",
        CONFIGURATION,
        "aws:sagemaker:NotebookInstance",
    ),
)
def instance_type_allowed(resource: Resource, _stack: Stack, settings: Settings) -> Findings:
    """SageMaker's `ml.` prefix does not count; a family stands for all its sizes."""
    refused = sorted({kind for kind in _machine_types(resource) if not _allowed(kind, settings["allowed"])})
    if refused:
        yield f"{', '.join(refused)} is not on the list of {settings.environment}"


def _machine_types(resource: Resource) -> list[str]:
    kind = resource.type
    if kind in (NODE_POOL, BATCH_POOL, TRAINING_JOB, "aws:eks:NodeGroup"):
        return Pool(resource).instance_types
    if kind == CONFIGURATION:
        variants = resource.props.blocks("productionVariants") + resource.props.blocks(
            "shadowProductionVariants"
        )
        return [item for item in (variant.text("instanceType") for variant in variants) if item]
    return resource.props.texts("instanceType")


def _allowed(kind: str, patterns: Iterable[str]) -> bool:
    bare = kind.lower().removeprefix("ml.")
    return any(_fits(bare, pattern.lower()) for pattern in patterns)


def _fits(kind: str, pattern: str) -> bool:
    if "." in kind or "." not in pattern:
        return fnmatchcase(kind, pattern)
    return fnmatchcase(kind, pattern.partition(".")[0])
