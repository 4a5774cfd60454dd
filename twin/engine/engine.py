"""The engine's door: preview, up, refresh and destroy of one stack."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from twin.engine import operations, urns
from twin.engine.analyzer import PolicyPack, PolicyPackError, StackInfo, start_policy_packs
from twin.engine.config import Project, StackConfig
from twin.engine.deployment import ResourceState, plain_outputs
from twin.engine.engine_service import EngineServer, EngineService, Severity
from twin.engine.events import Level, Listener, Op, Result
from twin.engine.graph import dependents, run_in_reverse
from twin.engine.judge import Judge
from twin.engine.monitor import Monitor, MonitorServer
from twin.engine.operations import Outcome
from twin.engine.plugins import PluginError, scrubbed
from twin.engine.program import Program, ProgramProcess, failed_silently
from twin.engine.providers import PluginOptions, Providers
from twin.engine.registration import Registrar
from twin.engine.run import HaltedError, Options, Run, StepError, property_changes
from twin.engine.store import Journal, StackFiles, StackStore
from twin.loopback import require_loopback

PULUMI_VERSION: Final = "3.272.0"
_POLL_SECONDS: Final = 0.05
_GRACE_SECONDS: Final = 10.0
_LEVELS: Final = {
    Severity.DEBUG: Level.DEBUG,
    Severity.INFO: Level.INFO,
    Severity.WARNING: Level.WARNING,
    Severity.ERROR: Level.ERROR,
}


@dataclass(frozen=True)
class Setup:
    """What a stack is deployed with."""

    project: Project
    stack: str
    config: StackConfig
    files: StackFiles
    plugin_folders: Sequence[Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables for the program and the plugins, such as the cloud's address."""
    policy_packs: Sequence[Path] = ()
    policy_config: Mapping[str, Any] = field(default_factory=dict)
    organization: str = "organization"


