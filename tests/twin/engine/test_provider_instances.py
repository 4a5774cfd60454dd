"""Provider instances: default and explicit, changed, replaced, handed down."""

import pytest

from tests.twin.engine.world import World


def regions(world: World) -> set[str]:
    return {entry["config"].get("region", "") for entry in world.log("Configure")}


def test_the_default_provider_takes_the_stack_configuration(world: World) -> None:
    world.config(toy__region="earth", toy__tree={"a": 1})
    world.deployed('Thing("a")')
    provider = world.record("default")
    assert provider.type == "pulumi:providers:toy"
    assert provider.inputs == {"__internal": {}, "region": "earth", "tree": '{"a": 1}'}
    assert provider.outputs == {"region": "earth", "tree": '{"a": 1}'}
    assert world.record("a").provider == f"{provider.urn}::{provider.id}"
    assert not provider.parent
    assert regions(world) == {"earth"}


def test_a_changed_default_provider_is_updated_and_its_resources_stay(world: World) -> None:
    world.config(toy__colour="red")
    world.deployed('Thing("a")')
    world.config(toy__colour="blue")
    outcome = world.deployed()
    assert outcome.changes == {"update": 1, "same": 2}
    assert world.record("default").inputs["colour"] == "blue"
    assert world.deployed().changes == {"same": 3}


def test_a_provider_may_fill_in_its_own_settings(world: World) -> None:
    world.config(toy__colour="auto")
    world.deployed('Thing("a")')
    assert world.record("default").inputs["colour"] == "green"
    assert world.log("Configure")[0]["config"]["colour"] == "green"
    assert world.deployed().changes == {"same": 3}


def test_a_replaced_default_provider_replaces_its_resources(world: World) -> None:
    world.config(toy__region="earth")
    world.deployed('a = Thing("a")\nThing("b", label=a.made)')
    before = world.record("default").id
    world.config(toy__region="moon")
    world.forget_calls()
    outcome = world.deployed()
    assert outcome.changes == {"replace": 3, "same": 1}
    assert world.record("default").id != before
    assert world.record("a").provider.endswith(world.record("default").id)
    assert world.calls("Delete") == [("Delete", "b"), ("Delete", "a")]
    assert world.count() == 2
    assert [state.delete for state in world.records()] == [False] * 4
    assert world.deployed().changes == {"same": 4}


def test_explicit_providers_each_have_a_process_of_their_own(world: World) -> None:
    world.deployed("""
    for region in ("earth", "moon"):
        p = Provider(region, region=region)
        Thing(f"on-{region}", opts=options(provider=p))
    """)
    configured = world.log("Configure")
    assert {entry["config"]["region"] for entry in configured} == {"earth", "moon"}
    assert len({entry["pid"] for entry in configured}) == 2
    assert world.record("on-moon").provider.startswith(world.record("moon").urn)
    assert "default" not in [state.name for state in world.records()]


def test_resources_of_a_changed_explicit_provider_stay(world: World) -> None:
    source = 'p = Provider("p", colour="{0}")\nThing("a", opts=options(provider=p))'
    world.deployed(source.format("red"))
    outcome = world.deployed(source.format("blue"))
    assert outcome.changes == {"update": 1, "same": 2}


def test_resources_of_a_replaced_explicit_provider_are_replaced(world: World) -> None:
    source = 'p = Provider("p", region="{0}")\nThing("a", opts=options(provider=p))'
    world.deployed(source.format("earth"))
    world.forget_calls()
    outcome = world.deployed(source.format("moon"))
    assert outcome.changes == {"replace": 2, "same": 1}
    assert world.calls("Create", "Delete") == [("Create", "a"), ("Delete", "a")]
    # The old one is deleted through the old instance: its configuration knows where the resource lies.
    deleted_by = world.log("Delete")[0]["pid"]
    assert {e["pid"]: e["config"]["region"] for e in world.log("Configure")}[deleted_by] == "earth"


def test_moving_to_another_provider_replaces(world: World) -> None:
    world.deployed('p = Provider("p", region="x")\nThing("a", opts=options(provider=p))')
    outcome = world.deployed('p = Provider("q", region="x")\nThing("a", opts=options(provider=p))')
    assert outcome.changes == {"create": 1, "replace": 1, "same": 1, "delete": 1}
    assert world.count() == 1


def test_another_default_version_does_not_replace(world: World) -> None:
    world.deployed('Thing("a", opts=options(version="1.0.0"))')
    outcome = world.deployed('Thing("a", opts=options(version="1.1.0"))')
    assert "replace" not in outcome.changes
    assert world.record("a").provider.startswith(world.record("default_1_1_0").urn)


def test_providers_are_handed_down_through_components(world: World) -> None:
    world.deployed("""
    p = Provider("p", region="moon")
    g = Group("g", opts=options(providers=[p]))
    h = Group("h", opts=options(parent=g))
    Thing("a", opts=options(parent=h))
    """)
    assert world.record("a").provider.startswith(world.record("p").urn)


def test_a_provider_that_is_gone_from_the_program_still_deletes(world: World) -> None:
    world.deployed('p = Provider("p", region="moon")\nThing("a", opts=options(provider=p))')
    world.forget_calls()
    outcome = world.deployed("")
    assert outcome.changes == {"delete": 2, "same": 1}
    assert [name for _, name in outcome.done()][-2:] == ["a", "p"]
    assert regions(world) == {"moon"}
    assert world.things() == {}


def test_a_provider_that_needs_a_resource_waits_for_it(world: World) -> None:
    source = 'a = Thing("a")\np = Provider("p", region=a.made)\nThing("b", opts=options(provider=p))'
    preview = world.preview(source)
    assert preview.ok, preview.problems
    assert preview.changes == {"create": 5}
    world.deployed(source)
    assert regions(world) == {"", f"made-{world.record('a').id}"}
    assert world.deployed().changes == {"same": 5}
    world.destroy()
    assert world.things() == {}


def test_bad_provider_settings_are_told_cleanly(world: World) -> None:
    world.config(toy__region="mars")
    outcome = world.up('Thing("a")')
    assert not outcome.ok
    assert "region: there is no region 'mars'" in outcome.problems
    assert world.things() == {}


@pytest.mark.parametrize("command", ["up", "preview"])
def test_a_package_without_a_provider_names_where_it_was_looked_for(world: World, command: str) -> None:
    outcome = world.run(command, 'pulumi.CustomResource("mars:index:Rover", "r", {})')
    assert not outcome.ok
    assert "'mars'" in outcome.problems
    assert str(world.root / "bin") in outcome.problems


def test_credentials_and_proxies_never_reach_a_child(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "PULUMI_ACCESS_TOKEN", "HTTPS_PROXY", "KUBECONFIG"):
        monkeypatch.setenv(name, "real")
    world.deployed("""
    import os
    Thing("a")
    pulumi.export("seen", sorted(key for key, value in os.environ.items() if value == "real"))
    """)
    assert world.records()[0].outputs["seen"] == []
    (configured,) = world.log("Configure")
    assert not {"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "HTTPS_PROXY", "KUBECONFIG"} & set(
        configured["environment"]
    )


def test_an_address_that_is_not_loopback_is_refused(world: World) -> None:
    world.environment["STAGECRAFT_CLOUD"] = "http://192.0.2.7:5000"
    with pytest.raises(ValueError, match="loopback"):
        world.engine()
