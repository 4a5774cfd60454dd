"""The canary's gate of a model loop: its terms, as the loop's function gets them, and who counts labels."""

from typing import Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import batch_job, iam, naming
from components.batch_job import JobSpec
from components.checks import Problems
from components.context import Cloud, Tags
from components.logs import log_group

REQUIRED: Final = "required"
IF_KNOWN: Final = "if-known"
QUALITIES: Final = (REQUIRED, IF_KNOWN)
ROLL_BACK: Final = "roll-back"
UNDECIDED: Final = (ROLL_BACK, "promote")
DEFAULT_AVAILABILITY: Final = 99.0
DEFAULT_LATENCY_MS: Final = 1000
DEFAULT_ERROR_RATE: Final = 0.05
DEFAULT_EXCESS_BURN: Final = 1.0
DEFAULT_QUALITY_MARGIN: Final = 0.02
_LOG_DAYS: Final = 30


class LoopGate(TypedDict):
    """What a version must be, surely, to get more of the traffic."""

    availability: NotRequired[float]
    """Requests that are answered, per cent, as the SLO says; from 50 to 99.999. Default: 99."""
    latency_p95_ms: NotRequired[int]
    """What 95 % of the answers are faster than, in ms. Default: 1000."""
    error_rate: NotRequired[float]
    """Share of releases that may be decided wrongly; from 0.001 to 0.5. Default: 0.05."""
    excess_burn: NotRequired[float]
    """Error budgets that it may burn beyond the live version's; from 0.01 to 100. Default: 1."""
    quality_margin: NotRequired[float]
    """Share of wrong answers beyond the live version's that is fine; from 0.001 to 0.5. Default: 0.02."""
    quality: NotRequired[str]
    """`required`: nothing is promoted of whose answers too little is known, which needs `labels`. `if-known`:
    labels come too late to wait for; known ones still count. Default: `required` with `labels`."""
    undecided: NotRequired[str]
    """`roll-back` or `promote`: what becomes of a version of which too little is known at the limit.
    Default: `roll-back`; with `promote`, the error rate does not hold for versions that few ask."""


class LabelCount(TypedDict):
    """The job that counts, for the gate, how many answers of the two versions were wrong."""

    image_uri: pulumi.Input[str]
    """The platform's image; it knows the command `gate-labels`."""
    queue_arn: pulumi.Input[str]
    """ARN of the Batch queue that it is submitted to."""
    artifacts_bucket: pulumi.Input[str]
    """Bucket with predictions and outcomes, which also gets the counts. Encrypted with the loop's key."""
    environment: dict[str, pulumi.Input[str]]
    """What it is told: `STAGECRAFT_FEATURES_BUCKET`, `STAGECRAFT_VIEWS_PREFIX`, `STAGECRAFT_MODEL_VIEWS`."""
    policy_arns: list[pulumi.Input[str]]
    """Policies that let it read features and the registry."""


def gate_environment(gate: LoopGate, *, counted: bool) -> dict[str, pulumi.Input[str]]:
    """The terms as the function reads them."""
    return {
        "STAGECRAFT_SLO_AVAILABILITY": f"{gate.get('availability', DEFAULT_AVAILABILITY):g}",
        "STAGECRAFT_GATE_SLOW_MS": f"{gate.get('latency_p95_ms', DEFAULT_LATENCY_MS):g}",
        "STAGECRAFT_GATE_ERROR_RATE": f"{gate.get('error_rate', DEFAULT_ERROR_RATE):g}",
        "STAGECRAFT_GATE_EXCESS_BURN": f"{gate.get('excess_burn', DEFAULT_EXCESS_BURN):g}",
        "STAGECRAFT_GATE_QUALITY_TOLERANCE": f"{gate.get('quality_margin', DEFAULT_QUALITY_MARGIN):g}",
        "STAGECRAFT_GATE_QUALITY": gate.get("quality", REQUIRED if counted else IF_KNOWN),
        "STAGECRAFT_GATE_UNDECIDED": gate.get("undecided", ROLL_BACK),
    }


def label_job(
    parent: pulumi.Resource,
    name: str,
    labels: LabelCount,
    *,
    model: str,
    pointer_prefix: pulumi.Input[str],
    cloud: Cloud,
    key: pulumi.Output[str],
    tags: Tags,
) -> pulumi.Output[str]:
    """The job's definition, role and log group; the ARN of the definition."""
    logs = log_group(
        parent,
        f"{name}-job-logs",
        naming.log_group_name(pulumi.get_stack(), name),
        kms_key_arn=key,
        retention_days=_LOG_DAYS,
        tags=tags,
    )
    rights = aws.iam.Policy(
        f"{name}-labels-rights",
        description=f"What the job that counts labels of {model} reads, and where it writes its counts",
        policy=pulumi.Output.all(bucket=cloud.bucket_arn(labels["artifacts_bucket"]), key=key).apply(
            lambda known: label_rights(model=model, **known)
        ),
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    policies: dict[str, pulumi.Input[str]] = {"rights": rights.arn}
    policies.update({f"policy-{place}": arn for place, arn in enumerate(labels["policy_arns"])})
    definition, _role = batch_job.batch_job(
        parent,
        f"{name}-labels",
        JobSpec(
            image_uri=labels["image_uri"],
            command=["gate-labels"],
            log_group=logs.name,
            environment={
                "STAGECRAFT_STACK": pulumi.get_stack(),
                "STAGECRAFT_MODEL": model,
                "STAGECRAFT_ARTIFACTS_BUCKET": labels["artifacts_bucket"],
                "STAGECRAFT_POINTER_PREFIX": pointer_prefix,
                **labels["environment"],
            },
        ),
        cloud=cloud,
        policies=policies,
        tags=tags,
    )
    return definition


def label_rights(*, bucket: str, key: str, model: str) -> str:
    """A model's log, outcomes and baselines to read; its gate's counts to write."""
    return iam.document(
        *iam.bucket_access(
            bucket,
            read=[f"{kind}/{model}/" for kind in ("models", "outcomes", "predictions")],
            write=[f"gate/{model}/"],
        ),
        iam.key_access(key),
    )


def check_gate(problems: Problems, gate: LoopGate, *, counted: bool) -> None:
    """What is wrong with the gate's declaration."""
    problems.between("gate.availability", gate.get("availability"), 50, 99.999, "%")
    problems.between("gate.latencyP95Ms", gate.get("latency_p95_ms"), 1, 60_000, "ms")
    problems.between("gate.errorRate", gate.get("error_rate"), 0.001, 0.5)
    problems.between("gate.excessBurn", gate.get("excess_burn"), 0.01, 100)
    problems.between("gate.qualityMargin", gate.get("quality_margin"), 0.001, 0.5)
    problems.one_of("gate.quality", gate.get("quality"), QUALITIES)
    problems.one_of("gate.undecided", gate.get("undecided"), UNDECIDED)
    if gate.get("quality") == REQUIRED and not counted:
        problems.add("gate.quality", REQUIRED, "needs labels, the job that counts them; or say if-known")
