"""The pools of a simulation: a stack's NodePools as they are, their durations in simulated time."""

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from pricing.node_pools import capacity_types
from pricing.resources import Properties

NODE_POOL: Final = "NodePool"
_CLASS: Final = "EC2NodeClass"
_DURATIONS: Final = ("expireAfter", "terminationGracePeriod")
_PART: Final = re.compile(r"(\d+)([smh])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_ACCELERATORS: Final = ("nvidia.com/gpu", "aws.amazon.com/neuron", "amd.com/gpu")


class PoolsError(ValueError):
    """Pools that cannot be simulated; `problems` lists everything wrong with them."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Pool:
    """One NodePool."""

    name: str
    manifest: Mapping[str, Any]

    @property
    def spot(self) -> bool:
        """Whether it buys spot."""
        requirements = Properties(self._node, _ignore).blocks("requirements")
        return "spot" in capacity_types(requirements)

    @property
    def weight(self) -> int:
        """Karpenter tries the heaviest pool first."""
        return int(self.manifest["spec"].get("weight") or 0)

    @property
    def taints(self) -> tuple[tuple[str, str, str], ...]:
        """Key, value and effect of each, sorted."""
        return tuple(
            sorted(
                (str(taint.get("key")), str(taint.get("value") or ""), str(taint.get("effect")))
                for taint in self._node.get("taints") or ()
            )
        )

    @property
    def labels(self) -> dict[str, str]:
        """What its nodes are labelled with."""
        return dict((self.manifest["spec"]["template"].get("metadata") or {}).get("labels") or {})

    @property
    def accelerator(self) -> str | None:
        """The resource that pods ask for their accelerators by; None in a pool without."""
        limits = self.manifest["spec"].get("limits") or {}
        tainted = {key for key, _, _ in self.taints}
        return next((name for name in _ACCELERATORS if name in limits or name in tainted), None)

    @property
    def _node(self) -> Mapping[str, Any]:
        node: Mapping[str, Any] = self.manifest["spec"]["template"]["spec"]
        return node


@dataclass(frozen=True)
class Group:
    """Pools that stand in for each other: a spot pool and its on-demand fall-back, the heaviest first."""

    pools: tuple[Pool, ...]

    @property
    def name(self) -> str:
        """The heaviest pool's."""
        return self.pools[0].name

    @property
    def fallbacks(self) -> tuple[Pool, ...]:
        """The on-demand pools that stand in for spot."""
        return tuple(pool for pool in self.pools[1:] if not pool.spot) if self.pools[0].spot else ()

    @property
    def labels(self) -> dict[str, str]:
        """The labels that all its nodes have, by which pods choose it."""
        first, *others = (pool.labels for pool in self.pools)
        return {
            key: value for key, value in sorted(first.items()) if all(o.get(key) == value for o in others)
        }


def read_manifests(path: Path) -> list[dict[str, Any]]:
    """The objects of a YAML or JSON file. Raises PoolsError."""
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PoolsError([f"{path} cannot be read: {error}"]) from error
    found: list[dict[str, Any]] = []
    problems: list[str] = []
    for index, document in enumerate(documents):
        if isinstance(document, dict) and document.get("kind") == "List":
            found += [item for item in document.get("items") or () if isinstance(item, dict)]
        elif isinstance(document, dict):
            found.append(document)
        elif document is not None:
            problems.append(f"{path}: document {index + 1} is {document!r:.60}; it must be an object")
    if problems:
        raise PoolsError(problems)
    return found


def groups_of(manifests: Iterable[Mapping[str, Any]]) -> list[Group]:
    """The groups of NodePools among the objects, in the order of their names.

    Pools belong together when they have the same taints and labels, the labels of what makes them differ
    (the capacity type) set aside.

    Raises:
        PoolsError: there is none, or one has no shape that could be simulated.
    """
    everything = list(manifests)
    problems: list[str] = []
    pools: list[Pool] = []
    classes = {_name_of(item) for item in everything if item.get("kind") == _CLASS}
    for item in everything:
        if item.get("kind") == NODE_POOL:
            pool = _pool(item, classes, problems)
            if pool is not None:
                pools.append(pool)
    if not pools and not problems:
        problems.append("there is no NodePool among the objects; nothing could be simulated")
    if problems:
        raise PoolsError(problems)
    together: dict[object, list[Pool]] = {}
    for pool in sorted(pools, key=lambda each: (-each.weight, each.name)):
        shared = tuple(sorted((k, v) for k, v in pool.labels.items() if not k.endswith("capacity-type")))
        together.setdefault((pool.taints, shared), []).append(pool)
    return sorted((Group(tuple(members)) for members in together.values()), key=lambda group: group.name)


def group_named(groups: Sequence[Group], name: str) -> Group | None:
    """The group that has a pool of that name; the only group there is for an empty name."""
    if not name:
        return groups[0] if len(groups) == 1 else None
    return next((group for group in groups if any(pool.name == name for pool in group.pools)), None)


def hurried(manifest: Mapping[str, Any], speed: float) -> dict[str, Any]:
    """The NodePool with every duration divided by the speed."""
    made = copy.deepcopy(dict(manifest))
    disruption = made["spec"].get("disruption")
    if isinstance(disruption, dict) and "consolidateAfter" in disruption:
        disruption["consolidateAfter"] = _shorter(disruption["consolidateAfter"], speed)
    node = made["spec"]["template"]["spec"]
    for key in _DURATIONS:
        if key in node:
            node[key] = _shorter(node[key], speed)
    return made


def _shorter(duration: Any, speed: float) -> Any:
    parts = _PART.findall(str(duration))
    if not parts:
        return duration  # Never
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in parts) / speed
    return f"{round(seconds)}s"


def _pool(item: Mapping[str, Any], classes: set[str], problems: list[str]) -> Pool | None:
    name = _name_of(item)
    try:
        reference = item["spec"]["template"]["spec"]["nodeClassRef"]
        kind, wanted = reference["kind"], reference["name"]
    except (KeyError, TypeError):
        problems.append(f"NodePool {name or '?'} has no spec.template.spec.nodeClassRef; Karpenter needs one")
        return None
    if kind != _CLASS or wanted not in classes:
        problems.append(
            f"NodePool {name}: its node class, {kind} {wanted}, is not among the objects; add its {_CLASS}"
        )
        return None
    return Pool(name, item)


def _name_of(item: Mapping[str, Any]) -> str:
    metadata = item.get("metadata")
    return str(metadata.get("name") or "") if isinstance(metadata, Mapping) else ""


def _ignore(_note: str) -> None:
    """A value that cannot be read is as good as none; the API server will refuse it."""
