"""Finding, starting and stopping a cloud; and that nothing leads anywhere else."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.twin.aws.cloud.conftest import Cloud, wait_for
from twin.aws.cloud.client import (
    CloudHandle,
    cloud_environment,
    ensure_cloud,
    process_environment,
    require_loopback,
    running_cloud,
    session,
    stop_cloud,
)


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:4566", "http://localhost:1", "http://[::1]:80", "http://127.0.0.1"]
)
def test_loopback_is_accepted(endpoint: str) -> None:
    assert require_loopback(endpoint) == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://127.0.0.1:1",
        "http://example.com",
        "http://127.0.0.1.example.com:80",
        "http://0.0.0.0:80",
        "http://user@example.com:80",
        "http://10.0.0.1:4566",
        "https://sqs.us-east-1.amazonaws.com",
        "127.0.0.1:80",
        "",
    ],
)
def test_anything_else_is_refused_with_a_remedy(endpoint: str) -> None:
    with pytest.raises(ValueError, match=r"http://127\.0\.0\.1:PORT|plain http"):
        require_loopback(endpoint)
    with pytest.raises(ValueError, match=r"http://127\.0\.0\.1:PORT|plain http"):
        session(endpoint, "us-east-1")
    with pytest.raises(ValueError, match=r"http://127\.0\.0\.1:PORT|plain http"):
        cloud_environment(endpoint, "us-east-1")


def test_a_childs_environment_has_nothing_of_a_real_account() -> None:
    real = {
        "AWS_PROFILE": "prod",
        "AWS_SESSION_TOKEN": "t",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
        "https_proxy": "http://proxy",
        "PATH": "/bin",
    }
    environment = process_environment("http://127.0.0.1:1", "eu-west-1", real)
    assert environment["PATH"] == "/bin"
    assert environment["AWS_ACCESS_KEY_ID"] == "twin"
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert environment["AWS_REGION"] == "eu-west-1"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "https_proxy"} & set(environment)


def test_a_session_ignores_the_users_set_up(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile prod]\nregion = eu-west-3\n[default]\nendpoint_url = https://example.com\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "prod")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "https://example.com")
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:1")
    made = session(cloud.endpoint, "eu-central-1")
    url = made.client("sqs").create_queue(QueueName="here")["QueueUrl"]
    assert url.startswith(cloud.endpoint)
    assert made.client("sts").meta.region_name == "eu-central-1"
    credentials = made.get_credentials()
    assert credentials is not None
    assert credentials.access_key == "twin"


def test_s3_control_reaches_the_cloud(cloud: Cloud) -> None:
    block = {"BlockPublicAcls": True}
    control = cloud.client("s3control")
    control.put_public_access_block(AccountId="123456789012", PublicAccessBlockConfiguration=block)
    found = control.get_public_access_block(AccountId="123456789012")["PublicAccessBlockConfiguration"]
    assert found["BlockPublicAcls"] is True


def test_a_cloud_is_started_once_and_found_again(cloud: Cloud) -> None:
    assert running_cloud(cloud.directory) is None
    with ThreadPoolExecutor(6) as pool:
        handles: list[CloudHandle] = list(pool.map(lambda _: ensure_cloud(cloud.directory), range(6)))
    assert len(set(handles)) == 1
    assert running_cloud(cloud.directory) == handles[0]
    assert handles[0].endpoint.startswith("http://127.0.0.1:")


def test_two_processes_that_start_at_once_get_the_same_cloud(cloud: Cloud) -> None:
    code = (
        "import sys, pathlib; from twin.aws.cloud.client import ensure_cloud;"
        "print(ensure_cloud(pathlib.Path(sys.argv[1]), idle_seconds=60).endpoint)"
    )
    command = [sys.executable, "-c", code, str(cloud.directory)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = {process.communicate()[0].strip() for process in started}
    assert told == {cloud.endpoint}


def test_a_stale_endpoint_file_counts_for_nothing(cloud: Cloud) -> None:
    handle = cloud.handle
    os.kill(handle.pid, signal.SIGKILL)
    wait_for(lambda: running_cloud(cloud.directory), None)
    assert (cloud.directory / "endpoint.json").exists()
    assert cloud.handle != handle
    # A file that names another cloud's address is not this cloud's.
    other = json.loads((cloud.directory / "endpoint.json").read_text())
    (cloud.directory / "endpoint.json").write_text(json.dumps(other | {"instance": "another"}))
    assert running_cloud(cloud.directory) is None
    (cloud.directory / "endpoint.json").write_text(json.dumps(other))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_cloud_saved(cloud: Cloud, number: signal.Signals) -> None:
    cloud.client("sqs").create_queue(QueueName="kept")
    os.kill(cloud.handle.pid, number)
    wait_for((cloud.directory / "endpoint.json").exists, False)
    assert (cloud.directory / "journal").stat().st_size == 0
    assert [each["id"] for each in cloud.inventory()] == ["kept"]


def test_an_idle_cloud_saves_and_ends(cloud: Cloud) -> None:
    # Long enough for a busy machine to reach it before it ends.
    ensure_cloud(cloud.directory, idle_seconds=5)
    cloud.client("sqs").create_queue(QueueName="kept")
    wait_for((cloud.directory / "endpoint.json").exists, False)
    assert (cloud.directory / "state.snapshot").exists()
    assert not stop_cloud(cloud.directory)


def test_it_listens_on_loopback_and_refuses_other_names(cloud: Cloud) -> None:
    port = int(cloud.endpoint.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/", headers={"Host": "rebound.example.com"})
    assert connection.getresponse().status == 403
    listening = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=False).stdout
    if listening:  # where there is `ss`
        assert {line.split()[3] for line in listening.splitlines() if f":{port} " in line} == {
            f"127.0.0.1:{port}"
        }


def test_a_foreground_cloud_takes_over(cloud: Cloud) -> None:
    cloud.client("sqs").create_queue(QueueName="kept")
    before = cloud.handle
    code = (
        "import sys, pathlib; from twin.aws.cloud.foreground import serve_foreground;"
        "serve_foreground(pathlib.Path(sys.argv[1]), 'us-east-1', lambda it: print(it, flush=True))"
    )
    command = [sys.executable, "-c", code, str(cloud.directory)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        assert endpoint == cloud.endpoint != before.endpoint
        assert cloud.handle.pid == process.pid
        assert [each["id"] for each in cloud.inventory()] == ["kept"]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()
    assert process.returncode == 0


def test_many_clients_at_once(cloud: Cloud) -> None:
    def create(number: int) -> str:
        sqs = session(cloud.endpoint, "us-east-1").client("sqs")
        return str(sqs.create_queue(QueueName=f"queue-{number}")["QueueUrl"])

    assert len(cloud.inventory()) == 0
    with ThreadPoolExecutor(12) as pool:
        assert len(set(pool.map(create, range(24)))) == 24
    assert len(cloud.inventory()) == 24


def test_a_long_poll_holds_nobody_up(cloud: Cloud) -> None:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="polled")["QueueUrl"]
    received: list[str] = []

    def poll() -> None:
        answer = (
            session(cloud.endpoint, "us-east-1")
            .client("sqs")
            .receive_message(QueueUrl=url, WaitTimeSeconds=15)
        )
        received.extend(message["Body"] for message in answer.get("Messages", []))

    thread = threading.Thread(target=poll)
    thread.start()
    for number in range(5):
        cloud.client("ssm").put_parameter(Name=f"/{number}", Value="x", Type="String")
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    thread.join(12)
    assert received == ["hello"]


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("pricing", "get_products", {"ServiceCode": "AmazonEC2"}),  # a service moto knows nothing of: JSON
        (
            "logs",
            "put_account_policy",
            {"policyName": "p", "policyDocument": "{}", "policyType": "DATA_PROTECTION_POLICY"},
        ),
        ("eks", "describe_addon_versions", {}),  # REST-JSON
        ("sns", "get_sms_sandbox_account_status", {}),  # query
        ("iam", "simulate_custom_policy", {"PolicyInputList": ["{}"], "ActionNames": ["s3:GetObject"]}),
        ("ec2", "create_verified_access_instance", {}),  # EC2's own
        ("s3", "put_bucket_abac", {"Bucket": "b", "AbacStatus": {"Status": "Enabled"}}),  # REST-XML
        (
            "s3",
            "create_bucket_metadata_configuration",
            {
                "Bucket": "b",
                "MetadataConfiguration": {
                    "JournalTableConfiguration": {"RecordExpiration": {"Expiration": "DISABLED"}}
                },
            },
        ),
        ("qldb-session", "send_command", {"StartSession": {"LedgerName": "l"}}),
    ],
)
def test_what_nobody_emulates_is_refused_by_name(
    shared_cloud: Cloud, service: str, operation: str, parameters: dict[str, object]
) -> None:
    try:
        client = shared_cloud.client(service)
    except Exception:
        pytest.skip(f"this botocore has no {service}")
    if not hasattr(client, operation):
        pytest.skip(f"this botocore has no {service}.{operation}")
    with pytest.raises(ClientError) as refused:
        getattr(client, operation)(**parameters)
    error = refused.value.response["Error"]
    assert error["Code"] == "NotEmulated"
    name = client.meta.method_to_api_mapping[operation]
    assert f"{client.meta.service_model.service_name}:{name}" in error["Message"]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_the_state_of_a_foreign_folder_is_not_needed(new_cloud: Callable[..., Cloud]) -> None:
    # A path with a space, below a folder that does not exist yet.
    cloud = new_cloud("deep down/a cloud")
    assert cloud.inventory() == []
