"""The engine's door: preview, up, refresh and destroy of one stack."""

import _thread
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from twin.engine import deletion
from twin.engine import refresh as refreshing
from twin.engine import settle as settling
from twin.engine.deploy import deploy
from twin.engine.deployment import plain_outputs
from twin.engine.engine_service import PROTOCOL_VERSION
from twin.engine.events import Level, Listener, Result
from twin.engine.journal import Journal
from twin.engine.run import Options, Run
from twin.engine.secrets import Encryption, SecretsError
from twin.engine.session import Session, Setup
from twin.engine.store import StackFiles, StackStore
from twin.loopback import require_loopback

PULUMI_VERSION: Final = PROTOCOL_VERSION
_PATIENCE_SECONDS: Final = 10.0
"""How long an interrupted command waits for the provider calls under way."""

__all__ = ["PULUMI_VERSION", "Engine", "Options", "Setup"]


class Engine:
    """Runs one stack's program against providers on this machine, with Pulumi's own protocol.

    Every method returns a `Result`, tells its progress to the listener, and never leaves a step unrecorded.
    """

    def __init__(self, setup: Setup, listener: Listener, options: Options | None = None) -> None:
        for value in setup.environment.values():
            if "://" in value:
                require_loopback(value)
        self._setup = setup
        self._listener = listener
        self._options = options or Options()
        self._store = StackStore(setup.files, PULUMI_VERSION)
        self._session: Session | None = None
        self._interruptions = 0

    @property
    def store(self) -> StackStore:
        """The stack's state on disk."""
        return self._store

    def interrupt(self) -> None:
        """Ends the command: nothing new is begun, what is under way has a moment to end, the state is saved.

        A second call ends what is under way at once; what it did is found out by the next command. May be
        called from a signal handler, at any time.
        """
        self._interruptions += 1
        # Not in the handler itself: the thread that it interrupts may hold any of the locks this takes.
        _thread.start_new_thread(self._interrupt, (self._interruptions,))

    def preview(self) -> Result:
        """What `up` would do; nothing is changed."""
        with self._looking() as session:
            pending = len(session.run.journal.pending)
            if pending:
                session.run.tell(Level.WARNING, f"{pending} interrupted steps are settled by the next `up`")
            deploy(session, self._other_stack)
        return session.run.result

    def up(self) -> Result:
        """Brings the stack to what the program wants."""
        with self._changing() as session:
            if self._options.refresh:
                refreshing.refresh(session)
            deploy(session, self._other_stack)
        return session.run.result

    def refresh(self) -> Result:
        """Brings the state to what the cloud has."""
        with self._changing() as session:
            refreshing.refresh(session)
        return session.run.result

    def destroy(self, *, preview: bool = False) -> Result:
        """Deletes everything, or the targets and nothing else."""
        with self._looking() if preview else self._changing() as session:
            deletion.destroy(session)
        return session.run.result

    def settle(self) -> None:
        """Finds out what an interrupted command's last calls did; without any, does nothing."""
        if self._store.load()[0].pending:
            with self._changing():
                pass

    @contextmanager
    def _looking(self) -> Iterator[Session]:
        """A command that changes nothing: it works on a copy of the state that is never saved."""
        deployment, encryption = self._store.load()
        journal = Journal(deployment.resources, deployment.pending, encryption)
        with self._started(journal, preview=True) as session:
            yield session

    @contextmanager
    def _changing(self) -> Iterator[Session]:
        """A command that changes the stack: locked, journalled, saved whatever happens."""
        with self._store.locked():
            journal, encryption, metadata = self._store.begin()
            try:
                with self._started(journal, preview=False) as session:
                    verifying = threading.Thread(target=_verify, args=(encryption, session.run), daemon=True)
                    verifying.start()
                    settling.settle(session)
                    yield session
                    verifying.join()
            finally:
                deployment = self._store.finish(journal, encryption, metadata)
            session.run.result.outputs = session.run.result.outputs or plain_outputs(deployment)

    @contextmanager
    def _started(self, journal: Journal, *, preview: bool) -> Iterator[Session]:
        setup = self._setup
        run = Run(setup.stack, setup.project.name, journal, self._listener, self._options, preview)
        run.redactor.learn(setup.config.values)
        for state in journal.base.values():
            run.redactor.learn(state.outputs)
            run.redactor.learn(state.inputs)
        began = time.monotonic()
        try:
            with Session(setup, run) as session:
                self._session = session
                if self._interruptions:
                    run.interrupt()
                yield session
        finally:
            self._session = None
            run.result.seconds = time.monotonic() - began

    def _interrupt(self, times: int) -> None:
        session = self._session
        if session is not None:
            session.run.interrupt()
            session.give_up(_PATIENCE_SECONDS if times == 1 else 0.0)

    def _other_stack(self, name: str) -> Mapping[str, Any] | None:
        store = StackStore(StackFiles(self._setup.files.home, name), PULUMI_VERSION)
        return plain_outputs(store.load()[0]) if store.exists() else None


def _verify(encryption: Encryption, run: Run) -> None:
    """Derives the key beside the program's start; a wrong passphrase ends the run."""
    try:
        encryption.verify()
    except SecretsError as error:
        run.problem(str(error))
