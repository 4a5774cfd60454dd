import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from twin.engine.engine_service import (
    CHANNEL_OPTIONS,
    EngineServer,
    EngineService,
    Severity,
    version_in_range,
)


@pytest.fixture
def lines():
    return []


@pytest.fixture
def stub(lines):
    with (
        EngineServer(EngineService(lambda *line: lines.append(line))) as server,
        grpc.insecure_channel(server.address, options=CHANNEL_OPTIONS) as channel,
    ):
        yield engine_pb2_grpc.EngineStub(channel)


def test_log_lines_arrive_with_severity_urn_and_stream(stub, lines):
    stub.Log(engine_pb2.LogRequest(severity=engine_pb2.WARNING, message="careful", urn="urn:x", streamId=7))
    assert lines == [(Severity.WARNING, "careful", "urn:x", 7)]


def test_debug_lines_are_dropped_without_reaching_the_callback(stub, lines):
    with ThreadPoolExecutor(8) as pool:
        request = engine_pb2.LogRequest(severity=engine_pb2.DEBUG, message="x" * 1000)
        answers = list(pool.map(lambda _: stub.Log(request), range(2000)))
    assert answers == [empty_pb2.Empty()] * 2000
    assert lines == []


def test_debug_lines_can_be_asked_for():
    seen = []
    with (
        EngineServer(EngineService(lambda *line: seen.append(line), least=Severity.DEBUG)) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        engine_pb2_grpc.EngineStub(channel).Log(engine_pb2.LogRequest(message="detail"))
    assert seen == [(Severity.DEBUG, "detail", "", 0)]


def test_the_root_resource_is_kept(stub):
    assert stub.GetRootResource(engine_pb2.GetRootResourceRequest()).urn == ""
    stub.SetRootResource(engine_pb2.SetRootResourceRequest(urn="urn:stack"))
    assert stub.GetRootResource(engine_pb2.GetRootResourceRequest()).urn == "urn:stack"


def test_a_child_may_call_back_while_others_wait():
    """As many callers as workers, each waiting for the next: none may starve."""
    arrived = threading.Barrier(12, timeout=20)
    service = EngineService(lambda *_line: arrived.wait())
    with EngineServer(service) as server, grpc.insecure_channel(server.address) as channel:
        stub = engine_pb2_grpc.EngineStub(channel)
        request = engine_pb2.LogRequest(severity=engine_pb2.INFO, message="m")
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda _: stub.Log(request, timeout=30), range(12)))
    assert not arrived.broken


def test_a_debugger_is_announced(stub, lines):
    stub.StartDebugging(engine_pb2.StartDebuggingRequest(message="attach to 5678"))
    assert lines == [(Severity.INFO, "attach to 5678", "", 0)]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (">=3.0.0", True),
        ("3.272.0", True),
        (">= 3.272.0 <4.0.0", True),
        (">=3.5.0 !3.272.0", False),
        ("<3.4.0 || >3.8.0", True),
        (">=4.0.0", False),
        ("<3.0.0||>=99.0.0", False),
    ],
)
def test_version_ranges(wanted, fits):
    assert version_in_range("3.272.0", wanted) is fits


@pytest.mark.parametrize("wanted", ["", "latest", ">=3", ">=3.0.0 and more"])
def test_a_range_that_cannot_be_read_is_an_error(stub, wanted):
    with pytest.raises(ValueError, match="version range"):
        version_in_range("3.272.0", wanted)
    with pytest.raises(grpc.RpcError) as error:
        stub.RequirePulumiVersion(engine_pb2.RequirePulumiVersionRequest(pulumi_version_range=wanted))
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_program_that_needs_another_version_is_refused(stub):
    stub.RequirePulumiVersion(engine_pb2.RequirePulumiVersionRequest(pulumi_version_range=">=3.100.0"))
    with pytest.raises(grpc.RpcError) as error:
        stub.RequirePulumiVersion(engine_pb2.RequirePulumiVersionRequest(pulumi_version_range=">=4.0.0"))
    assert error.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_only_loopback_is_served():
    with EngineServer(EngineService(print)) as server:
        assert server.address.startswith("127.0.0.1:")
