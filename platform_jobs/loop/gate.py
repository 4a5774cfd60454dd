"""Whether a version that has traffic may have more of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from platform_jobs.aws import Clients
from platform_jobs.log import event
from platform_jobs.loop import rollout
from platform_jobs.loop.rollout import NotYetError, Rollout

_AT_ONCE: Final = 100


@dataclass(frozen=True)
class Health:
    """What the gate says."""

    healthy: bool
    reason: str


def check(clients: Clients, state: Rollout, alarms: Sequence[str]) -> Health:
    """Unhealthy if one of the alarms rings, or the endpoint is not in service with what it was given."""
    ringing = [name for chunk in _chunks(alarms) for name in _ringing(clients, chunk)]
    if ringing:
        health = Health(healthy=False, reason=f"in alarm: {', '.join(sorted(ringing))}")
    else:
        health = _in_service(clients, state)
    event("loop", "gate", endpoint=state.endpoint, healthy=health.healthy, reason=health.reason)
    return health


def _in_service(clients: Clients, state: Rollout) -> Health:
    try:
        rollout.settled(clients, state)
    except NotYetError as error:
        return Health(healthy=False, reason=str(error))
    return Health(healthy=True, reason="no alarm rings and the endpoint is in service")


def _chunks(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE)]


def _ringing(clients: Clients, names: Sequence[str]) -> list[str]:
    answer = clients.cloudwatch.describe_alarms(
        AlarmNames=list(names), AlarmTypes=["CompositeAlarm", "MetricAlarm"]
    )
    alarms = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
    return [each["AlarmName"] for each in alarms if each["StateValue"] == "ALARM"]
