"""The map of an environment: its components, what is in each, and what depends on what.

A resource belongs to the topmost component above it, so that the map has as many boxes as a person can see at
once. A dependency that others already imply is not drawn.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twin.engine.deployment import ResourceState

STACK_TYPE: Final = "pulumi:pulumi:Stack"
PROVIDER_PREFIX: Final = "pulumi:providers:"
OUTSIDE: Final = ""
"""The component of resources that are in none."""


@dataclass(frozen=True)
class Component:
    """A box of the map."""

    urn: str
    """`OUTSIDE` for what is in no component."""
    type: str
    """Such as `FeatureStore`."""
    name: str
    resources: tuple[tuple[str, int], ...]
    """Type → how many, by type."""
    layer: int
    """0 needs nothing of the others; each other stands right of what it needs."""

    @property
    def size(self) -> int:
        """How many resources are in it."""
        return sum(count for _, count in self.resources)


@dataclass(frozen=True)
class ComponentMap:
    """The components, layer by layer, and the dependencies that are drawn."""

    components: tuple[Component, ...]
    needs: tuple[tuple[str, str], ...]
    """URN of a component, and of one that it needs."""
    owners: Mapping[str, str]
    """URN of each resource → that of its component."""

    @property
    def layers(self) -> list[list[Component]]:
        """The components by layer, each layer by name."""
        found: dict[int, list[Component]] = defaultdict(list)
        for component in self.components:
            found[component.layer].append(component)
        return [found[layer] for layer in sorted(found)]


def map_of(resources: Iterable[ResourceState]) -> ComponentMap:
    """The map of a deployment."""
    present = [state for state in resources if not state.delete]
    states = {state.urn: state for state in present}
    roots: dict[str, str] = {}
    for state in present:
        if not _is_plumbing(state):
            roots[state.urn] = _root(state, states)
    members: dict[str, Counter[str]] = {root: Counter() for root in roots.values()}
    for urn, root in roots.items():
        if states[urn].custom:
            members[root][states[urn].type] += 1
    wanted: dict[str, set[str]] = {root: set() for root in members}
    for urn, root in roots.items():
        wanted[root] |= {roots[other] for other in _dependencies(states[urn]) if other in roots} - {root}
    layers, forward = _layered(wanted)
    components = [
        Component(
            urn=root,
            type=states[root].type.rpartition(":")[2] if root else "",
            name=root.rpartition("::")[2] if root else "outside components",
            resources=tuple(sorted(counts.items())),
            layer=layers[root],
        )
        for root, counts in members.items()
    ]
    components.sort(key=lambda item: (item.layer, item.type, item.name))
    return ComponentMap(tuple(components), tuple(sorted(reduced(forward))), roots)


def _is_plumbing(state: ResourceState) -> bool:
    return state.type == STACK_TYPE or state.type.startswith(PROVIDER_PREFIX)


def _root(state: ResourceState, states: Mapping[str, ResourceState]) -> str:
    """The topmost component at or above a resource."""
    found, urn = OUTSIDE, state.urn
    while urn in states:
        if not states[urn].custom and states[urn].type != STACK_TYPE:
            found = urn
        urn = states[urn].parent
    return found


def _dependencies(state: ResourceState) -> set[str]:
    named = {urn for urns in state.property_dependencies.values() for urn in urns}
    return named | set(state.dependencies)


def _layered(wanted: Mapping[str, set[str]]) -> tuple[dict[str, int], dict[str, set[str]]]:
    """Each component's layer, and the dependencies that point to an earlier one.

    Resources depend in no circle, components may: then the first by name goes first, and what it needs of
    later ones is left out.
    """
    layers: dict[str, int] = {}
    forward: dict[str, set[str]] = {}
    waiting = set(wanted)
    while waiting:
        ready = sorted(item for item in waiting if not wanted[item] & waiting) or [min(waiting)]
        for item in ready:
            forward[item] = wanted[item] - waiting
        for item in ready:
            layers[item] = max((layers[other] + 1 for other in forward[item]), default=0)
        waiting -= set(ready)
    return layers, forward


def reduced(needs: Mapping[str, set[str]]) -> Sequence[tuple[str, str]]:
    """The pairs that no longer way implies; `needs` has no circles."""
    reach: dict[str, set[str]] = {}

    def reachable(item: str) -> set[str]:
        if item not in reach:
            reach[item] = set(needs.get(item, ())).union(*(reachable(other) for other in needs.get(item, ())))
        return reach[item]

    return [
        (item, other)
        for item in needs
        for other in needs[item]
        if not any(other in reachable(between) for between in needs[item] if between != other)
    ]
