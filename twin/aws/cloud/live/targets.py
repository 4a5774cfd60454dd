"""EventBridge rules reach their targets: functions, executions, topics, jobs and streams.

moto delivers to queues, log groups and buses, and fails over anything else. Deliveries are calls like any
other, made beside the call that set them off. Schedules fire by `stagecraft schedule run`.
"""

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from twin.aws.cloud.client import session
from twin.aws.cloud.gateway import Gateway
from twin.aws.cloud.import_hook import when_imported
from twin.aws.cloud.live.deliveries import NoDeliveryError, Target, deliver, service_of

_log = logging.getLogger(__name__)
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
            rule.targets = [each for each in targets if service_of(each) in _MOTOS_OWN]
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
        if service_of(target) in _MOTOS_OWN:
            return
        with self._guard:
            self._pending += 1
        try:
            self._pool.submit(self._deliver, rule.region_name, target, text)
        except RuntimeError:  # the cloud is ending
            with self._guard:
                self._pending -= 1

    def _deliver(self, region: str, target: Target, text: str) -> None:
        try:
            deliver(session(self._endpoint, region), target, text)
        except NoDeliveryError as problem:
            _log.warning("%s", problem)
        except Exception:
            _log.exception("an event did not reach %s", target["Arn"])
        finally:
            with self._guard:
                self._pending -= 1


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
