"""Pulumi's ResourceProvider service for the twin's Kubernetes: one RPC each, the work is done elsewhere."""

import importlib.metadata
import json
import os
import threading
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from twin import wire
from twin.kubernetes.kinds import Kinds, group_of
from twin.kubernetes.provider import configuration
from twin.kubernetes.provider.clusters.cluster import Cluster
from twin.kubernetes.provider.clusters.recorded import RecordedCluster
from twin.kubernetes.provider.configuration import Configuration
from twin.kubernetes.provider.objects import Objects, State
from twin.kubernetes.provider.releases import TOKEN as RELEASE
from twin.kubernetes.provider.releases import Releases, brought_by
from twin.kubernetes.provider.remarks import Remarks
from twin.providers.naming import Naming
from twin.providers.problems import Problems
from twin.providers.rpc import (
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
_WHO: Final = "the twin's Kubernetes provider"
_WHERE: Final = ("cluster", "context", "kubeconfig")
"""Settings that say which cluster is meant."""
_SECRET: Final = ("data", "stringData")
_NOT_HERE: Final = {
    "kubernetes:helm.sh/v4:Chart": "a chart's templates; use helm.v3.Release, which is checked and recorded",
    "kubernetes:helm:template": "a chart's templates; use helm.v3.Release, which is checked and recorded",
    "kubernetes:kustomize:directory": "kustomize; render it beforehand, and use yaml.ConfigFile",
    "kubernetes:kustomize/v2:Directory": "kustomize; render it beforehand, and use yaml.ConfigFile",
    "kubernetes:yaml/v2:ConfigFile": "the second version of YAML components; use yaml.ConfigFile",
    "kubernetes:yaml/v2:ConfigGroup": "the second version of YAML components; use yaml.ConfigGroup",
}


@dataclass(frozen=True)
class _World:
    """What one configuration gives the provider to work on."""

    objects: Objects
    releases: Releases
    records: RecordedCluster
    served: bool


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider instance: one configuration, one cluster."""

    def __init__(self, remarks: Remarks, stopped: threading.Event) -> None:
        self._remarks = remarks
        self._stopped = stopped
        self._kinds = Kinds()
        self._world: _World | None = None

    # -- the plugin

    def Handshake(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """What this provider understands."""
        return provider_pb2.ProviderHandshakeResponse(supports_autonaming_configuration=True)

    def Attach(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """The engine attaches itself to a plugin that it did not start; there is nothing to do."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """The version of pulumi_kubernetes whose types these are."""
        return plugin_pb2.PluginInfo(version=_version())

    def GetSchema(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """A schema with the package's name: enough for an engine, not for making SDKs."""
        content = {"name": "kubernetes", "version": _version(), "resources": {RELEASE: {}}}
        return provider_pb2.GetSchemaResponse(schema=json.dumps(content))

    def Cancel(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Ends the process; calls under way are finished first."""
        self._stopped.set()
        return empty_pb2.Empty()

    # -- configuration

    def CheckConfig(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Checks the provider's inputs."""
        problems = Problems()
        configuration.parse(plain(request.news), problems)
        response = provider_pb2.CheckResponse(inputs=request.news)
        add_failures(response, problems)
        return response

    def DiffConfig(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Another cluster replaces the provider and with it every object; anything else is an update."""
        olds = plain(request.old_inputs) or plain(request.olds)
        news = plain(request.news)
        before, after = (configuration.parse(each, Problems()) for each in (olds, news))
        moved = before.known and after.known and before.identity != after.identity
        return settings_response(olds, news, lambda name: moved and name in _WHERE)

    def Configure(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Takes the configuration and finds the cluster; one elsewhere is never contacted."""
        with reported(context, _WHO):
            inputs = plain(request.args)
            if not inputs and request.variables:
                inputs = {key.split(":")[-1]: value for key, value in request.variables.items()}
            problems = Problems()
            parsed = configuration.parse(inputs, problems)
            if problems:
                raise ValueError("; ".join(f"{path}: {reason}" for path, reason in problems))
            self._world = self._found(parsed)
        return provider_pb2.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    def _found(self, parsed: Configuration) -> _World:
        named = configuration.named_access(os.environ)
        access = named or (parsed.access if parsed.access and parsed.access.local else None)
        records = RecordedCluster(configuration.records_folder(os.environ, parsed.identity))
        cluster: Cluster = records
        if access is not None:
            from twin.kubernetes.provider.clusters.served import ServedCluster

            cluster = ServedCluster(access)
        elif parsed.access is not None:
            self._remarks.note(
                "",
                f"{parsed.access.server} is not contacted: the twin checks schemas, and records the objects",
            )
        for definition in records.definitions():
            self._kinds.learn(definition)
        return _World(
            Objects(self._kinds, parsed, cluster, self._remarks),
            Releases(records, parsed.namespace),
            records,
            served=access is not None,
        )

    # -- resources

    def Check(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Checks and completes a resource's inputs."""
        with reported(context, _WHO):
            problems = Problems()
            token = type_of(request.urn, request.type)
            naming = Naming.asked(request, _whole(plain(request.olds)))
            inputs = _whole(plain(request.news))
            if token.endswith(("List", "Patch")):
                problems.add(
                    "", f"{token} is not emulated by the twin", "make each object a resource of its own"
                )
            elif token == RELEASE:
                inputs = self._reached.releases.check(inputs, naming, problems)
            else:
                inputs = self._reached.objects.check(token, inputs, naming, problems)
            response = provider_pb2.CheckResponse(inputs=wire.to_struct(inputs, PLAIN))
            add_failures(response, problems)
            return response

    def Diff(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """What an update would change, and whether it takes a replacement."""
        with reported(context, _WHO):
            olds = _whole(plain(request.old_inputs) or plain(request.olds))
            news, ignored = _whole(plain(request.news)), tuple(request.ignoreChanges)
            world = self._reached
            if type_of(request.urn, request.type) == RELEASE:
                difference = world.releases.diff(olds, news, ignored)
            else:
                difference = world.objects.diff(olds, news, ignored)
            forced = frozenset(difference.replaces)
            return diff_response(
                ((change.path, change.kind, change.path in forced) for change in difference.changes),
                delete_first=difference.delete_first,
            )

    def Create(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Makes an object, or finishes a creation that was interrupted."""
        with reported(context, _WHO):
            token, inputs = type_of(request.urn, request.type), _whole(plain(request.properties))
            world = self._reached
            if request.preview:
                preview = (
                    world.releases.preview(inputs) if token == RELEASE else world.objects.preview(inputs)
                )
                return provider_pb2.CreateResponse(properties=_outputs(token, preview))
            if token == RELEASE:
                made = world.releases.create(request.urn, inputs)
            else:
                self._warn_of_missing_definitions(request.urn, str(inputs.get("apiVersion")))
                attempt = attempt_of(context, request.urn, inputs)
                made = world.objects.create(request.urn, inputs, attempt, request.timeout)
            return provider_pb2.CreateResponse(id=made.id, properties=_outputs(token, made.state))

    def Read(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """The object as the cluster has it; an empty id says that it is gone."""
        with reported(context, _WHO):
            token = type_of(request.urn, request.type)
            state, inputs = _whole(plain(request.properties)), _whole(plain(request.inputs))
            if token == RELEASE:
                found = self._reached.releases.read(request.id, inputs)
            else:
                found = self._reached.objects.read(request.urn, token, request.id, state, inputs)
            if found is None:
                return provider_pb2.ReadResponse()
            return provider_pb2.ReadResponse(
                id=found.id,
                properties=_outputs(token, found.state),
                inputs=wire.to_struct(found.inputs, PLAIN),
            )

    def Update(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Changes an object in place."""
        with reported(context, _WHO):
            token = type_of(request.urn, request.type)
            old, news = _whole(plain(request.olds)), _whole(plain(request.news))
            world = self._reached
            if request.preview:
                state = world.releases.preview(news) if token == RELEASE else world.objects.preview(news, old)
            elif token == RELEASE:
                state = world.releases.update(request.urn, old, news).state
            else:
                state = world.objects.update(request.urn, request.id, old, news, request.timeout).state
            return provider_pb2.UpdateResponse(properties=_outputs(token, state))

    def Delete(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Deletes an object; one that is gone is deleted."""
        with reported(context, _WHO):
            token = type_of(request.urn, request.type)
            if token == RELEASE:
                self._reached.releases.delete(request.id)
            else:
                state = plain(request.old_inputs) or plain(request.properties)
                self._reached.objects.delete(token, request.id, state, request.timeout)
        return empty_pb2.Empty()

    # -- functions

    def Invoke(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """Runs a function."""
        from twin.kubernetes.provider.functions import FUNCTIONS

        with reported(context, _WHO):
            run = FUNCTIONS.get(request.tok)
            if run is None:
                raise ValueError(_not_emulated(request.tok))
            response = provider_pb2.InvokeResponse()
            getattr(response, "return").CopyFrom(wire.to_struct(run(plain(request.args))))
            return response

    def Call(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """There are no methods on these types."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{request.tok}: {_WHO} has no methods")

    def Construct(self, request: Any, context: _Context) -> Any:  # noqa: N802
        """The components that the real provider makes itself are not here."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, _not_emulated(request.type))

    @property
    def _reached(self) -> _World:
        if self._world is None:
            raise ValueError("the provider is not configured: Configure comes first")
        return self._world

    def _warn_of_missing_definitions(self, urn: str, api_version: str) -> None:
        """A cluster refuses a custom resource before the chart that brings its definition is released."""
        group, world = group_of(api_version), self._reached
        charts = brought_by(group)
        if not charts or world.served or world.releases.released(charts) or world.records.brings(group):
            return
        self._remarks.warn(
            urn,
            f"nothing in this stack brings the definitions of {group} (yet): a cluster that lacks them "
            f"refuses it; release chart {' or '.join(charts)}, and let it depend on the release",
        )


def _whole(value: Any) -> Any:
    """Values with whole numbers as such: the wire has one kind of number, Kubernetes has two."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value


def _outputs(token: str, state: State) -> Any:
    secret = _SECRET if token == "kubernetes:core/v1:Secret" else ()
    marked = {
        key: Secret(value) if key in secret and value is not None and value is not UNKNOWN else value
        for key, value in state.items()
    }
    return wire.to_struct(marked)


def _not_emulated(token: str) -> str:
    return f"{token} is not emulated by the twin, which lacks {_NOT_HERE.get(token, 'this')}"


def _version() -> str:
    return importlib.metadata.version("pulumi-kubernetes")
