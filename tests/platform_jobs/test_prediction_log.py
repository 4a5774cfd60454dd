"""The prediction log's lines and keys."""

import datetime
import json
import math

import pytest

from platform_jobs import prediction_log
from platform_jobs.prediction_log import Record
from tests.platform_jobs.conftest import BUCKETS, World

BERLIN = datetime.timezone(datetime.timedelta(hours=1))
AT = datetime.datetime(2026, 3, 1, 0, 30, tzinfo=BERLIN)


def record(**changes: object) -> Record:
    known = {
        "id": "r1/0",
        "at": AT,
        "model": "screening",
        "variant": "live",
        "version": "abc",
        "entity": {"sample_id": "s1"},
        "features": {"age": 41, "city": None},
        "prediction": 1,
        "probability": 0.75,
        "latency_ms": 8.5,
    }
    return Record(**{**known, **changes})  # type: ignore[arg-type]


def test_a_line_says_all_of_it():
    line = record().to_line()
    assert line.endswith(b"}\n")
    assert json.loads(line) == {
        "format": 1,
        "id": "r1/0",
        "at": "2026-02-28T23:30:00.000000Z",
        "model": "screening",
        "variant": "live",
        "step": "live",
        "version": "abc",
        "entity": {"sample_id": "s1"},
        "features": {"age": 41, "city": None},
        "prediction": 1,
        "probability": 0.75,
        "latency_ms": 8.5,
    }


def test_a_value_that_json_lacks_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        record(features={"age": math.nan}).to_line()


def test_records_lie_by_model_and_hour_of_arrival(world: World):
    bucket = world.clients.bucket(BUCKETS["artifacts"])
    later = AT + datetime.timedelta(minutes=45)
    records = [record(), record(at=later), record(model="churn"), record()]
    keys = prediction_log.write(bucket, records, "writer-1")
    assert keys == [
        "predictions/churn/dt=2026-02-28/hh=23/writer-1.jsonl",
        "predictions/screening/dt=2026-02-28/hh=23/writer-1.jsonl",
        "predictions/screening/dt=2026-03-01/hh=00/writer-1.jsonl",
    ]
    assert [len((bucket.get(key) or b"").splitlines()) for key in keys] == [1, 2, 1]
    found = [prediction_log.hour_prefix("screening", hour) for hour in prediction_log.hours(AT, later)]
    assert found == [
        "predictions/screening/dt=2026-02-28/hh=23/",
        "predictions/screening/dt=2026-03-01/hh=00/",
    ]
