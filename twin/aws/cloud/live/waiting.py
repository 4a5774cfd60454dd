"""Calls that wait, kept off the lock: long polls of queues, and executions that are waited for."""

import json
import time
from typing import Any, Final

from twin.aws.cloud.gateway import Gateway
from twin.aws.cloud.http import HttpRequest, HttpResponse
from twin.aws.cloud.protocol import Call, read_call

_POLL_SECONDS: Final = 0.05


class Waiting:
    """Answers the calls that wait."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        gateway.intercept(self._intercept)

    def _intercept(self, call: Call) -> HttpResponse | None:
        if call.signer == "sqs" and call.action == "ReceiveMessage":
            return self._receive(call)
        if call.signer == "states" and call.action == "StartSyncExecution":
            return self._gateway.unlocked(call)
        return None

    def _receive(self, call: Call) -> HttpResponse | None:
        """Looks into the queue again and again, each time only for a moment under the lock."""
        try:
            asked: dict[str, Any] = json.loads(call.request.body)
        except ValueError:
            return None
        seconds = asked.get("WaitTimeSeconds")
        if seconds is None:
            seconds = self._default_wait(call, str(asked.get("QueueUrl", "")))
        if not seconds:
            return None
        end = time.monotonic() + float(seconds)
        body = json.dumps(asked | {"WaitTimeSeconds": 0}).encode()
        request = call.request
        headers = tuple(pair for pair in request.headers if pair[0].lower() != "content-length")
        short = HttpRequest(request.method, request.target, headers, body)
        while True:
            response = self._gateway.perform(read_call(short))
            if response.status != 200 or b'"Messages"' in response.body or time.monotonic() >= end:
                return response
            time.sleep(_POLL_SECONDS)

    def _default_wait(self, call: Call, url: str) -> int:
        from moto.sqs.models import sqs_backends

        with self._gateway.lock:
            queue = sqs_backends[call.account][call.region].queues.get(url.rpartition("/")[2])
        return int(getattr(queue, "receive_message_wait_time_seconds", 0) or 0)