class Engine:
    """Runs one stack's program against providers on this machine, with Pulumi's own protocol.

    Every method returns a `Result`, tells its progress to the listener, and never leaves a step unrecorded.
    `interrupt` may be called from a signal handler.
    """

    def __init__(self, setup: Setup, listener: Listener, options: Options | None = None) -> None:
        for value in setup.environment.values():
            if "://" in value:
                require_loopback(value)
        self._setup = setup
        self._listener = listener
        self._options = options or Options()
        self._store = StackStore(setup.files, PULUMI_VERSION)
        self._run: Run | None = None
        self._providers: Providers | None = None
        self._interrupted = False

    @property
    def store(self) -> StackStore:
        """The stack's state on disk."""
        return self._store

    def interrupt(self) -> None:
        """Ends the command: nothing new is begun, what is under way is waited for, the state is saved."""
        self._interrupted = True
        if self._run is not None:
            self._run.interrupt()
        if self._providers is not None:
            self._providers.cancel()

    def preview(self) -> Result:
        """What `up` would do; nothing is changed."""
        deployment, encryption = self._store.load()
        journal = Journal(deployment.resources, [], encryption)
        with self._timed(journal, preview=True) as run:
            if deployment.pending:
                run.tell(
                    Level.WARNING, f"{len(deployment.pending)} interrupted steps are settled by the next `up`"
                )
            self._deploy(run)
        return run.result

    def up(self) -> Result:
        """Brings the stack to what the program wants."""
        with self._changing() as run:
            if self._options.refresh:
                self._refresh(run)
            self._deploy(run)
        return run.result

    def refresh(self) -> Result:
        """Brings the state to what the cloud has."""
        with self._changing() as run:
            self._refresh(run)
        return run.result

    def destroy(self, *, preview: bool = False) -> Result:
        """Deletes everything, or the targets and nothing else."""
        if preview:
            deployment, encryption = self._store.load()
            with self._timed(Journal(deployment.resources, [], encryption), preview=True) as run:
                self._destroy(run)
            return run.result
        with self._changing() as run:
            self._destroy(run)
        return run.result

    def settle(self) -> None:
        """Finds out what an interrupted command's last calls did; without any, does nothing."""
        if self._store.load()[0].pending:
            with self._changing():
                pass

    # -- commands

    @contextmanager
    def _changing(self) -> Iterator[Run]:
        """A command that changes the stack: locked, journalled, saved whatever happens."""
        with self._store.locked():
            journal, encryption, metadata = self._store.begin()
            checking = threading.Thread(target=_try_passphrase, args=(encryption.verify,), daemon=True)
            checking.start()
            try:
                with self._timed(journal, preview=False) as run:
                    self._settle(run)
                    yield run
            finally:
                checking.join()
                deployment = self._store.finish(journal, encryption, metadata)
            if not run.result.outputs:
                run.result.outputs = plain_outputs(deployment)

    @contextmanager
    def _timed(self, journal: Journal, *, preview: bool) -> Iterator[Run]:
        setup = self._setup
        run = Run(setup.stack, setup.project.name, journal, self._listener, self._options, preview)
        run.redactor.learn(setup.config.values)
        for state in journal.base.values():
            run.redactor.learn(state.outputs)
            run.redactor.learn(state.inputs)
        self._run = run
        if self._interrupted:
            run.interrupt()
        started = time.monotonic()
        try:
            yield run
        finally:
            run.result.seconds = time.monotonic() - started

    def _deploy(self, run: Run) -> None:
        if run.halted:
            return
        setup = self._setup
        config, secret_keys = setup.config.for_program()
        with ExitStack() as closing:
            service = EngineService(
                lambda severity, text, urn, _stream: run.tell(_LEVELS[severity], text.rstrip(), urn)
            )
            engine = closing.enter_context(EngineServer(service))
            providers = self._plugins(run, engine.address)
            closing.callback(providers.close)
            for package in sorted(
                {urns.package_of(s.type) for s in run.journal.base.values() if s.is_provider}
            ):
                providers.prestart(package)
            if not run.journal.base:
                for package in sorted(set(setup.config.of_providers()) - {setup.project.name}):
                    providers.prestart(package)
            try:
                packs = self._packs(run, engine.address, config, secret_keys)
            except PolicyPackError as error:
                run.problem(str(error))
                return
            for pack in packs:
                closing.callback(pack.close)
            judge = Judge(run, packs)
            registrar = Registrar(run, providers, judge, setup.config.of_providers())
            finished = threading.Event()

            def finish() -> None:
                try:
                    self._finish(run, registrar, providers, judge)
                finally:
                    finished.set()

            monitor = MonitorServer(
                Monitor(
                    run,
                    registrar,
                    client_of=providers.client,
                    finish=finish,
                    other_stack=self._other_stack,
                    config=config,
                    secret_keys=secret_keys,
                    organization=setup.organization,
                ),
                self._options.parallel,
            )
            closing.callback(monitor.close)
            program = ProgramProcess(
                Program(
                    path=setup.project.program,
                    project=setup.project.name,
                    stack=setup.stack,
                    organization=setup.organization,
                    root=setup.project.root,
                    config=config,
                    secret_keys=secret_keys,
                    environment=setup.environment,
                    parallel=self._options.parallel,
                ),
                monitor.address,
                engine.address,
                preview=run.preview,
                say=lambda line: run.tell(Level.INFO, line),
            )
            closing.callback(program.end)
            self._await(run, program, finished)

    def _await(self, run: Run, program: ProgramProcess, finished: threading.Event) -> None:
        """Waits for the program; after an interruption it has a moment to end by itself."""
        deadline: float | None = None
        while program.poll() is None:
            if run.halted and not finished.is_set():
                deadline = deadline or time.monotonic() + _GRACE_SECONDS
                if time.monotonic() > deadline:
                    program.end()
            try:
                program.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue
        code = program.wait()
        if run.result.interrupted:
            return
        if failed_silently(code):
            run.problem(f"the program ended with exit code {code}")
        elif code != 0 and run.result.ok:
            run.result.ok = False

    def _finish(self, run: Run, registrar: Registrar, providers: Providers, judge: Judge) -> None:
        """After the program: the stack as a whole is judged, then what it no longer has is deleted."""
        try:
            if run.halted:
                return
            if not judge.stack(list(run.journal.new.values()), providers.instances):
                return
            if not run.result.ok and not run.preview:
                return
            self._delete_all(run, registrar, dict(run.journal.base))
        except PolicyPackError as error:
            run.problem(str(error))

    def _destroy(self, run: Run) -> None:
        if run.halted:
            return
        base = run.journal.base
        wanted = dict(base)
        if self._options.targets:
            wanted = {key: state for key, state in base.items() if state.urn in self._options.targets}
            unknown = sorted(set(self._options.targets) - {state.urn for state in wanted.values()})
            if unknown:
                run.problem(f"no such resources: {', '.join(unknown)}")
                return
            needing = dependents(base)
            left = sorted({base[user].urn for key in wanted for user in needing[key] if user not in wanted})
            if left:
                run.problem(
                    f"these need what is to be destroyed; name them as targets too: {', '.join(left)}"
                )
                return
        with self._provider_session(run) as (registrar, _providers):
            self._delete_all(run, registrar, wanted)

    def _delete_all(self, run: Run, registrar: Registrar, wanted: dict[int, ResourceState]) -> None:
        protected = [s for s in wanted.values() if s.protect and not s.delete and not s.pending_replacement]
        for state in sorted(protected, key=lambda each: each.urn):
            run.failed(
                Op.DELETE,
                state.urn,
                "it is protected, so it is not deleted; take `protect` off first",
                halt=not run.preview,
            )
        if protected:
            return
        going = {state.urn for state in wanted.values()}

        def delete(key: int, state: ResourceState) -> bool:
            op = Op.DELETE_REPLACED if state.delete else Op.DELETE
            forgotten = not state.custom or state.is_provider or state.external or state.pending_replacement
            if state.retain_on_delete or (state.deleted_with and state.deleted_with in going):
                forgotten, op = True, Op.DISCARD
            try:
                if run.result.interrupted:
                    return False
                if forgotten:
                    started = time.monotonic()
                    run.started(op, state.urn, state.parent)
                    run.journal.change(drop=key)
                    run.done(op, state.urn, time.monotonic() - started)
                else:
                    registrar.delete(key, state, op)
            except HaltedError:
                return False
            except (PluginError, StepError) as error:
                # What does not depend on this one can still go.
                run.failed(op, state.urn, str(error), halt=False)
                return False
            return True

        run_in_reverse(wanted, delete, self._options.parallel)

    def _refresh(self, run: Run) -> None:
        """Reads every resource back; what changed outside is shown and taken over, what is gone forgotten."""
        if run.halted:
            return
        with self._provider_session(run) as (_registrar, providers):
            readable = {
                key: state
                for key, state in run.journal.base.items()
                if state.custom
                and not state.is_provider
                and not state.delete
                and state.type != urns.STACK_REFERENCE_TYPE
            }

            def read(key: int, state: ResourceState) -> bool:
                try:
                    run.check_going()
                    self._refresh_one(run, providers, key, state)
                except HaltedError:
                    return False
                except (PluginError, StepError) as error:
                    run.failed(Op.REFRESH, state.urn, str(error), halt=False)
                return True

            run_in_reverse(readable, read, self._options.parallel)

    def _refresh_one(self, run: Run, providers: Providers, key: int, state: ResourceState) -> None:
        started = time.monotonic()
        client = providers.client(state.provider)
        if client is None:
            return
        found = operations.read(client, state.urn, state.id, state.outputs, state.inputs)
        if found is None:
            run.started(Op.DELETE, state.urn, state.parent)
            run.journal.change(drop=key)
            run.done(Op.DELETE, state.urn, time.monotonic() - started)
            return
        outputs = operations.marked_secret(
            found.outputs, {**state.outputs, **state.inputs}, state.additional_secret_outputs
        )
        inputs = state.inputs
        if found.inputs is not None:
            inputs = operations.marked_secret(found.inputs, state.inputs, ())
        changes = property_changes(state.outputs, outputs)
        op = Op.UPDATE if changes else Op.SAME
        run.started(op, state.urn, state.parent, changes)
        if changes or inputs != state.inputs:
            fresh = replace(state, outputs=outputs, inputs=inputs, init_errors=list(found.init_errors))
            run.journal.change(rewrite=(key, fresh))
        run.done(op, state.urn, time.monotonic() - started)

    def _settle(self, run: Run) -> None:
        """An interrupted command's last calls: what was being made is made again, the rest is read back."""
        pending = dict(run.journal.pending)
        if not pending:
            return
        with self._provider_session(run) as (_registrar, providers):
            for number, operation in sorted(pending.items()):
                state = operation.resource
                try:
                    self._settle_one(run, providers, number, operation.kind, state)
                except (PluginError, StepError) as error:
                    run.failed(Op.REFRESH, state.urn, f"an interrupted step cannot be settled: {error}")

    def _settle_one(
        self, run: Run, providers: Providers, number: int, kind: str, state: ResourceState
    ) -> None:
        client = providers.client(state.provider)
        package = urns.package_of(state.type)
        base = {each.urn: (key, each) for key, each in run.journal.base.items() if not each.delete}
        at = base.get(state.urn)
        if kind == "creating":
            if client is None or package not in self._options.idempotent:
                run.tell(
                    Level.WARNING,
                    "its creation was interrupted; if it exists, import it or delete it by hand",
                    state.urn,
                )
                run.journal.change(end=number)
                return
            run.tell(Level.INFO, "its creation was interrupted; finding out what became of it", state.urn)
            outcome: Outcome = operations.create(
                client, state.urn, state.inputs, timeout=state.custom_timeouts.get("create"), preview=False
            )
            made = replace(
                state,
                id=outcome.id,
                outputs=operations.marked_secret(
                    outcome.outputs, state.inputs, state.additional_secret_outputs
                ),
                init_errors=list(outcome.init_errors),
            )
            if at is None:
                run.journal.adopt(made, end=number)
            elif at[1].pending_replacement:
                run.journal.adopt(made, end=number, drop=at[0])
            else:
                run.journal.adopt(made, end=number, rewrite=(at[0], replace(at[1], delete=True)))
            return
        run.tell(Level.INFO, f"an interrupted step ({kind}) is settled", state.urn)
        found_at = next(
            (key for key, each in run.journal.base.items() if each.urn == state.urn and each.id == state.id),
            None,
        )
        run.journal.change(end=number)
        if client is not None and found_at is not None and kind in ("updating", "deleting"):
            self._refresh_one(run, providers, found_at, run.journal.base[found_at])

    # -- helpers

    @contextmanager
    def _provider_session(self, run: Run) -> Iterator[tuple[Registrar, Providers]]:
        """Providers for work on the state alone, without a program."""
        service = EngineService(
            lambda severity, text, urn, _stream: run.tell(_LEVELS[severity], text.rstrip(), urn)
        )
        with EngineServer(service) as engine:
            providers = self._plugins(run, engine.address)
            registrar = Registrar(run, providers, Judge(run, ()), {})
            try:
                yield registrar, providers
            finally:
                providers.close()

    def _plugins(self, run: Run, engine_address: str) -> Providers:
        environment = {
            **scrubbed(os.environ),
            **self._setup.environment,
            "PULUMI_PROJECT": self._setup.project.name,
            "PULUMI_STACK": self._setup.stack,
        }
        self._providers = Providers(
            PluginOptions(
                folders=self._setup.plugin_folders,
                environment=environment,
                root=self._setup.project.root,
                engine_address=engine_address,
                tell=lambda line: run.tell(Level.DEBUG, line),
            ),
            run.journal,
        )
        return self._providers

    def _packs(
        self, run: Run, engine_address: str, config: Mapping[str, str], secret_keys: Sequence[str]
    ) -> list[PolicyPack]:
        if not self._setup.policy_packs:
            return []
        stack = StackInfo(
            stack=self._setup.stack,
            project=self._setup.project.name,
            organization=self._setup.organization,
            dry_run=run.preview,
            config={key: value for key, value in config.items() if key not in secret_keys},
        )
        return start_policy_packs(
            self._setup.policy_packs, engine_address, stack=stack, config=self._setup.policy_config
        )

    def _other_stack(self, name: str) -> Mapping[str, Any] | None:
        store = StackStore(StackFiles(self._setup.files.home, name), PULUMI_VERSION)
        return plain_outputs(store.load()[0]) if store.exists() else None


def _try_passphrase(verify: Callable[[], None]) -> None:
    """Derives the key beside the program's start; a wrong passphrase is told where it is first used."""
    from twin.engine.secrets import SecretsError

    try:
        verify()
    except SecretsError:
        return
