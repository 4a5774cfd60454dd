"""The span of time that a monitoring job looks at."""

import datetime
from dataclasses import dataclass

from platform_jobs.times import iso


@dataclass(frozen=True)
class Window:
    """From `start` up to, not including, `end`; both UTC."""

    start: datetime.datetime
    end: datetime.datetime

    @classmethod
    def ending(cls, end: datetime.datetime, hours: float) -> "Window":
        """The window of so many hours before a time."""
        moment = end.astimezone(datetime.UTC)
        return cls(moment - datetime.timedelta(hours=hours), moment)

    @property
    def length(self) -> datetime.timedelta:
        """How long it is."""
        return self.end - self.start

    def before(self, count: int) -> list["Window"]:
        """The windows of the same length just before it, the latest first."""
        return [
            Window(self.start - self.length * (n + 1), self.start - self.length * n) for n in range(count)
        ]

    def to_json(self) -> dict[str, str]:
        """For results."""
        return {"start": iso(self.start), "end": iso(self.end)}
