"""Which of a stack's models a command is about."""

from collections.abc import Iterable

from rich.console import Console

from cli.failures import MISUSED, stop


def chosen(console: Console, stack: str, model: str | None, known: Iterable[str]) -> str:
    """The model that was named, or the only one; stops the command where that is none."""
    names = sorted(known)
    name = model or (names[0] if len(names) == 1 else "")
    if name not in names:
        said = f"no model {name!r}" if name else "several models"
        raise stop(console, f"stack {stack!r} has {said}; --model: {', '.join(names)}", MISUSED)
    return name
