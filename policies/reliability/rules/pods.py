"""Pods that the cluster can place, move and replace without anyone noticing."""

import re
from collections.abc import Iterator
from typing import Any, Final

from policies.catalogue import About, Findings, joined_rule, resource_rule
from policies.machines import NODE_POOL, Pool
from policies.pods import (
    GPUS,
    LONG_RUNNING,
    REPLICATED,
    WORKLOADS,
    gpu_count,
    label,
    pod_template,
    same_namespace,
    selects,
)
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import CannotJudge, Props, for_each

BUDGET: Final = "kubernetes:PodDisruptionBudget"
SCALERS: Final = ("kubernetes:HorizontalPodAutoscaler", "kubernetes:ScaledObject")
SERVICE: Final = "kubernetes:Service"
_AMOUNT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(%?)")
_SPOT_LABEL: Final = "karpenter.sh/capacity-type"


@resource_rule(
    About(
        id="K4",
        name="container-has-requests-and-limits",
        title="Containers have requests and limits for CPU and memory",
        remedy="Set resources.requests and resources.limits, each with cpu and memory.",
        references=("CKV_K8S_10", "CKV_K8S_11", "CKV_K8S_12", "CKV_K8S_13"),
    ),
    types=WORKLOADS,
)
def container_has_requests_and_limits(resource: Resource, _settings: Settings) -> Findings:
    """Without requests a pod is placed anywhere; without limits it takes its neighbours' share."""

    def check(container: Props) -> Findings:
        resources = container.block("resources")
        missing = [
            f"{kind}.{what}"
            for kind in ("requests", "limits")
            for what in ("cpu", "memory")
            if not resources.block(kind).given(what)
        ]
        if missing:
            yield f"{label(container)} has no {', '.join(missing)}"

    yield from for_each(pod_template(resource).all_containers, check)


@resource_rule(
    About(
        id="K5",
        name="container-has-probes",
        title="Containers have liveness and readiness probes",
        remedy="Set livenessProbe and readinessProbe.",
        references=("CKV_K8S_8", "CKV_K8S_9"),
    ),
    types=LONG_RUNNING,
)
def container_has_probes(resource: Resource, _settings: Settings) -> Findings:
    """Not for what is meant to end."""

    def check(container: Props) -> Findings:
        missing = [name for name in ("livenessProbe", "readinessProbe") if not container.stated(name)]
        if missing:
            yield f"{label(container)} has no {' and no '.join(missing)}"

    yield from for_each(pod_template(resource).containers, check)


def _replicas(resource: Resource, stack: Stack) -> float:
    """How many pods there are at least: what scales the workload says, else the workload."""
    for scaler in _scalers(resource, stack):
        spec = scaler.props.block("spec")
        least = spec.number("minReplicas", "minReplicaCount")
        if least is not None:
            return least
        return 1 if scaler.type == SCALERS[0] else 0
    count = resource.props.block("spec").number("replicas")
    return 1 if count is None else count


def _scalers(resource: Resource, stack: Stack) -> list[Resource]:
    kind = resource.type.rpartition(":")[2]
    names = {resource.name}
    metadata = resource.props.block("metadata")
    if not metadata.unknown("name"):
        names.add(metadata.text("name"))
    found = []
    for scaler in stack.of(*SCALERS):
        target = scaler.props.block("spec").block("scaleTargetRef")
        by_dependency = resource.urn in scaler.dependencies("spec")
        by_name = (
            not target.unknown("name")
            and target.text("name") in names
            and target.text("kind", default="Deployment") == kind
        )
        if by_dependency or by_name:
            found.append(scaler)
    return found


def _budgets(resource: Resource, stack: Stack) -> Iterator[Resource]:
    labels = pod_template(resource).labels
    for budget in same_namespace(stack, resource, BUDGET):
        selector = budget.props.block("spec").block("selector")
        if selector and selects(selector, labels):
            yield budget


def _several(resource: Resource, stack: Stack) -> bool:
    return _replicas(resource, stack) > 1 or bool(_scalers(resource, stack))


