"""The five stages as data: what each adds, what it may cost while idle, and what may be switched."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Capability:
    """Something a stage adds."""

    name: str
    """How settings, waivers and policies call it."""
    title: str
    """What it is, in a line."""
    switchable: bool = True
    """Whether a stack may switch it on early, or off under a waiver; what others stand on may not."""
    built: bool = False
    """Whether there is something behind it yet."""


@dataclass(frozen=True)
class Stage:
    """One of the five."""

    name: str
    question: str
    """What a team asks itself at this stage."""
    idle_usd: float | None
    """What an idle stack aims to stay under, dollars a month; None: the stage adds by need."""
    adds: tuple[Capability, ...]
    """What it has that the stage before it has not."""


STAGES: Final = (
    Stage(
        "validate",
        "Does it work for users?",
        10,
        (
            Capability("data-lake", "Encrypted buckets, catalogue and queries", switchable=False, built=True),
            Capability("feature-store", "Features online and offline", switchable=False, built=True),
            Capability(
                "model-registry", "Versions, lineage, approval, pointers", switchable=False, built=True
            ),
            Capability("training-pool", "Spot training that scales to zero", switchable=False, built=True),
            Capability("endpoints", "An endpoint a model", switchable=False, built=True),
            Capability(
                "labels", "Owner, cost centre and classification on everything", switchable=False, built=True
            ),
            Capability(
                "least-privilege",
                "A role a job, with no right it does not need",
                switchable=False,
                built=True,
            ),
            Capability("budgets", "Budgets with notifications, for the stack and each model", built=True),
        ),
    ),
    Stage(
        "stabilise",
        "Can we rely on it?",
        80,
        (
            Capability("event-stream", "Streaming ingestion with an event schema", built=True),
            Capability("quality-gates", "Data-quality gates in the model loop", built=True),
            Capability("experiment-tracking", "MLflow tracking", built=True),
            Capability("retraining", "Scheduled retraining", built=True),
            Capability("delivery-roles", "Roles for CI/CD by OIDC", built=True),
            Capability("monitors", "Drift and accuracy monitors", built=True),
            Capability("slo-alarms", "Burn-rate alarms on each model's SLO", built=True),
            Capability("dashboards", "Dashboards and runbooks", built=True),
            Capability("zone-failover", "Service goes on when a zone fails", built=True),
            Capability("fallback", "An answer while the model has none", built=True),
        ),
    ),
    Stage(
        "optimise",
        "Does it pay?",
        200,
        (
            Capability("cluster", "EKS with Karpenter pools", built=True),
            Capability("quotas", "Kueue quotas", built=True),
            Capability("queue-autoscaling", "Autoscaling on queue depth", built=True),
            Capability("progressive-release", "Canary and A/B release with metric gates", built=True),
            Capability("model-optimisation", "Smaller models that answer as well", built=True),
            Capability("anomaly-monitors", "Cost anomaly monitors", built=True),
            Capability("reaper", "Idle and expired resources are taken down", built=True),
            Capability("unit-costs", "Cost per prediction", built=True),
        ),
    ),
    Stage(
        "govern",
        "Can we answer for it?",
        None,
        (
            Capability("audit-trail", "Audit trail with object lock"),
            Capability("team-boundaries", "Access boundaries for data, ML and platform teams"),
            Capability("human-approval", "Nobody's model goes live unseen"),
            Capability("bias-monitors", "Bias and explainability monitors"),
            Capability("model-cards", "Model cards and training-data lineage"),
            Capability("consent", "Consent and opt-out"),
            Capability("erasure", "Erasure workflow"),
            Capability("residency", "Data stays where it may be"),
        ),
    ),
    Stage(
        "scale",
        "Can it carry everyone?",
        None,
        (
            Capability("second-region", "Registry and features in a second region"),
            Capability("failover-records", "Health-checked failover"),
            Capability("degradation", "A ladder of degradations"),
            Capability("recovery-drill", "Disaster-recovery drill"),
            Capability("reserved-capacity", "Reserved capacity"),
        ),
    ),
)

STAGE_NAMES: Final = tuple(stage.name for stage in STAGES)
CAPABILITIES: Final = {capability.name: capability for stage in STAGES for capability in stage.adds}


def stage(name: str) -> Stage:
    """A stage by name.

    Raises:
        KeyError: there is none of that name.
    """
    found = next((stage for stage in STAGES if stage.name == name), None)
    if found is None:
        raise KeyError(name)
    return found


def stage_of(capability: str) -> str:
    """The stage that adds a capability."""
    return next(stage.name for stage in STAGES if any(added.name == capability for added in stage.adds))


def included(name: str) -> tuple[Capability, ...]:
    """What a stage has: what it adds, and what those before it added."""
    reached = STAGES[: STAGE_NAMES.index(name) + 1]
    return tuple(capability for stage in reached for capability in stage.adds)


def unbuilt(name: str) -> tuple[str, ...]:
    """What a stage should have and this release does not: a stack cannot be declared at it."""
    return tuple(capability.name for capability in included(name) if not capability.built)


def enabled(name: str, switches: dict[str, bool]) -> frozenset[str]:
    """The capabilities of a stack: its stage's, with what it switches on early or off."""
    base = {capability.name for capability in included(name)}
    on = {capability for capability, switched in switches.items() if switched}
    off = {capability for capability, switched in switches.items() if not switched}
    return frozenset((base | on) - off)
