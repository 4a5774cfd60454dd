"""How a command says that it failed: in words, with an exit code, without a traceback."""

from typing import Final

import typer
from rich.console import Console

FAILED: Final = 1
"""The command could not do what it was asked, or a rule forbids it."""
MISUSED: Final = 2
"""The settings or the call are wrong; nothing was changed."""
INTERRUPTED: Final = 130
"""Ctrl-C; what was done is recorded."""


def stop(console: Console, message: str, code: int = FAILED) -> typer.Exit:
    """Prints an error; raise what it returns."""
    console.print("[bold red]error:[/]", end=" ")
    console.print(message, markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(code)
