"""Create, update, replace, delete, same: in dependency order, side by side, and counted."""

import time

from tests.twin.engine.world import World
from twin.engine.events import Op, StepDone, StepStarted

CHAIN = """
a = Thing("a", label="one")
b = Thing("b", label=a.made)
c = Thing("c", label=b.made)
pulumi.export("end", c.made)
"""


def test_creates_in_dependency_order(world: World) -> None:
    outcome = world.deployed(CHAIN)
    assert world.calls("Create") == [("Create", "a"), ("Create", "b"), ("Create", "c")]
    assert outcome.changes == {"create": 5}  # the stack and the default provider too
    assert outcome.result.outputs == {"end": f"made-{world.record('c').id}"}
    assert world.things()["b"]["label"] == f"made-{world.record('a').id}"


def test_unchanged_is_same_and_calls_nothing(world: World) -> None:
    world.deployed(CHAIN)
    before = world.written().count("\n")
    world.forget_calls()
    outcome = world.deployed(CHAIN)
    assert outcome.changes == {"same": 5}
    assert world.calls("Create", "Update", "Delete") == []
    assert outcome.result.changed == 0
    assert before > 0


def test_update_touches_what_changed_and_nothing_else(world: World) -> None:
    world.deployed('a = Thing("a", label="one")\nThing("b", label="two")\nThing("c", label=a.echo)')
    world.forget_calls()
    outcome = world.deployed('a = Thing("a", label="uno")\nThing("b", label="two")\nThing("c", label=a.echo)')
    assert world.calls("Create", "Update", "Delete") == [("Update", "a"), ("Update", "c")]
    assert outcome.changes == {"update": 2, "same": 3}
    assert world.things()["c"]["label"] == "uno"
    (told,) = [e for e in outcome.events if isinstance(e, StepStarted) and e.name == "a"]
    assert [(c.path, c.before, c.after) for c in told.changes] == [("label", "one", "uno")]


def test_replace_makes_the_new_before_the_old_goes(world: World) -> None:
    world.deployed('a = Thing("a", fixed="one")\nThing("b", label=a.made)')
    old = world.record("a").id
    world.forget_calls()
    outcome = world.deployed('a = Thing("a", fixed="two")\nThing("b", label=a.made)')
    assert world.calls("Create", "Update", "Delete") == [("Create", "a"), ("Update", "b"), ("Delete", "a")]
    assert outcome.changes == {"replace": 1, "update": 1, "same": 2}
    assert world.record("a").id != old
    assert world.count() == 2
    assert [state.delete for state in world.records()] == [False] * 4
    (told,) = [e for e in outcome.events if isinstance(e, StepStarted) and e.op is Op.CREATE_REPLACEMENT]
    assert [(c.path, c.replaces) for c in told.changes] == [("fixed", True)]


def test_deletes_what_the_program_no_longer_has_dependents_first(world: World) -> None:
    world.deployed(CHAIN)
    world.forget_calls()
    outcome = world.deployed('Thing("a", label="one")')
    assert world.calls("Delete") == [("Delete", "c"), ("Delete", "b")]
    assert outcome.changes == {"same": 3, "delete": 2}
    assert list(world.things()) == ["a"]


def test_an_empty_program_leaves_nothing_but_the_stack(world: World) -> None:
    world.deployed(CHAIN)
    outcome = world.deployed("")
    assert outcome.changes == {"same": 1, "delete": 4}
    assert world.things() == {}
    assert [state.type for state in world.records()] == ["pulumi:pulumi:Stack"]
    assert outcome.result.outputs == {}


def test_independent_resources_are_made_side_by_side(world: World) -> None:
    source = 'for i in range(8):\n    Thing(f"t{i}", delay=0.5)'
    started = time.monotonic()
    outcome = world.deployed(source, parallel=8)
    spans: list[tuple[float, float]] = []
    assert outcome.changes["create"] == 10
    assert time.monotonic() - started < 8 * 0.5 + 3
    events = [e for e in outcome.events if isinstance(e, StepStarted | StepDone)]
    under_way = most = 0
    for event in events:
        under_way += 1 if isinstance(event, StepStarted) else -1
        most = max(most, under_way)
    assert most >= 6
    assert spans == []