@joined_rule(
    About(
        id="K7",
        name="disruption-budget-exists",
        title="Replicated workloads have a disruption budget",
        remedy="Add a PodDisruptionBudget that selects the pods.",
    ),
    types=REPLICATED,
)
def disruption_budget_exists(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Without one, a node drain may take all pods at once."""
    if _several(resource, stack) and not any(True for _ in _budgets(resource, stack)):
        yield "a drain may take all its pods at once: no PodDisruptionBudget selects them"


@joined_rule(
    About(
        id="K8",
        name="disruption-budget-leaves-room",
        title="There are more replicas than the disruption budget needs",
        remedy="Raise the replicas, or lower minAvailable (or raise maxUnavailable) of the budget.",
    ),
    types=REPLICATED,
)
def disruption_budget_leaves_room(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """A budget that lets no pod go stops every drain, and with it upgrades and consolidation."""
    replicas = _replicas(resource, stack)
    for budget in _budgets(resource, stack):
        spec = budget.props.block("spec")
        if spec.stated("minAvailable"):
            least = _share(spec, "minAvailable", replicas)
            if least >= replicas:
                yield f"its budget {budget.name} keeps {least:g} of {replicas:g} pods: none may ever be moved"
        elif spec.stated("maxUnavailable") and _share(spec, "maxUnavailable", replicas) <= 0:
            yield f"its budget {budget.name} lets no pod be moved"


def _share(spec: Props, name: str, total: float) -> float:
    """Pods, as a number or as a percentage of all, which Kubernetes rounds up."""
    match = _AMOUNT.fullmatch(spec.text(name))
    if match is None:
        raise CannotJudge(f"{spec.path}.{name} is neither a number of pods nor a percentage")
    amount = float(match.group(1))
    return -(-amount * total // 100) if match.group(2) else amount


@joined_rule(
    About(
        id="K9",
        name="serving-workload-scales",
        title="What serves requests scales by itself",
        remedy="Add a HorizontalPodAutoscaler or a KEDA ScaledObject for the workload.",
    ),
    types=("kubernetes:Deployment", "kubernetes:Rollout"),
)
def serving_workload_scales(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """What a Service sends requests to."""
    labels = pod_template(resource).labels
    serving = any(
        wanted and all(labels.get(key) == value for key, value in wanted.items())
        for wanted in (
            service.props.block("spec").mapping("selector")
            for service in same_namespace(stack, resource, SERVICE)
        )
    )
    if serving and not _scalers(resource, stack):
        yield "it serves requests and nothing scales it"


@joined_rule(
    About(
        id="K10",
        name="replicas-are-spread",
        title="Replicas are spread over zones or nodes",
        remedy="Set topologySpreadConstraints (topology.kubernetes.io/zone), or a podAntiAffinity.",
    ),
    types=REPLICATED,
)
def replicas_are_spread(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Otherwise all of them may sit on one node."""
    spec = pod_template(resource).spec
    spread = spec.stated("topologySpreadConstraints") or spec.block("affinity").stated("podAntiAffinity")
    if not spread and _several(resource, stack):
        yield "all its pods may be on one node: nothing spreads them"


@resource_rule(
    About(
        id="K11",
        name="gpu-limit-equals-request",
        title="A container's GPU limit equals its request",
        remedy="Set the GPU under resources.limits (and, if at all, the same under requests).",
    ),
    types=WORKLOADS,
)
def gpu_limit_equals_request(resource: Resource, _settings: Settings) -> Findings:
    """Kubernetes refuses anything else: a GPU cannot be overcommitted."""

    def check(container: Props) -> Findings:
        requests, limits = gpu_count(container, "requests"), gpu_count(container, "limits")
        for name in GPUS:
            if name in requests and requests[name] != limits.get(name):
                limit = limits.get(name, "none")
                yield f"{label(container)} requests {requests[name]} {name} with a limit of {limit}"

    yield from for_each(pod_template(resource).all_containers, check)


@joined_rule(
    About(
        id="K12",
        name="gpu-and-spot-tolerated",
        title="GPU pools are tainted, and pods tolerate the pools they ask for",
        remedy="Taint GPU pools (nvidia.com/gpu:NoSchedule), and give the pods the matching tolerations.",
    ),
    types=(NODE_POOL, *WORKLOADS),
)
def gpu_and_spot_tolerated(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """An untainted GPU node fills with pods that need none; an untolerated one never gets its own."""
    if resource.type == NODE_POOL:
        if Pool(resource).accelerated and not any(_gpu_taint(item) for item in _taints(resource)):
            yield "any pod may take its GPU nodes: it has no taint for them"
        return
    template = pod_template(resource)
    tolerations = template.spec.blocks("tolerations")
    pools = stack.of(NODE_POOL)
    wants_gpu = any(
        gpu_count(item, kind) for item in template.all_containers for kind in ("limits", "requests")
    )
    if wants_gpu:
        offered = [pool for pool in pools if Pool(pool).accelerated]
        if offered and not any(_tolerated(_taints(pool), tolerations) for pool in offered):
            yield "it asks for GPUs and tolerates no GPU pool of the stack"
    if str(template.spec.mapping("nodeSelector").get(_SPOT_LABEL, "")) == "spot":
        spot = [pool for pool in pools if Pool(pool).spot]
        if spot and not any(_tolerated(_taints(pool), tolerations) for pool in spot):
            yield "it asks for spot and tolerates no spot pool of the stack"


def _taints(pool: Resource) -> list[Props]:
    return pool.props.block("spec").block("template").block("spec").blocks("taints")


def _gpu_taint(taint: Props) -> bool:
    return taint.text("key") in GPUS or "gpu" in taint.text("key").lower()


def _tolerated(taints: list[Props], tolerations: list[Props]) -> bool:
    binding = [taint for taint in taints if taint.text("effect") != "PreferNoSchedule"]
    return all(any(_tolerates(item, taint) for item in tolerations) for taint in binding)


def _tolerates(toleration: Props, taint: Props) -> bool:
    key: Any = toleration.text("key")
    if key and key != taint.text("key"):
        return False
    effect = toleration.text("effect")
    if effect and effect != taint.text("effect"):
        return False
    if toleration.text("operator", default="Equal") == "Exists":
        return True
    return bool(key) and toleration.text("value") == taint.text("value")
