"""The provider's own settings: which cluster it means, and which it never contacts."""

import json
import socket
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from tests.twin.aws.provider.plugin import Plugin
from tests.twin.kubernetes.conftest import PROGRAM
from tests.twin.kubernetes.samples import of, token
from twin import wire
from twin.kubernetes.provider import kubeconfig
from twin.kubernetes.provider.configuration import named_access


def config(server: str = "https://abc.eks.example", **cluster: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": {"exec": {"command": "false", "args": ["never", "run"]}}}],
    }


@pytest.fixture
def stray(tmp_path: Path) -> Any:
    """A provider without any kubeconfig, and no cluster of its own."""
    started = Plugin(
        {"STAGECRAFT_KUBERNETES": str(tmp_path / "records"), "STAGECRAFT_KUBECONFIG": ""}, PROGRAM
    )
    yield started
    started.close()


def check_config(plugin: Plugin, settings: dict[str, Any]) -> dict[str, str]:
    response = plugin.stub.CheckConfig(provider_pb2.CheckRequest(news=wire.to_struct(settings)))
    return {failure.property: failure.reason for failure in response.failures}


@pytest.mark.parametrize(
    ("settings", "path", "said"),
    [
        ({"kubeconfg": "x"}, "kubeconfg", "no setting"),
        ({"kubeconfig": "clusters: ["}, "kubeconfig", "neither"),
        ({"kubeconfig": "/nowhere/at/all"}, "kubeconfig", "neither"),
        ({"kubeconfig": "{}"}, "kubeconfig", "cluster"),
        ({"kubeconfig": json.dumps(config("nonsense"))}, "kubeconfig", "https://HOST:PORT"),
        ({"kubeconfig": json.dumps(config()), "context": "other"}, "kubeconfig", "it has it"),
        ({"namespace": "No"}, "namespace", "namespace"),
        ({"enableServerSideApply": "false"}, "enableServerSideApply", "leave it out"),
        ({"renderYamlToDirectory": "/tmp/x"}, "renderYamlToDirectory", "leave it out"),
        ({"enablePatchForce": "maybe"}, "enablePatchForce", "neither true nor false"),
    ],
)
def test_a_wrong_setting_is_told(plugin: Plugin, settings: dict[str, Any], path: str, said: str) -> None:
    failures = check_config(plugin, settings)
    assert list(failures) == [path]
    assert said in failures[path]


def test_usual_settings_pass(plugin: Plugin) -> None:
    settings = {"kubeconfig": json.dumps(config()), "kubeClientSettings": '{"qps": 10}', "namespace": "team"}
    assert check_config(plugin, settings) == {}


def test_a_cluster_elsewhere_is_recorded_under_its_name_and_never_contacted(
    stray: Plugin, tmp_path: Path
) -> None:
    stray.configure({"kubeconfig": json.dumps(config("https://127.0.0.1.example:1/"))})
    sample = of("ConfigMap")
    made = stray.make(token(sample), sample)
    assert made.inputs["metadata"]["namespace"] == "team"
    assert (tmp_path / "records" / "127.0.0.1.example" / "v1.ConfigMap" / "team" / "it.json").is_file()
    stray.delete(made)
    assert not list((tmp_path / "records").iterdir())


def test_a_kubeconfig_that_is_not_known_yet_lets_a_plan_go_on(stray: Plugin) -> None:
    stray.configure({"kubeconfig": wire.UNKNOWN})
    sample = of("ConfigMap")
    assert stray.create(token(sample), stray.checked(token(sample), sample), preview=True).id == ""


def test_another_cluster_replaces_the_provider(plugin: Plugin) -> None:
    def replaces(before: str, after: str) -> list[str]:
        olds, news = ({"kubeconfig": json.dumps(config(server))} for server in (before, after))
        request = provider_pb2.DiffRequest(old_inputs=wire.to_struct(olds), news=wire.to_struct(news))
        return list(plugin.stub.DiffConfig(request).replaces)

    assert replaces("https://a.example", "https://b.example") == ["kubeconfig"]
    assert replaces("https://a.example", "https://a.example:443") == []


def test_the_named_kubeconfig_must_be_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(json.dumps(config("https://10.0.0.1:6443")))
    with pytest.raises(ValueError, match=r"STAGECRAFT_KUBECONFIG.*not on this machine"):
        named_access({"STAGECRAFT_KUBECONFIG": str(path)})
    with pytest.raises(ValueError, match="STAGECRAFT_KUBECONFIG"):
        named_access({"STAGECRAFT_KUBECONFIG": str(tmp_path / "nothing")})
    started = Plugin({"STAGECRAFT_KUBECONFIG": str(path)}, PROGRAM)
    try:
        with pytest.raises(grpc.RpcError, match="not on this machine"):
            started.configure()
    finally:
        started.close()


@pytest.mark.parametrize(
    ("server", "local"),
    [
        ("https://127.0.0.1:6443", True),
        ("https://localhost:1", True),
        ("https://[::1]:6443", True),
        ("https://127.0.0.1.evil.example", False),
        ("https://169.254.169.254", False),
        ("ftp://127.0.0.1", False),
    ],
)
def test_only_loopback_is_local(server: str, local: bool) -> None:
    assert kubeconfig.parse(config(server)).local is local


def test_a_server_that_is_gone_is_told(stray: Plugin) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    stray.configure({"kubeconfig": json.dumps(config(f"http://127.0.0.1:{port}"))})
    sample = of("ConfigMap")
    with pytest.raises(grpc.RpcError, match="does not answer"):
        stray.make(token(sample), sample)


def test_yaml_texts_are_taken_apart(plugin: Plugin) -> None:
    text = "kind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n---\n---\n"
    text += "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"
    result = plugin.invoke("kubernetes:yaml:decode", {"text": text})["result"]
    assert [each["kind"] for each in result] == ["Namespace", "ConfigMap"]
    for bad, said in (("a: [", "no YAML"), ("- 1", "no object"), ("kind: x", "apiVersion")):
        with pytest.raises(grpc.RpcError, match=said):
            plugin.invoke("kubernetes:yaml:decode", {"text": bad})


@pytest.mark.parametrize("function", ["kubernetes:helm:template", "kubernetes:kustomize:directory"])
def test_a_function_that_is_not_here_says_what_to_do(plugin: Plugin, function: str) -> None:
    with pytest.raises(grpc.RpcError, match=r"is not emulated by the twin.*use"):
        plugin.invoke(function)
