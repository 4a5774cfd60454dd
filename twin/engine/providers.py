"""Provider instances: default and explicit ones, each in a plugin process of its own."""

import json
import os
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pulumi.runtime.proto import provider_pb2

from twin.engine import urns
from twin.engine.deployment import ResourceState
from twin.engine.errors import StepError
from twin.engine.goals import has_unknown
from twin.engine.journal import Journal
from twin.engine.plugins import DYNAMIC, PluginError, PluginProcess, ProviderClient, find_provider
from twin.engine.secrecy import marked_secret
from twin.wire import PLAIN, UNKNOWN_TEXT, Encoding, from_struct, to_struct, unwrap

BUILTIN: Final = "pulumi"
"""The package whose resources the engine itself provides: StackReference."""
_INTERNAL: Final = "__internal"


@dataclass(frozen=True)
class ProviderChange:
    """What becomes of a provider instance."""

    inputs: dict[str, Any]
    changed: bool
    replaced: bool


class CheckError(StepError):
    """Inputs that a provider refuses; one line a property."""

    def __init__(self, failures: Sequence[tuple[str, str]]) -> None:
        lines = [f"  {name or 'inputs'}: {why}" for name, why in failures]
        super().__init__("\n".join(["its inputs are refused:", *lines]))


@dataclass
class PluginOptions:
    """How plugins are found and started."""

    folders: Sequence[Path]
    environment: Mapping[str, str]
    program: Path
    """The program's folder: where plugins run, as paths in assets start there."""
    engine_address: str
    tell: Callable[[str], None] = field(default=lambda _line: None)


