"""Karpenter: node pools, by their limits and requirements."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from pricing.bill import Bill
from pricing.catalogue import InstanceType
from pricing.estimators import ec2, volumes
from pricing.money import HOURS_PER_MONTH, ZERO, number
from pricing.pools import ACCELERATORS, MEMORY_MIB, NODES, VCPU, Capacity, cost
from pricing.resources import Properties, Resource

_POOLS: Final = ("kubernetes:karpenter.sh/v1:NodePool", "kubernetes:karpenter.sh/v1beta1:NodePool")
_CLASSES: Final = (
    "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass",
    "kubernetes:karpenter.k8s.aws/v1beta1:EC2NodeClass",
)
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


def _node_pool(bill: Bill) -> None:
    spec = bill.properties.block("spec")
    node = spec.block("template.spec")
    requirements = node.blocks("requirements")
    types = _matching(bill, requirements)
    limits = _limits(spec)
    if not types:
        bill.unpriced(f"no instance type with a known price in {bill.region} meets its requirements")
        return
    spot = "spot" in _capacity_types(requirements)
    found = cost(Capacity(types, limits, spot=spot))
    if found is None:
        bill.unpriced("it has no limits that bound it, so nothing bounds what it may cost")
        return
    bill.dates.append(bill.snapshot.instance_price_date("ec2", found.likely_type.name, bill.region))
    replicas = spec.number("replicas", 0)
    leader = _stands_in_for(bill, spec, types)
    if replicas:
        # A static pool keeps so many nodes, whatever is pending.
        share = min(Decimal(1), replicas / found.likely_nodes) if found.likely_nodes else ZERO
    elif leader is not None:
        share = ZERO
        bill.assume(
            f"{bill.resource.name} stands in for {leader.name} when spot is missing: its expected hours "
            f"are in {leader.name}'s"
        )
    else:
        share = bill.usage.pool_share
        bill.assume(
            f"pools that scale to zero use {(share * 100).normalize():f} % of their limits (pool_share)"
        )
    bought = "spot" if spot else "on demand"
    # Idle follows only a static pool's replicas: the others go to zero.
    idle = share if replicas else ZERO
    count = found.likely_nodes.quantize(Decimal("0.1")).normalize()
    bill.amount(
        f"its limits: {count:f} x {found.likely_type.name}, {bought}; "
        f"at worst on demand at the price of {found.worst_type.name}",
        "pool-hour",
        found.likely_hourly,
        idle=idle * HOURS_PER_MONTH,
        expected=share * HOURS_PER_MONTH,
        worst=HOURS_PER_MONTH,
        worst_price=found.worst_hourly,
    )
    if spot:
        ec2.assume_spot(bill, found.likely_type)
    volumes.charge(
        bill,
        "node volume",
        _disks(bill, node),
        idle=idle * found.likely_nodes,
        expected=share * found.likely_nodes,
        worst=found.worst_nodes,
    )


def _limits(spec: Properties) -> dict[str, Decimal]:
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


def _matching(bill: Bill, requirements: list[Properties]) -> list[InstanceType]:
    found = list(bill.instance_types().values())
    architectures = {"amd64"}
    named = False
    for requirement in requirements:
        key = requirement.text("key")
        operator = requirement.text("operator", "In")
        values = requirement.texts("values")
        if key == "kubernetes.io/arch":
            architectures = set(values) if operator == "In" else {"amd64", "arm64"} - set(values)
            continue
        if key.startswith(_IGNORED):
            continue
        if not _known(key):
            bill.assume(
                f"{bill.resource.name}: the requirement {key} is not modelled; it may narrow the pool"
            )
            continue
        named = named or (key.endswith(("instance-type", "instance-size")) and operator == "In")
        found = [item for item in found if _meets(_label(item, key), operator, values)]
    return [item for item in found if item.architecture in architectures and (named or not item.bare_metal)]


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


def _capacity_types(requirements: list[Properties]) -> set[str]:
    for requirement in requirements:
        if requirement.text("key") == _CAPACITY_TYPE:
            values = set(requirement.texts("values"))
            return values if requirement.text("operator", "In") == "In" else {"spot", "on-demand"} - values
    return {"on-demand"}


def _stands_in_for(bill: Bill, spec: Properties, types: list[InstanceType]) -> Resource | None:
    """The spot pool that this on-demand pool takes over from: more weight, the same taints, a shared type."""
    node = spec.block("template.spec")
    if "spot" in _capacity_types(node.blocks("requirements")):
        return None
    weight, taints = spec.number("weight", 0), _taints(node)
    names = {item.name for item in types}
    for other in bill.inventory.of_type(*_POOLS):
        if other is bill.resource:
            continue
        their = bill.read(other).block("spec")
        their_node = their.block("template.spec")
        requirements = their_node.blocks("requirements")
        if (
            "spot" in _capacity_types(requirements)
            and their.number("weight", 0) > weight
            and _taints(their_node) == taints
            and not names.isdisjoint(item.name for item in _matching(bill, requirements))
        ):
            return other
    return None


def _taints(node: Properties) -> set[tuple[str, str, str]]:
    return {(item.text("key"), item.text("value"), item.text("effect")) for item in node.blocks("taints")}


def _disks(bill: Bill, node: Properties) -> list[volumes.Volume]:
    name = node.text("nodeClassRef.name")
    for candidate in bill.inventory.of_type(*_CLASSES):
        properties = bill.read(candidate)
        if name and properties.text("metadata.name") == name:
            mappings = properties.block("spec").blocks("blockDeviceMappings")
            found = [
                volumes.Volume(
                    _gigabytes(mapping.raw("ebs.volumeSize")),
                    mapping.text("ebs.volumeType", "gp3"),
                    mapping.number("ebs.iops", 0),
                    mapping.number("ebs.throughput", 0),
                )
                for mapping in mappings
            ]
            return found or [volumes.Volume(Decimal(volumes.DEFAULT_NODE_GB))]
    bill.assume(
        f"{bill.resource.name}: its node class is not among the resources; "
        f"nodes have {volumes.DEFAULT_NODE_GB} GB of gp3"
    )
    return [volumes.Volume(Decimal(volumes.DEFAULT_NODE_GB))]


def _gigabytes(value: Any) -> Decimal:
    amount = quantity(value)
    if amount is None:
        return Decimal(volumes.DEFAULT_NODE_GB)
    # `100Gi` is bytes, a bare 100 is GB.
    return amount if amount < 1024**2 else amount / 1024**3


ESTIMATORS: Final = {**dict.fromkeys(_POOLS, _node_pool), **dict.fromkeys(_CLASSES, lambda _bill: None)}
