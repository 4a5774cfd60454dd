"""`python -m twin.aws.cloud`: starts the cloud of a folder, in the background unless told otherwise.

Returns 0 once the cloud answers; 1 with the reason on stderr when it can't be started.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from twin.aws.cloud.client import LOG_FILE
from twin.aws.cloud.server import AlreadyServedError, serve
from twin.aws.cloud.state import UnreadableStateError
from twin.garbage import collect_seldom

_LOG_BYTES: Final = 1_000_000


def main() -> int:
    """Parses the command line and serves."""
    parser = argparse.ArgumentParser(prog="python -m twin.aws.cloud", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="the cloud's own folder")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument(
        "--region", default="us-east-1", help="region of whatever names none (default: %(default)s)"
    )
    parser.add_argument("--foreground", action="store_true", help="stay in the foreground; Ctrl-C ends it")
    parser.add_argument("--idle-seconds", type=int, default=None, help="end after so long without work")
    parser.add_argument("--no-processes", action="store_true", help="declare jobs and models, run none")
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if arguments.foreground:
        return _serve(arguments, print)
    return _in_background(arguments)


def _in_background(arguments: argparse.Namespace) -> int:
    """Forks; the parent reports whether the child came up, then leaves it alone."""
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        with os.fdopen(reader) as stream:
            told = stream.read()
        if told.startswith("http://"):
            return 0
        sys.stderr.write(told or "the twin's cloud ended at once; see its log\n")
        return 1
    os.close(reader)
    os.setsid()
    path = arguments.directory / LOG_FILE
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(log, number)

    def tell(text: str) -> None:
        nonlocal writer
        if writer >= 0:
            os.write(writer, text.encode())
            os.close(writer)
            writer = -1

    status = _serve(arguments, tell, refuse=tell)
    os._exit(status)  # daemon threads of libraries need no goodbyes


def _serve(
    arguments: argparse.Namespace,
    on_ready: Callable[[str], None],
    refuse: Callable[[str], None] = lambda text: print(text, end="", file=sys.stderr),
) -> int:
    collect_seldom()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("botocore", "urllib3", "werkzeug", "moto"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        serve(
            arguments.directory.absolute(),
            port=arguments.port,
            region=arguments.region,
            idle_seconds=arguments.idle_seconds,
            live=not arguments.no_processes,
            on_ready=on_ready,
        )
    except (AlreadyServedError, UnreadableStateError, OSError) as problem:
        refuse(f"{problem}\n")
        return 1
    except Exception as problem:
        logging.getLogger(__name__).exception("the twin's cloud failed")
        refuse(f"the twin's cloud failed: {problem!r}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
