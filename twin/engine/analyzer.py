"""Hosts policy packs: starts each in its own process and speaks Pulumi's Analyzer protocol with it.

The run must fail closed: whatever a pack does but answer (crash, hang, garbage) is a `PolicyPackError`.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import IO, Any, Final, Self, cast

import grpc
import yaml
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from twin.engine.engine_service import CHANNEL_OPTIONS
from twin.engine.policy_config import CATALOGUE_ID, LEVELS, Level, PolicyInfo, Setting, reconcile
from twin.wire import (
    PLAIN,
    UNKNOWN,
    Archive,
    Asset,
    Encoding,
    ResourceReference,
    Secret,
    from_struct,
    to_struct,
)

_SEVERITIES: Final = ("", "low", "medium", "high", "critical")
_KINDS: Final = ("unknown", "resource", "stack")
_FOR_PACKS: Final = Encoding(secrets=True, references=False, outputs=False)
_REMEDY: Final = "\nRemedy: "
_TETHER: Final = Path(__file__).with_name("tether.py")
_STDERR_TAIL_LINES: Final = 20
_DYING_SECONDS: Final = 0.5
_MAX_DEPTH: Final = 64
"""The policy SDK decodes by recursion and gives up at about 150 levels."""
_KEPT_ENVIRONMENT: Final = frozenset(
    {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "TEMP", "TMP", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH"}
    | {"SYSTEMROOT", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE"}
)


class PolicyPackError(Exception):
    """A pack did not do its part, so nothing may be deployed. Names the pack; carries its last words."""

    def __init__(self, pack: str, problem: str, stderr: str = "") -> None:
        self.pack = pack
        self.problem = problem
        self.stderr = stderr
        said = f"\nIts last words:\n{stderr}" if stderr else ""
        super().__init__(f"policy pack {pack}: {problem}{said}")


@dataclass(frozen=True)
class ResourceOptions:
    """A resource's options, as far as packs see them."""

    protect: bool = False
    ignore_changes: Sequence[str] = ()
    delete_before_replace: bool | None = None
    additional_secret_outputs: Sequence[str] = ()
    aliases: Sequence[str] = ()
    custom_timeouts: Mapping[str, float] = field(default_factory=dict)
    """Seconds for `create`, `update`, `delete`, `read`."""
    parent: str = ""


@dataclass(frozen=True)
class ProviderResource:
    """The provider instance a resource belongs to."""

    type: str
    name: str
    urn: str
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PolicyResource:
    """A resource for packs to judge: checked inputs for `analyze`, outputs for `analyze_stack`."""

    type: str
    name: str
    urn: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    """Values as in `twin.wire`."""
    options: ResourceOptions = field(default_factory=ResourceOptions)
    provider: ProviderResource | None = None
    parent: str = ""
    dependencies: Sequence[str] = ()
    property_dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class StackInfo:
    """The stack that is judged, as packs are told of it."""

    stack: str
    project: str
    organization: str = "organization"
    dry_run: bool = True
    config: Mapping[str, str] = field(default_factory=dict)
    """`project:key` → value, without the secret ones: a pack has no use for those."""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnostic:
    """One finding of a pack."""

    pack: str
    version: str
    rule: str
    """The policy's name."""
    id: str
    """The catalogue id (`C12`); empty if the message carries none."""
    level: Level
    message: str
    """What is wrong, without the policy's description."""
    urn: str
    """The resource, or empty for the stack as a whole."""
    remedy: str = ""
    description: str = ""
    severity: str = ""


@dataclass(frozen=True)
class Remediation:
    """A pack's rewrite of a resource's inputs, or (`diagnostic`) why it could not."""

    pack: str
    version: str
    rule: str
    id: str
    description: str
    properties: Mapping[str, Any] | None
    """All inputs after the rewrite; None if there was none."""
    diagnostic: str = ""


