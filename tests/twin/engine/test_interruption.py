"""However a command ends, the next one reaches what an undisturbed one would have reached."""

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.twin.engine.world import PASSPHRASE, World
from twin.engine.engine import Engine
from twin.engine.events import Event, Message, StepStarted
from twin.engine.store import StoreError

BEFORE = """
g = Group("g")
a = Thing("a", label="1")
b = Thing("b", fixed="1", opts=options(parent=g))
c = Thing("c", first="1")
d = Thing("d", fixed=c.made)
e = Thing("e", label=pulumi.Output.secret("quite-secret"))
gone = Thing("gone", label=a.made)
left = Thing("left")
"""
AFTER = """
g = Group("g", size=2)
a = Thing("a", label="2", delay=0.05)
b = Thing("b", fixed="2", opts=options(parent=g))
c = Thing("c", first="2")
d = Thing("d", fixed=c.made)
e = Thing("e", label=pulumi.Output.secret("quite-secret-2"))
for i in range(4):
    Thing(f"new-{i}", label=b.made, delay=0.02)
pulumi.export("end", d.made)
"""
POINTS = 24


class Story:
    """An update from BEFORE to AFTER: where it starts, and where it ends undisturbed."""

    def __init__(self, folder: Path) -> None:
        self.start = World(folder / "the start")
        self.start.deployed(BEFORE)
        self.start.program(AFTER)
        self.end = self.start.copy(folder / "the end")
        told = self.end.told("up")
        assert told["ok"], told
        self.points = told["points"]
        self.facts = self.end.facts()
        self.things = self.end.things()
        assert self.points > 40
        assert sorted(self.things) == sorted(["a", "b", "c", "d", "e", *(f"new-{i}" for i in range(4))])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULUMI_CONFIG_PASSPHRASE", PASSPHRASE)
        return Story(tmp_path_factory.mktemp("story"))


def killed(start: World, command: str, point: int, folder: Path) -> World:
    """A copy of a world whose command died at a point, or a little before: how many there are varies."""
    for number in range(20):
        world = start.copy(folder / f"try {number}")
        if world.told(command, KILL_AT=str(max(1, point - number))) == {}:
            return world
    raise AssertionError("it was never killed")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(1, POINTS + 1))
