"""Draws what the engine reports: a tree of resources with live progress, then a summary."""

import json
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.text import Text
from rich.tree import Tree

from twin.engine.events import (
    Event,
    Level,
    Message,
    Op,
    PropertyChange,
    Result,
    StepDone,
    StepFailed,
    StepStarted,
    Violation,
)
from twin.wire import UNKNOWN, Asset, Secret, unwrap

_MARKS: Final = {
    Op.SAME: (" ", "dim"),
    Op.CREATE: ("+", "green"),
    Op.UPDATE: ("~", "yellow"),
    Op.REPLACE: ("±", "magenta"),
    Op.CREATE_REPLACEMENT: ("±", "magenta"),
    Op.DELETE_REPLACED: ("-", "red"),
    Op.DELETE: ("-", "red"),
    Op.READ: (">", "cyan"),
    Op.REFRESH: ("↻", "cyan"),
    Op.IMPORT: ("=", "green"),
    Op.DISCARD: ("-", "dim"),
}
_WORDS: Final = ("create", "update", "replace", "delete", "same")
_LEVEL_STYLES: Final = {Level.WARNING: "yellow", Level.ERROR: "red", Level.INFO: "dim", Level.DEBUG: "dim"}
_SHOWN_CHANGES: Final = 8
_SHOWN_VALUE: Final = 60
_REFRESHES_PER_SECOND: Final = 8


class _Node:
    """One resource on the screen."""

    def __init__(self, event: StepStarted) -> None:
        self.op, self.type, self.name, self.parent = event.op, event.type, event.name, event.parent
        self.changes = event.changes
        self.state = "working"
        self.seconds = 0.0
        self.notes: list[Text] = []

    def label(self) -> RenderableType:
        mark, style = _MARKS[self.op]
        text = Text.assemble((f"{mark} ", style), (self.type, "dim"), " ", (self.name, "bold"))
        if self.state == "working":
            return Spinner("dots", text)
        if self.state == "failed":
            text.append(" failed", "bold red")
        elif self.op is not Op.SAME:
            text.append(f" {self.op.value}", style)
            if self.seconds >= 0.5:
                text.append(f" ({self.seconds:.1f} s)", "dim")
        return text


