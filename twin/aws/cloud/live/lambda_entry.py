"""Runs one invocation of a Python function: `lambda_entry.py <module.function>`, as Lambda's runtime would.

The event comes on stdin as JSON; the answer goes to the file that STAGECRAFT_LAMBDA_RESULT names, as
`{"result": …}` or, with exit code 1, `{"error": {errorMessage, errorType, stackTrace}}`. What the function
prints is its log. Standard library only: it runs before anything of the function is importable.
"""

import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any


class Context:
    """What Lambda tells a function of its invocation."""

    def __init__(self) -> None:
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.invoked_function_arn = os.environ["STAGECRAFT_LAMBDA_ARN"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.aws_request_id = os.environ["STAGECRAFT_LAMBDA_REQUEST_ID"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._end = time.monotonic() + float(os.environ["STAGECRAFT_LAMBDA_SECONDS"])

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation times out."""
        return max(0, int((self._end - time.monotonic()) * 1000))


def main() -> int:
    """Runs the function once."""
    answer: dict[str, Any]
    try:
        module, _, name = sys.argv[1].rpartition(".")
        sys.path[:] = [str(Path.cwd()), *(part for part in sys.path if part != str(Path(__file__).parent))]
        handler = getattr(importlib.import_module(module.replace("/", ".")), name)
        answer = {"result": handler(json.load(sys.stdin), Context())}
        text = json.dumps(answer)
    except Exception as problem:
        traceback.print_exc()
        text = json.dumps(
            {
                "error": {
                    "errorMessage": str(problem),
                    "errorType": type(problem).__name__,
                    "stackTrace": traceback.format_tb(problem.__traceback__),
                }
            }
        )
    Path(os.environ["STAGECRAFT_LAMBDA_RESULT"]).write_text(text, encoding="utf-8")
    return 0 if text.startswith('{"result"') else 1


if __name__ == "__main__":
    sys.exit(main())
