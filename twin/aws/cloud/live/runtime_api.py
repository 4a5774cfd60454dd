"""Lambda's runtime API (version 2018-06-01) for one execution environment.

The environment's process asks for its next invocation and posts the answer here, as it does in AWS. Every
environment has a port of its own: the API tells who asks by nothing else.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twin.aws.cloud.http import HttpRequest, HttpResponse, HttpServer

_PREFIX: Final = "/2018-06-01/runtime/"


@dataclass(frozen=True)
class Given:
    """An invocation, as the process gets it."""

    request_id: str
    arn: str
    event: bytes
    deadline: float
    """Seconds since 1970 at which it times out."""


@dataclass(frozen=True)
class Answer:
    """What the process posted: the payload, and whether it is an error's description."""

    payload: bytes
    failed: bool


class RuntimeApi:
    """One environment's end of the conversation; its state changes under one condition."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asking = False
        self._given: Given | None = None
        self._active: str | None = None
        self._answer: Answer | None = None
        self._closed = False
        self._http = HttpServer(self._handle)
        self._http.start()

    @property
    def address(self) -> str:
        """What `AWS_LAMBDA_RUNTIME_API` says."""
        return f"127.0.0.1:{self._http.port}"

    @property
    def asking(self) -> bool:
        """Whether the process waits for an invocation, and so is through with the one before."""
        return self._asking

    @property
    def answer(self) -> Answer | None:
        """The answer to the invocation that was given last, or why the process could not even begin."""
        return self._answer

    def give(self, given: Given) -> None:
        """Has the process take up an invocation."""
        with self._changed:
            self._answer, self._given, self._asking = None, given, False
            self._changed.notify_all()

    def wait_until(self, happened: Callable[[], bool], seconds: float) -> bool:
        """Waits for a change; whether what was waited for happened in time."""
        with self._changed:
            return self._changed.wait_for(happened, seconds)

    def close(self) -> None:
        """Hangs up."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._http.close()

    def _handle(self, request: HttpRequest) -> HttpResponse:
        path = request.target.removeprefix(_PREFIX)
        match request.method, path.split("/"):
            case "GET", ["invocation", "next"]:
                return self._next()
            case "POST", ["invocation", request_id, "response" | "error" as kind]:
                return self._answered(request_id, Answer(request.body, failed=kind == "error"))
            case "POST", ["init", "error"]:
                return self._answered(None, Answer(request.body, failed=True))
        return HttpResponse(404)

    def _next(self) -> HttpResponse:
        with self._changed:
            self._active, self._asking = None, self._given is None
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._given is not None or self._closed)
            given, self._given = self._given, None
            if given is None:
                return HttpResponse(410)
            self._active = given.request_id
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": given.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(given.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": given.arn,
        }
        return HttpResponse(200, given.event, headers)

    def _answered(self, request_id: str | None, answer: Answer) -> HttpResponse:
        with self._changed:
            if request_id != self._active:
                return HttpResponse(400, b'{"errorType":"InvalidRequestID"}')
            self._answer = answer
            self._changed.notify_all()
        return HttpResponse(202)
