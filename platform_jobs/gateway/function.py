"""The gateway as a Lambda function: `handler` answers one question an invocation, down the same ladder.

The event is a question as the HTTP gateway's callers ask it, with the model's name in it, and an `id` if the
caller has one for the request. The answer has the HTTP gateway's status and words; a caller's mistake is an
answer too, and no failure of the function.

One event loop and one gateway live as long as the environment does: breakers and last good answers are kept
from one invocation to the next, in this environment. Log and metrics are written after each answer and before
the environment may be frozen: a frozen environment may never wake again, and what it held would be gone.
"""

import asyncio
import atexit
import functools
import json
from contextlib import AsyncExitStack
from typing import Any

from platform_jobs import settings
from platform_jobs.aws import Clients
from platform_jobs.gateway.requests import LARGEST_BODY
from platform_jobs.gateway.served import Reply, error_body, reply
from platform_jobs.gateway.server import Gateway, GatewaySettings, connected_gateway
from platform_jobs.lambda_runtime import Invocation


class Front:
    """A gateway on an event loop of its own, which runs only while it is asked something."""

    def __init__(self, config: GatewaySettings, clients: Clients | None = None) -> None:
        # With a factory the loop is this gateway's, and not also the thread's.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._open = AsyncExitStack()
        # A connection does not outlive a freeze, and a question on a dead one would count against the model.
        gateway = connected_gateway(config, clients, keep_connections=False)
        self._gateway: Gateway = self._runner.run(self._open.enter_async_context(gateway))

    def answer(self, event: Any, request_id: str) -> dict[str, Any]:
        """The answer to an event, with its status."""
        told = self._runner.run(self._reply(event, request_id))
        return {"status": told.status, **told.body}

    def settle(self) -> None:
        """Writes log and metrics."""
        self._runner.run(self._gateway.settle())

    def close(self) -> None:
        """Ends connections and loop."""
        self._runner.run(self._open.aclose())
        self._runner.close()

    async def _reply(self, event: Any, request_id: str) -> Reply:
        models = self._gateway.models
        if not isinstance(event, dict) or not isinstance(event.get("model"), str):
            return Reply(
                400, error_body(f"the event must name a model; there are {', '.join(sorted(models))}")
            )
        question = {name: value for name, value in event.items() if name not in ("id", "model")}
        body = json.dumps(question).encode()
        if len(body) > LARGEST_BODY:
            return Reply(413, error_body(f"the question is larger than {LARGEST_BODY} bytes"))
        own = event.get("id")
        return await reply(models, event["model"], body, own if isinstance(own, str) else request_id)


@functools.cache
def _front() -> Front:
    """The environment's one, made at the first invocation."""
    front = Front(settings.load(GatewaySettings))
    atexit.register(front.close)
    return front


def handler(event: Any, invocation: Invocation) -> dict[str, Any]:
    """Answers an invocation."""
    front = _front()
    answer = front.answer(event, invocation.aws_request_id)
    invocation.afterwards(front.settle)
    return answer
