"""Invokes, `.get`, StackReference."""

import pytest

from tests.twin.engine.world import World
from twin.wire import Secret


def test_an_invoke_answers(world: World) -> None:
    world.config(toy__region="earth")
    world.deployed('pulumi.export("answer", ask(text="hi"))')
    assert world.records()[0].outputs["answer"] == {"text": "hi", "config": {"region": "earth"}}


def test_an_invoke_uses_the_provider_it_is_given(world: World) -> None:
    world.deployed("""
    p = Provider("p", region="moon")
    on_moon = pulumi.InvokeOptions(provider=p)
    pulumi.export("answer", pulumi.runtime.invoke_output("toy:index:ask", {"text": "x"}, on_moon))
    """)
    assert world.records()[0].outputs["answer"]["config"] == {"region": "moon"}


def test_an_invoke_with_refused_inputs(world: World) -> None:
    outcome = world.up('ask(text="bad")')
    assert not outcome.ok
    assert "'bad' is not a text" in outcome.problems + outcome.text


def test_a_broken_invoke_names_the_function(world: World) -> None:
    outcome = world.up('pulumi.runtime.invoke("toy:index:fails", {})')
    assert not outcome.ok
    assert "toy:index:fails" in outcome.problems
    assert "the function broke" in outcome.problems
    assert "Traceback" not in outcome.problems


def test_an_invoke_in_a_preview(world: World) -> None:
    outcome = world.preview("""
    a = Thing("a")
    pulumi.export("known", ask(text="hi"))
    pulumi.export("unknown", pulumi.runtime.invoke_output("toy:index:ask", {"text": a.made}))
    """)
    assert outcome.ok, outcome.problems
    assert outcome.result.outputs["known"]["text"] == "hi"


def test_an_invoke_with_a_secret(world: World) -> None:
    outcome = world.deployed("""
    s = pulumi.Output.secret("whispered-words")
    pulumi.export("answer", pulumi.runtime.invoke_output("toy:index:ask", {"text": s}))
    """)
    assert isinstance(world.records()[0].outputs["answer"], Secret)
    assert "whispered-words" not in repr(outcome.events) + world.written()


def test_a_read_looks_up_what_another_owns(world: World) -> None:
    other = World(world.root, stack="prod")
    other.deployed('Thing("theirs", label="x")')
    identity = other.record("theirs").id
    outcome = world.deployed(f"""
    a = Thing("a", opts=options(id="{identity}"))
    Thing("b", label=a.made)
    pulumi.export("echo", a.echo)
    """)
    assert outcome.changes == {"create": 3, "read": 1}
    record = world.record("a")
    assert (record.external, record.id, record.created, record.modified) == (True, identity, "", "")
    assert outcome.result.outputs["echo"] == "x"
    assert world.deployed().changes == {"read": 1, "same": 3}
    assert world.destroy().ok
    assert list(world.things()) == ["theirs"]


def test_a_read_of_nothing(world: World) -> None:
    outcome = world.up('Thing("a", opts=options(id="nowhere"))')
    assert not outcome.ok
    assert "'nowhere'" in outcome.problems


def test_a_read_that_turns_into_an_own_resource_and_back(world: World) -> None:
    other = World(world.root, stack="prod")
    other.deployed('Thing("theirs")')
    read = f'Thing("a", opts=options(id="{other.record("theirs").id}"))'
    world.deployed(read)
    assert world.deployed('Thing("a")').changes["create"] == 1
    assert sorted(world.things()) == ["a", "theirs"]
    world.deployed(read)
    assert list(world.things()) == ["theirs"]
    assert len(world.records()) == 3


def test_a_read_in_a_preview_of_something_not_made_yet(world: World) -> None:
    outcome = world.preview("""
    a = Thing("a")
    b = Thing("b", opts=options(id=a.made))
    Thing("c", label=b.echo)
    """)
    assert outcome.ok, outcome.problems


def test_a_stack_reference(world: World) -> None:
    other = World(world.root, stack="prod")
    other.deployed(
        'pulumi.export("plain", [1, 2])\npulumi.export("word", pulumi.Output.secret("ssh-secret"))'
    )
    outcome = world.deployed("""
    prod = pulumi.StackReference("organization/toys/prod")
    pulumi.export("plain", prod.get_output("plain"))
    pulumi.export("word", prod.get_output("word"))
    pulumi.export("none", prod.get_output("none"))
    """)
    assert outcome.result.outputs["plain"] == [1, 2]
    assert outcome.result.outputs["word"] == Secret("ssh-secret")
    assert "ssh-secret" not in world.written()
    assert world.deployed().ok
    assert world.refresh().ok
    assert world.destroy().ok


def test_a_stack_reference_to_nothing(world: World) -> None:
    outcome = world.up('pulumi.StackReference("organization/toys/nowhere")')
    assert not outcome.ok
    assert "nowhere" in outcome.problems


@pytest.mark.parametrize("args", ['{"x": {"y": [1, None]}}', "{}"])
def test_values_arrive_as_they_were_sent(world: World, args: str) -> None:
    outcome = world.deployed(
        f'pulumi.export("a", pulumi.runtime.invoke("toy:index:ask", {{"text": {args}}}).value)'
    )
    assert outcome.result.outputs["a"]["text"] == eval(args)  # noqa: S307


def test_a_resource_of_the_run_can_be_looked_up(world: World) -> None:
    world.deployed("""
    a = Thing("a", label="x")
    found = a.urn.apply(lambda urn: pulumi.runtime.invoke_output("pulumi:pulumi:getResource", {"urn": urn}))
    pulumi.export("found", found)
    """)
    a = world.record("a")
    found = world.records()[0].outputs["found"]
    assert (found["urn"], found["id"], found["state"]["echo"]) == (a.urn, a.id, "x")


def test_whether_something_exists(world: World) -> None:
    World(world.root, stack="prod").deployed('Thing("theirs")')
    there = World(world.root, stack="prod").record("theirs").id
    outcome = world.deployed(f"""
    from pulumi.runtime.resource import exists_resource
    for name, id in (("yes", "{there}"), ("no", "nothing")):
        pulumi.export(name, exists_resource(None, "toy:index:Thing", id, {{}}, options()))
    """)
    assert outcome.result.outputs == {"yes": True, "no": False}


@pytest.mark.parametrize("token", ["pulumi:pulumi:readStackOutputs", "pulumi:pulumi:of_tomorrow"])
def test_a_function_of_the_engine_that_it_does_not_have(world: World, token: str) -> None:
    outcome = world.up(f'pulumi.runtime.invoke("{token}", {{}})')
    assert not outcome.ok
    assert f"function {token}" in outcome.problems
