"""How a model's promises (SLOs) are kept, judged as its alarms judge: by the same series and expressions."""

from collections.abc import Callable
from typing import Final

from cli.overview.facts import Burn, Promise
from components.watch import slo
from components.watch.alarms import Alarm
from components.watch.endpoint import Served
from components.watch.metrics import Series
from twin.aws.cloud.live.alarms.metric_math import parse

Read = Callable[[Series, int], float | None]
"""Gives what a series comes to over the last so many minutes; None without any point."""
CALLS: Final = "calls"
"""What the alarms' series call the requests."""


class NotCountedError(Exception):
    """There were requests, but nothing says how many of them were bad."""


def promises_of(served: Served, read: Read) -> tuple[Promise, ...]:
    """Every promise of a model, with its budget of 30 days and how fast it burns now.

    Raises:
        NotCountedError: Requests without a word on which were bad; no promise is then known to be kept.
    """
    return tuple(_promise(served, objective, alarm, read) for objective, alarm in served.objectives())


def _promise(served: Served, objective: slo.Objective, alarm: Alarm, read: Read) -> Promise:
    def counted(minutes: int) -> tuple[float, float]:
        return bad_and_all(alarm, read, minutes)

    bad, requests = counted(slo.PERIOD_MINUTES)
    burns = []
    for window in slo.WINDOWS:
        long, short = counted(window.long_minutes), counted(window.short_minutes)
        burns.append(
            Burn(
                window=window.name,
                minutes=window.long_minutes,
                rate=slo.burn_rate(*long, objective.budget),
                factor=objective.factor(window),
                fires=slo.fires(objective, window, long=long, short=short),
            )
        )
    return Promise(objective.name, _says(served, objective), requests, bad, objective.budget, tuple(burns))


def bad_and_all(alarm: Alarm, read: Read, minutes: int) -> tuple[float, float]:
    """Bad and all requests of the last so many minutes, by an objective's alarm. Raises NotCountedError."""
    values = {name: read(series, minutes) for name, series in alarm.series}
    requests = values[CALLS]
    if not requests:
        return 0.0, 0.0
    bad = parse(alarm.expression)(values)
    if bad is None:
        raise NotCountedError(f"{alarm.says}: of {requests:g} requests nothing says how many")
    return float(bad), requests


def _says(served: Served, objective: slo.Objective) -> str:
    if objective.name == "latency":
        return f"{objective.percent:g} % within {served.latency_p95_ms} ms"
    return f"{objective.percent:g} % answered"
