"""`lambda <module.function>`: the image as a Lambda function.

It takes invocations from Lambda's runtime API (`AWS_LAMBDA_RUNTIME_API`, version 2018-06-01) until the
environment is ended.

A client of our own rather than AWS's, because of `Invocation.afterwards`: the caller has the answer when it
is posted, and the environment may be frozen only once the next invocation is asked for. Between the two there
is time to write down what must not be lost, and nobody waits for it.
"""

import http.client
import importlib
import json
import os
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from platform_jobs.errors import JobError, SettingsError
from platform_jobs.log import ERROR, event

_API: Final = "/2018-06-01/runtime"


@dataclass
class Invocation:
    """What a handler is told of its invocation, beside the event."""

    aws_request_id: str
    deadline: float
    """Seconds since 1970 at which it times out."""
    _after: list[Callable[[], None]] = field(default_factory=list)

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until it times out."""
        return max(0, int((self.deadline - time.time()) * 1000))

    def afterwards(self, work: Callable[[], None]) -> None:
        """Has work done once the caller has the answer, and before the environment may be frozen."""
        self._after.append(work)

    def finish(self) -> None:
        """Does that work; what fails of it is logged, for the answer is given."""
        for work in self._after:
            try:
                work()
            except Exception as error:
                event("lambda", "afterwards-failed", ERROR, reason=type(error).__name__)


Handler = Callable[[Any, Invocation], Any]


def main(argv: Sequence[str]) -> int:
    """`lambda <module.function>`: the exit code."""
    if len(argv) != 1 or "." not in argv[0]:
        raise SettingsError(["expected one argument: the handler, as module.function"])
    api = os.environ.get("AWS_LAMBDA_RUNTIME_API")
    if not api:
        raise SettingsError(["AWS_LAMBDA_RUNTIME_API is not set: Lambda sets it; there is nobody to answer"])
    _serve(argv[0], api)
    return 0


def _load(name: str) -> Handler:
    module, _, function = name.rpartition(".")
    try:
        handler: Handler = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise JobError("no-handler", f"there is no handler {name}: {error}") from error
    return handler


def _serve(name: str, api: str) -> None:
    """Answers until Lambda ends the process."""
    runtime = _Runtime(api)
    try:
        handler = _load(name)
    except Exception as error:
        runtime.post("/init/error", described(error))
        raise
    while True:
        given, invocation = runtime.next()
        path = f"/invocation/{invocation.aws_request_id}"
        try:
            answer = json.dumps(handler(given, invocation)).encode()
        except Exception as error:
            runtime.post(f"{path}/error", described(error))
        else:
            runtime.post_text(f"{path}/response", answer)
        invocation.finish()


def described(error: Exception) -> dict[str, Any]:
    """An error as Lambda tells it: settings' and AWS's own words; of others the kind and the place.

    An exception's text may hold a value of the request.
    """
    ours = isinstance(error, JobError | SettingsError) or type(error).__module__.startswith("botocore")
    places = traceback.extract_tb(error.__traceback__)
    return {
        "errorMessage": str(error) if ours else type(error).__name__,
        "errorType": type(error).__name__,
        "stackTrace": [f"{Path(place.filename).name}:{place.lineno} {place.name}" for place in places],
    }


class _Runtime:
    """Lambda's runtime API, on one connection."""

    def __init__(self, api: str) -> None:
        # No time limit: the environment is frozen while it waits for the next invocation.
        self._connection = http.client.HTTPConnection(api)

    def next(self) -> tuple[Any, Invocation]:
        """The next invocation's event, and the invocation."""
        self._connection.request("GET", f"{_API}/invocation/next")
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise JobError("runtime-api", f"Lambda's runtime API answered {answer.status}")
        os.environ["_X_AMZN_TRACE_ID"] = answer.headers.get("Lambda-Runtime-Trace-Id", "")
        return json.loads(body), Invocation(
            answer.headers["Lambda-Runtime-Aws-Request-Id"],
            float(answer.headers["Lambda-Runtime-Deadline-Ms"]) / 1000,
        )

    def post(self, path: str, value: dict[str, Any]) -> None:
        """Tells Lambda of an error."""
        self.post_text(
            path,
            json.dumps(value).encode(),
            {"Lambda-Runtime-Function-Error-Type": f"Function.{value['errorType']}"},
        )

    def post_text(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Tells Lambda how it went."""
        self._connection.request(
            "POST", _API + path, body, {"Content-Type": "application/json", **(headers or {})}
        )
        self._connection.getresponse().read()
