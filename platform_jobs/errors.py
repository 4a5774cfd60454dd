"""What a job may fail with. The entrypoint turns these into one line and an exit code."""

import traceback
from collections.abc import Sequence
from pathlib import Path


class JobError(Exception):
    """A job cannot do its work: `reason` names the kind of failure, the message says what and how to mend it.

    The entrypoint ends with exit code 1 and this message; it never contains values of a data row.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SettingsError(Exception):
    """Environment variables or arguments are missing or wrong: all of them, in `problems` (exit code 2)."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class Interrupted(BaseException):
    """The platform takes the machine back (SIGTERM): exit code 143, which Batch is told to retry."""


def cause_of(error: Exception) -> str:
    """One line. AWS's own errors say it themselves; others could quote a row, so only their place is said."""
    if type(error).__module__.startswith(("botocore", "boto3", "platform_jobs")):
        return " ".join(str(error).split())
    ours = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "platform_jobs" in Path(frame.filename).parts
    ]
    place = f" at {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}; set STAGECRAFT_DEBUG=1 to see all of it"
