"""Accelerators that training may ask for, and the machines that have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NVIDIA: Final = "nvidia.com/gpu"
NEURON: Final = "aws.amazon.com/neuron"


@dataclass(frozen=True)
class Accelerator:
    """One kind, and the families that carry it."""

    chips: tuple[str, ...]
    """As the catalogue calls them; empty for none."""
    families: tuple[str, ...]
    """Every family by name: to Karpenter `p5` means neither `p5e` nor `p5en`."""
    vcpus: int
    """vCPUs of a job by default: the smallest machine's, less one for the node's own pods."""
    memory_mib: int
    """Memory of a job by default: what the smallest machine has left for pods."""
    resource: str = NVIDIA
    """How Kubernetes counts it, and what its nodes are tainted with; empty for none."""


NONE: Final = "none"

ACCELERATORS: Final[Mapping[str, Accelerator]] = {
    NONE: Accelerator((), ("m6a", "m6i", "m7i"), 2, 7000, resource=""),
    "t4": Accelerator(("T4",), ("g4dn",), 3, 14000),
    "a10g": Accelerator(("A10G",), ("g5",), 3, 14000),
    "l4": Accelerator(("L4",), ("g6",), 3, 14000),
    "l40s": Accelerator(("L40S",), ("g6e",), 3, 28000),
    "a100": Accelerator(("A100",), ("p4d", "p4de"), 90, 1000000),
    "h100": Accelerator(("H100", "H200"), ("p5", "p5en"), 15, 230000),
    "b200": Accelerator(("B200",), ("p6-b200",), 180, 1800000),
    "inferentia2": Accelerator(("Inferentia2",), ("inf2",), 3, 13500, resource=NEURON),
    "trainium": Accelerator(("Trainium",), ("trn1", "trn1n"), 7, 28000, resource=NEURON),
}
"""Accelerator → machines. CPU training takes one size of several families, not several sizes of one."""

ZONES: Final[Mapping[str, str]] = {
    "ap-southeast-1": "abc",
    "eu-central-1": "abc",
    "eu-west-1": "abc",
    "us-east-1": "abcdef",
    "us-east-2": "abc",
    "us-west-2": "abcd",
}
"""Region of the price snapshot → letters of its availability zones."""
