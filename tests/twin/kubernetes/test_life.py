"""Objects through their life in a cluster that is recorded: created, compared, changed, read, deleted."""

import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.twin.aws.provider.plugin import Plugin, Resource
from tests.twin.kubernetes.samples import EVERY, changed, of, token


def named(sample: dict[str, Any], name: str) -> dict[str, Any]:
    return changed(sample, "metadata/name", name)


def make(plugin: Plugin, sample: dict[str, Any], name: str = "it") -> Resource:
    return plugin.make(token(sample), sample, name=name)


def checked_again(plugin: Plugin, resource: Resource, news: dict[str, Any]) -> dict[str, Any]:
    kind = resource.urn.split("::")[2]
    return plugin.checked(kind, news, name=resource.urn.split("::")[3], olds=resource.inputs)


@pytest.mark.parametrize("sample", EVERY, ids=lambda each: each["kind"])
def test_every_kind_lives_and_dies(plugin: Plugin, records: Path, sample: dict[str, Any]) -> None:
    made = make(plugin, named(sample, "whole-life"), name="whole-life")
    assert made.id in ("whole-life", "default/whole-life")
    assert made.state["metadata"]["uid"]
    assert "managedFields" not in made.state["metadata"]
    found = plugin.read(made)
    assert found is not None
    assert found.inputs == made.inputs
    assert not plugin.diff(made, checked_again(plugin, made, named(sample, "whole-life"))).changed
    assert plugin.look_up(token(sample), made.id) is not None
    plugin.delete(made)
    plugin.delete(made)
    assert plugin.read(made) is None
    assert not list(records.rglob("whole-life.json"))