class PolicyPack:
    """A running policy pack. Calls may come from several threads. Close it, or use it with `with`."""

    def __init__(
        self,
        directory: Path,
        engine_address: str,
        *,
        stack: StackInfo,
        config: Mapping[str, Any] | None = None,
        start_seconds: float = 60,
        call_seconds: float = 60,
        stack_seconds: float = 300,
    ) -> None:
        """Starts the pack and configures it.

        Args:
            directory: Where its `PulumiPolicy.yaml` is.
            engine_address: The `EngineServer`'s address.
            stack: What is judged.
            config: As the CLI's `--policy-pack-config`: policy name (or `all`) → level, or an object with
                `enforcementLevel` and properties. Names of other packs' policies are ignored.
            start_seconds: Deadline for starting.
            call_seconds: Deadline for a call about one resource.
            stack_seconds: Deadline for a call about the whole stack.

        Raises:
            PolicyPackError: It did not start, or refuses its configuration.
        """
        self.directory = directory.resolve()
        self.name = self.directory.name
        self._start_seconds = start_seconds
        self._call_seconds = call_seconds
        self._stack_seconds = stack_seconds
        project = self._read_project()
        self.version = str(project.get("version") or "0.0.1")
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self._channel: grpc.Channel | None = None
        self._process = self._start(project, engine_address, stack)
        try:
            self._connect(engine_address, stack)
            self.policies = self._read_policies()
            self.configure(config or {})
        except BaseException:
            self.close()
            raise

    def configure(self, config: Mapping[str, Any]) -> None:
        """Puts another configuration in force, in the form the constructor takes.

        Raises:
            PolicyPackError: It is wrong; the one before stays in force.
        """
        settings = self._reconcile(config)
        request = analyzer_pb2.ConfigureAnalyzerRequest()
        for name, setting in settings.items():
            target = request.policyConfig[name]
            target.enforcementLevel = cast(Any, LEVELS.index(setting.level))
            target.properties.CopyFrom(to_struct(setting.properties, PLAIN))
        self._call("Configure", request, self._call_seconds)
        self._settings = settings
        self._remediates = any(self._enabled("resource", "remediate"))
        self._judges_resources = any(self._enabled("resource"))
        self._judges_stack = any(self._enabled("stack"))

    def remediate(self, resource: PolicyResource) -> list[Remediation]:
        """What the pack would rewrite in a resource's inputs, in the order to apply."""
        if not self._remediates:
            return []
        response = self._call("Remediate", self._analyze_request(resource), self._call_seconds)
        return [self._remediation(item, resource) for item in response.remediations]

    def analyze(self, resource: PolicyResource) -> list[Diagnostic]:
        """What the pack finds wrong with one resource's inputs."""
        if not self._judges_resources:
            return []
        request = self._analyze_request(resource, internal=False)
        response = self._call("Analyze", request, self._call_seconds)
        return [self._diagnostic(item, resource.urn) for item in response.diagnostics]

    def analyze_stack(self, resources: Iterable[PolicyResource]) -> list[Diagnostic]:
        """What the pack finds wrong with the stack as a whole, given every resource's outputs."""
        if not self._judges_stack:
            return []
        request = analyzer_pb2.AnalyzeStackRequest()
        for resource in resources:
            item = request.resources.add()
            self._fill(item, resource, internal=False)
            item.parent = resource.parent
            item.dependencies.extend(resource.dependencies)
            for name, urns in resource.property_dependencies.items():
                if urns:
                    item.propertyDependencies[name].urns.extend(urns)
        response = self._call("AnalyzeStack", request, self._stack_seconds)
        return [self._diagnostic(item, "") for item in response.diagnostics]

    def level(self, policy: str) -> Level:
        """A policy's level under the configuration in force."""
        return self._settings[policy].level

    def close(self) -> None:
        """Ends the pack's process."""
        if self._channel is not None:
            with contextlib.suppress(grpc.RpcError):
                stub = analyzer_pb2_grpc.AnalyzerStub(self._channel)
                stub.Cancel(empty_pb2.Empty(), timeout=1)
            self._channel.close()
            self._channel = None
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Starting

    def _read_project(self) -> Mapping[str, Any]:
        path = self.directory / "PulumiPolicy.yaml"
        try:
            project = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise PolicyPackError(self.name, f"cannot read {path}: {error}") from error
        if not isinstance(project, dict):
            raise PolicyPackError(self.name, f"{path} is not a mapping")
        return project

    def _interpreter(self, project: Mapping[str, Any]) -> str:
        runtime = project.get("runtime")
        options: Mapping[str, Any] = {}
        if isinstance(runtime, dict):
            options = runtime.get("options") or {}
            runtime = runtime.get("name")
        if runtime != "python":
            raise PolicyPackError(self.name, f"only packs with `runtime: python` run here, not {runtime!r}")
        virtualenv = options.get("virtualenv")
        if not virtualenv:
            return sys.executable
        interpreter = self.directory / str(virtualenv) / "bin" / "python"
        if not interpreter.exists():
            problem = f"its virtual environment {virtualenv!r} does not exist; make it with `pulumi install`"
            raise PolicyPackError(self.name, problem)
        return str(interpreter)

    def _start(
        self, project: Mapping[str, Any], engine_address: str, stack: StackInfo
    ) -> subprocess.Popen[str]:
        program = self.directory / str(project.get("main") or "")
        command = [self._interpreter(project), "-u", "-P", str(_TETHER), "pulumi.policy"]
        return subprocess.Popen(
            [*command, engine_address, str(program)],
            cwd=self.directory,
            env=_pack_environment(stack),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            # Ctrl-C is for the engine to handle; the tether ends the pack with it.
            start_new_session=True,
        )

    def _connect(self, engine_address: str, stack: StackInfo) -> None:
        port = self._read_port()
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL_OPTIONS)
        directory = str(self.directory)
        handshake = analyzer_pb2.AnalyzerHandshakeRequest(
            engine_address=engine_address, root_directory=directory, program_directory=directory
        )
        self._call("Handshake", handshake, self._start_seconds, optional=True)
        stack_request = analyzer_pb2.AnalyzerStackConfigureRequest(
            stack=stack.stack,
            project=stack.project,
            organization=stack.organization,
            dry_run=stack.dry_run,
            config=dict(stack.config),
            tags=dict(stack.tags),
        )
        self._call("ConfigureStack", stack_request, self._start_seconds, optional=True)
        self._call("GetPluginInfo", empty_pb2.Empty(), self._start_seconds, optional=True)

    def _read_port(self) -> int:
        lines: queue.Queue[str] = queue.Queue(maxsize=1)
        stdout = cast(IO[str], self._process.stdout)
        Thread(target=_drain, args=(stdout, lines.put), name=f"{self.name}-stdout", daemon=True).start()
        try:
            first = lines.get(timeout=self._start_seconds)
        except queue.Empty:
            raise self._error(f"did not start within {self._start_seconds:g} s") from None
        if not first:
            raise self._error("ended before it told its port")
        if not first.strip().isdecimal() or not 0 < int(first) < 65536:
            raise self._error(f"the first line of its output must be its port, not {first.strip()[:80]!r}")
        return int(first)

    # Configuration

    def _read_policies(self) -> dict[str, PolicyInfo]:
        info = self._call("GetAnalyzerInfo", empty_pb2.Empty(), self._start_seconds)
        self.name = info.name or self.name
        self._initial_config = {
            name: {"enforcementLevel": self._level(item.enforcementLevel), **from_struct(item.properties)}
            for name, item in info.initialConfig.items()
        }
        return {item.name: self._policy_info(item) for item in info.policies}

    def _policy_info(self, item: Any) -> PolicyInfo:
        return PolicyInfo(
            name=item.name,
            description=item.description,
            level=self._level(item.enforcementLevel),
            kind=_KINDS[item.policy_type] if 0 <= item.policy_type < len(_KINDS) else "unknown",
            severity=_severity(item.severity),
            remediation_steps=item.remediation_steps,
            tags=tuple(item.tags),
            schema=from_struct(item.configSchema.properties),
            required=tuple(item.configSchema.required),
        )

    def _reconcile(self, config: Mapping[str, Any]) -> dict[str, Setting]:
        try:
            return reconcile(self.policies, (self._initial_config, config))
        except ValueError as error:
            raise PolicyPackError(self.name, str(error)) from None

    def _enabled(self, kind: str, *levels: Level) -> Iterable[str]:
        return (
            name
            for name, policy in self.policies.items()
            if policy.kind in (kind, "unknown")
            and self._settings[name].level != "disabled"
            and (not levels or self._settings[name].level in levels)
        )

    # Calls

    def _call(self, method: str, request: Any, seconds: float, *, optional: bool = False) -> Any:
        if self._channel is None:
            raise PolicyPackError(self.name, "is closed")
        rpc: Callable[..., Any] = getattr(analyzer_pb2_grpc.AnalyzerStub(self._channel), method)
        try:
            return rpc(request, timeout=seconds)
        except grpc.RpcError as error:
            code = error.code()
            if optional and code is grpc.StatusCode.UNIMPLEMENTED:
                return None
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise self._error(f"did not answer {method} within {seconds:g} s") from None
            details = error.details()
            raise self._error(f"{method} failed: {details}") from None

    def _analyze_request(self, resource: PolicyResource, *, internal: bool = True) -> Any:
        request = analyzer_pb2.AnalyzeRequest()
        self._fill(request, resource, internal=internal)
        return request

    def _fill(self, target: Any, resource: PolicyResource, *, internal: bool) -> None:
        target.type = resource.type
        target.name = resource.name
        target.urn = resource.urn
        target.properties.CopyFrom(_properties(resource.properties, internal=internal))
        options = resource.options
        target.options.protect = options.protect
        target.options.ignoreChanges.extend(options.ignore_changes)
        target.options.deleteBeforeReplace = bool(options.delete_before_replace)
        target.options.deleteBeforeReplaceDefined = options.delete_before_replace is not None
        target.options.additionalSecretOutputs.extend(options.additional_secret_outputs)
        target.options.aliases.extend(options.aliases)
        target.options.parent = options.parent or resource.parent
        timeouts = target.options.customTimeouts
        timeouts.SetInParent()
        for name, value in options.custom_timeouts.items():
            setattr(timeouts, name, value)
        if resource.provider is not None:
            target.provider.type = resource.provider.type
            target.provider.name = resource.provider.name
            target.provider.urn = resource.provider.urn
            target.provider.properties.CopyFrom(_properties(resource.provider.properties, internal=False))

    def _diagnostic(self, item: Any, urn: str) -> Diagnostic:
        message, _, remedy = item.message.partition(_REMEDY)
        if item.description and message.startswith(item.description):
            message = message[len(item.description) :].strip() or item.description
        policy = self.policies.get(item.policyName)
        identity = CATALOGUE_ID.match(message) or CATALOGUE_ID.match(item.description)
        return Diagnostic(
            pack=item.policyPackName or self.name,
            version=self.version,
            rule=item.policyName,
            id=identity.group(1) if identity else "",
            level=self._level(item.enforcementLevel),
            message=CATALOGUE_ID.sub("", message, count=1) if CATALOGUE_ID.match(message) else message,
            urn=item.urn or urn,
            remedy=remedy.strip() or (policy.remediation_steps if policy else ""),
            description=item.description,
            severity=_severity(item.severity),
        )

    def _remediation(self, item: Any, resource: PolicyResource) -> Remediation:
        properties: Mapping[str, Any] | None = None
        if item.HasField("properties"):
            try:
                given = from_struct(item.properties)
            except (ValueError, KeyError) as error:
                raise self._error(
                    f"{item.policyName} answered properties that cannot be read: {error}"
                ) from None
            properties = {
                name: _restored(resource.properties.get(name), value) for name, value in given.items()
            }
        identity = CATALOGUE_ID.match(item.description)
        return Remediation(
            pack=item.policyPackName or self.name,
            version=self.version,
            rule=item.policyName,
            id=identity.group(1) if identity else "",
            description=item.description,
            properties=properties,
            diagnostic=item.diagnostic,
        )

    def _level(self, number: int) -> Level:
        if not 0 <= number < len(LEVELS):
            raise self._error(f"answered an enforcement level that does not exist: {number}")
        return LEVELS[number]

    def _error(self, problem: str) -> PolicyPackError:
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            # One that dies under a call closes its connection a moment before it is gone.
            code = self._process.wait(timeout=_DYING_SECONDS)
        ended = f" (its process ended with code {code})" if code is not None else ""
        self._stderr.seek(0)
        lines = self._stderr.read().decode("utf-8", "replace").splitlines()
        return PolicyPackError(self.name, problem + ended, "\n".join(lines[-_STDERR_TAIL_LINES:]))


