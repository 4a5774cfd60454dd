"""A program with the real SDK, deployed by the twin's engine: core objects, custom ones, releases, YAML."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.twin.engine.world import CHECKOUT, Outcome, World

PROGRAM = """
import json, pathlib
import pulumi_kubernetes as k8s

told = json.loads(pathlib.Path("{told}").read_text())
endpoint = pulumi.Output.from_input("https://abc.eks.example")
config = endpoint.apply(lambda server: json.dumps({{
    "clusters": [{{"name": "c", "cluster": {{"server": server}}}}],
    "users": [{{"name": "u", "user": {{"exec": {{"command": "aws"}}}}}}],
    "contexts": [{{"name": "it", "context": {{"cluster": "c", "user": "u"}}}}],
    "current-context": "it",
}}))
there = pulumi.ResourceOptions(provider=k8s.Provider("eks", kubeconfig=config))


def after(*resources):
    return pulumi.ResourceOptions.merge(there, pulumi.ResourceOptions(depends_on=list(resources)))


space = k8s.core.v1.Namespace("ml", opts=there)
inside = {{"namespace": space.metadata["name"]}}
karpenter = k8s.helm.v3.Release(
    "karpenter",
    chart="oci://public.ecr.aws/karpenter/karpenter",
    version=told["version"],
    namespace="kube-system",
    values={{"settings": {{"clusterName": "it"}}}},
    opts=there,
)
settings = k8s.core.v1.ConfigMap("settings", metadata=inside, data={{"mode": told["mode"]}}, opts=there)
hidden = pulumi.Output.secret("very secret")
secret = k8s.core.v1.Secret("secret", metadata=inside, string_data={{"key": hidden}}, opts=there)
labels = {{"app": told["app"]}}
k8s.apps.v1.Deployment(
    "web",
    metadata={{"name": "web", **inside}},
    spec={{
        "replicas": told["replicas"],
        "selector": {{"match_labels": labels}},
        "template": {{
            "metadata": {{"labels": labels}},
            "spec": {{
                "containers": [{{
                    "name": "web",
                    "image": "example/web",
                    "env": [{{"name": "KEY", "value": hidden}}],
                    "env_from": [{{"config_map_ref": {{"name": settings.metadata["name"]}}}}],
                }}]
            }},
        }},
    }},
    opts=there,
)
k8s.apiextensions.CustomResource(
    "training",
    api_version="karpenter.sh/v1",
    kind="NodePool",
    metadata={{"name": "training"}},
    spec={{
        "limits": told["limits"],
        "template": {{
            "spec": {{
                "nodeClassRef": {{"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "it"}},
                "requirements": [
                    {{"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot"]}}
                ],
            }}
        }},
    }},
    opts=after(karpenter),
)
k8s.yaml.ConfigGroup(
    "queues",
    yaml=["apiVersion: kueue.x-k8s.io/v1beta2\\nkind: ResourceFlavor\\nmetadata: {{name: spot}}"],
    opts=after(karpenter),
)
pulumi.export("settings", settings.metadata["name"])
pulumi.export("secret", secret.data)
"""
USUAL: dict[str, Any] = {
    "version": "1.14.0",
    "mode": "a",
    "app": "web",
    "replicas": 2,
    "limits": {"cpu": 8},
}


class Stack:
    """The program, told other things from one deployment to the next."""

    def __init__(self, root: Path) -> None:
        self.world = World(root)
        self.told = root / "told.json"
        self.folder = root / "home" / self.world.stack / "kubernetes"
        self.world.environment["STAGECRAFT_KUBERNETES"] = str(self.folder)
        self.world.environment["STAGECRAFT_KUBECONFIG"] = ""
        plugin = root / "bin" / "pulumi-resource-kubernetes"
        plugin.write_text(f'#!/bin/sh\nexec "{CHECKOUT / "twin" / "bin" / plugin.name}" "$@"\n')
        plugin.chmod(0o755)
        self.world.program(PROGRAM.format(told=self.told))

    def run(self, command: str = "up", **told: Any) -> Outcome:
        self.told.write_text(json.dumps({**USUAL, **told}))
        return self.world.run(command)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.rglob("*.json"))


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


@pytest.mark.slow
def test_a_program_is_deployed_changed_and_destroyed(stack: Stack) -> None:
    first = stack.run()
    assert first.ok, first.problems
    assert first.changes == {"create": 10}
    # Kueue's chart is not released here, and the twin says so.
    assert "kueue.x-k8s.io" in first.text
    assert "not contacted" in first.text
    assert "karpenter.sh" not in first.text
    again = stack.run()
    assert again.changes == {"same": 10}

    changed = stack.run(replicas=3, limits={"cpu": 16})
    assert changed.ok, changed.problems
    assert changed.changes == {"update": 2, "same": 8}
    # A new ConfigMap comes first, what uses it moves over, the old one goes.
    replaced = stack.run(replicas=3, limits={"cpu": 16}, mode="b")
    assert replaced.changes == {"replace": 1, "update": 1, "same": 8}
    # The Deployment has a name of its own: the old one must go first.
    selected = stack.run(replicas=3, limits={"cpu": 16}, mode="b", app="other")
    assert selected.changes == {"replace": 1, "same": 9}
    assert len([name for name in stack.files() if name.startswith("settings-")]) == 1

    state = (stack.world.home / stack.world.stack / "state.json").read_text()
    assert "very secret" not in state

    for path in stack.folder.rglob("web.json"):
        path.write_text(path.read_text().replace('"replicas": 3', '"replicas": 9'))
    for path in stack.folder.rglob("training.json"):
        path.unlink()
    refreshed = stack.run("refresh", replicas=3, limits={"cpu": 16}, mode="b", app="other")
    assert refreshed.changes["update"] == 1
    assert refreshed.changes["delete"] == 1
    mended = stack.run(replicas=3, limits={"cpu": 16}, mode="b", app="other")
    assert mended.changes == {"create": 1, "update": 1, "same": 8}

    destroyed = stack.run("destroy")
    assert destroyed.ok, destroyed.problems
    assert stack.files() == []


def test_a_wrong_program_is_refused_with_every_problem(stack: Stack) -> None:
    outcome = stack.run("preview", version="1.0.0", replicas="two", limits=5)
    assert not outcome.ok
    for said in ('give "1.14.0"', "spec.replicas", "spec.limits"):
        assert said in outcome.problems
    assert stack.files() == []
