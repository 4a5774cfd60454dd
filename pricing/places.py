"""How many jobs or pods of one size a machine has room for."""

from typing import Final

from pricing.catalogue import InstanceType

_MEMORY_SHARE: Final = 0.9
_MEMORY_RESERVED_MIB: Final = 700
"""Of a machine's memory the hypervisor takes up to a tenth, kubelet and the node's own pods the rest."""


def places(item: InstanceType, *, vcpus: int, memory_mib: int, accelerators: int = 0) -> int:
    """How many fit, beside what the machine itself needs; 0 if none does.

    Args:
        item: The machine.
        vcpus: vCPUs of one, at least 1.
        memory_mib: Memory of one in MiB, at least 1.
        accelerators: Accelerators of one; 0 for none.
    """
    room = [
        max(1, item.vcpu - 1) // vcpus,
        int(item.memory_mib * _MEMORY_SHARE - _MEMORY_RESERVED_MIB) // memory_mib,
    ]
    if accelerators:
        room.append(item.accelerators // accelerators)
    return max(0, min(room))
