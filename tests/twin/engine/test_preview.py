"""Preview: what `up` would do, with what is not known yet, and nothing touched."""

from tests.twin.engine.world import World
from twin.engine.events import Op, StepStarted
from twin.wire import UNKNOWN, unwrap


def snapshot(world: World) -> dict[str, bytes]:
    return {
        str(path.relative_to(world.home)): path.read_bytes()
        for path in world.home.rglob("*")
        if path.is_file() and path.name != "lock"
    }


def test_a_preview_touches_nothing(world: World) -> None:
    outcome = world.preview('a = Thing("a")\nThing("b", label=a.made)')
    assert outcome.ok
    assert outcome.changes == {"create": 4}
    assert world.calls("Create") == []
    assert not world.home.exists() or snapshot(world).keys() <= {"passphrase"}
    world.deployed()
    before = snapshot(world)
    world.preview('a = Thing("a", label="x", first="y")\nThing("c")')
    assert snapshot(world) == before
    assert world.calls("Update", "Delete") == []


def test_the_plan_is_what_up_then_does(world: World) -> None:
    world.deployed("""
    a = Thing("a", label="1")
    b = Thing("b", fixed="1")
    c = Thing("c", first="1")
    d = Thing("d", fixed=c.made)
    e = Thing("e")
    """)
    after = """
    a = Thing("a", label="2")
    b = Thing("b", fixed="2")
    c = Thing("c", first="2")
    d = Thing("d", fixed=c.made)
    f = Thing("f", label=a.made)
    """
    planned = world.preview(after)
    done = world.deployed(after)
    assert planned.ok
    assert planned.changes == done.changes == {"update": 1, "replace": 3, "create": 1, "delete": 1, "same": 2}
    for name in "abcdef":
        assert sorted(planned.started(name)) == sorted(done.started(name)), name


def test_what_depends_on_a_new_resource_is_unknown(world: World) -> None:
    outcome = world.preview("""
    a = Thing("a", label="known")
    pulumi.export("made", a.made)
    pulumi.export("id", a.id)
    pulumi.export("echo", a.echo)
    a.made.apply(lambda made: 1 / 0)
    """)
    assert outcome.ok, outcome.problems
    assert unwrap(outcome.result.outputs["made"]).value is UNKNOWN
    assert unwrap(outcome.result.outputs["id"]).value is UNKNOWN
    assert outcome.result.outputs["echo"] == "known"


def test_what_depends_on_an_updated_resource_is_known_where_the_provider_knows(world: World) -> None:
    world.deployed('a = Thing("a", label="1")\nThing("b", label=a.made)\nThing("c", label=a.echo)')
    outcome = world.preview('a = Thing("a", label="2")\nThing("b", label=a.made)\nThing("c", label=a.echo)')
    assert outcome.changes == {"update": 2, "same": 3}
    assert outcome.started("b") == [Op.SAME]


def test_a_provider_without_previews_leaves_outputs_unknown(world: World) -> None:
    world.environment["TOY_PREVIEWS"] = "0"
    source = 'a = Thing("a", label="{0}")\nThing("b", label=a.made)'
    world.deployed(source.format("1"))
    outcome = world.preview(source.format("2"))
    assert outcome.changes == {"update": 2, "same": 2}
    (told,) = [e for e in outcome.events if isinstance(e, StepStarted) and e.name == "b"]
    assert told.changes[0].after is UNKNOWN


def test_deletions_are_planned(world: World) -> None:
    world.deployed('a = Thing("a")\nThing("b", label=a.made)')
    outcome = world.preview("")
    assert outcome.changes == {"delete": 3, "same": 1}
    order = [name for op, name in outcome.done() if op is Op.DELETE]
    assert order == ["b", "a", "default"]
    assert world.count() == 2


def test_every_refused_input_is_told_at_once(world: World) -> None:
    outcome = world.preview("""
    a = Thing("a", label="bad", other="bad")
    b = Thing("b", label="bad")
    Thing("c", label=a.made)
    """)
    assert not outcome.ok
    assert sorted(each.name for each in outcome.failed()) == ["a", "b"]
    assert "label: 'bad' is bad; take another" in outcome.failed()[0].message
    both = {each.name: each.message for each in outcome.failed()}["a"]
    assert "label: " in both
    assert "other: " in both
    assert outcome.started("c") == [Op.CREATE]


def test_the_program_knows_that_it_is_a_preview(world: World) -> None:
    source = 'pulumi.export("preview", pulumi.runtime.is_dry_run())'
    assert world.preview(source).result.outputs == {"preview": True}
    assert world.deployed(source).result.outputs == {"preview": False}


def test_a_preview_of_a_destroy(world: World) -> None:
    world.deployed('a = Thing("a")\nThing("b", label=a.made)')
    before = snapshot(world)
    result = world.engine().destroy(preview=True)
    assert result.ok
    assert result.changes == {"delete": 4}
    assert world.count() == 2
    assert snapshot(world) == before
