"""Karpenter: node pools, by their limits and requirements."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from pricing.bill import Bill
from pricing.catalogue import InstanceType
from pricing.estimators import ec2, volumes
from pricing.money import HOURS_PER_MONTH, ZERO
from pricing.node_pools import capacity_types, limits, matching, quantity
from pricing.pools import Capacity, pool_cost
from pricing.resources import Properties, Resource

_POOLS: Final = ("kubernetes:karpenter.sh/v1:NodePool", "kubernetes:karpenter.sh/v1beta1:NodePool")
_CLASSES: Final = (
    "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass",
    "kubernetes:karpenter.k8s.aws/v1beta1:EC2NodeClass",
)


def _node_pool(bill: Bill) -> None:
    spec = bill.properties.block("spec")
    node = spec.block("template.spec")
    requirements = node.blocks("requirements")
    types = _matching(bill, requirements)
    if not types:
        bill.unpriced(f"no instance type with a known price in {bill.region} meets its requirements")
        return
    spot = "spot" in capacity_types(requirements)
    found = pool_cost(Capacity(types, limits(spec), spot=spot))
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


def _matching(bill: Bill, requirements: list[Properties]) -> tuple[InstanceType, ...]:
    found = matching(bill.instance_types().values(), requirements)
    for key in found.not_modelled:
        bill.assume(f"{bill.resource.name}: the requirement {key} is not modelled; it may narrow the pool")
    return found.types


def _stands_in_for(bill: Bill, spec: Properties, types: Sequence[InstanceType]) -> Resource | None:
    """The spot pool that this on-demand pool takes over from: more weight, the same taints, a shared type."""
    node = spec.block("template.spec")
    if "spot" in capacity_types(node.blocks("requirements")):
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
            "spot" in capacity_types(requirements)
            and their.number("weight", 0) > weight
            and _taints(their_node) == taints
            and not names.isdisjoint(
                item.name for item in matching(bill.instance_types().values(), requirements).types
            )
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
        f"{bill.resource.name}: its node class is not among the resources; its nodes' disks are in no sum"
    )
    return []


def _gigabytes(value: Any) -> Decimal:
    amount = quantity(value)
    if amount is None:
        return Decimal(volumes.DEFAULT_NODE_GB)
    # `100Gi` is bytes, a bare 100 is GB.
    return amount if amount < 1024**2 else amount / 1024**3


ESTIMATORS: Final = {**dict.fromkeys(_POOLS, _node_pool), **dict.fromkeys(_CLASSES, lambda _bill: None)}
