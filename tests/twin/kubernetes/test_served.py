"""Objects on a real API server: applied strictly, awaited, read back, deleted. Skipped without one."""

import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.twin.aws.provider.plugin import InitFailedError, Plugin
from tests.twin.kubernetes import test_checks
from tests.twin.kubernetes.conftest import PROGRAM
from tests.twin.kubernetes.samples import EVERY, changed, of, token
from tests.twin.kubernetes.test_programs import Stack
from twin.kubernetes.kinds import Kinds
from twin.kubernetes.provider import kubeconfig
from twin.kubernetes.provider.clusters.cluster import Apply, Place
from twin.kubernetes.provider.clusters.served import ServedCluster

pytestmark = pytest.mark.slow
KINDS = Kinds()
UNAWAITED = {"pulumi.com/skipAwait": "true"}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of a server: a running one that is named, else a cluster of the twin's own."""
    named = os.environ.get("STAGECRAFT_TEST_KUBECONFIG")
    if named:
        yield Path(named)
        return
    cluster = pytest.importorskip("twin.kubernetes.cluster.cluster", reason="the twin's cluster is not here")
    programs = pytest.importorskip("twin.kubernetes.cluster.programs")
    reason = programs.why_not()
    if reason is not None:
        pytest.skip(str(reason))
    folder = tmp_path_factory.mktemp("cluster") / "cluster"
    try:
        yield cluster.up(folder).kubeconfig
    finally:
        cluster.down(folder)


@pytest.fixture(scope="module")
def server(config: Path) -> ServedCluster:
    return ServedCluster(kubeconfig.parse(str(config)))


@pytest.fixture(scope="module")
def applying(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    records = tmp_path_factory.mktemp("records")
    environment = {"STAGECRAFT_KUBERNETES": str(records), "STAGECRAFT_KUBECONFIG": str(config)}
    started = Plugin(environment, PROGRAM).configure()
    yield started
    started.close()
    assert not started.errors, "".join(started.errors)


def fresh(kind: str) -> tuple[dict[str, Any], str]:
    """A sample under a name that no other test uses; nothing waits for pods, for which there are no nodes."""
    name = f"{kind.lower()}-{uuid.uuid4().hex[:8]}"
    sample = changed(of(kind), "metadata/name", name)
    sample["metadata"]["annotations"] = dict(UNAWAITED)
    return sample, name


def place(manifest: dict[str, Any]) -> Place:
    kind = KINDS.find(manifest["apiVersion"], manifest["kind"])
    assert kind is not None
    return Place(kind, "default" if kind.namespaced else "", manifest["metadata"]["name"])


@pytest.mark.parametrize("kind", [each["kind"] for each in EVERY])
def test_what_passes_here_passes_there(applying: Plugin, kind: str) -> None:
    sample, name = fresh(kind)
    made = applying.make(token(sample), sample, name=name)
    found = applying.read(made)
    assert found is not None
    assert found.inputs == made.inputs
    updated = applying.update(made, changed(made.inputs, "metadata/labels", {"x": "y"}))
    assert updated.state["metadata"]["labels"]["x"] == "y"
    assert "app.kubernetes.io/part-of" not in updated.state["metadata"]["labels"]
    applying.delete(updated)
    assert applying.read(updated) is None


def refused() -> list[Any]:
    (marked,) = (
        mark
        for mark in test_checks.test_what_a_server_refuses_is_refused_here.pytestmark
        if mark.name == "parametrize"
    )
    return [case[:3] for case in marked.args[1] if "~1" not in case[1]]


@pytest.mark.parametrize(("kind", "path", "value"), refused())
def test_what_is_refused_here_is_refused_there(
    server: ServedCluster, kind: str, path: str, value: Any
) -> None:
    sample, _ = fresh(kind)
    bad = changed(sample, path, value)
    where = place(sample)
    with pytest.raises(ValueError, match="refused"):
        server.apply(where, {key: item for key, item in bad.items() if item is not None}, Apply("it"))


def test_a_change_from_outside_is_seen_and_undone(applying: Plugin, server: ServedCluster) -> None:
    sample, name = fresh("Deployment")
    made = applying.make(token(sample), sample, name=name)
    other = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "annotations": UNAWAITED},
        "spec": {"replicas": 5},
    }
    with pytest.raises(ValueError, match="managed by somebody else"):
        server.apply(place(sample), other, Apply("somebody"))
    server.apply(place(sample), other, Apply("somebody", force=True))
    found = applying.read(made)
    assert found is not None
    assert found.inputs["spec"]["replicas"] == 5
    with pytest.raises(grpc.RpcError, match="patchForce"):
        applying.update(made, made.inputs)
    forced = changed(made.inputs, "metadata/annotations", {**UNAWAITED, "pulumi.com/patchForce": "true"})
    assert applying.update(made, forced).state["spec"]["replicas"] == 2
    applying.delete(made)


