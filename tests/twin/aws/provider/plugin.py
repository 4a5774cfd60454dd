"""Drives the provider's real process over gRPC, as an engine does."""

import contextlib
import os
import subprocess
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from twin import wire

ROOT = Path(__file__).parents[4]
LIMIT = 400 * 1024 * 1024


class InitFailedError(Exception):
    def __init__(self, detail: Any) -> None:
        super().__init__(list(detail.reasons))
        self.id = detail.id
        self.state = plain(detail.properties)
        self.reasons = list(detail.reasons)


def plain(struct: Any) -> dict[str, Any]:
    return dict(wire.unwrap(wire.from_struct(struct)).value)


@dataclass
class Checked:
    inputs: dict[str, Any]
    failures: dict[str, str]


@dataclass
class Difference:
    changed: bool
    kinds: dict[str, str]
    replaces: list[str]
    delete_first: bool


@dataclass
class Resource:
    urn: str
    id: str
    inputs: dict[str, Any]
    state: dict[str, Any]
    raw: Any = field(default=None, repr=False)


class Plugin:
    """One provider process."""

    def __init__(self, environment: Mapping[str, str], program: Path | None = None) -> None:
        command = [str(program or ROOT / "twin" / "bin" / "pulumi-resource-aws"), "127.0.0.1:1"]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line.isdigit(), (line, self.process.stderr.read() if self.process.stderr else "")
        self.errors: list[str] = []
        threading.Thread(target=self._drain, daemon=True).start()
        options = [("grpc.max_receive_message_length", LIMIT), ("grpc.max_send_message_length", LIMIT)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{line}", options=options)
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)

    def _drain(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)

    def close(self) -> str:
        """Cancels the plugin; returns what it printed besides its port."""
        with contextlib.suppress(grpc.RpcError):
            self.stub.Cancel(empty_pb2.Empty(), timeout=10)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.channel.close()
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.channel.close()

    def handshake(self) -> Any:
        return self.stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"))

    def configure(self, config: Mapping[str, Any] | None = None) -> "Plugin":
        args = wire.to_struct(config or {})
        self.stub.Configure(
            provider_pb2.ConfigureRequest(
                args=args, acceptSecrets=True, acceptResources=True, sends_old_inputs=True
            )
        )
        return self

    def check(
        self,
        token: str,
        inputs: Mapping[str, Any],
        *,
        name: str = "it",
        olds: Mapping[str, Any] | None = None,
        seed: bytes = b"",
        autonaming: tuple[str, str] | None = None,
    ) -> Checked:
        request = provider_pb2.CheckRequest(
            urn=urn(token, name),
            olds=wire.to_struct(olds or {}),
            news=wire.to_struct(inputs),
            randomSeed=seed,
            name=name,
            type=token,
        )
        if autonaming is not None:
            request.autonaming.proposed_name = autonaming[0]
            request.autonaming.mode = provider_pb2.CheckRequest.AutonamingOptions.Mode.Value(autonaming[1])
        response = self.stub.Check(request)
        failures: dict[str, str] = {}
        for failure in response.failures:
            before = failures.get(failure.property)
            failures[failure.property] = f"{before} | {failure.reason}" if before else failure.reason
        return Checked(plain(response.inputs), failures)

    def checked(self, token: str, inputs: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        found = self.check(token, inputs, **options)
        assert not found.failures, found.failures
        return found.inputs

    def create(
        self,
        token: str,
        inputs: Mapping[str, Any],
        *,
        name: str = "it",
        preview: bool = False,
        operation: str | None = None,
        seconds: float = 0,
    ) -> Resource:
        request = provider_pb2.CreateRequest(
            urn=urn(token, name),
            properties=wire.to_struct(inputs),
            preview=preview,
            name=name,
            type=token,
            timeout=seconds,
        )
        # Each creation is an attempt of its own, unless the test repeats one; "" leaves it to the provider.
        operation = uuid.uuid4().hex if operation is None else operation
        metadata = (("stagecraft-operation", operation),) if operation else ()
        try:
            response = self.stub.Create(request, metadata=metadata)
        except grpc.RpcError as error:
            raise init_failure(error) or error from error
        return Resource(
            urn(token, name),
            response.id,
            dict(inputs),
            plain(response.properties),
            wire.from_struct(response.properties),
        )

    def make(self, token: str, inputs: Mapping[str, Any], *, name: str = "it") -> Resource:
        """Check and create."""
        return self.create(token, self.checked(token, inputs, name=name), name=name)

    def read(self, resource: Resource) -> Resource | None:
        request = provider_pb2.ReadRequest(
            id=resource.id,
            urn=resource.urn,
            properties=wire.to_struct(resource.state),
            inputs=wire.to_struct(resource.inputs),
        )
        response = self.stub.Read(request)
        if not response.id:
            return None
        return Resource(resource.urn, response.id, plain(response.inputs), plain(response.properties))

    def look_up(self, token: str, identifier: str, *, name: str = "it") -> Resource | None:
        return self.read(Resource(urn(token, name), identifier, {}, {}))

    def diff(self, resource: Resource, news: Mapping[str, Any], ignored: tuple[str, ...] = ()) -> Difference:
        response = self.stub.Diff(
            provider_pb2.DiffRequest(
                id=resource.id,
                urn=resource.urn,
                olds=wire.to_struct(resource.state),
                old_inputs=wire.to_struct(resource.inputs),
                news=wire.to_struct(news),
                ignoreChanges=ignored,
            )
        )
        kinds = {
            path: provider_pb2.PropertyDiff.Kind.Name(entry.kind)
            for path, entry in response.detailedDiff.items()
        }
        changed = response.changes == provider_pb2.DiffResponse.DIFF_SOME
        return Difference(changed, kinds, list(response.replaces), response.deleteBeforeReplace)

    def update(self, resource: Resource, news: Mapping[str, Any], *, preview: bool = False) -> Resource:
        response = self.stub.Update(
            provider_pb2.UpdateRequest(
                id=resource.id,
                urn=resource.urn,
                olds=wire.to_struct(resource.state),
                old_inputs=wire.to_struct(resource.inputs),
                news=wire.to_struct(news),
                preview=preview,
            )
        )
        return Resource(resource.urn, resource.id, dict(news), plain(response.properties))

    def delete(self, resource: Resource) -> None:
        self.stub.Delete(
            provider_pb2.DeleteRequest(
                id=resource.id,
                urn=resource.urn,
                properties=wire.to_struct(resource.state),
                old_inputs=wire.to_struct(resource.inputs),
            )
        )

    def invoke(self, token: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        response = self.stub.Invoke(
            provider_pb2.InvokeRequest(tok=token, args=wire.to_struct(arguments or {}))
        )
        assert not response.failures, list(response.failures)
        return plain(getattr(response, "return"))


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:test::project::{token}::{name}"


def init_failure(error: grpc.RpcError) -> InitFailedError | None:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                failed = provider_pb2.ErrorResourceInitFailed()
                if detail.Is(failed.DESCRIPTOR):
                    detail.Unpack(failed)
                    return InitFailedError(failed)
    return None
