import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from platform_jobs import artifact
from platform_jobs.artifact import LoadedModel
from platform_jobs.encoding import Feature
from platform_jobs.serve import BadRequestError, PredictionServer, Predictor

NAMES = [name.replace(" ", "_") for name in load_breast_cancer().feature_names]
ROWS = load_breast_cancer().data
MODEL = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(
    ROWS, (load_breast_cancer().target == 0).astype(int)
)


def unpack(folder: Path) -> str:
    """The model as SageMaker lays it out; its digest."""
    metadata = {
        "model": "screening",
        "task": "binary",
        "features": [{"name": name, "type": "float"} for name in NAMES],
        "classes": [0, 1],
    }
    packed = artifact.pack(MODEL, metadata)
    with tarfile.open(fileobj=BytesIO(packed.body)) as tar:
        tar.extractall(folder, filter="data")
    return packed.digest


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server in this process."""
    folder = tmp_path_factory.mktemp("model")
    model = artifact.load(folder, unpack(folder))
    with PredictionServer("127.0.0.1", 0, Predictor(model)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ask(
    port: int, body: Any, content_type: str | None = "application/json", path: str = "/invocations"
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", path, data, {} if content_type is None else {"Content-Type": content_type})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def instance(number: int) -> dict[str, float]:
    return dict(zip(NAMES, ROWS[number].tolist(), strict=True))


def test_a_cluster_sees_what_is_under_way(port: int):
    def metrics() -> dict[str, float]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        return {name: float(value) for name, value in (line.split() for line in lines if line[0] != "#")}

    before = metrics()
    held = socket.create_connection(("127.0.0.1", port), timeout=10)
    held.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
    deadline = time.monotonic() + 10
    while metrics()["stagecraft_requests_in_flight"] < before["stagecraft_requests_in_flight"] + 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    held.sendall(b"[]")
    assert held.recv(1000).startswith(b"HTTP/1.1 400")
    held.close()
    while metrics()["stagecraft_requests_total"] < before["stagecraft_requests_total"] + 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert metrics()["stagecraft_requests_in_flight"] == 0


def test_every_way_to_ask_gives_the_models_own_answer(port: int):
    wanted = MODEL.predict_proba(ROWS[:3])
    backwards = dict(reversed(instance(0).items()))
    csv_rows = "\n".join(",".join(map(str, row)) for row in ROWS[:3].tolist())
    header = ",".join(reversed(NAMES))
    csv_backwards = "\n".join(",".join(map(str, reversed(row))) for row in ROWS[:3].tolist())
    asked: list[tuple[Any, str]] = [
        ({"instances": [backwards, instance(1), instance(2)]}, "application/json"),
        ({"records": ROWS[:3].tolist()}, "application/json; charset=utf-8"),
        (ROWS[:3].tolist(), ""),
        (csv_rows.encode(), "text/csv"),
        (f"{header}\r\n{csv_backwards}\r\n".encode(), "text/csv"),
    ]
    for body, content_type in asked:
        status, answer = ask(port, body, content_type)
        assert status == 200, answer
        found = [[item["probabilities"]["0"], item["probabilities"]["1"]] for item in answer["predictions"]]
        assert np.array_equal(found, wanted)
        assert [item["prediction"] for item in answer["predictions"]] == MODEL.predict(ROWS[:3]).tolist()
        assert answer["model"] == "screening"
        assert len(answer["model_version"]) == 64


@pytest.mark.parametrize(
    ("body", "content_type", "status", "told"),
    [
        (b"{", "application/json", 400, ["the body is not JSON"]),
        (b"[" * 100_000, "application/json", 400, ["the body is"]),
        ({"rows": []}, "application/json", 400, ["the body must be"]),
        ({"instances": {}}, "application/json", 400, ["the instances must be a list"]),
        ({"instances": []}, "application/json", 400, ["there is no instance"]),
        ([1], "application/json", 400, ["do not fit", "must be an object of features or a list of values"]),
        ([[1, 2]], "application/json", 400, ["do not fit", "has 2 values where the model takes 30"]),
        (
            [{**instance(0), "mean_radius": "big"}],
            "application/json",
            400,
            ["do not fit", "mean_radius must be a number"],
        ),
        (
            [{**instance(0), "mean_radius": True}],
            "application/json",
            400,
            ["do not fit", "mean_radius must be a number"],
        ),
        (
            [{**instance(0), "mean_radius": 10**400}],
            "application/json",
            400,
            ["do not fit", "that fits into 64 bits"],
        ),
        (
            b'[{"mean_radius": NaN}]',
            "application/json",
            400,
            ["do not fit", "mean_radius must be a finite number"],
        ),
        (
            [{**instance(0), "age": 3}],
            "application/json",
            400,
            ["do not fit", "age is no feature of this model"],
        ),
        ([{"mean_radius": 1}], "application/json", 400, ["do not fit", "mean_texture is missing"]),
        (b"1,2\n", "text/csv", 400, ["do not fit", "has 2 values where 30 are expected"]),
        (b"\xff\xfe", "text/csv", 400, ["the body is not CSV"]),
        (b"x", "image/png", 415, ["content type image/png is not taken"]),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(
    port: int, body: Any, content_type: str, status: int, told: list[str]
):
    found, answer = ask(port, body, content_type)
    assert found == status
    assert all(text in json.dumps(answer) for text in told)
    assert told[0] in answer["error"]["message"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*NAMES[:3], "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=60) | json_values.map(lambda value: json.dumps({"instances": value}).encode()))
def test_no_request_breaks_the_predictor(body: bytes):
    model = LoadedModel(MODEL, "m", "binary", tuple(Feature(name, "float") for name in NAMES), (0, 1), "d")
    for content_type in ("application/json", "text/csv"):
        try:
            answer = Predictor(model).invoke(body, content_type)
        except BadRequestError:
            continue
        assert answer["predictions"]


def test_a_value_that_is_not_known_is_taken_where_the_model_takes_it():
    class Estimator:
        def predict_proba(self, inputs: Any) -> Any:
            return np.array([[0.25, 0.75] if np.isnan(row).all() else [1.0, 0.0] for row in inputs])

    features = (Feature("age", "int"), Feature("city", "string", ("Bern", "Rom")), Feature("member", "bool"))
    predictor = Predictor(LoadedModel(Estimator(), "m", "binary", features, ("no", "yes"), "d"))
    for body, content_type in (
        (b'[{"age": null, "city": null, "member": null}]', "application/json"),
        (b'[{"age": null, "city": "Oslo", "member": null}]', "application/json"),
        (b"age,city,member\n,,\n", "text/csv"),
    ):
        assert predictor.invoke(body, content_type)["predictions"] == [
            {"prediction": "yes", "probability": 0.75, "probabilities": {"no": 0.25, "yes": 0.75}}
        ]
    (answer,) = predictor.invoke(b"age,city,member\n3,Rom,true\n", "text/csv")["predictions"]
    assert answer["prediction"] == "no"


def test_the_http_server_keeps_connections_and_refuses_clearly(port: int):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    body = json.dumps([instance(0)]).encode()
    for _ in range(3):
        connection.request("GET", "/ping")
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())) == (200, {"status": "healthy"})
        kept = connection.sock
        connection.request("POST", "/invocations", body)
        assert connection.getresponse().read()
        assert connection.sock is kept is not None
    connection.request("GET", "/other")
    assert connection.getresponse().status == 404
    assert ask(port, [instance(0)], path="/predict")[0] == 404
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        assert b"413" in raw.recv(1000).split(b"\r\n")[0]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"411" in raw.recv(1000).split(b"\r\n")[0]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert b'{"error"' in raw.recv(1000)


def test_many_ask_at_once(port: int):
    wanted = MODEL.predict_proba(ROWS)[:, 1]
    wrong: list[int] = []

    def client(start: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for number in range(start, start + 20):
            connection.request("POST", "/invocations", json.dumps([instance(number)]).encode())
            answer = json.loads(connection.getresponse().read())
            if answer["predictions"][0]["probabilities"]["1"] != pytest.approx(wanted[number], rel=1e-12):
                wrong.append(number)

    threads = [threading.Thread(target=client, args=(start,)) for start in range(0, 160, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path, digest: str, port: int, **told: str) -> subprocess.Popen[bytes]:
    environ = {
        **os.environ,
        **told,
        "SM_MODEL_DIR": str(folder),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "STAGECRAFT_MODEL_DIGEST": digest,
    }
    command = [sys.executable, "-m", "platform_jobs", "serve"]
    return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE)


@contextlib.contextmanager
def served(tmp_path: Path, **told: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The command, answering, and its port."""
    folder, port = tmp_path / "a model", free_port()
    process = start(folder, unpack(folder), port, **told)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                assert ask(port, [instance(0)])[0] == 200
                break
            except ConnectionError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield process, port
    finally:
        process.kill()
        process.communicate()


