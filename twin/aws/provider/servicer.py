"""Pulumi's ResourceProvider service for the twin's AWS: one RPC each, the work is done by adapters."""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from twin import wire
from twin.aws.provider import assets, configuration, schema
from twin.aws.provider.adapter import Adapter
from twin.aws.provider.clients import CALL_ERRORS, Cloud, Effect, effect, explain
from twin.aws.provider.configuration import Configuration
from twin.aws.provider.lifecycle import Lifecycle, Resource
from twin.aws.provider.registry import adapter_for
from twin.providers.naming import Naming
from twin.providers.problems import Problems
from twin.providers.rpc import (
    InitFailedError,
    add_failures,
    attempt_of,
    diff_response,
    plain,
    reported,
    settings_response,
    type_of,
)
from twin.wire import PLAIN, UNKNOWN, Secret

_Context = grpc.ServicerContext


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider instance: one configuration, one cloud."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._configuration = Configuration()
        self._cloud: Cloud | None = None
        self._lifecycle: Lifecycle | None = None

    # -- the plugin

    def Handshake(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """What this provider understands."""
        return provider_pb2.ProviderHandshakeResponse(supports_autonaming_configuration=True)

    def Attach(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """The engine attaches itself to a plugin that it did not start; there is nothing to do."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """The version of pulumi_aws whose schema this is."""
        return plugin_pb2.PluginInfo(version=schema.version())

    def GetSchema(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """A schema with the emulated types' names: enough for an engine, not for making SDKs."""
        resources: dict[str, Any] = {token: {} for token in schema.tokens()}
        content = {"name": "aws", "version": schema.version(), "resources": resources}
        return provider_pb2.GetSchemaResponse(schema=json.dumps(content))

    def Cancel(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Ends the process; calls under way are finished first."""
        self._stopped.set()
        return empty_pb2.Empty()

    # -- configuration

    def CheckConfig(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Checks the provider's inputs."""
        inputs = plain(request.news)
        problems = Problems()
        configuration.parse(inputs, problems)
        response = provider_pb2.CheckResponse(inputs=request.news)
        add_failures(response, problems)
        return response

    def DiffConfig(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """A change of region moves every resource: the provider is replaced; anything else is an update."""
        olds = plain(request.old_inputs) or plain(request.olds)
        news = plain(request.news)
        return settings_response(olds, news, lambda name: name == "region" and news.get(name) is not UNKNOWN)

    def Configure(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Takes the configuration and finds the cloud, which must be on this machine."""
        with _reported(context):
            inputs = plain(request.args)
            if not inputs and request.variables:
                inputs = {key.split(":")[-1]: value for key, value in request.variables.items()}
            problems = Problems()
            parsed = configuration.parse(inputs, problems)
            if problems:
                raise ValueError("; ".join(f"{path}: {reason}" for path, reason in problems))
            self._cloud = Cloud(configuration.cloud_endpoint(os.environ))
            self._configuration = parsed
            if parsed.allowed_accounts or parsed.forbidden_accounts:
                _check_account(parsed, self._cloud.account)
            self._lifecycle = Lifecycle(self._cloud, parsed)
        return provider_pb2.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    # -- resources

    def Check(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Checks and completes a resource's inputs."""
        with _reported(context):
            problems = Problems()
            adapter = _adapter(request.urn, request.type)
            news, olds = plain(request.news), plain(request.olds)
            if adapter is None:
                response = provider_pb2.CheckResponse(inputs=request.news)
                problems.add("", _not_emulated(type_of(request.urn, request.type)))
                add_failures(response, problems)
                return response
            naming = Naming.asked(request, olds)
            inputs = self._lives.check(adapter, request.urn, news, naming, problems)
            response = provider_pb2.CheckResponse(inputs=wire.to_struct(inputs, PLAIN))
            add_failures(response, problems)
            return response

    def Diff(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """What an update would change, and whether it takes a replacement."""
        with _reported(context):
            adapter = _required_adapter(request.urn, request.type)
            difference = self._lives.diff(
                adapter,
                request.urn,
                plain(request.old_inputs) or plain(request.olds),
                plain(request.news),
                tuple(request.ignoreChanges),
            )
            return diff_response(
                difference.changes,
                replaces=difference.replaces,
                properties=difference.properties,
                delete_first=difference.delete_first,
            )

    def Create(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Creates a resource, or finishes a creation that was interrupted."""
        with _reported(context):
            adapter = _required_adapter(request.urn, request.type)
            inputs = plain(request.properties)
            if request.preview:
                state = self._lives.preview_create(adapter, inputs)
                return provider_pb2.CreateResponse(properties=_outputs(adapter, state))
            attempt = attempt_of(context, request.urn, inputs, assets.fingerprint)
            with effect(Effect.of(request.urn, attempt)):
                made = self._lives.create(adapter, request.urn, inputs)
            if made.failure is not None:
                raise InitFailedError(made.id, made.state, inputs, made.failure)
            return provider_pb2.CreateResponse(id=made.id, properties=_outputs(adapter, made.state))

    def Read(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """The resource as the cloud has it; an empty id says that it is gone."""
        with _reported(context), effect(Effect.known(request.urn)):
            adapter = _required_adapter(request.urn, request.type)
            resource = Resource(request.id, plain(request.properties), plain(request.inputs))
            found = self._lives.read(adapter, request.urn, resource)
            if found is None:
                return provider_pb2.ReadResponse()
            return provider_pb2.ReadResponse(
                id=found.id,
                properties=_outputs(adapter, found.state),
                inputs=wire.to_struct(found.inputs, PLAIN),
            )

    def Update(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Changes a resource in place."""
        with _reported(context), effect(Effect.known(request.urn)):
            adapter = _required_adapter(request.urn, request.type)
            news = plain(request.news)
            old = Resource(request.id, plain(request.olds), plain(request.old_inputs))
            if request.preview:
                state = self._lives.preview_update(adapter, old, news)
            else:
                state = self._lives.update(adapter, request.urn, old, news)
            return provider_pb2.UpdateResponse(properties=_outputs(adapter, state))

    def Delete(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Deletes a resource; one that is gone is deleted."""
        with _reported(context), effect(Effect.known(request.urn)):
            adapter = _required_adapter(request.urn, request.type)
            resource = Resource(request.id, plain(request.properties), plain(request.old_inputs))
            self._lives.delete(adapter, request.urn, resource)
        return empty_pb2.Empty()

    # -- functions

    def Invoke(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Runs a function (a data source)."""
        from twin.aws.provider.functions import Lookup, function_for

        with _reported(context):
            problems = Problems()
            run = function_for(request.tok)
            if run is None:
                raise ValueError(
                    f"{request.tok} is not emulated by the twin; pass the value in by configuration instead"
                )
            arguments = plain(request.args)
            lookup = Lookup(self._reachable, self._configuration, arguments, problems)
            answer = run(lookup)
            if problems:
                failed = provider_pb2.InvokeResponse()
                add_failures(failed, problems)
                return failed
            response = provider_pb2.InvokeResponse()
            getattr(response, "return").CopyFrom(wire.to_struct(answer))
            return response

    def Call(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """There are no methods on the emulated types."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{request.tok}: the twin's AWS provider has no methods")

    def Construct(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """There are no components in this package."""
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED, f"{request.type}: the twin's AWS provider has no components"
        )

    @property
    def _lives(self) -> Lifecycle:
        if self._lifecycle is None:
            raise ValueError("the provider is not configured: Configure comes first")
        return self._lifecycle

    @property
    def _reachable(self) -> Cloud:
        if self._cloud is None:
            raise ValueError("the provider is not configured: Configure comes first")
        return self._cloud


def _outputs(adapter: Adapter, state: Mapping[str, Any]) -> Any:
    secret = adapter.described.secret
    marked = {
        name: Secret(value) if name in secret and value is not None else value
        for name, value in state.items()
        if value is not None
    }
    return wire.to_struct(marked)


def _adapter(urn: str, given: str) -> Adapter | None:
    return adapter_for(type_of(urn, given))


def _required_adapter(urn: str, given: str) -> Adapter:
    found = _adapter(urn, given)
    if found is None:
        raise ValueError(_not_emulated(type_of(urn, given)))
    return found


def _not_emulated(token: str) -> str:
    return (
        f"{token} is not emulated by the twin; leave it out of the local stack (switch the capability off "
        "in its configuration), or deploy the stack to an account with the pulumi CLI"
    )


def _check_account(parsed: Configuration, account: str) -> None:
    if parsed.allowed_accounts and account not in parsed.allowed_accounts:
        allowed = ", ".join(sorted(parsed.allowed_accounts))
        raise ValueError(f"allowedAccountIds: the twin's account is {account}, allowed are {allowed}")
    if account in parsed.forbidden_accounts:
        raise ValueError(f"forbiddenAccountIds: the twin's account {account} is forbidden")


@contextmanager
def _reported(context: _Context) -> Iterator[None]:
    with reported(context, "the twin's AWS provider"):
        try:
            yield
        except CALL_ERRORS as error:
            raise ValueError(explain(error)) from error
