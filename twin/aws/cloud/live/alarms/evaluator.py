"""Evaluates a cloud's alarms every few seconds, and tells whoever they are to tell.

Changes of state are events of the cloud's journal; what an alarm does then (a message to a topic) is a call
like any other. Without any alarm nothing is computed.
"""

import datetime
import json
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from twin.aws import alarm_rule
from twin.aws.cloud import clock
from twin.aws.cloud.client import ACCOUNT, session
from twin.aws.cloud.gaps.announcements import announce
from twin.aws.cloud.gaps.store import Record, RecordStore
from twin.aws.cloud.gateway import Event, Gateway
from twin.aws.cloud.live.alarms.judging import ALARM, INSUFFICIENT, OK
from twin.aws.cloud.live.alarms.metric_alarm import state_of
from twin.aws.cloud.live.alarms.metric_math import ExpressionError
from twin.aws.cloud.live.alarms.points import UnknownStatisticError
from twin.aws.cloud.live.alarms.series import SeriesIndex, backends
from twin.aws.cloud.live.alarms.suppression import Suppression, due

_TICK_SECONDS: Final = 3.0
_ACTED: Final = "_acted"
"""The state that a composite alarm last told of."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Change:
    """An alarm that is to be in another state."""

    region: str
    name: str
    old: str
    new: str
    reason: str
    composite: bool


@dataclass(frozen=True)
class _Telling:
    """What is to be told, and where."""

    region: str
    targets: tuple[str, ...]
    message: dict[str, Any]


class Emitter(Protocol):
    """Whoever has metrics of AWS's own to put before alarms are looked at."""

    def flush(self) -> None:
        """Puts them."""


