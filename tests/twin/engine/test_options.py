"""Resource options, one by one."""

import json

import pytest

from tests.twin.engine.world import World
from twin.engine.events import Op

# -- protect


def test_protect_keeps_from_deletion(world: World) -> None:
    world.deployed('Thing("a", opts=options(protect=True))\nThing("b")')
    outcome = world.up('Thing("b")')
    assert not outcome.ok
    assert "protect" in outcome.problems
    assert sorted(world.things()) == ["a", "b"]
    assert world.record("a").protect
    assert not world.destroy().ok
    assert sorted(world.things()) == ["a", "b"]
    world.deployed('Thing("a")\nThing("b")')
    assert not world.record("a").protect
    assert world.destroy().ok
    assert world.things() == {}


def test_protect_keeps_from_replacement(world: World) -> None:
    world.deployed('Thing("a", fixed="x", opts=options(protect=True))')
    outcome = world.up('Thing("a", fixed="y", opts=options(protect=True))')
    assert not outcome.ok
    assert [each.op for each in outcome.failed()] == [Op.REPLACE]
    assert world.things()["a"]["fixed"] == "x"
    assert (
        world.deployed('Thing("a", fixed="x", label="z", opts=options(protect=True))').changes["update"] == 1
    )


def test_protect_is_inherited_from_the_parent(world: World) -> None:
    world.deployed("""
    g = Group("g", opts=options(protect=True))
    Thing("a", opts=options(parent=g))
    """)
    assert world.record("a").protect
    assert not world.up("").ok
    assert list(world.things()) == ["a"]


def test_the_preview_tells_of_a_protected_deletion(world: World) -> None:
    world.deployed('Thing("a", opts=options(protect=True))')
    outcome = world.preview("")
    assert not outcome.ok
    assert [each.name for each in outcome.failed()] == ["a"]


# -- ignoreChanges


@pytest.mark.parametrize(
    ("before", "after", "pattern", "kept"),
    [
        ("label='one'", "label='two'", "label", {"label": "one"}),
        (
            "label={'a': {'b': 1}, 'c': 1}",
            "label={'a': {'b': 2}, 'c': 2}",
            "label.a.b",
            {"label": {"a": {"b": 1}, "c": 2}},
        ),
        ("label=[1, 2]", "label=[3, 4]", "label[0]", {"label": [1, 4]}),
        (
            "label=[{'x': 1}, {'x': 2}]",
            "label=[{'x': 8}, {'x': 9}]",
            "label[*].x",
            {"label": [{"x": 1}, {"x": 2}]},
        ),
        ("label={'a.b': 1}", "label={'a.b': 2}", 'label["a.b"]', {"label": {"a.b": 1}}),
        ("label={'a': 1}", "label={'a': 2, 'n': 3}", "label.*", {"label": {"a": 1}}),
        ("label={'a': 1}", "label={'a': 2, 'n': 3}", "*", {"label": {"a": 1}}),
        ("other=1", "other=1, label='new'", "label", {"other": 1}),
        ("other=1, label='old'", "other=1", "label", {"other": 1, "label": "old"}),
        ("label=[1, 2, 3]", "label=[1]", "label", {"label": [1, 2, 3]}),
    ],
)
def test_ignore_changes(world: World, before: str, after: str, pattern: str, kept: dict) -> None:
    world.deployed(f'Thing("a", {before})')
    world.deployed(f'Thing("a", {after}, opts=options(ignore_changes=[{pattern!r}]))')
    there = world.things()["a"]
    there.pop("name")
    assert there == kept
    assert world.deployed().changes == {"same": 3}


def test_ignored_changes_do_not_replace(world: World) -> None:
    world.deployed('Thing("a", fixed="x")')
    outcome = world.deployed('Thing("a", fixed="y", opts=options(ignore_changes=["fixed"]))')
    assert outcome.changes == {"same": 3}


def test_a_bad_path_is_a_clear_error(world: World) -> None:
    world.deployed('Thing("a")')
    outcome = world.up('Thing("a", label=1, opts=options(ignore_changes=["label[x"]))')
    assert not outcome.ok
    assert "label[x" in outcome.problems


# -- replaceOnChanges


@pytest.mark.parametrize(
    ("before", "after", "pattern", "replaced"),
    [
        ("label='x'", "label='y'", "label", True),
        ("label='x'", "label='y'", "*", True),
        ("label={'a': 1, 'b': 1}", "label={'a': 2, 'b': 1}", "label.a", True),
        ("label={'a': 1, 'b': 1}", "label={'a': 1, 'b': 2}", "label.a", False),
        ("label=[{'a': 1}]", "label=[{'a': 2}]", "label[*].a", True),
    ],
)
def test_replace_on_changes(world: World, before: str, after: str, pattern: str, replaced: bool) -> None:
    world.deployed(f'Thing("a", {before})')
    outcome = world.deployed(f'Thing("a", {after}, opts=options(replace_on_changes=[{pattern!r}]))')
    assert outcome.changes == {"replace" if replaced else "update": 1, "same": 2}


