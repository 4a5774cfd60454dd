"""Transforms: of a resource, a component and the stack; on properties and options."""

import pytest

from tests.twin.engine.world import World

RELABEL = """
def relabel(args):
    if args.type_ != "toy:index:Thing":
        return None
    return pulumi.ResourceTransformResult({**args.props, "label": "transformed"}, args.opts)
"""


@pytest.mark.parametrize(
    "program",
    [
        'Thing("a", label="x", opts=options(transforms=[relabel]))',
        'g = Group("g", opts=options(transforms=[relabel]))\nThing("a", label="x", opts=options(parent=g))',
        """
g = Group("g", opts=options(transforms=[relabel]))
h = Group("h", opts=options(parent=g))
Thing("a", label="x", opts=options(parent=h))
""",
        'pulumi.runtime.register_resource_transform(relabel)\nThing("a", label="x")',
    ],
    ids=["resource", "component", "grandparent", "stack"],
)
def test_properties_are_changed(world: World, program: str) -> None:
    world.deployed(RELABEL + program)
    assert world.things()["a"]["label"] == "transformed"
    assert set(world.deployed().changes) == {"same"}


def test_they_run_in_order_own_then_parents_then_stack(world: World) -> None:
    world.deployed("""
    def adding(letter):
        def add(args):
            if args.type_ != "toy:index:Thing":
                return None
            label = args.props["label"] + letter
            return pulumi.ResourceTransformResult({**args.props, "label": label}, args.opts)
        return add
    pulumi.runtime.register_resource_transform(adding("s"))
    g = Group("g", opts=options(transforms=[adding("p"), adding("q")]))
    Thing("a", label="x", opts=options(parent=g, transforms=[adding("o")]))
    """)
    assert world.things()["a"]["label"] == "xopqs"


def test_options_are_changed(world: World) -> None:
    world.deployed("""
    other = Thing("other")
    p = Provider("p", region="moon")
    def change(args):
        if args.name != "a":
            return None
        return pulumi.ResourceTransformResult(args.props, pulumi.ResourceOptions.merge(args.opts, options(
            protect=True, retain_on_delete=True, ignore_changes=["x"], replace_on_changes=["y"],
            depends_on=[other], additional_secret_outputs=["made"], provider=p, delete_before_replace=True,
            custom_timeouts=pulumi.CustomTimeouts(create="7m"), deleted_with=other,
            aliases=[pulumi.Alias(name="was")])))
    Thing("a", opts=options(transforms=[change]))
    """)
    a = world.record("a")
    assert (a.protect, a.retain_on_delete, a.ignore_changes, a.replace_on_changes) == (
        True,
        True,
        ["x"],
        ["y"],
    )
    assert a.dependencies == [world.record("other").urn]
    assert a.additional_secret_outputs == ["made"]
    assert a.provider.startswith(world.record("p").urn)
    assert a.custom_timeouts == {"create": 420}
    assert a.deleted_with == world.record("other").urn


def test_a_transform_may_be_a_coroutine_that_invokes(world: World) -> None:
    outcome = world.deployed("""
    async def looked_up(args):
        if args.type_ != "toy:index:Thing":
            return None
        answer = await pulumi.runtime.invoke_async("toy:index:ask", {"text": args.name})
        return pulumi.ResourceTransformResult({**args.props, "label": answer["text"]}, args.opts)
    pulumi.runtime.register_resource_transform(looked_up)
    for i in range(150):
        Thing(f"t{i}")
    """)
    assert outcome.changes["create"] == 152
    assert world.things()["t149"]["label"] == "t149"


def test_a_transform_that_fails_names_the_resource(world: World) -> None:
    outcome = world.up("""
    def fail(args):
        raise ValueError("I will not")
    Thing("a", opts=options(transforms=[fail]))
    """)
    assert not outcome.ok
    assert "toy:index:Thing a" in outcome.problems
    assert "I will not" in outcome.problems
    assert world.things() == {}


@pytest.mark.parametrize("target", ["192.0.2.1:5000", "example.com:443"])
def test_a_callback_must_be_on_this_machine(world: World, target: str) -> None:
    outcome = world.up(f"""
    from pulumi.runtime.proto import callback_pb2
    from pulumi.runtime.settings import get_monitor
    get_monitor().RegisterStackTransform(callback_pb2.Callback(token="x", target="{target}"))
    """)
    assert not outcome.ok
    assert "not on this machine" in outcome.problems


def test_a_stack_transform_cannot_dial_out_later(world: World) -> None:
    outcome = world.up("""
    from pulumi.runtime.proto import callback_pb2, resource_pb2
    from pulumi.runtime.settings import get_monitor
    get_monitor().RegisterResource(resource_pb2.RegisterResourceRequest(
        type="toy:index:Thing", name="a", custom=True,
        transforms=[callback_pb2.Callback(token="x", target="198.51.100.4:1")]))
    """)
    assert not outcome.ok
    assert "not on this machine" in outcome.problems
    assert world.things() == {}
