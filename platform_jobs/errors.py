"""What a job may fail with. The entrypoint turns these into one line and an exit code."""

from collections.abc import Sequence


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
