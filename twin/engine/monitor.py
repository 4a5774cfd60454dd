"""The ResourceMonitor service: the program's requests, taken over gRPC."""

import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    callback_pb2,
    callback_pb2_grpc,
    provider_pb2,
    resource_pb2,
    resource_pb2_grpc,
)

from twin.engine import urns
from twin.engine.engine_service import CHANNEL_OPTIONS
from twin.engine.errors import HaltedError, StepError, UnsupportedError
from twin.engine.events import Level
from twin.engine.goals import Goal, goal_of
from twin.engine.plugins import UnclearError
from twin.engine.registration import Registered, Registrar
from twin.engine.run import Run
from twin.loopback import require_loopback
from twin.wire import FULL, PLAIN, UNKNOWN_TEXT, Secret, from_struct, to_struct

FEATURES: Final = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
)
"""What this engine does; nothing is advertised that it does not."""

_OLD_FEATURE_NAMES: Final = frozenset(
    {"secrets", "resourceReferences", "outputValues", "aliasSpecs", "deletedWith", "transforms"}
)
_TRANSFORM_SECONDS: Final = 300.0
_MOST_THREADS: Final = 4096
_REFUSED_OPTIONS: Final = ("env_var_mappings", "hide_diff", "hooks", "replace_with", "replacement_trigger")