def test_killed_anywhere_the_next_up_reaches_the_same(story: Story, tmp_path: Path, part: int) -> None:
    world = killed(story.start, "up", part * story.points // (POINTS + 1), tmp_path)
    assert world.deserted(), world.processes()
    told = world.told("up")
    assert told["ok"], told["problems"]
    assert world.facts() == story.facts
    assert world.things() == story.things
    assert world.deployed().result.changed == 0


@pytest.mark.slow
def test_killed_again_and_again_it_still_gets_there(story: Story, tmp_path: Path) -> None:
    world = story.start.copy(tmp_path / "a world")
    for step in (9, 17, 5, 23, 11, 3):
        world.told("up", KILL_AT=str(step))
        assert world.deserted(), world.processes()
    told = world.told("up")
    assert told["ok"], told["problems"]
    assert world.facts() == story.facts
    assert world.things() == story.things


@pytest.mark.slow
@pytest.mark.parametrize("part", [1, 2, 3, 4, 5])
def test_a_destroy_that_is_killed_is_finished_by_the_next(story: Story, tmp_path: Path, part: int) -> None:
    points = story.end.copy(tmp_path / "another").told("destroy")["points"]
    world = killed(story.end, "destroy", part * points // 6, tmp_path)
    assert world.deserted()
    assert world.told("destroy")["ok"]
    assert world.things() == {}
    assert world.records() == []


def test_children_end_with_the_engine_even_in_the_middle_of_a_call(world: World) -> None:
    world.program('Thing("slow", delay=60)')
    engine = world.process("up")
    _until(lambda: world.log("Create"))
    assert len(world.processes()) == 2
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    assert world.deserted(), world.processes()


# -- Ctrl-C


def test_an_interrupted_up_finishes_what_is_under_way_and_saves(world: World) -> None:
    outcome, seconds = _interrupted(
        world, 'Thing("slow", delay=1)\nThing("late", opts=options(depends_on=[Thing("next", delay=1.2)]))'
    )
    assert (outcome.ok, outcome.interrupted) == (False, True)
    assert outcome.problems == []
    assert seconds < 8
    assert sorted(world.things()) == ["next", "slow"]
    assert sorted(world.names()) == ["next", "slow"]
    assert world.engine().store.load()[0].pending == []
    assert world.log("Cancel")
    assert world.deserted()
    assert world.deployed().changes == {"create": 1, "same": 4}


def test_a_second_interruption_waits_for_nothing(world: World) -> None:
    outcome, seconds = _interrupted(world, 'Thing("slow", delay=60)', times=2)
    assert outcome.interrupted
    assert seconds < 8
    (pending,) = world.engine().store.load()[0].pending
    assert (pending.kind, pending.resource.name) == ("creating", "slow")
    assert world.deserted()
    assert world.deployed('Thing("slow", delay=0.1)', idempotent=frozenset()).ok


def test_an_interruption_while_the_program_thinks(world: World) -> None:
    outcome, seconds = _interrupted(world, 'print("thinking")\nimport time\ntime.sleep(60)')
    assert outcome.interrupted
    assert seconds < 6
    assert world.deserted()


def test_an_interruption_before_anything_begins(world: World) -> None:
    world.program('Thing("a")')
    engine = world.engine()
    engine.interrupt()
    time.sleep(0.1)
    result = engine.up()
    assert result.interrupted
    assert world.things() == {}


def test_an_interrupted_destroy(world: World) -> None:
    world.deployed('a = Thing("a")\nb = Thing("b", label=a.made, delay=0.8)')
    events: list[Event] = []
    engine: Engine

    def listen(event: Event) -> None:
        events.append(event)
        if isinstance(event, StepStarted) and event.name == "b":
            engine.interrupt()

    engine = Engine(world.setup(), listen)
    assert engine.destroy().interrupted
    assert world.names() == ["a"]
    assert list(world.things()) == ["a"]
    assert world.destroy().ok


def test_a_real_signal(world: World) -> None:
    world.program('Thing("slow", delay=1)\nThing("late", opts=options(depends_on=[Thing("next", delay=1)]))')
    engine = world.process("up")
    _until(lambda: world.log("Create"))
    os.kill(engine.pid, signal.SIGINT)
    out, err = engine.communicate(timeout=20)
    assert '"interrupted": true' in out, out + err
    assert world.engine().store.load()[0].pending == []
    assert world.deserted()


def _interrupted(world: World, source: str, *, times: int = 1) -> tuple[Any, float]:
    world.program(source)
    began = 0.0
    engine: Engine

    def listen(event: Event) -> None:
        nonlocal began
        busy = isinstance(event, StepStarted) and event.name == "slow"
        thinking = isinstance(event, Message) and event.text == "thinking"
        if (busy or thinking) and not began:
            began = time.monotonic()
            for number in range(times):
                threading.Timer(0.3 + number * 0.5, engine.interrupt).start()

    engine = Engine(world.setup(), listen)
    result = engine.up()
    return result, time.monotonic() - began


def _until(there: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.05)


# -- what is on disk


def journal(world: World) -> Path:
    return world.home / "dev" / "journal.jsonl"


@pytest.fixture
def stopped(world: World) -> World:
    """A world whose last command died with its journal there."""
    world.deployed('Thing("z")')
    world.program('a = Thing("a")\nb = Thing("b", label=a.made)\nThing("z")')
    assert world.told("up", KILL_AT="14") == {}
    assert journal(world).exists()
    return world


def test_a_torn_last_line_never_counted(stopped: World) -> None:
    with journal(stopped).open("ab") as file:
        file.write(b'{"add": 99, "resource": {"urn": "urn:pul')
    assert stopped.deployed(idempotent=frozenset({"toy"})).ok
    assert sorted(stopped.things()) == ["a", "b", "z"]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda raw: raw.replace(b'"begin"', b'"begin', 1), "not JSON"),
        (lambda raw: raw.replace(b'"urn"', b'"nru"'), "damaged"),
        (lambda raw: raw.replace(b'"base":"', b'"base":"0', 1), "another state"),
        (lambda raw: b"garbage\n" + raw, "not JSON"),
        (lambda raw: b"[1]\n" + raw, "damaged"),
    ],
    ids=["json", "record", "base", "garbage", "shape"],
)
def test_a_corrupt_journal_is_refused_and_left_as_it_is(stopped: World, damage: Any, told: str) -> None:
    raw = damage(journal(stopped).read_bytes())
    journal(stopped).write_bytes(raw)
    state = (stopped.home / "dev" / "state.json").read_bytes()
    for command in ("up", "preview", "destroy"):
        with pytest.raises(StoreError, match=told) as error:
            stopped.run(command)
        assert str(journal(stopped)) in str(error.value)
    assert journal(stopped).read_bytes() == raw
    assert (stopped.home / "dev" / "state.json").read_bytes() == state
    stopped.engine().store.import_document(json.loads(state))
    assert stopped.deployed(idempotent=frozenset({"toy"})).ok


def test_looking_at_a_stopped_stack_changes_nothing(stopped: World) -> None:
    before = journal(stopped).read_bytes()
    assert stopped.preview().ok
    assert stopped.engine().store.export_document()
    assert journal(stopped).read_bytes() == before


def test_a_full_disk_stops_the_run_and_loses_nothing(world: World) -> None:
    world.deployed('Thing("z")')
    before = (world.home / "dev" / "state.json").read_bytes()
    source = "\n".join(f'Thing("t{i}", label="x" * 300)' for i in range(30))
    world.program('Thing("z")\n' + source)
    told = world.told("up", FILE_BYTES="9000")
    assert not told["ok"]
    assert "File too large" in "\n".join(told["problems"])
    assert (world.home / "dev" / "state.json").read_bytes() == before
    assert not list((world.home / "dev").glob("*.new"))
    assert journal(world).exists()
    assert world.told("up")["ok"]
    assert len(world.things()) == 31
    assert world.deployed().result.changed == 0


def test_two_commands_at_once(world: World) -> None:
    world.program('Thing("slow", delay=2)')
    first = world.process("up")
    _until(lambda: world.log("Create"))
    for command in ("up", "refresh", "destroy"):
        with pytest.raises(StoreError, match=f"is being changed by process {first.pid}"):
            world.run(command)
    assert world.preview().ok
    out, _ = first.communicate(timeout=30)
    assert '"ok": true' in out
    assert world.deployed().changes == {"same": 3}
