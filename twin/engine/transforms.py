"""Transforms: functions of the program that may change what a resource is registered with."""

import threading
from typing import Any, Final

import grpc
from pulumi.runtime.proto import callback_pb2, callback_pb2_grpc, resource_pb2

from twin.engine.engine_service import CHANNEL_OPTIONS
from twin.engine.errors import StepError, UnsupportedError
from twin.loopback import require_loopback

_TRANSFORM_SECONDS: Final = 300.0
_REFUSED_OPTIONS: Final = ("env_var_mappings", "hide_diff", "hooks", "replace_with", "replacement_trigger")


class Transforms:
    """The transforms of one run, by resource and for the stack. Thread-safe."""

    def __init__(self) -> None:
        self._of_stack: list[Any] = []
        self._own: dict[str, list[Any]] = {}
        self._parents: dict[str, str] = {}
        self._stubs: dict[str, Any] = {}
        self._mutex = threading.Lock()

    def add_to_stack(self, callback: Any) -> None:
        """Notes a transform for every resource from now on. Raises ValueError for another machine's."""
        require_loopback(callback.target)
        with self._mutex:
            self._of_stack.append(callback)

    def apply(self, request: Any, urn: str) -> Any:
        """The registration after its own transforms, its parents' and the stack's, in that order."""
        with self._mutex:
            self._parents[urn] = request.parent
            self._own[urn] = list(request.transforms)
            callbacks = list(request.transforms)
            parent = request.parent
            while parent:
                callbacks += self._own.get(parent, ())
                parent = self._parents.get(parent, "")
            callbacks += self._of_stack
        for callback in callbacks:
            request = self._transform(request, callback, urn)
        return request

    def _transform(self, request: Any, callback: Any, urn: str) -> Any:
        asked = resource_pb2.TransformRequest(
            type=request.type,
            name=request.name,
            custom=request.custom,
            parent=request.parent,
            properties=request.object,
            options=_options_of(request),
        )
        answer = resource_pb2.TransformResponse()
        answer.ParseFromString(self._call_back(callback, asked, urn))
        changed = resource_pb2.RegisterResourceRequest()
        changed.CopyFrom(request)
        if answer.HasField("properties"):
            changed.object.CopyFrom(answer.properties)
            for key in list(changed.propertyDependencies):
                if key not in answer.properties.fields:
                    del changed.propertyDependencies[key]
        if answer.HasField("options"):
            _take_options(changed, answer.options)
        return changed

    def _call_back(self, callback: Any, message: Any, urn: str) -> bytes:
        target = require_loopback(callback.target)
        with self._mutex:
            stub = self._stubs.get(target)
            if stub is None:
                channel = grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
                stub = self._stubs[target] = callback_pb2_grpc.CallbacksStub(channel)
        try:
            answer = stub.Invoke(
                callback_pb2.CallbackInvokeRequest(token=callback.token, request=message.SerializeToString()),
                timeout=_TRANSFORM_SECONDS,
            )
        except grpc.RpcError as error:
            raise StepError(f"a transform of {urn} failed: {error.details()}") from error
        response: bytes = answer.response
        return response


def _options_of(request: Any) -> Any:
    options = resource_pb2.TransformResourceOptions(
        depends_on=request.dependencies,
        ignore_changes=request.ignoreChanges,
        replace_on_changes=request.replaceOnChanges,
        version=request.version,
        aliases=request.aliases,
        provider=request.provider,
        plugin_download_url=request.pluginDownloadURL,
        deleted_with=request.deletedWith,
        additional_secret_outputs=request.additionalSecretOutputs,
        providers=request.providers,
    )
    if request.HasField("protect"):
        options.protect = request.protect
    if request.HasField("retainOnDelete"):
        options.retain_on_delete = request.retainOnDelete
    if request.deleteBeforeReplaceDefined:
        options.delete_before_replace = request.deleteBeforeReplace
    if request.HasField("customTimeouts"):
        options.custom_timeouts.CopyFrom(request.customTimeouts)
    if request.importId:
        setattr(options, "import", request.importId)
    return options


def _take_options(request: Any, options: Any) -> None:
    """Puts a transform's options into a registration request, where the two name things differently."""
    request.dependencies[:] = options.depends_on
    request.ignoreChanges[:] = options.ignore_changes
    request.replaceOnChanges[:] = options.replace_on_changes
    request.additionalSecretOutputs[:] = options.additional_secret_outputs
    request.version = options.version
    request.provider = options.provider
    request.pluginDownloadURL = options.plugin_download_url
    request.deletedWith = options.deleted_with
    request.importId = getattr(options, "import")
    del request.aliases[:]
    request.aliases.extend(options.aliases)
    for optional, target in (("protect", "protect"), ("retain_on_delete", "retainOnDelete")):
        if options.HasField(optional):
            setattr(request, target, getattr(options, optional))
        else:
            request.ClearField(target)
    request.deleteBeforeReplaceDefined = options.HasField("delete_before_replace")
    request.deleteBeforeReplace = options.delete_before_replace
    if options.HasField("custom_timeouts"):
        request.customTimeouts.CopyFrom(options.custom_timeouts)
    asked = {descriptor.name for descriptor, _ in options.ListFields()}
    if not options.hooks.ListFields():
        asked.discard("hooks")
    for name in _REFUSED_OPTIONS:
        if name in asked:
            raise UnsupportedError(f"a transform set `{name}`, which the twin's engine does not support")
