"""Machines: which have accelerators, and what a pool of them is made of, whoever runs it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from policies.resources import Resource
from policies.values import UNKNOWN, CannotJudge, Props

BATCH_POOL: Final = "aws:batch:ComputeEnvironment"
NODE_GROUP: Final = "aws:eks:NodeGroup"
NODE_POOL: Final = "kubernetes:NodePool"
TRAINING_JOB: Final = "aws:sagemaker:TrainingJob"
POOLS: Final = (BATCH_POOL, NODE_GROUP, NODE_POOL, TRAINING_JOB)
"""What training runs on."""

_ACCELERATED: Final = re.compile(r"^(ml\.)?(p\d|g\d|gr\d|trn\d|inf\d|dl\d)")
_CAPACITY: Final = "karpenter.sh/capacity-type"
_TYPE_KEYS: Final = (
    "node.kubernetes.io/instance-type",
    "karpenter.k8s.aws/instance-family",
    "karpenter.k8s.aws/instance-category",
)
_GPU_KEYS: Final = (
    "karpenter.k8s.aws/instance-gpu-count",
    "karpenter.k8s.aws/instance-gpu-name",
    "karpenter.k8s.aws/instance-gpu-manufacturer",
    "karpenter.k8s.aws/instance-accelerator-count",
    "karpenter.k8s.aws/instance-accelerator-name",
)
_GPU_TAINTS: Final = ("nvidia.com/gpu", "aws.amazon.com/neuron")


def has_accelerator(instance_type: str) -> bool:
    """Whether an instance type or family has GPUs or training or inference chips."""
    return _ACCELERATED.match(instance_type.lower()) is not None


@dataclass(frozen=True)
class Requirement:
    """A Karpenter requirement."""

    key: str
    operator: str
    values: tuple[str, ...]


class Pool:
    """A pool of machines for training, whichever service it belongs to."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.kind = resource.type
        self._props = resource.props

    @property
    def instance_types(self) -> list[str]:
        """Types, families or categories that it may use; empty if it leaves that open."""
        if self.kind == BATCH_POOL:
            return self._props.block("computeResources").texts("instanceTypes")
        if self.kind == NODE_GROUP:
            return self._props.texts("instanceTypes")
        if self.kind == TRAINING_JOB:
            config = self._props.block("resourceConfig")
            groups = [group.text("instanceType") for group in config.blocks("instanceGroups")]
            return [item for item in (config.text("instanceType"), *groups) if item]
        return [
            value
            for item in self.requirements
            if item.key in _TYPE_KEYS and item.operator == "In"
            for value in item.values
        ]

    @property
    def accelerated(self) -> bool:
        """Whether it offers accelerators."""
        if self.kind == NODE_POOL:
            spec = self._template.blocks("taints")
            if any(taint.text("key") in _GPU_TAINTS for taint in spec):
                return True
            for item in self.requirements:
                if item.key in _GPU_KEYS and item.operator in ("In", "Gt", "Gte", "Exists"):
                    return True
                if item.key == _TYPE_KEYS[2] and item.operator == "In" and {"g", "p"} & set(item.values):
                    return True
        return any(has_accelerator(item) for item in self.instance_types)

    @property
    def spot(self) -> bool:
        """Whether it may use spot capacity."""
        return "spot" in self.capacity_types

    @property
    def on_demand(self) -> bool:
        """Whether it may use on-demand capacity."""
        return "on-demand" in self.capacity_types

    @property
    def capacity_types(self) -> frozenset[str]:
        """`spot`, `on-demand`, `reserved`; what the service does when nothing is said: on demand."""
        if self.kind == BATCH_POOL:
            kind = self._props.block("computeResources").text("type", default="EC2").upper()
            return frozenset({"spot" if kind in ("SPOT", "FARGATE_SPOT") else "on-demand"})
        if self.kind == NODE_GROUP:
            kind = self._props.text("capacityType", default="ON_DEMAND").upper()
            return frozenset({"spot" if kind == "SPOT" else "on-demand"})
        if self.kind == TRAINING_JOB:
            return frozenset({"spot" if self._props.flag("enableManagedSpotTraining") else "on-demand"})
        for item in self.requirements:
            if item.key == _CAPACITY and item.operator == "In":
                return frozenset(value.lower() for value in item.values)
            if item.key == _CAPACITY and item.operator == "NotIn":
                return frozenset({"spot", "on-demand"}) - {value.lower() for value in item.values}
        return frozenset({"on-demand", "spot"})

    @property
    def weight(self) -> float:
        """How much Karpenter prefers it."""
        return self._props.block("spec").number("weight") or 0

    @property
    def requirements(self) -> list[Requirement]:
        """A node pool's requirements."""
        return [
            Requirement(item.text("key"), item.text("operator"), tuple(item.texts("values")))
            for item in self._template.blocks("requirements")
        ]

    @property
    def _template(self) -> Props:
        return self._props.block("spec").block("template").block("spec")

    def marks(self) -> dict[str, Any]:
        """Tags, labels and annotations: what is said of the pool beside what it is."""
        found: dict[str, Any] = {}
        if self.kind == NODE_POOL:
            spec = self._props.block("spec")
            for part in (self._props.block("metadata"), spec.block("template").block("metadata")):
                found |= part.mapping("labels") | part.mapping("annotations")
            return found
        found |= self._props.mapping("tags")
        if self.kind == BATCH_POOL:
            found |= self._props.block("computeResources").mapping("tags")
        if self.kind == NODE_GROUP:
            found |= self._props.mapping("labels")
        return found


def is_training_pool(pool: Pool) -> bool:
    """Whether a pool is for training rather than for a cluster's own pods or for serving."""
    if pool.kind in (BATCH_POOL, TRAINING_JOB):
        return True
    return pool.accelerated and "serving" not in pool.resource.name.lower()


def batch_containers(job: Resource) -> Iterator[Props]:
    """The containers of a Batch job definition, in each of its spellings (JSON text or object)."""
    containers = _json(job.props, "containerProperties")
    if containers:
        yield containers
    tasks = _json(job.props, "ecsProperties").blocks("taskProperties")
    pods = job.props.block("eksProperties").blocks("podProperties")
    ranges = _json(job.props, "nodeProperties").blocks("nodeRangeProperties")
    for task in tasks:
        yield from task.blocks("containers")
    for pod in pods:
        yield from pod.blocks("containers")
    for node in ranges:
        yield from node.blocks("container")


def environment_of(container: Props) -> dict[str, Any]:
    """A container's variables; values may be `UNKNOWN`."""
    found: dict[str, Any] = {}
    for entry in container.blocks("environment", "env"):
        raw = entry.raw
        if not isinstance(raw, dict):
            raise CannotJudge(
                f"{entry.path} is not known yet" if raw is UNKNOWN else f"{entry.path} is no object"
            )
        if "name" in raw:
            found[str(raw["name"])] = raw.get("value", "")
        else:
            found |= {str(key): value for key, value in raw.items()}
    return found


def _json(props: Props, name: str) -> Props:
    value = props.get(name)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise CannotJudge(f"{name} is no JSON ({error})") from None
    return Props(value, name)