def test_what_is_there_already_is_not_taken_over(applying: Plugin, server: ServedCluster) -> None:
    sample, name = fresh("ConfigMap")
    server.apply(place(sample), sample, Apply("somebody"))
    with pytest.raises(grpc.RpcError, match="is there already"):
        applying.make(token(sample), sample, name=name)
    imported = applying.look_up(token(sample), f"default/{name}", name=name)
    assert imported is not None
    assert imported.inputs["data"] == sample["data"]
    assert "uid" not in imported.inputs["metadata"]
    server.delete(place(sample), 30)


def test_a_warning_of_the_server_is_handed_on(server: ServedCluster) -> None:
    sample, _ = fresh("LocalQueue")
    sample["apiVersion"] = "kueue.x-k8s.io/v1beta1"
    _, warnings = server.apply(place(sample), sample, Apply("it"))
    assert warnings == ["This version is deprecated. Use v1beta2 instead."]
    server.delete(place(sample), 30)


def test_a_namespace_that_is_not_there_is_told(applying: Plugin) -> None:
    sample, name = fresh("ConfigMap")
    with pytest.raises(grpc.RpcError, match="let it depend on"):
        applying.make(token(sample), changed(sample, "metadata/namespace", "nowhere"), name=name)


def test_what_does_not_become_ready_exists_and_is_told(config: Path, server: ServedCluster) -> None:
    sample, _ = fresh("Deployment")
    sample["metadata"]["annotations"] = {}
    sample["spec"]["template"]["spec"]["nodeSelector"] = {"no": "node"}
    plugin = Plugin({"STAGECRAFT_KUBECONFIG": str(config)}, PROGRAM).configure()
    try:
        inputs = plugin.checked(token(sample), sample)
        with pytest.raises(InitFailedError, match=r"of 2 pods|has not seen it") as failed:
            plugin.create(token(sample), inputs, seconds=1)
        assert failed.value.id == f"default/{sample['metadata']['name']}"
        assert failed.value.state["spec"]["replicas"] == 2
    finally:
        plugin.close()
        server.delete(place(sample), 30)


def test_a_deletion_waits_for_finalizers(server: ServedCluster) -> None:
    sample, _ = fresh("ConfigMap")
    held = {**sample, "metadata": {**sample["metadata"], "finalizers": ["example.com/held"]}}
    server.apply(place(sample), held, Apply("it"))
    with pytest.raises(ValueError, match=r"not gone after 0 s; it is held by example.com/held"):
        server.delete(place(sample), 0.2)

    def let_go() -> None:
        time.sleep(0.5)
        server.apply(place(sample), {**held, "metadata": {**held["metadata"], "finalizers": []}}, Apply("it"))

    helper = threading.Thread(target=let_go)
    helper.start()
    server.delete(place(sample), 30)
    helper.join()
    assert server.get(place(sample)) is None


def test_a_program_is_deployed_to_the_server(config: Path, server: ServedCluster, tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    stack.world.environment["STAGECRAFT_KUBECONFIG"] = str(config)
    stack.world.program(
        """
        import pulumi_kubernetes as k8s
        space = k8s.core.v1.Namespace("ml")
        inside = {"namespace": space.metadata["name"]}
        settings = k8s.core.v1.ConfigMap("settings", metadata=inside, data={"mode": "a"})
        k8s.apiextensions.CustomResource(
            "training",
            api_version="kueue.x-k8s.io/v1beta2",
            kind="LocalQueue",
            metadata=inside,
            spec={"clusterQueue": "all"},
        )
        pulumi.export("space", space.metadata["name"])
        """
    )
    first = stack.world.run("up")
    assert first.ok, first.problems
    space = first.result.outputs["space"]
    kind = KINDS.find("v1", "Namespace")
    assert kind is not None
    assert server.get(Place(kind, "", space)) is not None
    assert stack.world.run("up").changes == {"same": 5}
    assert stack.world.run("refresh").changes == {"same": 3}
    assert stack.world.run("destroy").ok
    assert server.get(Place(kind, "", space)) is None
    assert stack.files() == []


def test_a_server_of_another_authority_is_not_trusted(config: Path, tmp_path: Path) -> None:
    content = json.loads(config.read_text())
    for cluster in content["clusters"]:
        cluster["cluster"].pop("certificate-authority-data", None)
        cluster["cluster"].pop("certificate-authority", None)
    stranger = ServedCluster(kubeconfig.parse(content))
    with pytest.raises(ValueError, match="does not answer"):
        stranger.get(place(of("ConfigMap")))
