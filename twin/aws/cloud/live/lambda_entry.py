"""Runs a Python function: `lambda_entry.py <module.function>`, as Lambda's own Python runtime would.

Takes one invocation after the other from Lambda's runtime API (`AWS_LAMBDA_RUNTIME_API`). What the function
prints is its log. Standard library only: it runs before anything of the function is importable.
"""

import http.client
import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

_API = "/2018-06-01/runtime"


class Context:
    """What Lambda tells a function of its invocation."""

    def __init__(self, headers: http.client.HTTPMessage) -> None:
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline = float(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation times out."""
        return max(0, int(self._deadline - time.time() * 1000))


def main() -> int:
    """Answers until the environment is ended."""
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = _handler(sys.argv[1])
    except Exception as problem:
        _post(api, "init/error", _described(problem))
        return 1
    while True:
        api.request("GET", f"{_API}/invocation/next")
        given = api.getresponse()
        event = given.read()
        if given.status != 200:
            return 0
        context = Context(given.headers)
        try:
            kind, text = "response", json.dumps(handler(json.loads(event), context))
        except Exception as problem:
            kind, text = "error", _described(problem)
        _post(api, f"invocation/{context.aws_request_id}/{kind}", text)


def _handler(named: str) -> Any:
    module, _, name = named.rpartition(".")
    sys.path[:] = [str(Path.cwd()), *(part for part in sys.path if part != str(Path(__file__).parent))]
    return getattr(importlib.import_module(module.replace("/", ".")), name)


def _described(problem: Exception) -> str:
    traceback.print_exc()
    return json.dumps(
        {
            "errorMessage": str(problem),
            "errorType": type(problem).__name__,
            "stackTrace": traceback.format_tb(problem.__traceback__),
        }
    )


def _post(api: http.client.HTTPConnection, path: str, text: str) -> None:
    api.request("POST", f"{_API}/{path}", text.encode(), {"Content-Type": "application/json"})
    api.getresponse().read()


if __name__ == "__main__":
    sys.exit(main())
