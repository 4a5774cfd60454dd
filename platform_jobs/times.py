"""Times as text."""

import datetime


def iso(moment: datetime.datetime) -> str:
    """A UTC time of fixed width: as texts these sort as the times do."""
    return moment.astimezone(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime.datetime:
    """A time from ISO 8601 with its zone, in UTC; ValueError says what is expected."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("expected a time with its zone, such as 2026-03-01T00:00:00Z")
    return moment.astimezone(datetime.UTC)
