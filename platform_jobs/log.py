"""Structured log lines: one JSON object a line on stderr, so that every log store can search them.

Fields are counts, names and object keys; never a value of a data row, never a credential.
"""

import datetime
import json
import logging
import os
import sys
from typing import Any, Final

INFO: Final = logging.INFO
WARNING: Final = logging.WARNING
ERROR: Final = logging.ERROR


class _JsonLines(logging.Formatter):
    """A record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, job and event, then the event's own fields."""
        line: dict[str, Any] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(),
            "level": record.levelname,
            "job": record.name.removeprefix("platform_jobs."),
            "event": record.getMessage(),
            **_context(),
        }
        line.update(getattr(record, "fields", {}))
        return json.dumps(line, default=str)


def _context() -> dict[str, str]:
    """What every line of a run shares."""
    known = {"stack": "STAGECRAFT_STACK", "run": "AWS_BATCH_JOB_ID", "attempt": "AWS_BATCH_JOB_ATTEMPT"}
    return {key: os.environ[name] for key, name in known.items() if os.environ.get(name)}


def configure() -> None:
    """Sends our log lines to stderr; only the entrypoint calls this, a library's user decides for himself."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    root = logging.getLogger("platform_jobs")
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False


def event(job: str, name: str, level: int = INFO, /, **fields: Any) -> None:
    """Logs that `name` happened in `job`, with its fields."""
    logging.getLogger(f"platform_jobs.{job}").log(level, name, extra={"fields": fields})
