"""What every part of one command shares: the journal, the events, the counts, and whether to go on."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from twin.engine import paths
from twin.engine.errors import HaltedError, StepError
from twin.engine.events import (
    Event,
    Level,
    Listener,
    Message,
    Op,
    PropertyChange,
    Result,
    StepDone,
    StepFailed,
    StepStarted,
    Violation,
)
from twin.engine.journal import Journal
from twin.engine.redaction import SHOWN_AS, Redactor
from twin.engine.urns import Urn
from twin.wire import Secret

_COUNTED_AS: Final[Mapping[Op, Op]] = {Op.CREATE_REPLACEMENT: Op.REPLACE, Op.DISCARD: Op.DELETE}
"""Under which heading a step is counted, where that is not its own."""


@dataclass(frozen=True)
class Options:
    """How a command is to be run."""

    parallel: int = 16
    refresh: bool = False
    targets: tuple[str, ...] = ()
    """URNs that a destroy is limited to; those that need them must be named too."""
    idempotent: frozenset[str] = frozenset()
    """Packages whose Create may be repeated after an interruption: it finds what the first one made."""
    audit: bool = False
    """Violations are told, and the run goes on to tell all of them: for a scratch stack only."""


@dataclass
class Run:
    """One preview, update, refresh or destroy."""

    stack: str
    project: str
    journal: Journal
    listener: Listener
    options: Options
    preview: bool = False
    redactor: Redactor = field(default_factory=Redactor)
    result: Result = field(default_factory=Result)

    def __post_init__(self) -> None:
        """Makes what the threads share."""
        self.slots = threading.Semaphore(self.options.parallel)
        self._mutex = threading.Lock()
        self._violations: set[Violation] = set()
        self._halted = threading.Event()

    @property
    def halted(self) -> bool:
        """Whether nothing new may be begun."""
        return self._halted.is_set()

    def check_going(self) -> None:
        """Raises HaltedError when the run is ending."""
        if self._halted.is_set():
            raise HaltedError

    def interrupt(self) -> None:
        """Ends the run at the user's word; not to be called from a signal handler itself."""
        with self._mutex:
            self.result.ok = False
            self.result.interrupted = True
        self._halted.set()

    def emit(self, event: Event) -> None:
        """Tells the listener, one event at a time."""
        with self._mutex:
            self.listener(event)

    def tell(self, level: Level, text: str, urn: str = "") -> None:
        """Tells a message, with every known secret blanked out. An error makes the run a failed one."""
        clean = self.redactor.clean(text)
        with self._mutex:
            if level is Level.ERROR:
                self.result.ok = False
                self.result.problems.append(clean)
            self.listener(Message(level, clean, urn))

    @contextmanager
    def step(
        self,
        op: Op,
        urn: str,
        parent: str = "",
        changes: tuple[PropertyChange, ...] = (),
        *,
        count: bool = True,
    ) -> Iterator[None]:
        """One step: told when it begins; told and counted when it is done; an error learns what it was."""
        began = time.monotonic()
        parsed = Urn.parse(urn)
        if changes:
            changes = tuple(self._clean(change) for change in changes)
        self.emit(StepStarted(op, urn, parsed.type, parsed.name, parent, changes))
        try:
            yield
        except StepError as error:
            error.op = error.op or op
            raise
        with self._mutex:
            if count and op is not Op.DELETE_REPLACED:
                counted = _COUNTED_AS.get(op, op)
                self.result.changes[counted] = self.result.changes.get(counted, 0) + 1
            self.listener(StepDone(op, urn, time.monotonic() - began))

    def failed(self, urn: str, error: StepError, *, op: Op | None = None, halt: bool = True) -> None:
        """Tells a failure; unless `halt` is off, nothing new is begun after it."""
        parsed = Urn.parse(urn)
        text = self.redactor.clean(str(error))
        with self._mutex:
            self.result.ok = False
            self.result.problems.append(f"{parsed.type} {parsed.name}: {text}")
            self.listener(StepFailed(error.op or op or Op.CREATE, urn, parsed.type, parsed.name, text))
        if halt:
            self._halted.set()

    def _clean(self, change: PropertyChange) -> PropertyChange:
        """A change without known secrets, which may stand in values that nobody has marked."""
        clean = self.redactor.clean_value
        return replace(change, before=clean(change.before), after=clean(change.after))

    def problem(self, message: str) -> None:
        """Tells what went wrong with the run as a whole, and ends it."""
        self.tell(Level.ERROR, message)
        self._halted.set()

    def violated(self, violation: Violation) -> None:
        """Tells a rule that is not kept, once."""
        with self._mutex:
            if violation not in self._violations:
                self._violations.add(violation)
                self.result.violations.append(violation)
                self.listener(violation)


def property_changes(
    old: Mapping[str, Any], new: Mapping[str, Any], replaces: tuple[str, ...] = ()
) -> tuple[PropertyChange, ...]:
    """What differs between old and new inputs, fit to be shown."""
    patterns = [paths.parse(text) for text in replaces if text]
    found: list[PropertyChange] = []
    for path in paths.changed(dict(old), dict(new)):
        if not path or str(path[0]).startswith("__"):
            continue
        replacing = any(paths.covers(pattern, path) for pattern in patterns)
        found.append(
            PropertyChange(paths.render(path), _shown(old, path), _shown(new, path), replaces=replacing)
        )
    return tuple(found)


def _shown(value: Any, path: paths.Path) -> Any:
    for part in path:
        if isinstance(value, Secret):
            return SHOWN_AS
        if isinstance(value, Mapping):
            value = value.get(str(part))
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part] if part < len(value) else None
        else:
            return None
    return _without_secrets(value)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Secret):
        return SHOWN_AS
    if isinstance(value, Mapping):
        return {key: _without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return value
