"""Karpenter's NodePool, read: which instance types it allows, what it limits, how it buys."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from pricing.catalogue import InstanceType, catalogue
from pricing.money import number
from pricing.pools import ACCELERATORS, MEMORY_MIB, NODES, VCPU
from pricing.resources import Properties
from pricing.snapshot import Snapshot

_CAPACITY_TYPE: Final = "karpenter.sh/capacity-type"
_EC2: Final = "karpenter.k8s.aws/instance-"
_ACCELERATOR_LIMITS: Final = ("nvidia.com/gpu", "amd.com/gpu", "aws.amazon.com/neuron")
_IGNORED: Final = ("topology.kubernetes.io/", "kubernetes.io/os", _CAPACITY_TYPE, "karpenter.sh/nodepool")
_SUFFIXES: Final[Mapping[str, Decimal]] = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    "k": Decimal(1000),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("MGTPE", start=2)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}


def quantity(value: Any) -> Decimal | None:
    """A Kubernetes quantity (`500m`, `64Gi`, `16`) as a number; None when it is none."""
    plain = number(value)
    if plain is not None:
        return plain
    if not isinstance(value, str):
        return None
    match = re.fullmatch(r"([0-9.]+)([mkMGTPE]|[KMGTPE]i)?", value.strip())
    amount = number(match[1]) if match else None
    return None if amount is None or match is None else amount * _SUFFIXES[match[2] or ""]


def limits(spec: Properties) -> dict[str, Decimal]:
    """What a NodePool's `spec.limits` limits, by the names that `pricing.pools` uses."""
    declared = spec.block("limits")
    found: dict[str, Decimal] = {}
    values = declared.values if isinstance(declared.values, Mapping) else {}
    for key, value in values.items():
        amount = quantity(value)
        if amount is None:
            continue
        if key == "cpu":
            found[VCPU] = amount
        elif key == "memory":
            found[MEMORY_MIB] = amount / (1024 * 1024)
        elif key == "nodes":
            found[NODES] = amount
        elif key in _ACCELERATOR_LIMITS:
            found[ACCELERATORS] = amount
    return found


@dataclass(frozen=True)
class Matching:
    """The instance types that meet a NodePool's requirements."""

    types: tuple[InstanceType, ...]
    not_modelled: tuple[str, ...]
    """Requirement keys that are not modelled, and may narrow the pool further."""


def matching(types: Iterable[InstanceType], requirements: Sequence[Properties]) -> Matching:
    """The types that meet `spec.template.spec.requirements`, in their order.

    As Karpenter does: amd64 where the architecture is left open, and no bare metal unless types or sizes are
    named.
    """
    found = list(types)
    architectures = {"amd64"}
    named = False
    unknown = []
    for requirement in requirements:
        key = requirement.text("key")
        operator = requirement.text("operator", "In")
        values = requirement.texts("values")
        if key == "kubernetes.io/arch":
            architectures = set(values) if operator == "In" else {"amd64", "arm64"} - set(values)
        elif key.startswith(_IGNORED):
            continue
        elif not _known(key):
            unknown.append(key)
        else:
            named = named or (key.endswith(("instance-type", "instance-size")) and operator == "In")
            found = [item for item in found if _meets(_label(item, key), operator, values)]
    return Matching(
        tuple(
            item for item in found if item.architecture in architectures and (named or not item.bare_metal)
        ),
        tuple(dict.fromkeys(unknown)),
    )


def allowed_types(
    spec: Mapping[str, Any], *, region: str, snapshot: Snapshot | None = None
) -> tuple[InstanceType, ...]:
    """The instance types with a known price in the region that a NodePool's `spec` allows."""
    requirements = Properties(spec, _ignore).blocks("template.spec.requirements")
    return matching(catalogue(region, snapshot).values(), requirements).types


def _ignore(_note: str) -> None:
    """A value that cannot be read is as good as none."""


def _known(key: str) -> bool:
    return key == "node.kubernetes.io/instance-type" or (
        key.startswith(_EC2) and key.removeprefix(_EC2) in _LABELS
    )


_LABELS: Final[Mapping[str, Callable[[InstanceType], str | None]]] = {
    "family": lambda item: item.family,
    "size": lambda item: item.size,
    "category": lambda item: item.category,
    "generation": lambda item: None if item.generation is None else str(item.generation),
    "cpu": lambda item: str(item.vcpu),
    "memory": lambda item: str(item.memory_mib),
    "gpu-count": lambda item: str(item.gpus) if item.gpus else None,
    "gpu-name": lambda item: _slug(item.accelerator) if item.gpus else None,
    "gpu-manufacturer": lambda item: item.accelerator_kind if item.gpus else None,
    "gpu-memory": lambda item: str(item.accelerator_memory_mib) if item.gpus else None,
    "accelerator-count": lambda item: str(item.neuron_devices) if item.neuron_devices else None,
    "accelerator-name": lambda item: _slug(item.accelerator) if item.neuron_devices else None,
    "accelerator-manufacturer": lambda item: "aws" if item.neuron_devices else None,
    "local-nvme": lambda item: str(item.local_storage_gb) if item.local_storage_gb else None,
}


def labels_of(item: InstanceType) -> dict[str, str]:
    """The labels under `karpenter.k8s.aws/` that Karpenter gives a node of this type, as far as modelled."""
    values = {f"{_EC2}{name}": value(item) for name, value in _LABELS.items()}
    return {key: value for key, value in values.items() if value is not None}


def _label(item: InstanceType, key: str) -> str | None:
    """The value of a node label that Karpenter would give an instance of this type."""
    return item.name if key == "node.kubernetes.io/instance-type" else _LABELS[key.removeprefix(_EC2)](item)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def _meets(label: str | None, operator: str, values: list[str]) -> bool:
    if operator in ("Gt", "Lt", "Gte", "Lte"):
        have, bound = number(label), number(values[0]) if values else None
        if have is None or bound is None:
            return False
        return {"Gt": have > bound, "Lt": have < bound, "Gte": have >= bound, "Lte": have <= bound}[operator]
    if operator == "NotIn":
        return label is None or label not in values
    if operator == "Exists":
        return label is not None
    if operator == "DoesNotExist":
        return label is None
    return label is not None and label in values


def capacity_types(requirements: Sequence[Properties]) -> set[str]:
    """What Karpenter may buy, `spot`, `on-demand` or both; on demand where the requirements are silent."""
    for requirement in requirements:
        if requirement.text("key") == _CAPACITY_TYPE:
            values = set(requirement.texts("values"))
            return values if requirement.text("operator", "In") == "In" else {"spot", "on-demand"} - values
    return {"on-demand"}
