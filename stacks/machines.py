"""Accelerators that a model may ask for, and the machines that have them."""

from typing import Final, NamedTuple


class Machines(NamedTuple):
    """What training runs on."""

    instance_types: tuple[str, ...]
    vcpus: int
    """vCPUs of a job by default: what the smallest of the types has, less none."""
    memory_mib: int
    """Memory of a job by default: what the smallest of the types can give."""


DEFAULT_MAX_VCPUS: Final = 16
"""What a pool may grow to, where a stack does not say."""

ACCELERATORS: Final = {
    "none": Machines(("m6a.xlarge", "m6i.xlarge", "m7i.xlarge"), 2, 7000),
    "t4": Machines(("g4dn.xlarge", "g4dn.2xlarge", "g4dn.4xlarge"), 4, 14000),
    "a10g": Machines(("g5.xlarge", "g5.2xlarge", "g5.4xlarge"), 4, 14000),
    "l4": Machines(("g6.xlarge", "g6.2xlarge", "g6.4xlarge"), 4, 14000),
    "l40s": Machines(("g6e.xlarge", "g6e.2xlarge", "g6e.4xlarge"), 4, 28000),
    "h100": Machines(("p5.4xlarge", "p5.48xlarge", "p5en.48xlarge"), 16, 240000),
}
"""Accelerator → machines; sizes of one family, so that a job fits any of them."""
