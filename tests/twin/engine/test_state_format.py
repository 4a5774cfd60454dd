"""The state: Pulumi's deployment format, version 3."""

import json
from hashlib import sha256
from typing import Any

import pytest
from pulumi import automation

from tests.twin.engine.world import World
from twin.engine.deployment import DeploymentError
from twin.engine.engine import PULUMI_VERSION
from twin.engine.soundness import check
from twin.engine.store import StoreError

SOURCE = """
g = Group("g")
a = Thing("a", label=pulumi.Output.secret("hush-hush"), opts=options(parent=g))
Thing("b", label=a.made, opts=options(protect=True, ignore_changes=["x"],
      custom_timeouts=pulumi.CustomTimeouts(create="5m")))
pulumi.export("made", a.made)
"""


@pytest.fixture
def document(world: World) -> dict[str, Any]:
    world.deployed(SOURCE)
    return world.engine().store.export_document()


def test_it_reads_as_the_sdk_reads_deployments(document: dict[str, Any]) -> None:
    deployment = automation.Deployment(**document)
    assert deployment.version == 3
    assert len(deployment.deployment["resources"]) == 5


def test_the_manifest_and_secrets_provider_are_as_the_cli_writes_them(document: dict[str, Any]) -> None:
    body = document["deployment"]
    assert body["manifest"]["magic"] == sha256(PULUMI_VERSION.encode()).hexdigest()
    assert body["manifest"]["version"] == PULUMI_VERSION
    assert body["secrets_providers"]["type"] == "passphrase"
    assert body["secrets_providers"]["state"]["salt"].startswith("v1:")
    assert body["metadata"] == {}


def test_the_records_are_as_the_cli_writes_them(document: dict[str, Any]) -> None:
    stack, provider, group, a, b = document["deployment"]["resources"]
    assert [raw["type"] for raw in (stack, provider, group)] == [
        "pulumi:pulumi:Stack",
        "pulumi:providers:toy",
        "toy:index:Group",
    ]
    assert "parent" not in provider
    assert provider["inputs"]["__internal"] == {}
    assert "__internal" not in provider.get("outputs", {})
    assert group["custom"] is False
    assert "id" not in group
    assert stack["outputs"] == {"made": a["outputs"]["made"]}
    assert a["parent"] == group["urn"]
    assert a["inputs"]["label"].keys() == {"4dabf18193072939515e22adb298388d", "ciphertext"}
    assert (b["protect"], b["ignoreChanges"], b["customTimeouts"]) == (True, ["x"], {"create": 300})
    assert b["propertyDependencies"] == {"label": [a["urn"]]}
    assert {"created", "modified"} <= b.keys()
    assert not check(document, "dev")


def test_dependencies_come_first(document: dict[str, Any]) -> None:
    seen: set[str] = set()
    for raw in document["deployment"]["resources"]:
        needs = [raw.get("parent"), *raw.get("dependencies", ())]
        if raw.get("provider"):
            needs.append(raw["provider"].rpartition("::")[0])
        assert {need for need in needs if need} <= seen
        seen.add(raw["urn"])


def test_exported_and_imported_elsewhere_it_is_unchanged(world: World, document: dict[str, Any]) -> None:
    text = json.dumps(document)
    world.home = world.root / "another home"
    world.engine().store.import_document(json.loads(text))
    assert world.deployed().changes == {"same": 5}
    assert world.things()["a"]["label"] == "hush-hush"


def wrong(document: dict[str, Any], how: str) -> Any:
    body = document["deployment"]
    resources = body["resources"]
    if how == "version":
        document["version"] = 4
    elif how == "order":
        resources.reverse()
    elif how == "twice":
        resources.append(resources[-1])
    elif how == "dangling":
        resources[-1]["dependencies"] = ["urn:pulumi:dev::toys::toy:index:Thing::nobody"]
    elif how == "provider":
        resources.pop(1)
    elif how == "secrets":
        del body["secrets_providers"]
    elif how == "stack":
        text = json.dumps(document).replace("urn:pulumi:dev::", "urn:pulumi:prod::")
        return json.loads(text)
    elif how == "id":
        del resources[-1]["id"]
    elif how == "urn":
        resources[-1]["urn"] = "nonsense"
    elif how == "salt":
        body["secrets_providers"] = {"type": "cloud", "state": {"url": "x"}}
    elif how == "magic":
        body["manifest"]["magic"] = "0" * 64
    elif how == "list":
        return [document]
    return document


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("version", "version 4"),
        ("order", "stands after it"),
        ("twice", "stands twice"),
        ("dangling", "not in the state"),
        ("provider", "not in the state"),
        ("secrets", "secrets_providers"),
        ("stack", "'prod'"),
        ("id", "no id"),
        ("urn", "nonsense"),
        ("salt", "'cloud'"),
        ("magic", "magic"),
        ("list", "not a Pulumi deployment"),
    ],
)
def test_an_import_of_something_wrong_is_refused(
    world: World, document: dict[str, Any], how: str, told: str
) -> None:
    before = (world.home / "dev" / "state.json").read_bytes()
    with pytest.raises(DeploymentError, match=told):
        world.engine().store.import_document(wrong(document, how))
    assert (world.home / "dev" / "state.json").read_bytes() == before


def test_an_import_takes_a_document_with_plain_secrets(world: World, document: dict[str, Any]) -> None:
    for raw in document["deployment"]["resources"]:
        if raw["urn"].endswith("::a"):
            raw["inputs"]["label"] = {
                "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
                "plaintext": '"hush-hush"',
            }
    world.engine().store.import_document(document)
    assert "hush-hush" not in (world.home / "dev" / "state.json").read_text()
    assert world.deployed().changes == {"same": 5}


def test_fields_of_newer_engines_are_kept(world: World, document: dict[str, Any]) -> None:
    document["deployment"]["resources"][3]["aFieldOfTomorrow"] = {"x": 1}
    document["deployment"]["metadata"] = {"integrity_error": None, "tomorrow": [1]}
    world.engine().store.import_document(document)
    world.deployed()
    exported = world.engine().store.export_document()["deployment"]
    assert exported["resources"][3]["aFieldOfTomorrow"] == {"x": 1}
    assert exported["metadata"]["tomorrow"] == [1]


def test_backups_are_kept_and_named_when_the_state_is_corrupt(world: World, document: dict[str, Any]) -> None:
    world.deployed('Thing("b", opts=options(protect=True))')
    state = world.home / "dev" / "state.json"
    (backup,) = (world.home / "dev" / "backups").iterdir()
    state.write_text(state.read_text()[:-100])
    before = state.read_bytes()
    for command in ("up", "preview", "refresh", "destroy"):
        with pytest.raises(StoreError, match=str(backup)):
            world.run(command)
    assert state.read_bytes() == before
    world.engine().store.import_document(json.loads(backup.read_text()))
    assert world.deployed(SOURCE).ok


def test_a_command_that_changes_nothing_writes_no_backup(world: World, document: dict[str, Any]) -> None:
    state = world.home / "dev" / "state.json"
    before = state.read_bytes()
    for _ in range(3):
        assert world.deployed().changes == {"same": 5}
    assert state.read_bytes() == before
    assert not (world.home / "dev" / "backups").exists()
    assert not (world.home / "dev" / "journal.jsonl").exists()


def test_ten_backups_are_kept(world: World) -> None:
    for number in range(13):
        world.deployed(f'pulumi.export("x", {number})')
    kept = sorted(path.name for path in (world.home / "dev" / "backups").iterdir())
    assert kept == [f"state-{number:06d}.json" for number in range(3, 13)]
