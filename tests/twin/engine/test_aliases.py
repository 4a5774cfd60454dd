"""Aliases: a resource that moved within the program is the same resource."""

import pytest

from tests.twin.engine.world import World

GROUPED = 'g = Group("{g}"{o})\nThing("{t}", opts=options(parent=g{a}))'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('Thing("old")', 'Thing("new", opts=options(aliases=[pulumi.Alias(name="old")]))'),
        (
            'Thing("old")',
            'Thing("new", opts=options(aliases=["urn:pulumi:dev::toys::toy:index:Thing::old"]))',
        ),
        ('Other("a")', 'Thing("a", opts=options(aliases=[pulumi.Alias(type_="toy:index:Other")]))'),
        (
            'Thing("a")',
            'g = Group("g")\nThing("a", opts=options(parent=g, aliases=[pulumi.Alias(parent=None)]))',
        ),
        (
            'Thing("a")',
            """
            g = Group("g")
            top = pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)
            Thing("a", opts=options(parent=g, aliases=[top]))
            """,
        ),
        (
            'g = Group("g")\nThing("a", opts=options(parent=g))',
            'g = Group("g")\nThing("a", opts=options(aliases=[pulumi.Alias(parent=g)]))',
        ),
        (
            'g = Group("g")\nThing("a", opts=options(parent=g))',
            """
            g = Group("h", opts=options(aliases=[pulumi.Alias(name="g")]))
            Thing("a", opts=options(parent=g))
            """,
        ),
        (
            'g = Group("g")\nThing("g-a", opts=options(parent=g))',
            """
            g = Group("h", opts=options(aliases=[pulumi.Alias(name="g")]))
            Thing("h-a", opts=options(parent=g))
            """,
        ),
        (
            'g = Group("g")\nThing("g-a", opts=options(parent=g))',
            """
            g = Group("h", opts=options(aliases=[pulumi.Alias(name="g")]))
            Thing("h-b", opts=options(parent=g, aliases=[pulumi.Alias(name="h-a")]))
            """,
        ),
        (
            """
            g = Group("g")
            i = Group("g-i", opts=options(parent=g))
            Thing("g-i-a", opts=options(parent=i))
            """,
            """
            g = Group("h", opts=options(aliases=[pulumi.Alias(name="g")]))
            i = Group("h-i", opts=options(parent=g))
            Thing("h-i-a", opts=options(parent=i))
            """,
        ),
        (
            'g = pulumi.ComponentResource("toy:index:Was", "g")\nThing("a", opts=options(parent=g))',
            """
            g = Group("g", opts=options(aliases=[pulumi.Alias(type_="toy:index:Was")]))
            Thing("a", opts=options(parent=g))
            """,
        ),
        (
            'Thing("old")',
            'Thing("new", opts=options(aliases=[pulumi.Alias(name="older"), pulumi.Alias(name="old")]))',
        ),
    ],
    ids=[
        "name",
        "urn",
        "type",
        "no-parent",
        "stack-parent",
        "from-parent",
        "parent-renamed",
        "parent-renamed-with-prefix",
        "both-renamed",
        "grandparent-renamed",
        "parent-of-another-type",
        "two-generations",
    ],
)
def test_a_move_is_no_change(world: World, before: str, after: str) -> None:
    world.deployed(before)
    ids = {state.id for state in world.records()}
    world.forget_calls()
    outcome = world.deployed(after)
    assert world.calls("Create", "Update", "Delete") == []
    assert outcome.changes.keys() <= {"same", "create"}
    assert {state.id for state in world.records()} == ids
    assert world.deployed().changes.keys() == {"same"}
    world.destroy()
    assert world.things() == {}


def test_without_an_alias_it_is_another_resource(world: World) -> None:
    world.deployed('Thing("old")')
    assert world.deployed('Thing("new")').changes == {"create": 1, "delete": 1, "same": 2}


def test_references_in_the_state_follow_the_rename(world: World) -> None:
    world.deployed(
        'p = Provider("p", region="x")\na = Thing("a", opts=options(provider=p))\nThing("b", label=a.made)'
    )
    # The run stops before b is registered again: b's record must name a and the provider as they are now.
    outcome = world.up("""
    p = Provider("q", region="x", opts=options(aliases=[pulumi.Alias(name="p")]))
    a = Thing("z", opts=options(provider=p, aliases=[pulumi.Alias(name="a")]))
    a.made.apply(lambda _: 1 / 0)
    """)
    assert not outcome.ok
    b, z = world.record("b"), world.record("z")
    assert b.dependencies == [z.urn]
    assert b.property_dependencies == {"label": [z.urn]}
    assert z.provider == f"{world.record('q').urn}::{world.record('q').id}"


def test_a_resource_and_an_alias_of_it_cannot_both_stand(world: World) -> None:
    world.deployed('Thing("old")')
    outcome = world.up("""
    a = Thing("new", opts=options(aliases=[pulumi.Alias(name="old")]))
    Thing("old", opts=options(depends_on=[a]))
    """)
    # The official engine refuses this: an alias says that the other one is gone.
    assert not outcome.ok
    assert "alias" in outcome.problems
