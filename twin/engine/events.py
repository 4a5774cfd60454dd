"""What the engine reports while it works; the command line draws from these and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Op(StrEnum):
    """What is done to a resource, in Pulumi's words."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    CREATE_REPLACEMENT = "create-replacement"
    DELETE_REPLACED = "delete-replaced"
    DELETE = "delete"
    READ = "read"
    REFRESH = "refresh"
    IMPORT = "import"
    DISCARD = "discard"
    """Forgotten without a call: retainOnDelete, or deleted together with another."""


class Level(StrEnum):
    """How grave a message is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class PropertyChange:
    """One property's change; `before` and `after` are shown as `[secret]` where they are secret."""

    path: str
    before: Any
    after: Any
    replaces: bool = False


@dataclass(frozen=True)
class StepStarted:
    """Work on a resource begins. In a preview, this is the plan."""

    op: Op
    urn: str
    type: str
    name: str
    parent: str
    changes: tuple[PropertyChange, ...] = ()


@dataclass(frozen=True)
class StepDone:
    """Work on a resource is over."""

    op: Op
    urn: str
    seconds: float


@dataclass(frozen=True)
class StepFailed:
    """Work on a resource failed; `message` names the cause."""

    op: Op
    urn: str
    type: str
    name: str
    message: str


@dataclass(frozen=True)
class Message:
    """Something to tell: a log line of the program, a provider or the engine."""

    level: Level
    text: str
    urn: str = ""


@dataclass(frozen=True)
class Violation:
    """A rule of a policy pack that a resource does not keep."""

    pack: str
    rule: str
    id: str
    level: str
    urn: str
    message: str


Event = StepStarted | StepDone | StepFailed | Message | Violation
Listener = Callable[[Event], None]


@dataclass
class Result:
    """How a command ended."""

    ok: bool = True
    interrupted: bool = False
    changes: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    """The stack's outputs; secrets are `Secret`."""
    violations: list[Violation] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def changed(self) -> int:
        """How many resources were, or would be, touched."""
        return sum(count for op, count in self.changes.items() if op not in (Op.SAME, Op.READ))
