"""The image as a Lambda function, against a runtime API that keeps what it hears."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
HANDLERS = """
import pathlib

def greet(event, invocation):
    if event == "fail":
        raise ValueError("a value of the request")
    invocation.afterwards(lambda: pathlib.Path("after").open("a").write(invocation.aws_request_id + "\\n"))
    if event == "fail later":
        invocation.afterwards(lambda: 1 / 0)
    return {"hello": event, "left": invocation.get_remaining_time_in_millis() > 0}
"""


class RuntimeApi(HTTPServer):
    """Hands out events, then is done; and what it heard, in order."""

    def __init__(self, folder: Path, events: list[Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.events = folder, events
        self.heard: list[tuple[str, Any]] = []

    def written(self) -> list[str]:
        """What the handler has written after its answers."""
        after = self.folder / "after"
        return after.read_text().splitlines() if after.exists() else []


class _Handler(BaseHTTPRequestHandler):
    server: RuntimeApi
    protocol_version = "HTTP/1.1"

    def log_message(self, *_words: Any) -> None:
        pass

    def do_GET(self) -> None:
        number = sum(path == "next" for path, _ in self.server.heard)
        self.server.heard.append(("next", self.server.written()))
        body = b""
        if number < len(self.server.events):
            body = json.dumps(self.server.events[number]).encode()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", f"r-{number}")
            self.send_header("Lambda-Runtime-Deadline-Ms", str(10**13))
        else:
            self.send_response(410)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = {"body": json.loads(body), "written": self.server.written()}
        self.server.heard.append((self.path.removeprefix("/2018-06-01/runtime/"), told))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handlers.py").write_text(HANDLERS)
    return tmp_path


def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join((str(CHECKOUT), str(folder)))
    return subprocess.run(
        [sys.executable, "-m", "platform_jobs", "lambda", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": paths, **environ},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def api(folder: Path) -> Iterator[RuntimeApi]:
    with RuntimeApi(folder, ["you", "fail", "fail later"]) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


def test_invocations_are_answered_and_what_comes_after_holds_nobody_up(folder: Path, api: RuntimeApi) -> None:
    ended = run(folder, "handlers.greet", AWS_LAMBDA_RUNTIME_API=f"127.0.0.1:{api.server_port}")
    assert ended.returncode == 1
    assert [path for path, _ in api.heard] == [
        "next",
        "invocation/r-0/response",
        "next",
        "invocation/r-1/error",
        "next",
        "invocation/r-2/response",
        "next",
    ]
    (_, first), (_, asked), (_, failed) = api.heard[1:4]
    assert first == {"body": {"hello": "you", "left": True}, "written": []}
    assert asked == ["r-0"], "done before the next is asked for"
    assert failed["body"]["errorType"] == failed["body"]["errorMessage"] == "ValueError"
    assert failed["body"]["stackTrace"][-1].startswith("handlers.py:")
    assert api.written() == ["r-0", "r-2"]
    assert "a value of the request" not in json.dumps(api.heard) + ended.stderr
    assert '"afterwards-failed"' in ended.stderr


def test_a_handler_that_is_not_there_is_told_at_once(folder: Path, api: RuntimeApi) -> None:
    ended = run(folder, "handlers.nobody", AWS_LAMBDA_RUNTIME_API=f"127.0.0.1:{api.server_port}")
    assert ended.returncode == 1
    ((path, told),) = api.heard
    assert path == "init/error"
    assert "there is no handler handlers.nobody" in told["body"]["errorMessage"]


@pytest.mark.parametrize(
    ("arguments", "says"), [([], "the handler, as module.function"), (["a.b"], "AWS_LAMBDA_RUNTIME_API")]
)
def test_a_person_is_told_what_is_missing(folder: Path, arguments: list[str], says: str) -> None:
    ended = run(folder, *arguments)
    assert ended.returncode == 2
    assert says in ended.stderr