def start_policy_packs(
    directories: Iterable[Path],
    engine_address: str,
    *,
    stack: StackInfo,
    config: Mapping[str, Any] | None = None,
) -> list[PolicyPack]:
    """Starts packs side by side; if one fails, the others are closed again.

    Raises:
        PolicyPackError: The first failure.
    """

    def start(directory: Path) -> PolicyPack:
        return PolicyPack(directory, engine_address, stack=stack, config=config)

    ordered = list(directories)
    with ThreadPoolExecutor(max_workers=max(1, len(ordered))) as pool:
        starting = [pool.submit(start, directory) for directory in ordered]
    failures = [future.exception() for future in starting]
    failure = next((item for item in failures if item is not None), None)
    if failure is not None:
        for future in starting:
            if future.exception() is None:
                future.result().close()
        raise failure
    return [future.result() for future in starting]


def _pack_environment(stack: StackInfo) -> dict[str, str]:
    """What a pack's process gets: no credentials, neither in variables nor through the usual files."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT_ENVIRONMENT or name.startswith("LC_")
    }
    return kept | {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "KUBECONFIG": os.devnull,
        "PULUMI_CONFIG": json.dumps(dict(stack.config)),
        "PULUMI_ORGANIZATION": stack.organization,
        "PULUMI_PROJECT": stack.project,
        "PULUMI_STACK": stack.stack,
        "PULUMI_DRY_RUN": "true" if stack.dry_run else "false",
    }


def _drain(stdout: IO[str], first: Callable[[str], None]) -> None:
    """Hands over the first line (empty at the end of the output), then reads on so that nothing blocks."""
    first(stdout.readline())
    while stdout.read(65536):
        pass


def _severity(number: int) -> str:
    return _SEVERITIES[number] if 0 <= number < len(_SEVERITIES) else ""


def _properties(properties: Mapping[str, Any], *, internal: bool) -> Any:
    """As Pulumi's engine sends them: secrets and unknowns kept, references as ids."""
    shown = {name: value for name, value in properties.items() if internal or not name.startswith("__")}
    if _nested(shown, _MAX_DEPTH):
        shown = {name: _pruned(value, _MAX_DEPTH - 1) for name, value in shown.items()}
    return to_struct(shown, _FOR_PACKS)


