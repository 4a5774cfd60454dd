"""Runs one engine command in a process of its own, which can be made to die, or to run out of disk, anywhere.

`python -m tests.twin.engine.engine_process FOLDER COMMAND`, with in the environment:
KILL_AT: the number of the point at which to die by SIGKILL, of those where something becomes durable.
FILE_BYTES: no file may grow longer than this.
"""

import itertools
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.twin.engine.world import World
from twin.engine.secrets import SecretsError
from twin.engine.store import StoreError

_KILL_AT = int(os.environ.get("KILL_AT", "0"))
_POINTS = itertools.count(1)


def _point(call: Callable[..., Any]) -> Callable[..., Any]:
    """Two points: before a call and after it."""

    def counted(*args: Any, **kwargs: Any) -> Any:
        _pass()
        answer = call(*args, **kwargs)
        _pass()
        return answer

    return counted


def _pass() -> None:
    if next(_POINTS) == _KILL_AT:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    world = World.there(Path(sys.argv[1]))
    if "FILE_BYTES" in os.environ:
        limit = int(os.environ["FILE_BYTES"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    for name in ("fdatasync", "fsync", "replace", "unlink"):
        setattr(os, name, _point(getattr(os, name)))
    told: dict[str, Any] = {}
    began = time.monotonic()
    try:
        engine = world.engine(idempotent=frozenset({"toy"}))
        signal.signal(signal.SIGINT, lambda *_: engine.interrupt())
        print("ready", flush=True)
        result = getattr(engine, sys.argv[2])()
        told = {"ok": result.ok, "problems": result.problems, "changes": result.changes}
        told["interrupted"] = result.interrupted
    except (StoreError, SecretsError) as error:
        told = {"ok": False, "problems": [str(error)]}
    print(json.dumps({**told, "points": next(_POINTS) - 1, "seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    main()