def test_parallel_limits_how_many_calls_are_under_way(world: World) -> None:
    outcome = world.deployed('for i in range(5):\n    Thing(f"t{i}", delay=0.2)', parallel=1)
    under_way = most = 0
    for event in outcome.events:
        if isinstance(event, StepStarted | StepDone) and "Thing" in event.urn:
            under_way += 1 if isinstance(event, StepStarted) else -1
            most = max(most, under_way)
    assert most == 1


def test_depends_on_orders_and_is_recorded(world: World) -> None:
    world.deployed("""
    a = Thing("a", delay=0.3)
    Thing("b", opts=options(depends_on=[a]))
    """)
    assert world.calls("Create") == [("Create", "a"), ("Create", "b")]
    assert world.record("b").dependencies == [world.record("a").urn]
    world.forget_calls()
    world.deployed("")
    assert world.calls("Delete") == [("Delete", "b"), ("Delete", "a")]


def test_property_dependencies_come_from_outputs_at_any_depth(world: World) -> None:
    world.deployed("""
    a = Thing("a")
    b = Thing("b")
    Thing("c", label={"deep": [a.made, {"deeper": b.made}]}, other=b.made)
    """)
    a, b = world.record("a").urn, world.record("b").urn
    c = world.record("c")
    assert c.property_dependencies == {"label": [a, b], "other": [b]}
    assert c.dependencies == [a, b]


def test_parents_and_components(world: World) -> None:
    world.deployed("""
    outer = Group("outer", colour="red")
    inner = Group("inner", opts=options(parent=outer))
    Thing("leaf", opts=options(parent=inner))
    inner.register_outputs({"height": 3})
    """)
    leaf, inner, outer = (world.record(name) for name in ("leaf", "inner", "outer"))
    assert leaf.urn == "urn:pulumi:dev::toys::toy:index:Group$toy:index:Group$toy:index:Thing::leaf"
    assert (leaf.parent, inner.parent) == (inner.urn, outer.urn)
    assert outer.parent == "urn:pulumi:dev::toys::pulumi:pulumi:Stack::toys-dev"
    assert (inner.outputs, outer.inputs) == ({"height": 3}, {"colour": "red"})
    assert not inner.custom
    again = world.deployed()
    assert again.changes == {"same": 5}


def test_a_component_whose_inputs_change_is_updated(world: World) -> None:
    world.deployed('Group("g", colour="red")')
    outcome = world.deployed('Group("g", colour="blue")')
    assert outcome.changes == {"update": 1, "same": 1}
    assert world.record("g").inputs == {"colour": "blue"}


def test_only_outputs_change(world: World) -> None:
    world.deployed('pulumi.export("x", 1)')
    outcome = world.deployed('pulumi.export("x", {"y": [1, 2.5, True, None, "z"]})')
    assert outcome.result.outputs["x"] == {"y": [1, 2.5, True, None, "z"]}
    assert world.records()[0].outputs == outcome.result.outputs


def test_every_step_that_starts_is_done_and_counts_add_up(world: World) -> None:
    outcome = world.deployed(CHAIN)
    started = [e.urn for e in outcome.events if isinstance(e, StepStarted)]
    done = [e.urn for e in outcome.events if isinstance(e, StepDone)]
    assert sorted(started) == sorted(done)
    assert sum(outcome.changes.values()) == len(done)


def test_two_stacks_side_by_side_do_not_disturb_each_other(world: World) -> None:
    other = World(world.root, stack="prod")
    world.deployed('Thing("a", label=pulumi.get_stack())')
    other.deployed()
    assert world.record("a").outputs["echo"] == "dev"
    assert other.record("a").outputs["echo"] == "prod"
    world.destroy()
    assert other.record("a").id
    assert other.count() == 1


def test_config_reaches_the_program(world: World) -> None:
    world.config(toys__count=3, toys__tree={"leaf": [1, True]}, toys__flag=True, toys__name="x y")
    outcome = world.deployed("""
    config = pulumi.Config()
    pulumi.export("all", [config.require_int("count"), config.require_object("tree"),
                          config.require_bool("flag"), config.require("name"), pulumi.get_project()])
    """)
    assert outcome.result.outputs["all"] == [3, {"leaf": [1, True]}, True, "x y", "toys"]


def test_same_state_is_written_in_the_same_order(world: World) -> None:
    source = 'for i in range(12):\n    Thing(f"t{i}", delay=(i * 7 % 5) / 50)'
    world.deployed(source)
    first = [state.urn for state in world.records()]
    world.destroy()
    world.deployed(source)
    assert [state.urn for state in world.records()] == first
