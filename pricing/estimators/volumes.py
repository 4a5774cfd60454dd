"""EBS volumes, wherever a resource declares them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pricing.bill import Bill
from pricing.money import ZERO
from pricing.resources import Properties

DEFAULT_NODE_GB: Final = 20
"""What EKS and Karpenter give a Linux node whose volumes nobody declares."""

_TYPES: Final = ("gp2", "gp3", "io1", "io2", "sc1", "st1", "standard")
_FREE_GP3_IOPS: Final = 3000
_FREE_GP3_THROUGHPUT: Final = 125


@dataclass(frozen=True)
class Volume:
    """A volume as declared."""

    gb: Decimal
    type: str = "gp3"
    iops: Decimal = ZERO
    throughput: Decimal = ZERO
    """MiB/s; 0 when not declared."""


def declared(properties: Properties, size: str, default_gb: int, default_type: str = "gp3") -> Volume:
    """The volume that a block declares; its size is at the property `size`, in GB."""
    volume_type = properties.text("volumeType", properties.text("type", default_type))
    return Volume(
        properties.number(size, default_gb),
        volume_type if volume_type in _TYPES else default_type,
        properties.number("iops", 0),
        properties.number("throughput", 0),
    )


def charge(
    bill: Bill,
    what: str,
    volumes: Sequence[Volume],
    *,
    idle: Decimal | int = 1,
    expected: Decimal | int = 1,
    worst: Decimal | int = 1,
) -> None:
    """Charge the volumes of so many machines (or of one), averaged over each month."""
    for volume in volumes:
        parts = [(volume.type, f"{what}, {volume.gb.normalize():f} GB {volume.type}", volume.gb)]
        if volume.type in ("io1", "io2") and volume.iops:
            parts.append((f"{volume.type}-iops", f"{what}, provisioned IOPS", volume.iops))
        if volume.type == "gp3" and volume.iops > _FREE_GP3_IOPS:
            parts.append(("gp3-iops", f"{what}, IOPS above 3,000", volume.iops - _FREE_GP3_IOPS))
        if volume.type == "gp3" and volume.throughput > _FREE_GP3_THROUGHPUT:
            extra = volume.throughput - _FREE_GP3_THROUGHPUT
            parts.append(("gp3-throughput", f"{what}, throughput above 125 MiB/s", extra))
        for key, text, quantity in parts:
            bill.charge(
                text, "ebs", key, idle=quantity * idle, expected=quantity * expected, worst=quantity * worst
            )


def of_launch_template(template: Properties | None, default_gb: int = DEFAULT_NODE_GB) -> list[Volume]:
    """The volumes of an EC2 launch template; one root volume of `default_gb` where it declares none."""
    mappings = template.blocks("blockDeviceMappings") if template is not None else []
    found = [declared(mapping.block("ebs"), "volumeSize", default_gb) for mapping in mappings]
    return found or [Volume(Decimal(default_gb))]
