"""What goes wrong: in the program, in a provider, in a plugin's process."""

import pytest

from tests.twin.engine.world import World
from twin.engine.events import Op

GOOD = 'Thing("kept")\n'


@pytest.mark.parametrize(
    ("source", "told", "trace"),
    [
        ("1 / 0", "ZeroDivisionError", True),
        ('raise pulumi.RunError("I give up")', "I give up", False),
        ('raise pulumi.InputPropertyError("tree.leaf", "it is dry")', "tree.leaf: it is dry", False),
        (
            """
            both = [{"property_path": "a", "reason": "b"}, {"property_path": "c", "reason": "d"}]
            raise pulumi.InputPropertiesError("wrong:", both)
            """,
            "  a: b\n  c: d",
            False,
        ),
        ("import sys\nsys.exit(3)", "exit code 3", False),
        ("import sys\nsys.exit(0)", "before it was through", False),
        ("import os\nos._exit(4)", "exit code 4", False),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "signal 9", False),
        ("this is no python", "SyntaxError", True),
        ('Thing("x").made.apply(lambda _: {}["nokey"])', "nokey", True),
        ('pulumi.log.error("that is bad")', "that is bad", False),
        ("import no_such_module", "no_such_module", True),
    ],
)
def test_a_program_that_fails_is_told_cleanly_and_nothing_is_deleted(
    world: World, source: str, told: str, trace: bool
) -> None:
    world.deployed(GOOD + 'Thing("old")')
    outcome = world.up(source)
    assert not outcome.ok
    assert told in outcome.problems
    assert ("Traceback" in outcome.problems) == trace
    assert "program_main" not in outcome.problems
    assert {"kept", "old"} <= set(world.things())
    assert world.calls("Delete") == []
    assert world.deployed(GOOD).ok
    assert list(world.things()) == ["kept"]


def test_an_output_of_the_program_is_told_line_by_line(world: World) -> None:
    outcome = world.deployed('print("one\\ntwo")\npulumi.log.warn("three")\npulumi.log.info("four")')
    assert [line for line in outcome.text.splitlines() if line in ("one", "two", "three", "four")] == [
        "one",
        "two",
        "three",
        "four",
    ] or set(outcome.text.splitlines()) >= {"one", "two", "three", "four"}


def test_a_failed_creation_names_the_resource_and_the_next_up_goes_on(world: World) -> None:
    source = 'a = Thing("a")\nb = Thing("b", label=a.made, fail="{0}")\nThing("c", label=b.made)'
    outcome = world.up(source.format("create"))
    assert not outcome.ok
    (failure,) = outcome.failed()
    assert (failure.op, failure.type, failure.name) == (Op.CREATE, "toy:index:Thing", "b")
    assert "the toy cannot create" in failure.message
    assert world.names() == ["a"]
    assert world.engine().store.load()[0].pending == []
    assert world.deployed(source.format("")).changes["create"] == 2
    assert sorted(world.things()) == ["a", "b", "c"]


def test_a_failed_update_says_that_it_was_an_update(world: World) -> None:
    world.deployed('Thing("a", label=1)')
    outcome = world.up('Thing("a", label=2, fail="update")')
    assert [each.op for each in outcome.failed()] == [Op.UPDATE]
    assert world.record("a").inputs["label"] == 1
    assert world.deployed('Thing("a", label=3)').changes == {"update": 1, "same": 2}


def test_what_is_under_way_when_another_fails_is_finished_and_recorded(world: World) -> None:
    outcome = world.up("""
    Thing("slow", delay=1.5)
    Thing("broken", fail="create", delay=0.3)
    """)
    assert not outcome.ok
    assert world.names() == ["slow"]
    assert list(world.things()) == ["slow"]
    assert world.engine().store.load()[0].pending == []


def test_nothing_new_is_begun_after_a_failure(world: World) -> None:
    outcome = world.up("""
    Thing("broken", fail="create")
    s = Thing("slow", delay=1.0)
    Thing("late", label=s.made)
    """)
    assert not outcome.ok
    assert "late" not in world.things()
    assert [each.name for each in outcome.failed()] == ["broken"]


def test_a_half_made_resource_is_kept_and_tried_again(world: World) -> None:
    outcome = world.up('a = Thing("a", partial=True)\nThing("b", label=a.made)')
    assert not outcome.ok
    assert "it did not become ready" in outcome.problems
    record = world.record("a")
    assert record.init_errors == ["it did not become ready"]
    assert record.id
    assert list(world.things()) == ["a"]
    outcome = world.deployed('a = Thing("a", partial=True)\nThing("b", label=a.made)')
    assert outcome.started("a") == [Op.UPDATE]
    assert world.record("a").init_errors == []
    assert sorted(world.things()) == ["a", "b"]


def test_a_duplicate_is_refused(world: World) -> None:
    outcome = world.up('Thing("a")\nThing("a")')
    assert not outcome.ok
    assert "twice" in outcome.problems


def test_refused_inputs_stop_up(world: World) -> None:
    outcome = world.up('Thing("a", label="bad", other="bad")')
    assert not outcome.ok
    assert "label: 'bad' is bad" in outcome.problems
    assert "other: 'bad' is bad" in outcome.problems
    assert world.things() == {}


def test_an_unknown_diff_is_decided_by_the_inputs(world: World) -> None:
    world.environment["TOY_DIFF"] = "unknown"
    world.deployed('Thing("a", label=1)')
    assert world.deployed().changes == {"same": 3}
    assert world.deployed('Thing("a", label=2)').changes == {"update": 1, "same": 2}


def test_a_detailed_diff_replaces(world: World) -> None:
    world.environment["TOY_DIFF"] = "detailed"
    world.deployed('Thing("a", fixed=1)')
    assert world.deployed('Thing("a", fixed=2)').changes == {"replace": 1, "same": 2}


