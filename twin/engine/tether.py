"""Ends a process when its parent does, however the parent ends.

The parent holds the other end of the child's standard input; when it dies, even by SIGKILL, that pipe closes.

As a script, `python -u -P tether.py MODULE ARGUMENTS…` is `python -u -m MODULE ARGUMENTS…` on such a tether;
it imports nothing of this project, so that it also runs under an interpreter that cannot. A plugin of ours
calls `hold_if_told()` instead: the engine sets a variable for the plugins that it starts.
"""

import os
import runpy
import sys
import threading

VARIABLE = "STAGECRAFT_TETHERED"
"""Set to 1 for a child whose standard input is a tether."""


def hold() -> None:
    """From now on this process leaves when its standard input closes."""
    threading.Thread(target=_leave_with_parent, name="tether", daemon=True).start()


def hold_if_told() -> None:
    """`hold()`, if the parent says so. Not for this process's own children: the variable is taken away."""
    if os.environ.pop(VARIABLE, "") == "1":
        hold()


def command(module: str) -> list[str]:
    """What runs a Python module on a tether."""
    return [sys.executable, "-u", "-P", __file__, module]


def _leave_with_parent() -> None:
    # The raw descriptor: a daemon thread inside sys.stdin's lock could hang the interpreter's own exit.
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    os.environ.pop(VARIABLE, None)
    hold()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