class Display:
    """Listens to one command. Use it with `with`; on a terminal it draws while the engine works."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._nodes: dict[str, _Node] = {}
        self._messages: list[Text] = []
        self._violations: dict[tuple[str, str, str], Violation] = {}
        self._mutex = threading.Lock()
        self._live: Live | None = None
        self._started = time.monotonic()

    def __enter__(self) -> "Display":
        if self._console.is_terminal:
            self._live = Live(
                console=self._console,
                refresh_per_second=_REFRESHES_PER_SECOND,
                get_renderable=self._in_progress,
                transient=True,
                vertical_overflow="crop",
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def listen(self, event: Event) -> None:
        """Takes one event of the engine."""
        with self._mutex:
            if isinstance(event, StepStarted):
                known = self._nodes.get(event.urn)
                node = _Node(event)
                if known is not None:
                    node.notes = known.notes
                    node.changes = node.changes or known.changes
                self._nodes[event.urn] = node
            elif isinstance(event, StepDone):
                node = self._nodes[event.urn]
                node.state, node.seconds = "done", event.seconds
            elif isinstance(event, StepFailed):
                node = self._nodes.setdefault(
                    event.urn, _Node(StepStarted(event.op, event.urn, event.type, event.name, ""))
                )
                node.state = "failed"
                node.notes.append(Text(event.message, "red"))
            elif isinstance(event, Violation):
                self._violations.setdefault((event.urn, event.rule, event.message), event)
            elif event.level is not Level.DEBUG:
                self._message(event)

    def finish(self, result: Result, *, verb: str) -> None:
        """Prints the tree as it ended, what was told, and the summary."""
        self.__exit__()
        tree = self._tree(only_changed=True)
        if tree is not None:
            self._console.print(tree)
        for message in self._messages:
            self._console.print(message, soft_wrap=True)
        self._print_violations()
        self._console.print(_summary(result, verb))

    def _message(self, event: Message) -> None:
        text = Text(event.text, _LEVEL_STYLES[event.level])
        node = self._nodes.get(event.urn)
        if event.level is Level.ERROR:
            text = Text.assemble(("error: ", "bold red"), event.text)
        if node is not None:
            node.notes.append(text)
        else:
            self._messages.append(text)

    def _in_progress(self) -> RenderableType:
        with self._mutex:
            done = sum(node.state == "done" for node in self._nodes.values())
            head = Text.assemble(
                (self._title, "bold"),
                f"  {done}/{len(self._nodes)} resources",
                (f"  {time.monotonic() - self._started:.0f} s", "dim"),
            )
            tree = self._tree(only_changed=True)
        return Group(head, tree) if tree is not None else head

    def _tree(self, *, only_changed: bool) -> Tree | None:
        shown = {
            urn
            for urn, node in self._nodes.items()
            if not only_changed or node.op is not Op.SAME or node.state == "failed" or node.notes
        }
        for urn in sorted(shown):
            parent = self._nodes[urn].parent
            while parent in self._nodes and parent not in shown:
                shown.add(parent)
                parent = self._nodes[parent].parent
        if not shown:
            return None
        root = Tree(Text(self._title, "bold"), guide_style="dim")
        branches: dict[str, Tree] = {}

        def branch(urn: str) -> Tree:
            if urn not in branches:
                node = self._nodes[urn]
                above = branch(node.parent) if node.parent in shown else root
                made = branches[urn] = above.add(node.label())
                for change in node.changes[:_SHOWN_CHANGES]:
                    made.add(_change(change))
                if len(node.changes) > _SHOWN_CHANGES:
                    made.add(Text(f"… and {len(node.changes) - _SHOWN_CHANGES} more properties", "dim"))
                for note in node.notes:
                    made.add(note)
            return branches[urn]

        for urn in sorted(shown):
            branch(urn)
        return root

    def _print_violations(self) -> None:
        ordered = sorted(
            self._violations.values(),
            key=lambda each: (each.level == "advisory", each.pack, each.id, each.urn),
        )
        for violation in ordered:
            style = "yellow" if violation.level == "advisory" else "bold red"
            name = violation.urn.rsplit("::", 1)[-1]
            type_ = violation.urn.rsplit("::", 2)[-2].rsplit("$", 1)[-1] if name else "the stack"
            self._console.print(
                f"[{style}]{escape(violation.level)}[/] [bold]{escape(violation.id or violation.rule)}[/] "
                f"{escape(violation.pack)}/{escape(violation.rule)}: {escape(type_)} [bold]{escape(name)}[/]",
                highlight=False,
            )
            for line in violation.message.splitlines():
                self._console.print(f"    {escape(line)}", highlight=False, soft_wrap=True)


def _waits(violation: Violation) -> bool:
    """Whether a finding only says that a value is not known yet."""
    return violation.level == "advisory" and violation.message.startswith("cannot judge")


def _change(change: PropertyChange) -> Text:
    style = "magenta" if change.replaces else "yellow"
    text = Text.assemble((change.path, style), ": ")
    if change.before is None:
        text.append(f"+ {_short(change.after)}", "green")
    elif change.after is None:
        text.append(f"- {_short(change.before)}", "red")
    else:
        text.append(f"{_short(change.before)} → {_short(change.after)}")
    if change.replaces:
        text.append(" (replaces)", "magenta")
    return text


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=_shown, sort_keys=True)
    return text if len(text) <= _SHOWN_VALUE else text[: _SHOWN_VALUE - 1] + "…"


def _shown(value: Any) -> str:
    if value is UNKNOWN:
        return "known after apply"
    return f"file {value.path}" if isinstance(value, Asset) and value.path else type(value).__name__.lower()


def _summary(result: Result, verb: str) -> Text:
    counts = [f"{result.changes.get(word, 0)} {word}" for word in _WORDS]
    others = [f"{count} {op}" for op, count in sorted(result.changes.items()) if op not in _WORDS]
    text = Text.assemble((f"{verb}: ", "bold"), ", ".join([*counts, *others]))
    text.append(f" in {result.seconds:.1f} s", "dim")
    if result.interrupted:
        text.append("; interrupted, the state is saved", "bold yellow")
    elif not result.ok:
        text.append("; failed", "bold red")
    return text


def visible_outputs(outputs: Mapping[str, Any], *, show_secrets: bool) -> dict[str, Any]:
    """Outputs as plain values; secrets are `[secret]` unless asked for."""

    def shown(value: Any) -> Any:
        if isinstance(value, Secret):
            return unwrap(value).value if show_secrets else "[secret]"
        if value is UNKNOWN:
            return "[unknown]"
        if isinstance(value, Mapping):
            return {key: shown(item) for key, item in sorted(value.items())}
        if isinstance(value, list | tuple):
            return [shown(item) for item in value]
        return value

    return {key: shown(value) for key, value in sorted(outputs.items())}


def summary_object(result: Result) -> dict[str, Any]:
    """The one object that `--json` ends with."""
    return {
        "ok": result.ok,
        "changes": {word: result.changes.get(word, 0) for word in _WORDS},
        "outputs": visible_outputs(result.outputs, show_secrets=False),
        "violations": [
            {
                "id": each.id,
                "rule": each.rule,
                "pack": each.pack,
                "level": each.level,
                "urn": each.urn,
                "message": each.message,
            }
            for each in result.violations
        ],
        "problems": result.problems,
        "durationSeconds": round(result.seconds, 3),
    }


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    json.dump(value, sys.stdout, indent=2, sort_keys=False)
    sys.stdout.write("\n")