# -- plugins


def test_a_plugin_that_dies_is_named_with_its_last_words(world: World) -> None:
    source = 'a = Thing("a")\nb = Thing("b", label=a.made, crash="create")\nThing("c", label=b.made)'
    outcome = world.up(source)
    assert not outcome.ok
    assert "provider plugin toy died during Create" in outcome.problems
    assert "exit code 7" in outcome.problems
    assert "the toy falls apart" in outcome.problems
    deployment = world.engine().store.load()[0]
    assert [state.name for state in deployment.resources if state.type == "toy:index:Thing"] == ["a"]
    assert [(each.kind, each.resource.name) for each in deployment.pending] == [("creating", "b")]
    outcome = world.deployed(source, idempotent=frozenset({"toy"}))
    assert sorted(world.things()) == ["a", "b", "c"]
    assert world.engine().store.load()[0].pending == []


@pytest.mark.parametrize("call", ["create", "after-create", "update", "delete"])
def test_a_plugin_that_dies_loses_nothing(world: World, call: str) -> None:
    before = (
        'Thing("a", label=1)\nThing("old", crash="delete")' if call == "delete" else 'Thing("a", label=1)'
    )
    after = f'Thing("a", label=2, crash="{call}")\nThing("new", crash="{call}")'
    (world.cloud / "crashed").touch()
    world.deployed(before)
    (world.cloud / "crashed").unlink()
    outcome = world.up(after)
    assert not outcome.ok
    assert "died" in outcome.problems
    assert world.up(after, idempotent=frozenset({"toy"})).ok
    assert sorted(world.things()) == ["a", "new"]
    assert {name: props["label"] for name, props in world.things().items() if "label" in props} == {"a": 2}
    assert world.deployed().changes == {"same": 4}


def test_a_deletion_for_a_replacement_is_still_that_after_an_interruption(world: World) -> None:
    twin = World(world.root.parent / "undisturbed")
    before = 'c = Thing("c", first=1, crash="{0}")\nThing("d", fixed=c.made)'
    after = 'c = Thing("c", first=2)\nThing("d", fixed=c.made)'
    for each, crash in ((twin, ""), (world, "after-delete")):
        each.deployed(before.format(crash))
    assert twin.deployed(after).ok
    assert not world.up(after).ok
    assert world.deployed(after, idempotent=frozenset({"toy"})).ok
    assert world.record("c").id == twin.record("c").id
    assert world.record("d").id == twin.record("d").id
    assert world.count() == 2


def test_an_interrupted_creation_of_another_package_is_only_told(world: World) -> None:
    world.up('Thing("a", crash="create")')
    outcome = world.deployed("")
    assert "its creation was interrupted" in outcome.text
    assert "its creation was interrupted" not in world.deployed("").text


def test_an_interrupted_creation_that_fails_when_repeated_does_not_block_the_stack(world: World) -> None:
    assert not world.up('Thing("a", crash="create", fail="create")').ok
    outcome = world.deployed('Thing("b")', idempotent=frozenset({"toy"}))
    assert "it was not created: the toy cannot create" in outcome.text
    assert list(world.things()) == ["b"]


def test_an_interrupted_update_that_cannot_be_read_back_does_not_block_the_stack(world: World) -> None:
    world.deployed('Thing("a", label=1, fail="read")')
    assert not world.up('Thing("a", label=2, fail="read", crash="update")').ok
    outcome = world.deployed('Thing("a", label=3)')
    assert "it cannot be read back" in outcome.text
    assert world.things()["a"]["label"] == 3


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import sys\nprint('no config', file=sys.stderr)\nsys.exit(2)", "no config"),
        ("print('hello, I am no port')", "did not start"),
        ("import os\nos.kill(os.getpid(), 11)", "SIGSEGV"),
    ],
)
def test_a_plugin_that_does_not_start(world: World, script: str, told: str) -> None:
    plugin = world.root / "broken.py"
    plugin.write_text(script)
    world.plugin("broken", plugin)
    outcome = world.up('Thing("a")\npulumi.CustomResource("broken:index:X", "x", {}, options(depends_on=[]))')
    assert not outcome.ok
    assert "broken" in outcome.problems
    assert told in outcome.problems


def test_a_plugin_that_never_says_its_port(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twin.engine.plugins._START_SECONDS", 1.0)
    plugin = world.root / "silent.py"
    plugin.write_text("import time\ntime.sleep(60)")
    world.plugin("silent", plugin)
    outcome = world.up('pulumi.CustomResource("silent:index:X", "x", {})')
    assert not outcome.ok
    assert "plugin silent did not start: still running, without a word" in outcome.problems
    assert world.deserted()


def test_a_plugin_that_cannot_be_run(world: World) -> None:
    path = world.root / "bin" / "pulumi-resource-broken"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)
    outcome = world.up('pulumi.CustomResource("broken:index:X", "x", {})')
    assert not outcome.ok
    assert "plugin broken cannot be started" in outcome.problems


def test_a_talkative_plugin_does_not_get_stuck(world: World) -> None:
    plugin = world.root / "talkative.py"
    toy = world.root / "bin" / "pulumi-resource-toy"
    plugin.write_text(
        "import sys, threading\n"
        "threading.Thread(target=lambda: [print('x' * 1000, file=s, flush=True) for _ in range(3000)"
        " for s in (sys.stderr,)], daemon=True).start()\n"
        f"sys.argv[0] = {str(toy)!r}\n"
        "import runpy\n"
        "runpy.run_module('tests.twin.engine.toy_provider', run_name='__main__')\n"
    )
    world.plugin("toy", plugin)
    assert world.deployed('Thing("a")').ok
