"""The ResourceMonitor service: the program's requests, taken over gRPC."""

import traceback
from collections.abc import Callable, Mapping
from concurrent import futures
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    provider_pb2,
    resource_pb2,
    resource_pb2_grpc,
)

from twin.engine import operations, urns
from twin.engine.engine_service import CHANNEL_OPTIONS
from twin.engine.errors import HaltedError, StepError, UnsupportedError
from twin.engine.events import Level
from twin.engine.goals import Goal, goal_of
from twin.engine.plugins import ProviderClient, UnclearError
from twin.engine.providers import BUILTIN
from twin.engine.registration import Registered, Registrar
from twin.engine.run import Run
from twin.engine.transforms import Transforms
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
_GET_RESOURCE: Final = "pulumi:pulumi:getResource"
_MOST_THREADS: Final = 4096

OtherStack = Callable[[str], Mapping[str, Any] | None]
"""The outputs of another stack, by its name; None if there is no such stack."""


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Answers one program. `finish` is called when the program has registered everything."""

    def __init__(
        self,
        run: Run,
        registrar: Registrar,
        *,
        client_of: Callable[[str], ProviderClient | None],
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
        self._transforms = Transforms()

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
            goal = goal_of(self._transforms.apply(request, urn), self._folder)
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
        """Calls a provider's function, or looks up a resource of this run."""

        def invoke() -> Any:
            self._run.check_going()
            if request.packageRef:
                raise UnsupportedError("it is of a parameterized package")
            response = resource_pb2.ResourceInvokeResponse()
            if request.tok == _GET_RESOURCE:
                getattr(response, "return").CopyFrom(to_struct(self._found(from_struct(request.args))))
                return response
            package = urns.package_of(request.tok)
            if package == BUILTIN:
                raise UnsupportedError("there is no such function here")
            client = self._client(request, package)
            if client is None:
                response.unknown = True
                return response
            args = to_struct(from_struct(request.args), PLAIN)
            answer = client.call(
                "Invoke", provider_pb2.InvokeRequest(tok=request.tok, args=args, preview=self._run.preview)
            )
            response.failures.extend(answer.failures)
            getattr(response, "return").CopyFrom(getattr(answer, "return"))
            return response

        return self._guarded(context, "", invoke, what=f"function {request.tok}")

    def ExistsResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Whether the cloud has a resource of some id."""

        def look() -> Any:
            client = self._client(request, urns.package_of(request.type))
            if client is None or request.id == UNKNOWN_TEXT:
                return resource_pb2.ExistsResourceResponse(unknown=True)
            urn = urns.make(self._run.stack, self._run.project, request.parent, request.type, request.id)
            inputs = from_struct(request.properties)
            found = operations.read(client, urn, request.id, inputs, inputs)
            return resource_pb2.ExistsResourceResponse(exists=found is not None)

        return self._guarded(context, "", look, what=f"a look for {request.type} {request.id!r}")

    # -- what is refused

    def Call(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Methods of components that live in another process."""
        return self._refused(context, f"method {request.tok} of a component in another process")

    def RegisterPackage(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Parameterized packages."""
        return self._refused(context, f"parameterized package {request.name}")

    def RegisterStackInvokeTransform(self, _request: Any, context: Any) -> Any:  # noqa: N802
        """Transforms of function calls."""
        return self._refused(context, "a transform of functions")

    def RegisterResourceHook(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Hooks that run around a resource's steps."""
        return self._refused(context, f"resource hook {request.name}")

    def RegisterErrorHook(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Hooks that run when a step fails."""
        return self._refused(context, f"error hook {request.name}")

    # -- transforms

    def RegisterStackTransform(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A transform for every resource of the stack."""

        def note() -> Any:
            self._transforms.add_to_stack(request)
            return empty_pb2.Empty()

        return self._guarded(context, "", note, what="a stack transform")

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

    def _client(self, request: Any, package: str) -> ProviderClient | None:
        """The provider instance that a request names, else the package's default one."""
        reference = request.provider or self._registrar.default_provider(package, request.version)
        return self._client_of(reference)

    def _found(self, args: Mapping[str, Any]) -> dict[str, Any]:
        state = self._registrar.lookup(str(args.get("urn")))
        if state is None:
            raise StepError(f"there is no resource {args.get('urn')}")
        return {"urn": state.urn, "id": state.id, "state": state.outputs}

    def _refused(self, context: Any, what: str) -> Any:
        def refuse() -> Any:
            raise UnsupportedError("the twin's engine does not support this; deploy with the pulumi CLI")

        return self._guarded(context, "", refuse, what=what)

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