# -- deleteBeforeReplace


def test_delete_before_replace_when_the_provider_says_so(world: World) -> None:
    world.deployed('Thing("a", first="x")')
    world.forget_calls()
    outcome = world.deployed('Thing("a", first="y")')
    assert world.calls("Create", "Delete") == [("Delete", "a"), ("Create", "a")]
    assert outcome.changes == {"replace": 1, "same": 2}


def test_delete_before_replace_when_the_program_says_so(world: World) -> None:
    world.deployed('Thing("a", fixed="x", opts=options(delete_before_replace=True))')
    world.forget_calls()
    world.deployed('Thing("a", fixed="y", opts=options(delete_before_replace=True))')
    assert world.calls("Create", "Delete") == [("Delete", "a"), ("Create", "a")]


def test_the_program_can_overrule_the_provider(world: World) -> None:
    world.deployed('Thing("a", first="x")')
    world.forget_calls()
    world.deployed('Thing("a", first="y", opts=options(delete_before_replace=False))')
    assert world.calls("Create", "Delete") == [("Create", "a"), ("Delete", "a")]


def test_a_fixed_name_is_deleted_before_it_is_made_again(world: World) -> None:
    world.deployed('Thing("a", name="mine", first="x")')
    world.deployed('Thing("a", name="mine", first="y")')
    assert world.record("a").id == "mine"
    assert world.count() == 1


def test_dependents_that_would_be_replaced_go_first_and_are_made_again(world: World) -> None:
    source = """
    a = Thing("a", first="{0}")
    b = Thing("b", fixed=a.made)
    c = Thing("c", fixed=b.made)
    d = Thing("d", label=a.made)
    """
    world.deployed(source.format("x"))
    world.forget_calls()
    outcome = world.deployed(source.format("y"))
    calls = world.calls("Create", "Update", "Delete")
    assert calls[:4] == [("Delete", "c"), ("Delete", "b"), ("Delete", "a"), ("Create", "a")]
    assert sorted(calls[4:]) == [("Create", "b"), ("Create", "c"), ("Update", "d")]
    assert calls.index(("Create", "b")) < calls.index(("Create", "c"))
    assert outcome.changes == {"replace": 3, "update": 1, "same": 2}
    assert world.count() == 4
    assert world.deployed().changes == {"same": 6}


def test_a_protected_dependent_keeps_everything_in_place(world: World) -> None:
    source = 'a = Thing("a", first="{0}")\nThing("b", fixed=a.made, opts=options(protect=True))'
    world.deployed(source.format("x"))
    world.forget_calls()
    assert not world.up(source.format("y")).ok
    assert world.calls("Create", "Delete") == []
    assert world.count() == 2


# -- deletedWith, retainOnDelete


def test_deleted_with_is_not_deleted_itself(world: World) -> None:
    world.deployed('a = Thing("a")\nThing("b", opts=options(deleted_with=a))')
    assert world.record("b").deleted_with == world.record("a").urn
    world.forget_calls()
    outcome = world.deployed("")
    assert world.calls("Delete") == [("Delete", "a")]
    assert outcome.started("b") == [Op.DISCARD]
    assert world.names() == []


def test_deleted_with_is_deleted_when_it_goes_alone(world: World) -> None:
    world.deployed('a = Thing("a")\nThing("b", opts=options(deleted_with=a))')
    world.forget_calls()
    world.deployed('a = Thing("a")')
    assert world.calls("Delete") == [("Delete", "b")]


def test_retain_on_delete_forgets(world: World) -> None:
    world.deployed('Thing("a", opts=options(retain_on_delete=True))')
    outcome = world.deployed("")
    assert world.names() == []
    assert list(world.things()) == ["a"]
    assert outcome.started("a") == [Op.DISCARD]


def test_retain_on_delete_also_keeps_what_is_replaced(world: World) -> None:
    world.deployed('Thing("a", fixed="x", opts=options(retain_on_delete=True))')
    world.deployed('Thing("a", fixed="y", opts=options(retain_on_delete=True))')
    assert world.count() == 2
    assert len(world.records()) == 3