class Providers:
    """The provider instances of one run. Thread-safe; `close` ends every plugin."""

    def __init__(self, options: PluginOptions, journal: Journal) -> None:
        self._options = options
        self._earlier = {
            f"{state.urn}::{state.id}": state for state in journal.base.values() if state.is_provider
        }
        self._clients: dict[str, ProviderClient | None] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._warm: dict[str, list[PluginProcess]] = {}
        self._open: list[PluginProcess] = []
        self._instances: dict[str, ResourceState] = {}
        self._closed = False
        self._mutex = threading.Lock()

    def prestart(self, package: str) -> None:
        """Starts a package's plugin before it is asked for, so that it comes up beside the program."""
        try:
            process = self._start(package)
        except PluginError:
            return  # It is looked for again when it is needed, and then the error is told.
        with self._mutex:
            self._warm.setdefault(package, []).append(process)

    def launch(self, package: str) -> ProviderClient:
        """A plugin that is up and has shaken hands, but is not configured."""
        with self._mutex:
            warm = self._warm.get(package)
            process = warm.pop() if warm else None
        client = ProviderClient(process or self._start(package))
        client.connect()
        return client

    def check(
        self, client: ProviderClient, urn: str, old: ResourceState | None, inputs: Mapping[str, Any]
    ) -> ProviderChange:
        """What a provider instance's inputs come to, its own defaults filled in. Raises CheckError."""
        parsed = urns.Urn.parse(urn)
        news = _plain(inputs)
        checked = dict(inputs)
        olds = _plain(old.inputs) if old else {}
        answer = client.call(
            "CheckConfig",
            provider_pb2.CheckRequest(
                urn=urn,
                name=parsed.name,
                type=parsed.type,
                olds=to_struct(olds, PLAIN),
                news=to_struct(news, PLAIN),
            ),
            optional=True,
        )
        if answer is not None:
            if answer.failures:
                raise CheckError([(failure.property, failure.reason) for failure in answer.failures])
            news = from_struct(answer.inputs)
            checked = marked_secret(news, inputs, ())
        if old is None:
            return ProviderChange(checked, changed=True, replaced=False)
        if olds == news:
            return ProviderChange(checked, changed=False, replaced=False)
        return ProviderChange(checked, changed=True, replaced=self.replaces(client, urn, old, checked))

    def replaces(
        self, client: ProviderClient, urn: str, old: ResourceState, inputs: Mapping[str, Any]
    ) -> bool:
        """Whether a provider with other inputs is another one, so that its resources are made anew."""
        parsed = urns.Urn.parse(urn)
        olds, news = _plain(old.inputs), _plain(inputs)
        diff = client.call(
            "DiffConfig",
            provider_pb2.DiffRequest(
                id=old.id,
                urn=urn,
                name=parsed.name,
                type=parsed.type,
                olds=to_struct(olds, PLAIN),
                old_inputs=to_struct(olds, PLAIN),
                news=to_struct(news, PLAIN),
            ),
            optional=True,
        )
        return bool(diff is not None and diff.replaces)

    def configure(self, client: ProviderClient | None, reference: str, inputs: Mapping[str, Any]) -> None:
        """Configures a provider instance and makes it known under its reference.

        With inputs that are not known yet it stays unconfigured: then nothing can be asked of it.
        """
        if client is not None and not has_unknown(dict(inputs)):
            urn, identity = urns.split_reference(reference)
            parsed = urns.Urn.parse(urn)
            plain = _plain(inputs)
            package = urns.package_of(parsed.type)
            client.configure(
                provider_pb2.ConfigureRequest(
                    variables={
                        f"{package}:config:{key}": value if isinstance(value, str) else json.dumps(value)
                        for key, value in plain.items()
                    },
                    args=to_struct(plain, PLAIN),
                    acceptSecrets=True,
                    acceptResources=True,
                    sends_old_inputs=True,
                    sends_old_inputs_to_delete=True,
                    id=identity,
                    urn=urn,
                    name=parsed.name,
                    type=parsed.type,
                )
            )
        else:
            client = None
        with self._mutex:
            self._clients[reference] = client

    def client(self, reference: str) -> ProviderClient | None:
        """The client of a provider instance; None while it cannot be configured (a preview).

        One that the program has not registered is started from what the state says of it.
        """
        with self._mutex:
            if reference in self._clients:
                return self._clients[reference]
            lock = self._locks.setdefault(reference, threading.Lock())
        with lock:
            with self._mutex:
                if reference in self._clients:
                    return self._clients[reference]
            urn, identity = urns.split_reference(reference)
            if identity == UNKNOWN_TEXT:
                return None
            state = self.find(urn, identity)
            if state is None:
                raise PluginError(f"the provider {reference} is neither in the program nor in the state")
            package = urns.package_of(state.type)
            if package == BUILTIN:
                return None
            self.configure(self.launch(package), reference, state.inputs)
            return self._clients[reference]

    def note(self, state: ResourceState) -> None:
        """Notes a provider instance that this run has registered."""
        with self._mutex:
            self._instances[f"{state.urn}::{state.id}"] = state

    @property
    def instances(self) -> Mapping[str, ResourceState]:
        """The provider instances of this run, by reference."""
        return self._instances

    def find(self, urn: str, identity: str) -> ResourceState | None:
        """A provider instance by URN and id, of this run or of an earlier one."""
        reference = f"{urn}::{identity}"
        return self._instances.get(reference) or self._earlier.get(reference)

    def cancel(self) -> None:
        """Asks every provider to give up what it is doing."""
        with self._mutex:
            clients = [client for client in self._clients.values() if client is not None]
        for client in clients:
            client.cancel()

    def close(self) -> None:
        """Ends every plugin."""
        with self._mutex:
            self._closed = True
            processes, self._open = self._open, []
            self._warm.clear()
            self._clients.clear()
        for process in processes:
            process.ask_to_end()
        for process in processes:
            process.close()

    def _start(self, package: str) -> PluginProcess:
        options = self._options
        command = [*find_provider(package, options.folders), options.engine_address]
        environment = dict(options.environment)
        if package == DYNAMIC:
            paths = [str(options.program), *filter(None, [environment.get("PYTHONPATH")])]
            environment["PYTHONPATH"] = os.pathsep.join(paths)
        with self._mutex:
            if self._closed:
                raise PluginError(f"plugin {package} is not started: the run is ending")
            process = PluginProcess(package, command, environment, options.tell, options.program)
            self._open.append(process)
        return process


def new_identity() -> str:
    """An id for a provider instance."""
    return str(uuid.uuid4())


def default_name(version: str) -> str:
    """The name of a package's default provider: `default_7_51_1`, or `default`."""
    return (
        f"default_{version.replace('.', '_').replace('-', '_').replace('+', '_')}" if version else "default"
    )


def recorded(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A provider instance's inputs and outputs as the state keeps them."""
    outputs = {key: value for key, value in inputs.items() if key != _INTERNAL}
    return {_INTERNAL: {}, **outputs}, outputs


def _plain(inputs: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = unwrap({key: value for key, value in inputs.items() if key != _INTERNAL}).value
    return plain


def encoding_for(client: ProviderClient) -> Encoding:
    """What special values a provider is sent."""
    return Encoding(secrets=client.accept_secrets, references=client.accept_references)
