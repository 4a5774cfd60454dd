"""Whether a version that has traffic may have more of it: promote, wait or roll back.

Alarms and a lost configuration are a hard stop. Everything else is said by the sequential test over what both
versions did (`platform_jobs.gate`): nothing is promoted that is not surely good enough, and what nobody can
tell waits, up to a limit. Then it is decided as the settings say. By default that is back: only so does the
stated error rate of promotions hold however little is known.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from platform_jobs import registry, settings, times
from platform_jobs.aws import Clients
from platform_jobs.gate import record
from platform_jobs.gate.judge import Decision, Verdict, judge
from platform_jobs.gate.terms import TermsSettings
from platform_jobs.log import event
from platform_jobs.loop import evidence, rollout
from platform_jobs.loop.rollout import NotYetError, Rollout
from platform_jobs.settings import Env

_AT_ONCE: Final = 100


def _names(text: str) -> tuple[str, ...]:
    """A JSON list of names; a stack may have no alarm yet."""
    return () if text == "[]" else settings.name_list(text)


@dataclass(frozen=True, kw_only=True)
class CanarySettings(TermsSettings):
    """What the gate reads from its environment."""

    model: Annotated[str, Env("STAGECRAFT_MODEL")]
    lineage_table: Annotated[str, Env("STAGECRAFT_LINEAGE_TABLE")]
    slow_ms: Annotated[float, Env("STAGECRAFT_GATE_SLOW_MS", settings.positive_float)]
    """An answer later than this is slow."""
    alarms: Annotated[tuple[str, ...], Env("STAGECRAFT_GATE_ALARMS", _names)] = ()
    """Alarms that stop a release at once."""
    artifacts_bucket: Annotated[str, Env("STAGECRAFT_ARTIFACTS_BUCKET")] = ""
    """Where counted labels lie; empty: nobody counts them."""
    undecided: Annotated[
        str,
        Env(
            "STAGECRAFT_GATE_UNDECIDED",
            settings.one_of(Decision.ROLL_BACK.value, Decision.PROMOTE.value),
        ),
    ] = Decision.ROLL_BACK.value
    """What becomes of a version of which too little is known at the limit."""


@dataclass(frozen=True)
class Outcome:
    """What the gate says."""

    decision: str
    """`promote`, `wait` or `roll-back`."""
    reason: str


@dataclass(frozen=True)
class Asked:
    """A release at one of its shares."""

    version: str
    """ARN of the version."""
    state: Rollout
    percent: int
    """The share that it has."""
    limit: datetime.timedelta
    """How long it may have that share before it is decided, whatever is known."""


def check(clients: Clients, config: CanarySettings, asked: Asked, now: datetime.datetime) -> Outcome:
    """What to do; whatever ends the share is written into the version's lineage, with the evidence."""
    stop = _hard_stop(clients, config, asked.state)
    if stop is not None:
        outcome, verdict = Outcome(Decision.ROLL_BACK.value, stop), None
    elif asked.state.expected == asked.state.original:
        # A serverless endpoint takes a version whole: shares below that are nobody's.
        return Outcome(Decision.PROMOTE.value, "the endpoint shares no traffic: nothing was given yet")
    else:
        verdict = _verdict(clients, config, asked, now)
        outcome = _outcome(config, asked, verdict, now)
    event("loop", "gate", endpoint=asked.state.endpoint, decision=outcome.decision, reason=outcome.reason)
    if outcome.decision != Decision.WAIT.value:
        _record(clients, config, asked, outcome, verdict)
    return outcome


def _verdict(clients: Clients, config: CanarySettings, asked: Asked, now: datetime.datetime) -> Verdict:
    state = asked.state
    quality = {}
    if config.artifacts_bucket:
        quality = evidence.known_quality(clients, config.artifacts_bucket, config.model, state.number)
    found = evidence.gather(clients, state, now, slow_ms=config.slow_ms, quality=quality)
    return judge(found.canary, found.live, config.terms)


def _outcome(config: CanarySettings, asked: Asked, verdict: Verdict, now: datetime.datetime) -> Outcome:
    if verdict.decision is not Decision.WAIT or now - times.parse(asked.state.given) < asked.limit:
        return Outcome(verdict.decision.value, verdict.reason)
    hours = asked.limit.total_seconds() / 3600
    return Outcome(
        config.undecided,
        f"{verdict.reason}; {hours:.3g} h, the limit, are over, and what is undecided then is "
        f"{'promoted' if config.undecided == Decision.PROMOTE.value else 'rolled back'} "
        "(release.gate.undecided)",
    )


def _hard_stop(clients: Clients, config: CanarySettings, state: Rollout) -> str | None:
    """Why the release ends at once: an alarm rings, or the endpoint lacks what it was given."""
    ringing = [name for chunk in _chunks(config.alarms) for name in _ringing(clients, chunk)]
    if ringing:
        return f"in alarm: {', '.join(sorted(ringing))}"
    try:
        rollout.settled(clients, state)
    except NotYetError as error:
        return str(error)
    return None


def _record(
    clients: Clients, config: CanarySettings, asked: Asked, outcome: Outcome, verdict: Verdict | None
) -> None:
    found: dict[str, Any] = {} if verdict is None else record.to_json(verdict)
    registry.record_gate(
        clients,
        config.lineage_table,
        asked.version,
        {
            "percent": asked.percent,
            "decision": outcome.decision,
            "reason": outcome.reason,
            "since": asked.state.since,
            "terms": {**record.terms_to_json(config.terms), "slowMs": config.slow_ms},
            "findings": found.get("findings", []),
        },
    )


def _chunks(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE)]


def _ringing(clients: Clients, names: Sequence[str]) -> list[str]:
    answer = clients.cloudwatch.describe_alarms(
        AlarmNames=list(names), AlarmTypes=["CompositeAlarm", "MetricAlarm"]
    )
    alarms = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
    return [each["AlarmName"] for each in alarms if each["StateValue"] == "ALARM"]
