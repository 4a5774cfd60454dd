"""The instance catalogue: what each EC2 instance type is, and what it costs in a region."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from pricing.snapshot import Snapshot, SpotPrice, bundled


@dataclass(frozen=True)
class InstanceType:
    """An EC2 instance type in a region."""

    name: str
    vcpu: int
    memory_mib: int
    architecture: str
    """`amd64` or `arm64`, as Kubernetes says it."""
    accelerator_kind: str
    """`nvidia`, `amd`, `neuron`, or empty."""
    accelerator: str
    """`H100`, `L40S`, `Trainium`, …; empty without one."""
    accelerators: int
    accelerator_memory_mib: int
    """Memory of one accelerator."""
    efa: bool
    """Whether it has Elastic Fabric Adapter interfaces."""
    local_storage_gb: int
    region: str
    hourly: Decimal
    """On-demand, Linux, US dollars."""
    spot: SpotPrice | None
    """None where spot's price is not known."""

    @property
    def family(self) -> str:
        """`p5` of `p5.48xlarge`."""
        return self.name.partition(".")[0]

    @property
    def size(self) -> str:
        """`48xlarge` of `p5.48xlarge`."""
        return self.name.partition(".")[2]

    @property
    def category(self) -> str:
        """The letters before the generation: `m` of `m7i`, `inf` of `inf2`, `u` of `u7i-12tb`."""
        return self._family_parts[0]

    @property
    def generation(self) -> int | None:
        """7 of `m7i`; None where the family has no number."""
        return self._family_parts[1]

    @property
    def bare_metal(self) -> bool:
        """Whether it comes without a hypervisor."""
        return self.size.startswith("metal")

    @property
    def gpus(self) -> int:
        """GPUs; Neuron devices are not counted."""
        return self.accelerators if self.accelerator_kind in ("nvidia", "amd") else 0

    @property
    def neuron_devices(self) -> int:
        """AWS Neuron devices (Trainium, Inferentia)."""
        return self.accelerators if self.accelerator_kind == "neuron" else 0

    @cached_property
    def _family_parts(self) -> tuple[str, int | None]:
        letters = 0
        while letters < len(self.family) and self.family[letters].isalpha():
            letters += 1
        digits = letters
        while digits < len(self.family) and self.family[digits].isdigit():
            digits += 1
        return self.family[:letters], int(self.family[letters:digits]) if digits > letters else None


def catalogue(region: str, snapshot: Snapshot | None = None) -> dict[str, InstanceType]:
    """Every instance type that the snapshot knows a price of in the region, by name; empty if none.

    What is not in here is not offered there, as far as the snapshot knows.
    """
    source = snapshot if snapshot is not None else bundled()
    cached = _CATALOGUES.get((id(source), region))
    if cached is not None and cached[0] is source:
        return cached[1]
    prices = source.on_demand(region)
    specifications = source.specifications() if prices else {}
    types = {
        name: InstanceType(
            name=name, region=region, hourly=prices[name], spot=source.spot(name, region), **specification
        )
        for name, specification in specifications.items()
        if name in prices
    }
    _CATALOGUES[id(source), region] = (source, types)
    return types


# Keyed by identity and holding the snapshot, so that an id is never one of a snapshot that is gone.
_CATALOGUES: dict[tuple[int, str], tuple[Snapshot, dict[str, InstanceType]]] = {}


def instances(
    *,
    region: str,
    names: Collection[str] | None = None,
    families: Collection[str] | None = None,
    categories: Collection[str] | None = None,
    architecture: str | None = None,
    accelerator: str | None = None,
    accelerator_kind: str | None = None,
    min_accelerators: int = 0,
    min_accelerator_memory_mib: int = 0,
    min_vcpu: int = 0,
    max_vcpu: int | None = None,
    min_memory_mib: int = 0,
    efa: bool | None = None,
    bare_metal: bool | None = False,
    snapshot: Snapshot | None = None,
) -> tuple[InstanceType, ...]:
    """Instance types of a region that meet every condition, cheapest first (then by name).

    Args:
        region: only types with a known price in it come back.
        names: exact types, such as `p5.48xlarge`.
        families: exact families: `p5` does not mean `p5en`.
        categories: letters of the family, such as `m` or `inf`.
        architecture: `amd64` or `arm64`.
        accelerator: name of the accelerator, case and punctuation ignored (`h100`, `L40S`).
        accelerator_kind: `nvidia`, `amd` or `neuron`; `none` for types without any.
        min_accelerators: at least so many on one instance.
        min_accelerator_memory_mib: at least so much on each.
        min_vcpu: at least so many.
        max_vcpu: at most so many.
        min_memory_mib: at least so much.
        efa: with (True) or without (False) EFA; None for either.
        bare_metal: False leaves metal sizes out, True asks for nothing else, None takes both.
        snapshot: prices to use. Default: the bundled snapshot.
    """
    wanted = None if accelerator is None else _plain(accelerator)
    kind = "" if accelerator_kind == "none" else accelerator_kind
    found = (
        item
        for item in catalogue(region, snapshot).values()
        if (names is None or item.name in names)
        and (families is None or item.family in families)
        and (categories is None or item.category in categories)
        and (architecture is None or item.architecture == architecture)
        and (wanted is None or _plain(item.accelerator) == wanted)
        and (kind is None or item.accelerator_kind == kind)
        and item.accelerators >= min_accelerators
        and item.accelerator_memory_mib >= min_accelerator_memory_mib
        and item.vcpu >= min_vcpu
        and (max_vcpu is None or item.vcpu <= max_vcpu)
        and item.memory_mib >= min_memory_mib
        and (efa is None or item.efa is efa)
        and (bare_metal is None or item.bare_metal is bare_metal)
    )
    return tuple(sorted(found, key=lambda item: (item.hourly, item.name)))


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
