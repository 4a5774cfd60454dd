"""EventBridge rules reach their targets: functions, executions, topics, jobs and streams.

moto delivers to queues, log groups and buses, and fails over anything else. Deliveries are calls like any
other, made beside the call that set them off. Schedules do not fire by themselves.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from twin.aws.cloud.client import session
from twin.aws.cloud.gateway import Gateway
from twin.aws.cloud.import_hook import when_imported

_log = logging.getLogger(__name__)
Target = Mapping[str, Any]
Delivery = Callable[[Any, Target, str], object]
"""Delivers a text to a target, with a session of this cloud's."""


def _to_function(aws: Any, target: Target, text: str) -> object:
    return aws.client("lambda").invoke(
        FunctionName=target["Arn"], InvocationType="Event", Payload=text.encode()
    )


def _to_execution(aws: Any, target: Target, text: str) -> object:
    return aws.client("stepfunctions").start_execution(stateMachineArn=target["Arn"], input=text)


def _to_topic(aws: Any, target: Target, text: str) -> object:
    return aws.client("sns").publish(TopicArn=target["Arn"], Message=text)


def _to_job(aws: Any, target: Target, _text: str) -> object:
    told = target["BatchParameters"]
    more: dict[str, Any] = {}
    if told.get("RetryStrategy"):
        more["retryStrategy"] = {"attempts": told["RetryStrategy"]["Attempts"]}
    if told.get("ArrayProperties"):
        more["arrayProperties"] = {"size": told["ArrayProperties"]["Size"]}
    return aws.client("batch").submit_job(
        jobName=told["JobName"], jobQueue=target["Arn"], jobDefinition=told["JobDefinition"], **more
    )


def _to_stream(aws: Any, target: Target, text: str) -> object:
    name = target["Arn"].rpartition("/")[2]
    return aws.client("kinesis").put_record(StreamName=name, Data=text.encode(), PartitionKey="event")


def _to_delivery_stream(aws: Any, target: Target, text: str) -> object:
    name = target["Arn"].rpartition("/")[2]
    return aws.client("firehose").put_record(DeliveryStreamName=name, Record={"Data": text.encode()})


_DELIVERIES: Final[dict[str, Delivery]] = {
    "batch": _to_job,
    "firehose": _to_delivery_stream,
    "kinesis": _to_stream,
    "lambda": _to_function,
    "sns": _to_topic,
    "states": _to_execution,
}
_MOTOS_OWN: Final = frozenset({"events", "logs", "sqs"})


class EventTargets:
    """Delivers what moto's event buses match."""

    def __init__(self, endpoint: str, *, live: bool) -> None:
        self._endpoint = endpoint
        self._live = live
        self._gateway: Gateway | None = None
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="events")
        self._pending = 0
        self._guard = threading.Lock()

    def attach(self, gateway: Gateway) -> None:
        """Has moto's rules tell of what matches them."""
        self._gateway = gateway
        when_imported("moto.events.models", self._patch)

    def busy(self) -> bool:
        """Whether an event is still on its way."""
        return self._pending > 0

    def start(self) -> None:
        """Nothing is left over from an earlier process: what was on its way is lost."""

    def stop(self) -> None:
        """Delivers no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _patch(self, module: Any) -> None:
        original = module.Rule.send_to_targets

        def send_to_targets(rule: Any, event: Any, transform_input: bool = True) -> None:
            if str(rule.state).startswith("DISABLED"):
                return
            # moto refuses the whole event for a target that it doesn't know.
            targets = rule.targets
            rule.targets = [each for each in targets if _service(each) in _MOTOS_OWN]
            try:
                original(rule, event, transform_input)
            finally:
                rule.targets = targets
            if self._gateway is None or self._gateway.replaying or not self._live:
                return
            if rule.event_pattern.matches_event(event):
                for target in rule.targets:
                    self._queue(rule, dict(target), _text(module, target, event))

        module.Rule.send_to_targets = send_to_targets

    def _queue(self, rule: Any, target: Target, text: str) -> None:
        service = _service(target)
        if service in _MOTOS_OWN:
            return
        deliver = _DELIVERIES.get(service)
        if deliver is None:
            _log.warning("rule %s: the twin's cloud delivers no events to %s", rule.name, target["Arn"])
            return
        with self._guard:
            self._pending += 1
        try:
            self._pool.submit(self._deliver, deliver, rule.region_name, target, text)
        except RuntimeError:  # the cloud is ending
            with self._guard:
                self._pending -= 1

    def _deliver(self, deliver: Delivery, region: str, target: Target, text: str) -> None:
        try:
            deliver(session(self._endpoint, region), target, text)
        except Exception:
            _log.exception("an event did not reach %s", target["Arn"])
        finally:
            with self._guard:
                self._pending -= 1


def _service(target: Target) -> str:
    return str(target["Arn"].split(":")[2])


def _text(module: Any, target: Target, event: Any) -> str:
    """What the target gets: its constant input, a part of the event, a transformed event, or all of it."""
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputTransformer"):
        told = target["InputTransformer"]
        made = module.EventTemplateParser.parse(
            input_template=told.get("InputTemplate"),
            input_paths_map=told.get("InputPathsMap", {}),
            event=event,
        )
        return made if isinstance(made, str) else json.dumps(made, default=str)
    part = event
    for name in (target.get("InputPath") or "$").removeprefix("$").split("."):
        if name:
            part = part[name]
    return json.dumps(part, default=str)