def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path):
    with served(tmp_path) as (process, _port):
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_what_is_under_way_when_it_is_told_to_stop_is_finished(tmp_path: Path):
    with served(tmp_path) as (process, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/invocations", json.dumps([instance(0)] * 5_000).encode())
        while "in_flight 1" not in ask_metrics(port):
            time.sleep(0.001)
        process.send_signal(signal.SIGTERM)
        answer = connection.getresponse()
        assert len(json.loads(answer.read())["predictions"]) == 5_000
        assert process.wait(20) == 0


def ask_metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def test_it_goes_on_for_a_while_and_closes_kept_connections_in_order(tmp_path: Path):
    with served(tmp_path, STAGECRAFT_DRAIN_SECONDS="1.5") as (process, port):
        kept = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        kept.request("GET", "/ping")
        first = kept.getresponse()
        assert first.read()
        assert first.headers["Connection"] is None
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        closing = False
        while not closing and time.monotonic() < deadline:
            kept.request("POST", "/invocations", json.dumps([instance(0)]).encode())
            answer = kept.getresponse()
            assert answer.status == 200
            assert answer.read()
            closing = answer.headers["Connection"] == "close"
        assert closing, "whoever keeps a connection is told, with an answer"
        assert ask(port, [instance(0)])[0] == 200
        assert process.wait(20) == 0


def test_another_model_than_the_registered_one_is_not_even_loaded(tmp_path: Path):
    digest = unpack(tmp_path)
    (tmp_path / "model.joblib").write_bytes(b"cos\nsystem\n(S'touch /nowhere'\ntR.")
    process = start(tmp_path, digest, free_port())
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    line = json.loads(errors)
    assert (line["reason"], line["event"]) == ("altered", "failed")
    assert "is not the registered one" in line["cause"]


def test_serving_waits_neither_for_pandas_nor_for_boto3():
    slow = "{'pandas', 'boto3', 'pyarrow', 'sklearn'}"
    code = f"import sys, platform_jobs.serve; print(*sorted({slow} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