def _nested(value: Any, levels: int) -> bool:
    """Whether a value is nested more than so many levels deep."""
    if isinstance(value, Mapping):
        return levels == 0 or any(_nested(item, levels - 1) for item in value.values())
    if isinstance(value, list | tuple):
        return levels == 0 or any(_nested(item, levels - 1) for item in value)
    return isinstance(value, Secret) and _nested(value.value, levels)


def _pruned(value: Any, levels: int) -> Any:
    """The value with what lies deeper left open: a pack's own recursion would break on it."""
    if isinstance(value, Secret):
        return Secret(_pruned(value.value, levels))
    if isinstance(value, Mapping):
        return {key: _pruned(item, levels - 1) for key, item in value.items()} if levels > 0 else UNKNOWN
    if isinstance(value, list | tuple):
        return [_pruned(item, levels - 1) for item in value] if levels > 0 else UNKNOWN
    return value


def _restored(original: Any, rewritten: Any) -> Any:
    """The original where a rewrite only flattened it, so that references stay references."""
    if isinstance(original, ResourceReference):
        flat = original.urn if original.id is None else original.id
        return original if rewritten == flat else rewritten
    if isinstance(original, Secret):
        # A rule that copies a property reads it in the clear: what was secret stays secret.
        plain = rewritten.value if isinstance(rewritten, Secret) else rewritten
        return Secret(_restored(original.value, plain))
    if isinstance(original, Asset | Archive) and isinstance(rewritten, type(original)):
        # The SDK drops the hash.
        return original if replace(original, hash="") == replace(rewritten, hash="") else rewritten
    if isinstance(original, Mapping) and isinstance(rewritten, dict):
        return {key: _restored(original.get(key), value) for key, value in rewritten.items()}
    if isinstance(original, list) and isinstance(rewritten, list) and len(original) == len(rewritten):
        return [_restored(old, new) for old, new in zip(original, rewritten, strict=True)]
    return rewritten
