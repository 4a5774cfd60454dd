"""Secrets: known to the program and the provider, in clear nowhere else."""

import pytest

from tests.twin.engine.world import World
from twin.engine.deployment import plain_outputs
from twin.wire import Secret

WORD = "hunter2-hunter2"
SOURCE = f"""
a = Thing("a", label=pulumi.Output.secret("{WORD}"), tree={{"deep": [pulumi.Output.secret("{WORD}!")]}})
b = Thing("b", label=a.echo)
c = Thing("c", label=pulumi.Output.format("x-{{0}}", a.label) if hasattr(a, "label") else a.echo)
pulumi.export("word", a.echo)
pulumi.export("plain", a.made)
"""


@pytest.fixture(params=[False, True], ids=["provider-takes-plain", "provider-takes-secrets"])
def secretive(world: World, request: pytest.FixtureRequest) -> World:
    if request.param:
        world.environment["TOY_ACCEPTS_SECRETS"] = "1"
    return world


def everything_shown(events: list[object]) -> str:
    return repr(events)


def test_nothing_is_written_or_shown_in_clear(secretive: World) -> None:
    world = secretive
    for _ in range(2):
        outcome = world.deployed(SOURCE)
        assert WORD not in everything_shown(outcome.events)
        assert WORD not in repr(outcome.result)
        assert WORD not in world.written()
    changed = world.deployed(SOURCE.replace(f'secret("{WORD}")', f'secret("{WORD}-new")'))
    assert WORD not in everything_shown(changed.events)
    assert "[secret]" in everything_shown(changed.events)
    refreshed = world.refresh()
    assert WORD not in everything_shown(refreshed.events)
    destroyed = world.destroy()
    assert WORD not in everything_shown(destroyed.events)
    assert WORD not in world.written()
    assert list((world.home / "dev" / "backups").iterdir())


def test_secret_inputs_and_their_outputs_are_secret_in_the_state(secretive: World) -> None:
    world = secretive
    world.deployed(SOURCE)
    a, b = world.record("a"), world.record("b")
    assert a.inputs["label"] == Secret(WORD)
    assert a.inputs["tree"] == {"deep": [Secret(f"{WORD}!")]}
    assert a.outputs["label"] == Secret(WORD)
    assert b.inputs["label"] == Secret(WORD)
    assert plain_outputs(world.engine().store.load()[0])["word"] == Secret(WORD)
    assert world.things()["b"]["label"] == WORD
    assert world.deployed().changes == {"same": 5}


def test_a_running_journal_carries_no_secret(world: World) -> None:
    outcome = world.up(SOURCE + '\nThing("z", fail="create", label=c.made)')
    assert not outcome.ok
    assert WORD not in world.written()


def test_ciphertexts_are_stable(world: World) -> None:
    import json
    import re

    def ciphertexts() -> list[str]:
        return re.findall(r'"ciphertext": "([^"]+)"', (world.home / "dev" / "state.json").read_text())

    world.deployed(SOURCE)
    before = ciphertexts()
    world.deployed(SOURCE + '\nThing("d")')
    assert len(before) >= 5
    assert sorted(ciphertexts()) == sorted(before)
    assert json.dumps(before)


def test_additional_secret_outputs(world: World) -> None:
    world.deployed('Thing("a", label="quiet-please", opts=options(additional_secret_outputs=["echo"]))')
    record = world.record("a")
    assert record.outputs["echo"] == Secret("quiet-please")
    assert record.additional_secret_outputs == ["echo"]
    assert record.outputs["made"] == f"made-{record.id}"


def test_an_error_does_not_tell_a_secret(world: World) -> None:
    outcome = world.up(f'Thing("a", fail="create", label=pulumi.Output.secret("{WORD}"))')
    assert not outcome.ok
    assert "[secret]" in outcome.problems
    assert WORD not in outcome.problems


def test_a_known_secret_is_blanked_even_in_a_value_that_is_not_marked(world: World) -> None:
    world.deployed(f'Thing("a", label=pulumi.Output.secret("{WORD}"))\nThing("b", label="plain")')
    world.change_outside("b", label={"leaked": [f"it is {WORD}"]})
    outcome = world.refresh()
    assert outcome.changes["update"] == 1
    assert WORD not in everything_shown(outcome.events)
    assert "it is [secret]" in everything_shown(outcome.events)


def test_a_secret_in_configuration_stays_secret(world: World) -> None:
    from twin.engine.secrets import Encryption

    encryption = Encryption("correct horse")
    text = f"encryptionsalt: {encryption.salt_text}\nconfig:\n"
    text += f"  toys:word:\n    secure: {encryption.encrypt(WORD)}\n"
    text += f"  toy:word:\n    secure: {encryption.encrypt(WORD)}\n"
    (world.root / "Pulumi.dev.yaml").write_text(text)
    outcome = world.deployed("""
    word = pulumi.Config().require_secret("word")
    Thing("a", label=word)
    word.apply(lambda text: print("it is", text))
    """)
    assert WORD not in everything_shown(outcome.events)
    assert "it is [secret]" in outcome.text
    assert WORD not in world.written()
    assert world.things()["a"]["label"] == WORD
    assert world.record("default").inputs["word"] == Secret(WORD)
    assert world.log("Configure")[0]["config"]["word"] == WORD


def test_turning_a_plain_value_secret_is_kept(world: World) -> None:
    world.deployed(f'Thing("a", label="{WORD}")')
    world.deployed(f'Thing("a", label=pulumi.Output.secret("{WORD}"))')
    assert world.record("a").inputs["label"] == Secret(WORD)
    assert world.record("a").outputs["label"] == Secret(WORD)


def test_another_passphrase_is_refused_and_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twin.engine.secrets import SecretsError

    world.deployed(SOURCE)
    before = (world.home / "dev" / "state.json").read_bytes()
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "another")
    with pytest.raises(SecretsError, match="PULUMI_CONFIG_PASSPHRASE"):
        world.up('Thing("a")')
    assert (world.home / "dev" / "state.json").read_bytes() == before
    assert world.count() == 3