def test_a_name_is_made_once_and_kept(plugin: Plugin) -> None:
    sample = of("ConfigMap")
    del sample["metadata"]["name"]
    first = plugin.checked(token(sample), sample, name="settings", seed=b"1")
    assert (
        first["metadata"]["name"]
        == plugin.checked(token(sample), sample, name="settings", seed=b"1")["metadata"]["name"]
    )
    assert len(first["metadata"]["name"]) == len("settings-01234567")
    assert first["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}
    again = plugin.checked(token(sample), sample, name="settings", seed=b"2", olds=first)
    assert again["metadata"]["name"] == first["metadata"]["name"]


def test_a_project_may_rule_names(plugin: Plugin) -> None:
    sample = of("ConfigMap")
    del sample["metadata"]["name"]
    found = plugin.checked(token(sample), sample, autonaming=("mine", "ENFORCE"))
    assert found["metadata"]["name"] == "mine"
    failures = plugin.check(token(sample), sample, autonaming=("", "DISABLE")).failures
    assert "give a name" in failures["metadata.name"]


def test_a_generated_name_is_the_same_for_the_same_attempt(plugin: Plugin) -> None:
    sample = of("ConfigMap")
    sample["metadata"] = {"generateName": "run-"}
    inputs = plugin.checked(token(sample), sample)
    assert "name" not in inputs["metadata"]
    first = plugin.create(token(sample), inputs, operation="a")
    second = plugin.create(token(sample), inputs, operation="a")
    other = plugin.create(token(sample), inputs, operation="b")
    assert first.id == second.id != other.id
    assert first.id.startswith("default/run-")
    assert not plugin.diff(first, inputs).changed
    plugin.delete(first)
    plugin.delete(other)


@pytest.mark.parametrize(
    ("kind", "path", "value", "replaces"),
    [
        ("Deployment", "spec/replicas", 3, []),
        ("Deployment", "spec/selector", {"matchLabels": {"app": "other"}}, ["spec.selector.matchLabels.app"]),
        ("Deployment", "metadata/labels", {"a": "b"}, []),
        ("StatefulSet", "spec/serviceName", "other", ["spec.serviceName"]),
        ("StatefulSet", "spec/replicas", 2, []),
        ("Job", "spec/suspend", False, []),
        (
            "Job",
            "spec/template/spec/containers/0/image",
            "other@sha256:" + "b" * 64,
            ["spec.template.spec.containers[0].image"],
        ),
        ("Service", "spec/clusterIP", "None", ["spec.clusterIP"]),
        ("ConfigMap", "data", {"a.json": "[]"}, ['data["a.json"]']),
        ("Secret", "type", "example.com/other", ["type"]),
        ("Namespace", "metadata/name", "other", ["metadata.name"]),
        ("Service", "metadata/namespace", "other", ["metadata.namespace"]),
        ("NodePool", "spec/limits", {"cpu": "1"}, []),
        ("PriorityClass", "value", 2, ["value"]),
    ],
)
def test_what_can_not_change_takes_another_object(
    plugin: Plugin, kind: str, path: str, value: Any, replaces: list[str]
) -> None:
    sample = of(kind)
    inputs = plugin.checked(token(sample), sample)
    resource = Resource(f"urn:pulumi:test::project::{token(sample)}::it", "it", inputs, inputs)
    difference = plugin.diff(resource, changed(inputs, path, value))
    assert difference.changed
    assert difference.replaces == replaces
    if replaces:
        moves = path in ("metadata/name", "metadata/namespace")
        assert difference.delete_first is not moves
        assert all(difference.kinds[each].endswith("_REPLACE") for each in replaces)


@pytest.mark.parametrize(
    ("kind", "path", "value", "replaces"),
    [
        ("LocalQueue", "spec/clusterQueue", "other", ["spec.clusterQueue"]),
        ("NodePool", "spec/replicas", 2, ["spec.replicas"]),
        (
            "NodePool",
            "spec/template/spec/nodeClassRef/kind",
            "Other",
            ["spec.template.spec.nodeClassRef.kind"],
        ),
        ("NodePool", "spec/template/spec/nodeClassRef/name", "other", []),
        ("GatewayClass", "spec/controllerName", "example.com/other", ["spec.controllerName"]),
    ],
)
def test_a_rule_of_the_schema_against_change_takes_another_object(
    plugin: Plugin, kind: str, path: str, value: Any, replaces: list[str]
) -> None:
    sample = of(kind)
    inputs = plugin.checked(token(sample), sample)
    resource = Resource(f"urn:pulumi:test::project::{token(sample)}::it", "it", inputs, inputs)
    assert plugin.diff(resource, changed(inputs, path, value)).replaces == replaces


def test_an_automatic_name_lets_the_new_come_before_the_old_goes(plugin: Plugin) -> None:
    sample = of("ConfigMap")
    del sample["metadata"]["name"]
    inputs = plugin.checked(token(sample), sample, name="settings")
    resource = Resource(f"urn:pulumi:test::project::{token(sample)}::settings", "x", inputs, inputs)
    difference = plugin.diff(resource, changed(inputs, "data", {"b": "c"}))
    assert difference.replaces
    assert not difference.delete_first


def test_settings_of_the_provider_let_config_maps_and_secrets_change(records: Path) -> None:
    plugin = _started(records, enableConfigMapMutable="true", enableSecretMutable="true")
    try:
        for kind in ("ConfigMap", "Secret"):
            sample = of(kind)
            inputs = plugin.checked(token(sample), sample)
            resource = Resource(f"urn:pulumi:test::project::{token(sample)}::it", "it", inputs, inputs)
            assert plugin.diff(resource, changed(inputs, "data", {"b": "YQ=="})).replaces == []
    finally:
        plugin.close()


def test_another_version_of_a_kind_is_the_same_object(plugin: Plugin) -> None:
    sample = changed(of("LocalQueue"), "apiVersion", "kueue.x-k8s.io/v1beta1")
    inputs = plugin.checked(token(sample), sample)
    resource = Resource(f"urn:pulumi:test::project::{token(sample)}::it", "it", inputs, inputs)
    difference = plugin.diff(resource, changed(inputs, "apiVersion", "kueue.x-k8s.io/v1beta2"))
    assert difference.changed
    assert difference.replaces == []


def test_ignored_changes_are_no_changes(plugin: Plugin) -> None:
    sample = of("Deployment")
    inputs = plugin.checked(token(sample), sample)
    resource = Resource(f"urn:pulumi:test::project::{token(sample)}::it", "it", inputs, inputs)
    assert not plugin.diff(resource, changed(inputs, "spec/replicas", 9), ("spec.replicas",)).changed


def test_a_change_from_outside_is_seen(plugin: Plugin, records: Path) -> None:
    made = make(plugin, named(of("Deployment"), "drifting"))
    path = next(records.rglob("drifting.json"))
    live = json.loads(path.read_text())
    live["spec"]["replicas"] = 7
    live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "1000m"
    live["spec"]["template"]["spec"]["containers"].append({"name": "sidecar", "image": "x"})
    live["spec"]["paused"] = False
    path.write_text(json.dumps(live))
    found = plugin.read(made)
    assert found is not None
    # The same amount in other words, a defaulted field and another owner's container are no changes of ours.
    assert found.inputs == changed(made.inputs, "spec/replicas", 7)
    updated = plugin.update(found, made.inputs)
    assert updated.state["spec"]["replicas"] == 2
    plugin.delete(made)


def test_a_secret_is_kept_encoded_given_back_marked_and_compared(plugin: Plugin, records: Path) -> None:
    made = make(plugin, named(of("Secret"), "hidden"))
    assert made.state["data"] == {"password": "c2VjcmV0"}
    assert "Secret" in type(made.raw["data"]).__name__
    path = next(records.rglob("hidden.json"))
    assert path.stat().st_mode & 0o077 == 0
    found = plugin.read(made)
    assert found is not None
    assert found.inputs == made.inputs
    live = json.loads(path.read_text())
    live["data"]["password"] = "b3RoZXI="
    path.write_text(json.dumps(live))
    found = plugin.read(made)
    assert found is not None
    assert found.inputs["stringData"] == {"password": "other"}
    plugin.delete(made)


def test_a_namespace_takes_along_what_it_holds(plugin: Plugin) -> None:
    space = make(plugin, named(of("Namespace"), "team"), name="team")
    held = make(plugin, changed(named(of("ConfigMap"), "held"), "metadata/namespace", "team"), name="held")
    plugin.delete(space)
    assert plugin.read(held) is None


def test_what_is_there_already_is_not_taken_over(plugin: Plugin, records: Path) -> None:
    sample = named(of("ConfigMap"), "taken")
    made = make(plugin, sample, name="first")
    with pytest.raises(grpc.RpcError, match="is there already"):
        make(plugin, sample, name="second")
    again = plugin.create(token(sample), made.inputs, name="first")
    assert again.state["metadata"]["uid"] == made.state["metadata"]["uid"]
    adopting = _started(records, upsertExistingObjects="true")
    try:
        assert make(adopting, sample, name="second").id == made.id
    finally:
        adopting.close()
    plugin.delete(made)


def test_a_preview_touches_nothing(plugin: Plugin, records: Path) -> None:
    sample = named(of("ConfigMap"), "planned")
    inputs = plugin.checked(token(sample), sample)
    planned = plugin.create(token(sample), inputs, preview=True)
    assert planned.id == ""
    assert planned.state["data"] == sample["data"]
    assert not list(records.rglob("planned.json"))
    made = make(plugin, sample)
    update = plugin.update(made, changed(inputs, "metadata/labels", {"a": "b"}), preview=True)
    assert update.state["metadata"]["labels"] == {"a": "b"}
    assert update.state["metadata"]["uid"] == made.state["metadata"]["uid"]
    assert plugin.read(made) == plugin.read(made)
    plugin.delete(made)


def test_a_damaged_record_is_told(plugin: Plugin, records: Path) -> None:
    made = make(plugin, named(of("ConfigMap"), "damaged"))
    path = next(records.rglob("damaged.json"))
    path.write_text("{")
    with pytest.raises(grpc.RpcError, match="is damaged"):
        plugin.read(made)
    path.unlink()


def test_a_service_has_an_address(plugin: Plugin) -> None:
    made = make(plugin, changed(named(of("Service"), "front"), "spec/type", "LoadBalancer"))
    assert made.state["spec"]["clusterIP"].startswith("10.")
    assert made.state["status"]["loadBalancer"]["ingress"][0]["hostname"]
    found = plugin.read(made)
    assert found is not None
    assert found.inputs == made.inputs
    plugin.delete(made)


def _started(records: Path, **settings: Any) -> Plugin:
    from tests.twin.kubernetes.conftest import PROGRAM

    started = Plugin({"STAGECRAFT_KUBERNETES": str(records), "STAGECRAFT_KUBECONFIG": ""}, PROGRAM)
    return started.configure(settings)