def test_retain_on_delete_also_holds_for_delete_before_replace(world: World) -> None:
    world.deployed('Thing("a", first="x", opts=options(retain_on_delete=True))')
    world.forget_calls()
    world.deployed('Thing("a", first="y", opts=options(retain_on_delete=True))')
    assert world.calls("Delete") == []
    assert world.count() == 2


# -- customTimeouts


def test_custom_timeouts_reach_the_provider_and_the_state(world: World) -> None:
    source = """
    t = pulumi.CustomTimeouts(create="1m30s", update="90s", delete="2h")
    Thing("a", label={0}, opts=options(custom_timeouts=t))
    """
    world.deployed(source.format(1))
    assert world.record("a").custom_timeouts == {"create": 90, "update": 90, "delete": 7200}
    world.deployed(source.format(2))
    world.destroy()
    assert [
        (c["call"], c["timeout"]) for kind in ("Create", "Update", "Delete") for c in world.log(kind)
    ] == [
        ("Create", 90),
        ("Update", 90),
        ("Delete", 7200),
    ]


def test_a_call_that_outlasts_its_timeout_is_given_up(world: World) -> None:
    outcome = world.up(
        'Thing("a", delay=5, opts=options(custom_timeouts=pulumi.CustomTimeouts(create="0.3s")))'
    )
    assert not outcome.ok
    assert "0.3 s" in outcome.problems
    (pending,) = world.engine().store.load()[0].pending
    assert pending.kind == "creating"


# -- import


def test_import_takes_over_what_exists(world: World) -> None:
    there = {"urn": "urn:pulumi:x::y::toy:index:Thing::a", "props": {"name": "mine", "label": "one"}}
    (world.cloud / "mine.json").write_text(json.dumps(there))
    outcome = world.deployed('Thing("a", name="mine", label="one", opts=options(import_="mine"))')
    assert outcome.changes == {"create": 2, "import": 1}
    assert world.calls("Create", "Update") == []
    assert (world.record("a").id, world.record("a").import_id) == ("mine", "mine")
    assert world.deployed().changes == {"same": 3}
    assert world.deployed('Thing("a", name="mine", label="two")').changes == {"update": 1, "same": 2}


def test_import_of_what_does_not_exist_or_is_other(world: World) -> None:
    outcome = world.up('Thing("a", name="mine", opts=options(import_="mine"))')
    assert "'mine'" in outcome.problems
    there = {"urn": "urn:pulumi:x::y::toy:index:Thing::a", "props": {"name": "mine", "label": "one"}}
    (world.cloud / "mine.json").write_text(json.dumps(there))
    outcome = world.up('Thing("a", name="mine", label="two", opts=options(import_="mine"))')
    assert not outcome.ok
    assert "label is 'one', not 'two'" in outcome.problems
    assert world.names() == []


def test_import_in_a_preview_changes_nothing(world: World) -> None:
    there = {"urn": "urn:pulumi:x::y::toy:index:Thing::a", "props": {"name": "mine"}}
    (world.cloud / "mine.json").write_text(json.dumps(there))
    outcome = world.preview('Thing("a", name="mine", opts=options(import_="mine"))')
    assert outcome.changes == {"create": 2, "import": 1}
    assert not world.engine().store.exists()


# -- version, what is refused


def test_the_version_names_the_default_provider(world: World) -> None:
    world.deployed('Thing("a", opts=options(version="7.51.1"))')
    reference = world.record("a").provider
    assert reference.startswith("urn:pulumi:dev::toys::pulumi:providers:toy::default_7_51_1::")
    assert world.record("default_7_51_1").inputs["version"] == "7.51.1"


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ('a = Thing("a")\nThing("b", opts=options(replace_with=[a]))', "ReplaceWith"),
        ('Thing("b", opts=options(replacement_trigger="x"))', "replacement_trigger"),
        ('Thing("b", opts=options(hide_diffs=["label"]))', "hideDiffs"),
        ('pulumi.ComponentResource("toy:index:Far", "b", {}, remote=True)', "another process"),
        (
            """
            hook = pulumi.ResourceHook("h", lambda args: None)
            Thing("b", opts=options(hooks=pulumi.ResourceHookBinding(before_create=[hook])))
            """,
            "ooks",
        ),
        ('Provider("p", opts=options(env_var_mappings={"A": "B"}))', "envVarMappings"),
        (
            """
            import asyncio
            pulumi.runtime.register_invoke_transform(lambda args: None)
            """,
            "invoke transforms",
        ),
    ],
)
def test_what_is_not_supported_is_refused_by_name(world: World, source: str, named: str) -> None:
    outcome = world.up(source)
    assert not outcome.ok
    told = outcome.problems + outcome.text
    assert named in told, told
    assert "b" not in world.things()
