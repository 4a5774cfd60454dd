"""`serve`: SageMaker's container contract, `GET /ping` and `POST /invocations`, around one model.

A small threaded server out of the standard library: one thread a connection, connections kept alive. Imports
neither pandas nor boto3, so that a serverless endpoint is there soon.
"""

import csv
import io
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np

from platform_jobs import answering, artifact, settings
from platform_jobs.artifact import LoadedModel
from platform_jobs.encoding import Feature, ProblemsError, encode_instances
from platform_jobs.errors import Interrupted, JobError, SettingsError
from platform_jobs.log import event
from platform_jobs.settings import Env

LARGEST_BODY: Final = 6 * 1024 * 1024
"""What SageMaker hands to an endpoint at most."""
MOST_INSTANCES: Final = 10_000
IDLE_SECONDS: Final = 75
_LAST_ANSWERS_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.02
_PATHS: Final = "GET /ping, GET /metrics and POST /invocations"
_METRICS: Final = "text/plain; version=0.0.4"
_JSON: Final = "application/json"
_CSV: Final = "text/csv"


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """What `serve` reads from its environment; SageMaker sets the first two."""

    port: Annotated[int, Env("SAGEMAKER_BIND_TO_PORT", settings.positive_int)] = 8080
    model_dir: Annotated[Path, Env("SM_MODEL_DIR", Path)] = Path("/opt/ml/model")
    host: Annotated[str, Env("STAGECRAFT_BIND_HOST")] = "127.0.0.1"
    """The image sets this to all interfaces, of which a container has one."""
    model_digest: Annotated[str | None, Env("STAGECRAFT_MODEL_DIGEST")] = None
    """Digest of the model that the registered version names; another one is not loaded."""
    digest_file: Annotated[Path | None, Env("STAGECRAFT_MODEL_DIGEST_FILE", Path)] = None
    """Where `fetch-model` has written it, in a cluster."""

    optimised: Annotated[bool, Env("STAGECRAFT_SERVE_OPTIMISED", settings.truth)] = False
    """Whether to answer from the model's smaller form, if the version has one."""

    drain_seconds: Annotated[float, Env("STAGECRAFT_DRAIN_SECONDS", settings.not_negative)] = 0.0
    """How long it still takes requests after SIGTERM, closing the connection with each answer: for callers
    that keep connections, where nobody else tells them."""

    @property
    def expected_digest(self) -> str:
        """Which model it must be.

        Raises:
            SettingsError: nothing says.
            JobError: reason `no-model`, if the file that says is not there.
        """
        if self.model_digest is not None:
            return self.model_digest
        if self.digest_file is None:
            raise SettingsError(["STAGECRAFT_MODEL_DIGEST is not set"])
        try:
            return self.digest_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise JobError(
                "no-model", f"{self.digest_file} cannot be read: run `fetch-model` first"
            ) from None


class BadRequestError(Exception):
    """A request that cannot be answered, with its status and what is wrong in it."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.details = details


class Predictor:
    """Answers requests with a model's predictions; safe for threads."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._classes = answering.class_names(model)
        self._warm()

    def _warm(self) -> None:
        """The first prediction pays for lazy parts of the libraries: not a user's request."""
        self._predict(np.zeros((1, len(self._model.features))))

    def invoke(self, body: bytes, content_type: str) -> dict[str, Any]:
        """The answer to one request.

        Raises:
            BadRequestError: the request is wrong.
        """
        kind = content_type.partition(";")[0].strip().lower() or _JSON
        if kind == _CSV:
            instances = _csv_instances(body, self._model.features)
        elif kind == _JSON:
            instances = _json_instances(body)
        else:
            raise BadRequestError(
                f"content type {kind} is not taken: send {_JSON} or {_CSV}", HTTPStatus.UNSUPPORTED_MEDIA_TYPE
            )
        if not instances:
            raise BadRequestError("there is no instance to predict")
        if len(instances) > MOST_INSTANCES:
            raise BadRequestError(f"{len(instances)} instances are too many: send at most {MOST_INSTANCES}")
        try:
            inputs = encode_instances(self._model.features, instances)
        except ProblemsError as error:
            raise BadRequestError("the instances do not fit the model", problems=error.problems) from None
        return {
            "predictions": self._predict(inputs),
            "model": self._model.name,
            "model_version": self._model.digest,
        }

    def _predict(self, inputs: Any) -> list[dict[str, Any]]:
        found = answering.answer(self._model, inputs)
        if found.probabilities is None:
            return [{"prediction": value} for value in found.predictions]
        return [
            {
                "prediction": prediction,
                "probability": sure,
                "probabilities": dict(zip(self._classes, row, strict=True)),
            }
            for prediction, sure, row in zip(
                found.predictions, found.confidences, found.probabilities.tolist(), strict=True
            )
        ]