OtherStack = Callable[[str], Mapping[str, Any] | None]
"""The outputs of another stack, by its name; None if there is no such stack."""


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Answers one program. `finish` is called when the program has registered everything."""

    def __init__(
        self,
        run: Run,
        registrar: Registrar,
        *,
        client_of: Callable[[str], Any],
        finish: Callable[[], None],
        other_stack: OtherStack,
        config: Mapping[str, str],
        secret_keys: tuple[str, ...],
        organization: str,
        folder: Path,
    ) -> None:
        self._run = run
        self._registrar = registrar
        self._client_of = client_of
        self._finish = finish
        self._other_stack = other_stack
        self._config = config
        self._secret_keys = secret_keys
        self._organization = organization
        self._folder = folder
        self._stack_transforms: list[Any] = []
        self._transforms: dict[str, list[Any]] = {}
        self._parents: dict[str, str] = {}
        self._callbacks: dict[str, Any] = {}
        self._mutex = threading.Lock()

    # -- what the program asks first

    def GetDeploymentInfo(self, _request: Any, _context: Any) -> Any:  # noqa: N802 - the protocol's name
        """What is deployed, and what this engine can do."""
        return resource_pb2.DeploymentInfo(
            project=self._run.project,
            stack=self._run.stack,
            organization=self._organization,
            config=dict(self._config),
            configSecretKeys=list(self._secret_keys),
            dryRun=self._run.preview,
            parallel=self._run.options.parallel,
            supportedFeatures=FEATURES,
        )

    def SupportsFeature(self, request: Any, _context: Any) -> Any:  # noqa: N802
        """The same, one by one, for older SDKs."""
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in _OLD_FEATURE_NAMES)

    # -- resources

    def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Does what a registration asks for; hangs up when that fails."""
        urn = urns.make(self._run.stack, self._run.project, request.parent, request.type, request.name)

        def register() -> Any:
            transformed = self._transformed(request, urn)
            goal = goal_of(transformed, self._folder)
            with self._mutex:
                self._parents[urn] = request.parent
                self._transforms[urn] = list(request.transforms)
            return self._answer(self._registrar.register(goal))

        return self._guarded(context, urn, register)

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Notes a component's or the stack's outputs."""

        def note() -> Any:
            self._registrar.set_outputs(request.urn, from_struct(request.outputs))
            return empty_pb2.Empty()

        return self._guarded(context, request.urn, note)

    def ReadResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Looks up a resource that something else owns, or another stack."""
        urn = urns.make(self._run.stack, self._run.project, request.parent, request.type, request.name)

        def read() -> Any:
            goal = Goal(
                type=request.type,
                name=request.name,
                custom=True,
                inputs=from_struct(request.properties),
                parent=request.parent,
                provider=request.provider,
                version=request.version,
                dependencies=sorted(set(request.dependencies)),
                additional_secret_outputs=list(request.additionalSecretOutputs),
            )
            existing = self._stack_outputs(request.id) if request.type == urns.STACK_REFERENCE_TYPE else None
            registered, known = self._registrar.read(goal, request.id, existing)
            return resource_pb2.ReadResourceResponse(
                urn=registered.urn,
                id=registered.id,
                properties=to_struct(registered.outputs, FULL),
                unknown=not known,
            )

        return self._guarded(context, urn, read)

    # -- functions

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Calls a provider's function."""

        def invoke() -> Any:
            self._run.check_going()
            if request.packageRef:
                raise UnsupportedError(
                    f"{request.tok} is of a parameterized package, which the twin's engine does not support"
                )
            args = from_struct(request.args)
            if request.tok == "pulumi:pulumi:getResource":
                raise UnsupportedError(f"{request.tok} is not supported by the twin's engine")
            package = urns.package_of(request.tok)
            reference = request.provider or self._registrar.default_provider(package, request.version)
            client = self._client_of(reference)
            if client is None:
                return resource_pb2.ResourceInvokeResponse(unknown=True)
            plain = to_struct(args, PLAIN)
            answer = client.call(
                "Invoke", provider_pb2.InvokeRequest(tok=request.tok, args=plain, preview=self._run.preview)
            )
            returned = getattr(answer, "return")
            response = resource_pb2.ResourceInvokeResponse(failures=answer.failures)
            getattr(response, "return").CopyFrom(returned)
            return response

        return self._guarded(context, "", invoke, what=f"function {request.tok}")

    def Call(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Methods of remote components: refused, like those components."""
        self._run.problem(f"method {request.tok}: the twin's engine does not support methods of components")
        context.abort(grpc.StatusCode.UNAVAILABLE, "unsupported")

    def RegisterPackage(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Parameterized packages: refused."""
        self._run.problem(
            f"package {request.name}: the twin's engine does not support parameterized packages"
        )
        context.abort(grpc.StatusCode.UNAVAILABLE, "unsupported")

    # -- transforms

    def RegisterStackTransform(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A transform for every resource of the stack."""

        def note() -> Any:
            require_loopback(request.target)
            with self._mutex:
                self._stack_transforms.append(request)
            return empty_pb2.Empty()

        return self._guarded(context, "", note, what="a stack transform")

    def _transformed(self, request: Any, urn: str) -> Any:
        """The registration after its own transforms, its parents' and the stack's, in that order."""
        with self._mutex:
            callbacks = list(request.transforms)
            parent = request.parent
            while parent:
                callbacks += self._transforms.get(parent, ())
                parent = self._parents.get(parent, "")
            callbacks += self._stack_transforms
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
            stub = self._callbacks.get(target)
            if stub is None:
                channel = grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
                stub = self._callbacks[target] = callback_pb2_grpc.CallbacksStub(channel)
        try:
            answer = stub.Invoke(
                callback_pb2.CallbackInvokeRequest(token=callback.token, request=message.SerializeToString()),
                timeout=_TRANSFORM_SECONDS,
            )
        except grpc.RpcError as error:
            raise StepError(f"a transform of {urn} failed: {error.details()}") from error
        response: bytes = answer.response
        return response

    # -- the end

    def SignalAndWaitForShutdown(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """The program is through: the stack's policies, then what is no longer wanted is deleted."""
        self._finish()
        return empty_pb2.Empty()

    # -- helpers

    def _answer(self, registered: Registered) -> Any:
        return resource_pb2.RegisterResourceResponse(
            urn=registered.urn,
            id="" if registered.id == UNKNOWN_TEXT else registered.id,
            object=to_struct(registered.outputs, FULL),
            stables=registered.stables,
        )

    def _stack_outputs(self, reference: str) -> dict[str, Any]:
        name = reference.rsplit("/", 1)[-1]
        outputs = self._other_stack(name)
        if outputs is None:
            raise StepError(f"there is no stack {reference!r} in the twin; deploy it first")
        secret = sorted(key for key, value in outputs.items() if isinstance(value, Secret))
        return {"name": reference, "outputs": dict(outputs), "secretOutputNames": secret}

    def _guarded(self, context: Any, urn: str, work: Callable[[], Any], what: str = "") -> Any:
        """Runs a request. A failure is told here, once; the program only learns that the engine hung up."""
        try:
            return work()
        except HaltedError:
            pass
        except UnclearError as error:
            # Who interrupts a run has its plugins ended; what they did is settled by the next command.
            if not self._run.result.interrupted:
                self._fail(urn, what, error)
        except StepError as error:
            self._fail(urn, what, error)
        except Exception as error:
            self._run.tell(Level.DEBUG, traceback.format_exc(), urn)
            self._fail(urn, what, StepError(f"the twin's engine failed: {error or type(error).__name__}"))
        context.abort(grpc.StatusCode.UNAVAILABLE, "the run is ending")
        raise AssertionError("abort does not return")

    def _fail(self, urn: str, what: str, error: StepError) -> None:
        if urn:
            self._run.failed(urn, error)
        else:
            self._run.problem(f"{what}: {error}")


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


class MonitorServer:
    """Serves a Monitor on a free loopback port."""

    def __init__(self, monitor: Monitor) -> None:
        # A registration holds its thread until it is done, and a transform may call back meanwhile: the
        # threads must not run out, and they are only made when they are needed.
        self._threads = futures.ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="monitor")
        self._server = grpc.server(self._threads, options=CHANNEL_OPTIONS)
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        """Stops serving. Nobody waits for answers any more, but what is under way is brought to its end."""
        self._server.stop(grace=None).wait()
        self._threads.shutdown()
