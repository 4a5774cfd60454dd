"""What `drift` takes for a day of 1,000,000 answers with 20 features: the real command on a real HTTP S3."""

import datetime
import json
import logging
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
from moto.server import ThreadedMotoServer

from platform_jobs import layout, prediction_log, registry, release, review
from platform_jobs.aws import Clients
from platform_jobs.baseline import Baseline, Distribution
from platform_jobs.bins import CategoryBins
from platform_jobs.prediction_log import Record
from platform_jobs.registry import Version

ROWS = 1_000_000
PART = 50_000
"""Rows an object; the parts have the same content, each in an hour of its own."""
END = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
MODEL, DIGEST, DATA = "bench", "d" * 64, "a" * 64
BUCKET = "bench-artifacts"
ROOT = Path(__file__).parents[2]
COMMAND = """
import json, re, resource, sys
from pathlib import Path
from platform_jobs.__main__ import main
code = main(["drift"])
used = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss: that of a new process starts with its parent's.
most = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
print(json.dumps({"processor_seconds": used.ru_utime + used.ru_stime, "memory_mib": most / 1024}))
sys.exit(code)
"""
ENVIRON = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "STAGECRAFT_STACK": "bench",
    "STAGECRAFT_MODEL": MODEL,
    "STAGECRAFT_ARTIFACTS_BUCKET": BUCKET,
    "STAGECRAFT_POINTER_PREFIX": "/stagecraft/bench/models/",
    "STAGECRAFT_WINDOW_END": END.isoformat(),
}


def measure() -> dict[str, float]:
    """Seconds on the clock and of the processor, and memory in MiB."""
    return {f"drift_{name}": value for name, value in run(ROWS).items()}


def _empty(endpoint: str) -> None:
    """Moto holds one world a process: what tests before this one made in it has to go."""
    request = urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")  # noqa: S310 - it is our own
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310


def run(rows: int) -> dict[str, float]:
    """Runs the command over so many rows; fails if it did not count every one of them."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environ = {**os.environ, **ENVIRON, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
        _empty(environ["AWS_ENDPOINT_URL"])
        with mock.patch.dict(os.environ, environ):  # clients take their keys when they are made
            clients = Clients(region="us-east-1", endpoint_url=environ["AWS_ENDPOINT_URL"])
            _prepare(clients, rows)
        began = time.perf_counter()
        ended = subprocess.run(
            [sys.executable, "-c", COMMAND],
            check=False,
            env=environ,
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        seconds = time.perf_counter() - began
        assert ended.returncode == 0, ended.stderr
        used = json.loads(ended.stdout)
        bucket = clients.bucket(BUCKET)
        found = json.loads(bucket.get(layout.monitoring_key(MODEL, "drift", END)) or b"{}")
        assert found["predictions"] == rows, found["predictions"]
        assert len(found["features"]) == 20
        assert found["over_threshold"] == []
    finally:
        server.stop()
    return {"seconds": seconds, **used}


def _prepare(clients: Clients, rows: int) -> None:
    clients.s3.create_bucket(Bucket=BUCKET)
    bucket = clients.bucket(BUCKET)
    columns = _columns()
    known = _baseline(columns)
    bucket.put(layout.baseline_key(MODEL, DIGEST), known.to_json(), content_type="application/json")
    _go_live(clients)
    body = b"".join(record.to_line() for record in _records(columns))
    for part in range(rows // PART):
        hour = END - datetime.timedelta(hours=1 + part % 23)
        # The lines' own hour is the last before the end: where they lie only says which to read.
        key = f"{prediction_log.hour_prefix(MODEL, hour)}{part}.jsonl"
        bucket.put(key, body, content_type="application/jsonl")


def _columns() -> dict[str, Any]:
    chance = np.random.default_rng(1)
    numbers = {f"number_{place:02d}": chance.normal(size=PART) for place in range(16)}
    shares = (0.5, 0.3, 0.15, 0.05)
    return numbers | {f"text_{place}": chance.choice(list("abcd"), size=PART, p=shares) for place in range(4)}


def _baseline(columns: dict[str, Any]) -> Baseline:
    features = [
        Distribution.learn(name, "float" if name.startswith("number") else "string", pa.array(values))
        for name, values in columns.items()
    ]
    answers = Distribution("prediction", "int", CategoryBins(("0", "1")), (PART // 2, PART // 2, 0, 0))
    sure = Distribution.learn("confidence", "float", pa.array(0.5 + np.arange(PART) % 50 / 100))
    return Baseline(DATA, (0, 1), tuple(features), answers, sure)


def _records(columns: dict[str, Any]) -> list[Record]:
    plain = {name: values.tolist() for name, values in columns.items()}
    return [
        Record(
            id=f"request-{number}/0",
            at=END - datetime.timedelta(seconds=1 + number % 3_500),
            model=MODEL,
            variant=prediction_log.LIVE,
            version=DIGEST,
            entity={"id": str(number)},
            features={name: values[number] for name, values in plain.items()},
            prediction=number % 2,
            probability=0.5 + number % 50 / 100,
            latency_ms=5.0,
        )
        for number in range(PART)
    ]


def _go_live(clients: Clients) -> None:
    clients.sagemaker.create_model_package_group(ModelPackageGroupName=MODEL)
    clients.dynamodb.create_table(
        TableName="lineage",
        KeySchema=[{"AttributeName": "model_package_arn", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "model_package_arn", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    version = Version(
        group=MODEL,
        model=MODEL,
        task="binary",
        label="left",
        run="1",
        artifact_uri=f"s3://{BUCKET}/{layout.artifact_key(MODEL, DIGEST)}",
        artifact_sha256=DIGEST,
        model_digest=DIGEST,
        image="platform:1",
        data_version=DATA,
        code_version="1",
        views={},
        metrics={},
        floors={},
        quality_report=(f"s3://{BUCKET}/evaluation.json", DIGEST),
        bias_report=None,
        facts={"seed": "1"},
    )
    arn = registry.register(clients, version, "lineage")
    review.approve(clients, MODEL, arn, "bench", "to be measured", lineage_table="lineage")
    names = release.PointerNames.of(ENVIRON["STAGECRAFT_POINTER_PREFIX"], MODEL)
    release.release(clients, MODEL, names, arn)
