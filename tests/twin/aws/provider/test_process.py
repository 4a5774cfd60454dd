"""The plugin as a process: its port, its configuration, where it may connect, how it ends."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from tests.twin.aws.provider.plugin import ROOT, Plugin
from tests.twin.aws.provider.stub_cloud import Asked, stub_cloud
from twin import wire

PARAMETER = "aws:ssm/parameter:Parameter"
QUEUE = "aws:sqs/queue:Queue"
IDENTITY = "aws:index/getCallerIdentity:getCallerIdentity"

ACCOUNT = b"<r><GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult></r>"


def test_only_the_port_is_printed(endpoint: str) -> None:
    plugin = Plugin({"STAGECRAFT_CLOUD": endpoint})
    try:
        plugin.configure().invoke(IDENTITY)
    finally:
        printed = plugin.close()
    assert printed == ""
    assert plugin.errors == []
    assert plugin.process.returncode == 0


def test_it_runs_from_a_path_with_a_space(endpoint: str, tmp_path: Path) -> None:
    root = tmp_path / "a checkout"
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("bin", "aws", "__init__.py", "wire.py", "loopback.py"):
        source, target = ROOT / "twin" / part, root / "twin" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copy(source, target)
    environment = {"STAGECRAFT_CLOUD": endpoint, "STAGECRAFT_PYTHON": sys.executable, "PYTHONPATH": ""}
    plugin = Plugin(environment, root / "twin" / "bin" / "pulumi-resource-aws")
    try:
        assert plugin.configure().invoke(IDENTITY)["accountId"] == "123456789012"
    finally:
        plugin.close()
    assert plugin.errors == []


def test_what_it_says_of_itself(plugin: Plugin) -> None:
    assert plugin.stub.GetPluginInfo(empty_pb2.Empty()).version == "7.51.1"
    schema = json.loads(plugin.stub.GetSchema(provider_pb2.GetSchemaRequest()).schema)
    assert schema["name"] == "aws"
    assert QUEUE in schema["resources"]


def refusal(config: dict, **environment: str) -> str:
    plugin = Plugin(environment)
    try:
        with pytest.raises(grpc.RpcError) as refused:
            plugin.configure(config)
        return refused.value.details() or ""
    finally:
        plugin.close()


@pytest.mark.parametrize(
    "address", ["https://sqs.us-east-1.amazonaws.com", "http://10.0.0.1:4566", "http://cloud.example:80"]
)
def test_a_cloud_elsewhere_is_refused(address: str) -> None:
    said = refusal({}, STAGECRAFT_CLOUD=address)
    assert address in said
    assert "this machine" in said
    assert "STAGECRAFT_CLOUD" in said


def test_an_endpoint_elsewhere_is_refused(endpoint: str) -> None:
    config = {"endpoints": json.dumps([{"s3": "http://127.0.0.1:1", "sqs": "https://sqs.example"}])}
    said = refusal(config, STAGECRAFT_CLOUD=endpoint)
    assert "endpoints[0].sqs" in said
    assert "s3" not in said


def test_a_setting_that_would_be_ignored_is_refused(plugin: Plugin) -> None:
    request = provider_pb2.CheckRequest(
        news=wire.to_struct({"region": "nowhere", "regoin": "x", "profile": "p"})
    )
    failures = {each.property: each.reason for each in plugin.stub.CheckConfig(request).failures}
    assert set(failures) == {"region", "regoin"}
    assert "us-east-1" in failures["region"]


def test_another_region_replaces_the_provider(plugin: Plugin) -> None:
    request = provider_pb2.DiffRequest(
        old_inputs=wire.to_struct({"region": "us-east-1"}),
        news=wire.to_struct({"region": "eu-west-1", "defaultTags": "{}"}),
    )
    difference = plugin.stub.DiffConfig(request)
    assert list(difference.replaces) == ["region"]
    assert sorted(difference.diffs) == ["defaultTags", "region"]


def test_an_account_that_is_not_allowed(endpoint: str) -> None:
    config = {"allowedAccountIds": '["111111111111"]'}
    assert "123456789012" in refusal(config, STAGECRAFT_CLOUD=endpoint)


def test_real_credentials_and_proxies_are_ignored(tmp_path: Path) -> None:
    settings = tmp_path / "config"
    settings.write_text("[default]\naws_access_key_id = REALKEY\naws_secret_access_key = REALSECRET\n")
    environment = {
        "AWS_ACCESS_KEY_ID": "REALKEY",
        "AWS_SECRET_ACCESS_KEY": "REALSECRET",
        "AWS_SESSION_TOKEN": "REALTOKEN",
        "AWS_PROFILE": "there-is-no-such-profile",
        "AWS_CONFIG_FILE": str(settings),
        "AWS_SHARED_CREDENTIALS_FILE": str(settings),
        "AWS_ENDPOINT_URL": "https://endpoint.example",
        "AWS_REGION": "eu-west-3",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }

    def answer(asked: Asked) -> tuple[int, bytes]:
        return 200, b'{"Version": 1}' if asked.operation == "PutParameter" else ACCOUNT

    with stub_cloud(answer) as cloud:
        plugin = Plugin({**environment, "STAGECRAFT_CLOUD": cloud.endpoint})
        try:
            plugin.configure({"accessKey": "REALKEY", "secretKey": "REALSECRET", "profile": "x"})
            plugin.make(PARAMETER, {"type": "String", "value": "1"})
        finally:
            plugin.close()
    assert cloud.asked, "it asks the cloud it was given"
    for asked in cloud.asked:
        assert "REAL" not in str(asked.headers)
        assert "Credential=twin/" in asked.headers["Authorization"]
        assert "/us-east-1/" in asked.headers["Authorization"]


def test_throttling_is_retried() -> None:
    attempts = {"PutParameter": 0}

    def answer(asked: Asked) -> tuple[int, bytes]:
        if asked.operation != "PutParameter":
            return (
                200,
                b"<r><GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult></r>",
            )
        attempts["PutParameter"] += 1
        if attempts["PutParameter"] == 1:
            return 400, b'{"__type": "ThrottlingException", "message": "slow down"}'
        if attempts["PutParameter"] == 2:
            return 503, b"{}"
        return 200, b'{"Version": 1, "Tier": "Standard"}'

    with stub_cloud(answer) as cloud:
        plugin = Plugin({"STAGECRAFT_CLOUD": cloud.endpoint})
        try:
            made = plugin.configure().make(PARAMETER, {"name": "it", "type": "String", "value": "1"})
        finally:
            plugin.close()
    assert made.id == "it"
    assert attempts["PutParameter"] == 3


def test_an_error_names_operation_code_and_message() -> None:
    def answer(asked: Asked) -> tuple[int, bytes]:
        return 400, b'{"__type": "ParameterLimitExceeded", "message": "too many"}'

    with stub_cloud(answer) as cloud:
        plugin = Plugin({"STAGECRAFT_CLOUD": cloud.endpoint})
        try:
            with pytest.raises(grpc.RpcError) as failed:
                plugin.configure().make(PARAMETER, {"name": "it", "type": "String", "value": "1"})
        finally:
            plugin.close()
    assert failed.value.details() == "PutParameter: ParameterLimitExceeded: too many"


def test_a_cloud_that_is_gone_is_a_clear_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    plugin = Plugin({"STAGECRAFT_CLOUD": f"http://127.0.0.1:{port}"})
    try:
        with pytest.raises(grpc.RpcError) as failed:
            plugin.configure().make(PARAMETER, {"name": "it", "type": "String", "value": "1"})
    finally:
        plugin.close()
    assert "the twin's cloud could not be asked" in (failed.value.details() or "")
    assert plugin.errors == []


def test_it_ends_when_its_engine_is_gone(endpoint: str) -> None:
    program = str(ROOT / "twin" / "bin" / "pulumi-resource-aws")
    engine = (
        "import os, subprocess, sys\n"
        f"plugin = subprocess.Popen([{program!r}], stdout=subprocess.PIPE)\n"
        "sys.stdout.write(plugin.stdout.readline().decode())\n"
        "sys.stdout.flush()\n"
        "os._exit(0)\n"
    )
    environment = {**os.environ, "STAGECRAFT_CLOUD": endpoint}
    ended = subprocess.run(
        [sys.executable, "-c", engine],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=True,
    )
    port = int(ended.stdout)
    until = time.monotonic() + 15
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return
        time.sleep(0.1)
    pytest.fail("the plugin still serves")


def test_a_cloud_of_its_own(tmp_path: Path) -> None:
    from twin.aws.cloud.client import running_cloud, stop_cloud

    home = tmp_path / "home of it"
    plugin = Plugin({"STAGECRAFT_HOME": str(home), "STAGECRAFT_CLOUD": ""})
    try:
        made = plugin.configure().make(QUEUE, {})
        assert running_cloud(home / "cloud") is not None
        assert plugin.read(made) is not None
    finally:
        plugin.close()
        stop_cloud(home / "cloud")


def test_a_resource_before_configure_is_refused(endpoint: str) -> None:
    plugin = Plugin({"STAGECRAFT_CLOUD": endpoint})
    try:
        with pytest.raises(grpc.RpcError) as refused:
            plugin.check(QUEUE, {})
    finally:
        plugin.close()
    assert "not configured" in (refused.value.details() or "")
