"""Stands for the platform's image: `serve` answers with the model's text, other commands do as told."""

import http.client
import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._answer(200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"die":
            os._exit(3)
        if body == b"bad":
            self._answer(400, b"no such feature")
            return
        model = (Path(os.environ["SM_MODEL_DIR"]) / "model.txt").read_text()
        self._answer(200, f"{model}({body.decode()}) for {self.headers['Accept']}".encode())


def serve() -> int:
    if (Path(os.environ["SM_MODEL_DIR"]) / "model.txt").read_text() == "broken":
        print("this model can't be loaded")
        return 7
    port = int(os.environ["SAGEMAKER_BIND_TO_PORT"])
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
    return 0


def answer_invocations(handler: str) -> None:
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        api.request("GET", "/2018-06-01/runtime/invocation/next")
        given = api.getresponse()
        answer = {"handler": handler, "event": json.loads(given.read())}
        path = f"/2018-06-01/runtime/invocation/{given.headers['Lambda-Runtime-Aws-Request-Id']}/response"
        api.request("POST", path, json.dumps(answer))
        api.getresponse().read()


def main(arguments: list[str]) -> int:
    match arguments:
        case ["serve"]:
            return serve()
        case ["say", *words]:
            print(*words)
        case ["exit", code]:
            print("leaving with", code)
            return int(code)
        case ["sleep", seconds]:
            print("sleeping", flush=True)
            time.sleep(float(seconds))
        case ["linger", attempt]:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
            print("here", flush=True)
            time.sleep(0 if os.environ["AWS_BATCH_JOB_ATTEMPT"] == attempt else 60)
        case ["stay"]:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print("here to stay", flush=True)
            time.sleep(60)
        case ["environment"]:
            print(json.dumps(dict(os.environ), sort_keys=True))
        case ["fail-until", attempt]:
            return 0 if os.environ["AWS_BATCH_JOB_ATTEMPT"] == attempt else 1
        case ["put", bucket, key]:
            import boto3

            boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"from the job")
        case ["lambda", handler]:
            answer_invocations(handler)
        case _:
            print("unknown command", arguments)
            return 64
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
