"""Refresh finds what changed outside; destroy leaves nothing, or takes the targets alone."""

from tests.twin.engine.world import World
from twin.engine.events import Op, StepStarted

SOURCE = 'a = Thing("a", label="x")\nb = Thing("b", label=a.echo)\nc = Thing("c")'


def test_a_refresh_without_outside_changes(world: World) -> None:
    world.deployed(SOURCE)
    before = (world.home / "dev" / "state.json").read_bytes()
    outcome = world.refresh()
    assert outcome.changes == {"same": 3}
    assert (world.home / "dev" / "state.json").read_bytes() == before


def test_an_outside_change_is_shown_taken_over_and_undone_by_up(world: World) -> None:
    world.deployed(SOURCE)
    world.change_outside("a", label="meddled")
    outcome = world.refresh()
    assert outcome.changes == {"update": 1, "same": 2}
    (told,) = [e for e in outcome.events if isinstance(e, StepStarted) and e.op is Op.UPDATE]
    assert [(c.path, c.before, c.after) for c in told.changes] == [
        ("echo", "x", "meddled"),
        ("label", "x", "meddled"),
    ]
    assert world.record("a").inputs["label"] == "meddled"
    world.deployed()
    assert world.things()["a"]["label"] == "x"


def test_an_outside_deletion_is_forgotten_and_made_again(world: World) -> None:
    world.deployed(SOURCE)
    world.change_outside("a")
    outcome = world.refresh()
    assert outcome.changes == {"delete": 1, "same": 2}
    assert world.names() == ["b", "c"]
    assert world.record("b").dependencies == []
    outcome = world.deployed()
    assert outcome.started("a") == [Op.CREATE]
    assert sorted(world.things()) == ["a", "b", "c"]


def test_an_outside_deletion_of_a_parent(world: World) -> None:
    world.deployed('a = Thing("a")\nThing("b", opts=options(parent=a))')
    world.change_outside("a")
    assert world.refresh().ok
    assert world.names() == ["b"]
    assert world.deployed().ok
    assert world.destroy().ok
    assert world.things() == {}


def test_up_with_refresh(world: World) -> None:
    world.deployed(SOURCE)
    world.change_outside("a")
    outcome = world.deployed(refresh=True)
    assert outcome.started("a") == [Op.DELETE, Op.CREATE]
    assert sorted(world.things()) == ["a", "b", "c"]


def test_a_refresh_that_fails_for_one_goes_on_with_the_rest(world: World) -> None:
    world.deployed('Thing("a", fail="read")\nThing("b", label="x")')
    world.change_outside("b", label="y")
    outcome = world.refresh()
    assert not outcome.ok
    assert [(each.name, each.op) for each in outcome.failed()] == [("a", Op.REFRESH)]
    assert world.record("b").inputs["label"] == "y"
    assert sorted(world.names()) == ["a", "b"]


def test_destroy_leaves_nothing(world: World) -> None:
    world.deployed('g = Group("g")\na = Thing("a", opts=options(parent=g))\nThing("b", label=a.made)')
    outcome = world.destroy()
    assert outcome.ok
    assert outcome.changes == {"delete": 5}
    assert world.calls("Delete") == [("Delete", "b"), ("Delete", "a")]
    assert world.records() == []
    assert world.things() == {}
    again = world.destroy()
    assert again.ok
    assert again.changes == {}
    assert world.deployed().changes == {"create": 5}


def test_destroy_needs_no_program(world: World) -> None:
    world.deployed(SOURCE)
    world.program("syntax error here")
    assert world.destroy().ok
    assert world.things() == {}


def test_a_deletion_that_fails_keeps_what_it_needs_and_deletes_the_rest(world: World) -> None:
    world.deployed('a = Thing("a")\nb = Thing("b", label=a.made, fail="delete")\nThing("c")')
    outcome = world.destroy()
    assert not outcome.ok
    assert [(each.name, each.op) for each in outcome.failed()] == [("b", Op.DELETE)]
    assert sorted(world.things()) == ["a", "b"]
    assert sorted(world.names()) == ["a", "b"]
    assert world.engine().store.load()[0].pending == []


def test_targets_alone_are_destroyed(world: World) -> None:
    world.deployed(SOURCE)
    target = world.record("b").urn
    outcome = world.destroy(targets=(target,))
    assert outcome.ok, outcome.problems
    assert outcome.changes == {"delete": 1}
    assert sorted(world.things()) == ["a", "c"]
    assert world.deployed().changes == {"create": 1, "same": 4}


def test_targets_that_others_need_are_refused(world: World) -> None:
    world.deployed(SOURCE)
    a, b = world.record("a").urn, world.record("b").urn
    outcome = world.destroy(targets=(a,))
    assert not outcome.ok
    assert b in outcome.problems
    assert world.count() == 3
    assert world.destroy(targets=(a, b)).changes == {"delete": 2}
    outcome = world.destroy(targets=(a,))
    assert not outcome.ok
    assert a in outcome.problems