def _json_instances(body: bytes) -> list[Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise BadRequestError(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise BadRequestError("the body is nested too deeply") from None
    if isinstance(value, dict):
        named = [value[name] for name in ("instances", "records") if name in value]
        if len(named) != 1:
            raise BadRequestError('the body must be {"instances": [...]} or {"records": [...]}')
        value = named[0]
    if not isinstance(value, list):
        raise BadRequestError("the instances must be a list")
    return value


def _csv_instances(body: bytes, features: Sequence[Feature]) -> list[Any]:
    """Rows of CSV: in feature order, or in any order under a header of the features' names."""
    try:
        rows = [row for row in csv.reader(io.StringIO(body.decode("utf-8-sig"))) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadRequestError(f"the body is not CSV: {error}") from None
    names = [feature.name for feature in features]
    header = names
    if rows and set(rows[0]) & set(names):
        header, rows = rows[0], rows[1:]
        if len(set(header)) < len(header):
            raise BadRequestError("the header names a feature twice")
    types = {feature.name: feature.type for feature in features}
    instances: list[Any] = []
    for number, row in enumerate(rows):
        if len(row) != len(header):
            problem = f"has {len(row)} values where {len(header)} are expected"
            raise BadRequestError(
                "the instances do not fit the model",
                problems=[{"instance": number, "field": None, "problem": problem}],
            )
        instances.append({name: _cell(types.get(name), text) for name, text in zip(header, row, strict=True)})
    return instances


def _cell(kind: str | None, text: str) -> Any:
    """A cell as JSON would say it; what is no such value stays text, and is named as a problem later."""
    text = text.strip()
    if not text:
        return None
    if kind == "string":
        return text
    if kind == "bool" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    wbufsize = -1  # headers and body leave in one packet
    disable_nagle_algorithm = True
    server: "PredictionServer"

    def do_GET(self) -> None:
        """The health check, and what a cluster scales by."""
        path = self.path.partition("?")[0]
        if path == "/ping":
            self._answer(HTTPStatus.OK, {"status": "healthy"})
        elif path == "/metrics":
            self._send(HTTPStatus.OK, self.server.metrics().encode(), _METRICS)
        else:
            self._answer(HTTPStatus.NOT_FOUND, _error(f"there is only {_PATHS}"))

    def do_POST(self) -> None:
        """A prediction."""
        with self.server.counted():
            self._predict()

    def _predict(self) -> None:
        try:
            body = self._body()
            if self.path.partition("?")[0] != "/invocations":
                raise BadRequestError(f"there is only {_PATHS}", HTTPStatus.NOT_FOUND)
            answer = self.server.predictor.invoke(body, self.headers.get("Content-Type", ""))
        except BadRequestError as error:
            self._answer(error.status, _error(str(error), **error.details))
        except Exception as error:  # an answer in any case, and no trace of the request in it
            event("serve", "failed", reason=type(error).__name__)
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, _error("the model could not answer"))
        else:
            self._answer(HTTPStatus.OK, answer)

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self.close_connection = True  # where the next request starts cannot be known
            raise BadRequestError("Content-Length is missing", HTTPStatus.LENGTH_REQUIRED)
        if int(length) > LARGEST_BODY:
            self.close_connection = True
            raise BadRequestError(
                f"the body is larger than {LARGEST_BODY} bytes", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            )
        return self.rfile.read(int(length))

    def _answer(self, status: HTTPStatus, value: dict[str, Any]) -> None:
        self._send(status, json.dumps(value).encode(), _JSON)

    def _send(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        if self.server.draining:
            self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the server itself refuses, as JSON too."""
        self.close_connection = True
        status = HTTPStatus(code)
        self._answer(status, _error(message or explain or status.phrase))

    def log_message(self, *_arguments: Any) -> None:
        """Nothing: SageMaker counts invocations, and a request must not reach the logs."""


def _error(message: str, **details: Any) -> dict[str, Any]:
    return {"error": {"message": message, **details}}


class PredictionServer(ThreadingHTTPServer):
    """The model's HTTP server."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, predictor: Predictor) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)
        self.predictor = predictor
        self.draining = False
        self._count_lock = threading.Lock()
        self._in_flight = self._answered = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """For the time of one request."""
        with self._count_lock:
            self._in_flight += 1
        try:
            yield
        finally:
            with self._count_lock:
                self._in_flight -= 1
                self._answered += 1

    def drain(self, seconds: float) -> None:
        """Goes on for so long, takes no more, and finishes what is under way."""
        self.draining = True
        time.sleep(seconds)
        self.shutdown()
        deadline = time.monotonic() + _LAST_ANSWERS_SECONDS
        while self._in_flight and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def metrics(self) -> str:
        """What is under way and what has been, as Prometheus reads it."""
        with self._count_lock:
            counts = (
                ("requests_in_flight", "gauge", self._in_flight),
                ("requests_total", "counter", self._answered),
            )
        return "".join(
            f"# TYPE stagecraft_{name} {kind}\nstagecraft_{name} {value}\n" for name, kind, value in counts
        )

    def server_bind(self) -> None:
        """Binds without asking the resolver for the host's name, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


def main(_argv: Sequence[str]) -> int:
    """`serve`: everything comes from the environment; ends on SIGTERM."""
    config = settings.load(ServeSettings)
    # One row a request: threads inside a prediction would only get in each other's way.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    model = artifact.load(config.model_dir, config.expected_digest, optimised=config.optimised)
    with PredictionServer(config.host, config.port, Predictor(model)) as server:
        event(
            "serve",
            "ready",
            model=model.name,
            version=model.digest,
            port=server.server_port,
            runtime="onnxruntime" if model.optimised else "scikit-learn",
        )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            thread.join()
        except Interrupted:
            server.drain(config.drain_seconds)
    return 0
