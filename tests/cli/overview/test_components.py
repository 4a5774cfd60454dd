"""The map: what belongs to what, what stands where, and which dependencies are drawn."""

from hypothesis import given
from hypothesis import strategies as st

from cli.overview.components import OUTSIDE, map_of, reduced
from tests.cli.overview.samples import component, resource
from twin.engine.deployment import ResourceState


def reach(pairs: set[tuple[int, int]], start: int) -> set[int]:
    found, waiting = set(), [start]
    while waiting:
        here = waiting.pop()
        for item, other in pairs:
            if item == here and other not in found:
                found.add(other)
                waiting.append(other)
    return found


@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] > pair[1])))
def test_what_is_drawn_implies_all_and_nothing_twice(pairs):
    drawn = set(reduced({item: {other for mine, other in pairs if mine == item} for item in range(8)}))
    assert drawn <= pairs
    for item in range(8):
        assert reach(drawn, item) == reach(pairs, item)
    for pair in drawn:
        assert pair[1] not in reach(drawn - {pair}, pair[0])


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
    st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11))),
)
def test_a_component_stands_right_of_what_it_needs(homes, wanted):
    parents = [component(f"c{number}") for number in range(4)]
    made: list[ResourceState] = []
    for number, home in enumerate(homes):
        needs = tuple(made[other].urn for mine, other in sorted(wanted) if mine == number and other < number)
        made.append(resource(f"r{number}", parents[home].urn, needs))
    found = map_of([*parents, *made])
    layers = {item.urn: item.layer for item in found.components}
    assert set(layers) == {parent.urn for parent in parents}
    assert all(layers[item] > layers[other] for item, other in found.needs)
    assert sum(item.size for item in found.components) == len(made)


def test_components_that_need_each_other_are_drawn_once():
    one, two = component("one"), component("two")
    first = resource("first", one.urn)
    second = resource("second", two.urn, (first.urn,))
    third = resource("third", one.urn, (second.urn,))
    found = map_of([one, two, first, second, third])
    assert found.needs == ((two.urn, one.urn),)


def test_a_resource_belongs_to_the_topmost_component_above_it():
    stack = ResourceState("urn:pulumi:local::shop::pulumi:pulumi:Stack::shop", "pulumi:pulumi:Stack")
    outer = component("outer", parent=stack.urn)
    inner = component("inner", "Network", parent=outer.urn)
    provider = ResourceState("urn:provider", "pulumi:providers:aws", custom=True, parent=stack.urn)
    deep, loose = resource("deep", inner.urn), resource("loose", stack.urn, (provider.urn,))
    gone = resource("gone", inner.urn)
    gone.delete = True
    found = map_of([stack, provider, outer, inner, deep, loose, gone])
    assert {item.urn: item.size for item in found.components} == {outer.urn: 1, OUTSIDE: 1}
    assert found.owners[deep.urn] == found.owners[inner.urn] == outer.urn
