"""What the cluster's Karpenter can buy: our own price table, as its simulated cloud reads it.

Figures that AWS takes off an instance before pods get it are Karpenter's own for AWS: 7.5 % of the memory for
the hypervisor (`VM_MEMORY_OVERHEAD_PERCENT`), and EKS's reservation for the node's own processes.
"""

from decimal import Decimal
from typing import Any, Final

from pricing import InstanceType, catalogue
from pricing.node_pools import labels_of

ZONES: Final = 3
"""How many zones of the region have every type: a, b and c."""
PODS: Final = 110
_GPU_RESOURCES: Final = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu", "neuron": "aws.amazon.com/neuron"}
_MEMORY_LEFT: Final = Decimal("0.925")
_EVICTION_MIB: Final = 100
_CPU_RESERVED: Final = ((1, 60), (2, 10), (4, 5))
"""Millicores that EKS reserves of each core up to the number; of each further one 2.5."""


def instance_types(region: str) -> list[dict[str, Any]]:
    """Every instance type with a known price in the region, in the order of their names.

    Without bare metal: Karpenter buys it only where a pool names it, and a simulated cloud cannot tell.
    """
    return [_described(item) for _, item in sorted(catalogue(region).items()) if not item.bare_metal]


def zones_of(region: str) -> list[str]:
    """The zones in which the types are offered."""
    return [f"{region}{letter}" for letter in "abcdef"[:ZONES]]


def _described(item: InstanceType) -> dict[str, Any]:
    return {
        "name": item.name,
        "architecture": item.architecture,
        "operatingSystems": ["linux"],
        "labels": labels_of(item),
        "resources": _resources(item),
        "overhead": {
            "cpu": f"{_reserved_millicores(item.vcpu):.0f}m",
            "memory": f"{11 * PODS + 255 + _EVICTION_MIB}Mi",
        },
        "offerings": _offerings(item),
    }


def _resources(item: InstanceType) -> dict[str, str]:
    found = {
        "cpu": str(item.vcpu),
        "memory": f"{int(item.memory_mib * _MEMORY_LEFT)}Mi",
        "ephemeral-storage": f"{max(20, item.local_storage_gb)}Gi",
        "pods": str(PODS),
    }
    resource = _GPU_RESOURCES.get(item.accelerator_kind)
    if resource is not None and item.accelerators:
        found[resource] = str(item.accelerators)
    return found


def _offerings(item: InstanceType) -> list[dict[str, Any]]:
    prices = {"on-demand": item.hourly}
    if item.spot is not None:
        prices["spot"] = item.spot.hourly
    return [
        {
            "Price": float(price),
            "Available": True,
            "Requirements": [
                {"key": "karpenter.sh/capacity-type", "operator": "In", "values": [capacity_type]},
                {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]},
            ],
        }
        for capacity_type, price in prices.items()
        for zone in zones_of(item.region)
    ]


def _reserved_millicores(vcpu: int) -> float:
    reserved, counted = 0.0, 0
    for upto, each in _CPU_RESERVED:
        reserved += each * max(0, min(vcpu, upto) - counted)
        counted = upto
    return reserved + 2.5 * max(0, vcpu - counted)
