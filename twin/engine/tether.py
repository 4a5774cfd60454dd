"""Runs a Python module that ends when its parent does, however the parent ends.

`python -u -P tether.py MODULE ARGUMENTS…` is `python -u -m MODULE ARGUMENTS…`, except that the process leaves
when its standard input closes: the pipe's other end dies with the parent, even by SIGKILL.
It is a script on its own, so that it also runs under an interpreter that cannot import this project.
"""

import os
import runpy
import sys
import threading


def _leave_with_parent() -> None:
    # The raw descriptor: a daemon thread inside sys.stdin's lock could hang the interpreter's own exit.
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_leave_with_parent, name="tether", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
