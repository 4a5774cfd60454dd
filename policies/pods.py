"""Pods, inside whatever runs them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.resources import Resource, Stack
from policies.values import CannotJudge, Props

_TEMPLATE_KINDS: Final = (
    "DaemonSet",
    "Deployment",
    "Job",
    "ReplicaSet",
    "ReplicationController",
    "Rollout",
    "StatefulSet",
)
WORKLOADS: Final = tuple(f"kubernetes:{kind}" for kind in (*_TEMPLATE_KINDS, "CronJob", "Pod", "PodTemplate"))
"""What runs pods."""

LONG_RUNNING: Final = tuple(
    item for item in WORKLOADS if item not in ("kubernetes:Job", "kubernetes:CronJob")
)
"""What runs pods that are not meant to end."""

REPLICATED: Final = ("kubernetes:Deployment", "kubernetes:Rollout", "kubernetes:StatefulSet")
"""What runs several of the same pod and replaces them one by one."""

GPUS: Final = ("nvidia.com/gpu", "amd.com/gpu", "aws.amazon.com/neuron", "aws.amazon.com/neuroncore")
"""Resources that stand for accelerators."""


@dataclass(frozen=True)
class PodTemplate:
    """What a workload's pods are made from."""

    owner: Resource
    metadata: Props
    spec: Props

    @property
    def containers(self) -> list[Props]:
        """Its containers, without those that only prepare it."""
        return self.spec.blocks("containers")

    @property
    def all_containers(self) -> list[Props]:
        """Its containers, those that prepare it too."""
        return self.containers + self.spec.blocks("initContainers")

    @property
    def every_process(self) -> list[Props]:
        """All of these, and those that someone put beside them to look into the pod."""
        return self.all_containers + self.spec.blocks("ephemeralContainers")

    @property
    def labels(self) -> dict[str, Any]:
        """The pods' labels."""
        return self.metadata.mapping("labels")


def pod_template(resource: Resource) -> PodTemplate:
    """The pod template of a workload, wherever that kind keeps it."""
    kind = resource.type.rpartition(":")[2]
    if kind == "Pod":
        holder = resource.props
    elif kind == "PodTemplate":
        holder = resource.props.block("template")
    elif kind == "CronJob":
        holder = resource.props.block("spec").block("jobTemplate").block("spec").block("template")
    else:
        holder = resource.props.block("spec").block("template")
    return PodTemplate(resource, holder.block("metadata"), holder.block("spec"))


def label(container: Props) -> str:
    """A container's name in messages."""
    return f"container {container.text('name') or container.path}"


def namespace_of(resource: Resource, stack: Stack) -> str:
    """The namespace a resource is in, as a name that is the same for all resources in it."""
    return stack.remember(("namespace of", resource.urn), lambda: _namespace_of(resource, stack))


def _namespace_of(resource: Resource, stack: Stack) -> str:
    metadata = resource.props.block("metadata")
    if metadata.unknown("namespace"):
        made = [urn for urn in resource.dependencies("metadata") if urn in stack.by_urn]
        for urn in made:
            if stack.by_urn[urn].type == "kubernetes:Namespace":
                return namespace_name(stack.by_urn[urn])
        raise CannotJudge("metadata.namespace is not known yet")
    given = metadata.text("namespace", default="default")
    return stack.remember("namespaces", lambda: _namespaces(stack)).get(given, given)


def _namespaces(stack: Stack) -> dict[str, str]:
    """Every way to say a namespace of the stack → its name."""
    found: dict[str, str] = {}
    for namespace in stack.of("kubernetes:Namespace"):
        name = namespace_name(namespace)
        found |= dict.fromkeys((namespace.name, name, namespace.urn), name)
    return found


def namespace_name(namespace: Resource) -> str:
    """A namespace's name in the cluster; its name in the program while that is not known."""
    metadata = namespace.props.block("metadata")
    return namespace.name if metadata.unknown("name") else metadata.text("name", default=namespace.name)


def selects(selector: Props, labels: Mapping[str, Any]) -> bool:
    """Whether a label selector takes in these labels; an empty one takes in everything."""
    for key, wanted in selector.mapping("matchLabels").items():
        if labels.get(key) != wanted:
            return False
    return all(_expression_holds(item, labels) for item in selector.blocks("matchExpressions"))


def _expression_holds(expression: Props, labels: Mapping[str, Any]) -> bool:
    key, operator = expression.text("key"), expression.text("operator")
    values = expression.texts("values")
    if operator == "In":
        return str(labels.get(key)) in values
    if operator == "NotIn":
        return str(labels.get(key)) not in values
    return (key in labels) == (operator == "Exists")


def same_namespace(stack: Stack, resource: Resource, *types: str) -> Iterator[Resource]:
    """The resources of these types in the namespace of this one.

    Raises:
        CannotJudge: After those that are known, if there are some whose namespace is not.
    """
    here = namespace_of(resource, stack)
    members, undecided = stack.remember(("by namespace", types), lambda: _by_namespace(stack, types))
    yield from members.get(here, ())
    if undecided is not None:
        raise undecided


def _by_namespace(
    stack: Stack, types: tuple[str, ...]
) -> tuple[dict[str, list[Resource]], CannotJudge | None]:
    members: dict[str, list[Resource]] = defaultdict(list)
    undecided: CannotJudge | None = None
    for resource in stack.of(*types):
        try:
            members[namespace_of(resource, stack)].append(resource)
        except CannotJudge as error:
            undecided = error
    return members, undecided


def gpu_count(container: Props, kind: str) -> dict[str, str]:
    """The accelerators that a container asks for (`requests` or `limits`)."""
    amounts = container.block("resources").mapping(kind)
    return {name: str(amounts[name]).removesuffix(".0") for name in GPUS if name in amounts}
