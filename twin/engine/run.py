"""What every part of one command shares: the journal, the events, the counts, and whether to go on."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twin.engine import paths
from twin.engine.deployment import ResourceState
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
from twin.engine.redaction import SHOWN_AS, Redactor
from twin.engine.store import Journal
from twin.engine.urns import Urn
from twin.wire import Secret


class StepError(Exception):
    """A step that cannot be done. It is told at once; the run ends when what is under way is over."""


class HaltedError(Exception):
    """The run is ending: nothing new is begun."""


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
        """Ends the run at the user's word."""
        with self._mutex:
            self.result.ok = False
            self.result.interrupted = True
        self._halted.set()

    def emit(self, event: Event) -> None:
        """Tells the listener, one event at a time."""
        with self._mutex:
            self.listener(event)

    def tell(self, level: Level, text: str, urn: str = "") -> None:
        """Tells a message, with every known secret blanked out."""
        self.emit(Message(level, self.redactor.clean(text), urn))

    def started(self, op: Op, urn: str, parent: str = "", changes: tuple[PropertyChange, ...] = ()) -> None:
        """Tells that work on a resource begins."""
        parsed = Urn.parse(urn)
        self.emit(StepStarted(op, urn, parsed.type, parsed.name, parent, changes))

    def done(self, op: Op, urn: str, seconds: float, *, count: bool = True) -> None:
        """Tells that work on a resource is over, and counts it."""
        counted = Op.REPLACE if op is Op.CREATE_REPLACEMENT else op
        with self._mutex:
            if count and op is not Op.DELETE_REPLACED:
                self.result.changes[counted] = self.result.changes.get(counted, 0) + 1
        self.emit(StepDone(op, urn, seconds))

    def failed(self, op: Op, urn: str, message: str, *, halt: bool = True) -> None:
        """Tells a failure; unless it is a preview, nothing new is begun after it."""
        parsed = Urn.parse(urn)
        text = self.redactor.clean(message)
        with self._mutex:
            self.result.ok = False
            self.result.problems.append(f"{parsed.type} {parsed.name}: {text}")
        self.emit(StepFailed(op, urn, parsed.type, parsed.name, text))
        if halt:
            self._halted.set()

    def problem(self, message: str) -> None:
        """Tells what went wrong with the run as a whole, and ends it."""
        text = self.redactor.clean(message)
        with self._mutex:
            self.result.ok = False
            self.result.problems.append(text)
        self.emit(Message(Level.ERROR, text))
        self._halted.set()

    def violated(self, violation: Violation) -> None:
        """Tells a rule that is not kept."""
        with self._mutex:
            self.result.violations.append(violation)
        self.emit(violation)


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


def same_record(one: ResourceState, other: ResourceState) -> bool:
    """Whether two records say the same, times aside."""
    from dataclasses import replace

    return replace(one, created="", modified="") == replace(other, created="", modified="")