class AlarmEvaluator:
    """The alarms of one cloud."""

    def __init__(self, store: RecordStore, endpoint: str, emitters: Sequence[Emitter], *, live: bool) -> None:
        self._store = store
        self._emitters = emitters
        self._endpoint = endpoint
        self._live = live
        self._gateway: Gateway | None = None
        self._index = SeriesIndex()
        self._waiting: dict[tuple[str, str], Suppression] = {}
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def attach(self, gateway: Gateway) -> None:
        """Keeps changes of state in the gateway's journal."""
        self._gateway = gateway
        gateway.on_event("alarm-state", self._apply)
        gateway.on_event("alarm-told", self._told)

    def busy(self) -> bool:
        """Alarms keep no cloud awake that nobody uses."""
        return False

    def start(self) -> None:
        """Begins to look."""
        if self._live:
            self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._flush()

    def evaluate(self) -> None:
        """Looks once: every metric alarm, then the composites on top of them, then what they have to tell."""
        assert self._gateway is not None  # noqa: S101  (attached before it starts)
        self._flush()
        tellings: list[_Telling] = []
        with self._gateway.lock:
            now = clock.real_now()
            for region in sorted(backends()):
                for change in self._changes(region, now):
                    self._gateway.happened("alarm-state", **vars(change))
                    if not change.composite and change.new != change.old:
                        alarm = backends()[region].alarms[change.name]
                        tellings.extend(_tellings(region, _of_metric_alarm(alarm), change.old, now))
                tellings.extend(self._due(region, now))
        for telling in tellings:
            self._tell(telling)

    def _flush(self) -> None:
        for emitter in self._emitters:
            emitter.flush()

    def _run(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            try:
                self.evaluate()
            except Exception:
                _log.exception("alarms could not be evaluated")

    def _changes(self, region: str, now: float) -> Iterator[_Change]:
        """Each is to be applied before the next is asked for: composites see the states of their parts."""
        alarms = backends()[region].alarms
        index = self._index.of(region, now) if alarms else {}
        for name, alarm in sorted(alarms.items()):
            known = True
            try:
                state, reason = state_of(alarm, index, now)
            except (ExpressionError, UnknownStatisticError, StopIteration, KeyError) as problem:
                known, state = False, INSUFFICIENT
                reason = f"the twin does not evaluate this alarm: {problem}"
            # That it never will be evaluated is worth saying, also of one that has no state yet.
            if state != alarm.state_value or not (known or reason == alarm.state_reason):
                yield _Change(region, name, alarm.state_value, state, reason, composite=False)
        composites = self._composites(region)
        for _ in composites:  # as deep as they may stand on each other
            settled = True
            for name, record in sorted(composites.items()):
                state = self._composite_state(region, record)
                if state != record["StateValue"]:
                    settled = False
                    reason = self._composite_reason(region, record)
                    yield _Change(region, name, record["StateValue"], state, reason, composite=True)
            if settled:
                return

    def _composite_state(self, region: str, record: Record) -> str:
        try:
            rule = alarm_rule.parse(record["AlarmRule"])
        except alarm_rule.RuleError:
            return INSUFFICIENT
        return ALARM if rule(lambda name: self._state(region, name)) else OK

    def _composite_reason(self, region: str, record: Record) -> str:
        """Which of its parts are in alarm; a rule that cannot be read is the reason itself."""
        try:
            parts = alarm_rule.mentioned(record["AlarmRule"])
        except alarm_rule.RuleError as problem:
            return f"the rule cannot be read: {problem}"
        ringing = [part.rpartition(":alarm:")[2] for part in parts if self._state(region, part) == ALARM]
        return f"in alarm: {', '.join(ringing) or 'none of its parts'}"

    def _composites(self, region: str) -> dict[str, Record]:
        return self._store.all_of("cloudwatch", "CompositeAlarm", region)

    def _state(self, region: str, name: str) -> str:
        name = name.rpartition(":alarm:")[2]
        if name in self._composites(region):
            return str(self._composites(region)[name]["StateValue"])
        alarm = backends()[region].alarms.get(name)
        return INSUFFICIENT if alarm is None else str(alarm.state_value)

    def _due(self, region: str, now: float) -> Iterator[_Telling]:
        """What composites have to tell by now: at once, or when nothing wider speaks for them."""
        for name, record in sorted(self._composites(region).items()):
            state, acted, key = record["StateValue"], record.get(_ACTED, OK), (region, name)
            if state == acted:
                self._waiting.pop(key, None)
                continue
            suppressor = record.get("ActionsSuppressor")
            waiting = self._waiting.get(key)
            if waiting is None or waiting.to != state:
                waiting = self._waiting[key] = Suppression(state, now)
            ready = not suppressor or due(
                waiting,
                suppressor_on=self._state(region, suppressor) == ALARM,
                now=now,
                wait_seconds=float(record.get("ActionsSuppressorWaitPeriod") or 0),
                extension_seconds=float(record.get("ActionsSuppressorExtensionPeriod") or 0),
            )
            if ready:
                del self._waiting[key]
                assert self._gateway is not None  # noqa: S101
                self._gateway.happened("alarm-told", region=region, name=name, state=state)
                yield from _tellings(region, record, acted, now)

    def _apply(self, event: Event) -> None:
        region, name, reason = event["region"], event["name"], event["reason"]
        moment = datetime.datetime.fromtimestamp(clock.now(), datetime.UTC).replace(tzinfo=None)
        if event["composite"]:
            record = self._composites(region)[name]
            record |= {
                "StateValue": event["new"],
                "StateReason": reason,
                "StateUpdatedTimestamp": moment,
                "StateTransitionedTimestamp": moment,
            }
            arn = record["AlarmArn"]
        else:
            alarm = backends()[region].alarms[name]
            alarm.update_state(reason, "{}", event["new"])
            arn = alarm.alarm_arn
        if event["new"] == event["old"]:
            return
        detail = {
            "alarmName": name,
            "state": {"value": event["new"], "reason": reason, "timestamp": moment.isoformat() + "Z"},
            "previousState": {"value": event["old"]},
        }
        announce(region, "aws.cloudwatch", "CloudWatch Alarm State Change", arn, detail)

    def _told(self, event: Event) -> None:
        record = self._composites(event["region"]).get(event["name"])
        if record is not None:
            record[_ACTED] = event["state"]

    def _tell(self, telling: _Telling) -> None:
        for target in telling.targets:
            if target.split(":")[2] != "sns":
                _log.warning("the twin's cloud carries out no alarm action on %s", target)
                continue
            message = telling.message
            subject = f'{message["NewStateValue"]}: "{message["AlarmName"]}" in {telling.region}'
            try:
                session(self._endpoint, telling.region).client("sns").publish(
                    TopicArn=target, Subject=subject[:100], Message=json.dumps(message)
                )
            except Exception:
                _log.exception("an alarm did not reach %s", target)


def _of_metric_alarm(alarm: Any) -> Record:
    """Moto's alarm by the names that CloudWatch answers with."""
    return {
        "AlarmName": alarm.name,
        "AlarmArn": alarm.alarm_arn,
        "AlarmDescription": alarm.description,
        "ActionsEnabled": alarm.actions_enabled,
        "AlarmActions": alarm.alarm_actions,
        "OKActions": alarm.ok_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
        "StateValue": alarm.state_value,
        "StateReason": alarm.state_reason,
    }


_ACTIONS: Final = {ALARM: "AlarmActions", OK: "OKActions", INSUFFICIENT: "InsufficientDataActions"}


def _tellings(region: str, alarm: Record, old: str, now: float) -> Iterator[_Telling]:
    """What an alarm in its new state tells, if anybody."""
    targets = tuple(alarm.get(_ACTIONS[alarm["StateValue"]]) or ())
    if not targets or not alarm.get("ActionsEnabled", True):
        return
    changed = datetime.datetime.fromtimestamp(now, datetime.UTC)
    yield _Telling(
        region,
        targets,
        {
            "AlarmName": alarm["AlarmName"],
            "AlarmDescription": alarm.get("AlarmDescription"),
            "AlarmArn": alarm["AlarmArn"],
            "AWSAccountId": ACCOUNT,
            "NewStateValue": alarm["StateValue"],
            "NewStateReason": alarm["StateReason"],
            "OldStateValue": old,
            "Region": region,
            "StateChangeTime": changed.isoformat(timespec="milliseconds").replace("+00:00", "+0000"),
        },
    )
