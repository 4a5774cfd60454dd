"""The drift job: a live version, its log, its metrics."""

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from platform_jobs import baseline, drift, layout, prediction_log
from platform_jobs.drift import Drift, DriftSettings
from platform_jobs.errors import JobError
from tests.platform_jobs.conftest import BUCKETS, make_world
from tests.platform_jobs.served import END, HOUR, Served, customers, serve


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with mock_aws():
        yield serve(make_world(tmp_path_factory.mktemp("drift")))


@pytest.fixture
def served(live: Served) -> Iterator[Served]:
    yield live
    live.clean()


def run(served: Served, **overrides: str) -> Drift:
    found = drift.run(served.world.clients, served.settings(DriftSettings, **overrides))
    assert found is not None
    return found


def test_a_quiet_window_says_so_in_metrics_and_in_the_bucket(served: Served):
    served.asked(list(customers(600, seed=2)))
    run(served)
    metrics = served.metrics()
    assert metrics["CapturedPredictions"][""] == 600
    assert metrics["FeatureDrift"].keys() == {"logins", "spend", "region", "premium", "age_band"}
    assert metrics["FeatureDriftMax"][""] == max(metrics["FeatureDrift"].values()) < 0.05
    assert metrics["PredictionDrift"].keys() == {""}
    assert "ModelAge" in metrics
    result = served.found("drift")
    assert result["version"] == served.arn
    assert (result["predictions"], result["threshold"]) == (600, 0.2)
    for item in result["features"]:
        assert sum(item["current"]) == 600
        assert sum(item["reference"]) == 1500
        assert len(item["bins"]) == len(item["reference"]) == len(item["current"])


def shifted(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "spend": None if row["spend"] is None else row["spend"] + 42.4}


def swapped(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "region": {"north": "south", "south": "north"}.get(row["region"], row["region"])}


def lost(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "logins": None if int(row["customer_id"][-1]) < 3 else row["logins"]}


@pytest.mark.parametrize(("change", "feature"), [(shifted, "spend"), (swapped, "region"), (lost, "logins")])
def test_a_change_alarms_in_its_first_window_and_names_the_feature(served: Served, change: Any, feature: str):
    served.asked([change(row) for row in customers(300, seed=3)])
    found = run(served)
    assert [item.name for item in found.features if item.drift > 0.2] == [feature]
    assert feature in served.found("drift")["over_threshold"]
    assert served.metrics()["FeatureDriftMax"][""] > 0.2


def test_answers_drift_without_their_inputs(served: Served):
    served.asked([{**row, "churned": 1} for row in customers(300, seed=4)])
    found = run(served)
    assert found.worst_feature is not None
    assert found.prediction is not None
    assert found.worst_feature < 0.2 < found.prediction


def test_what_nobody_saw_does_not_count_and_answers_of_others_only_as_requests(served: Served):
    rows = list(customers(200, seed=5))
    served.asked(rows)
    served.asked([{**row, "region": "new"} for row in rows], variant="shadow")
    served.asked(rows, variant="canary", version="another", prediction=1)
    found = run(served)
    assert found.predictions == 400
    assert sum(found.answers[0].current) == 200
    assert found.worst_feature is not None
    assert found.worst_feature < 0.2


def test_only_the_window_counts(served: Served):
    served.asked(list(customers(200, seed=6)))
    served.asked(list(customers(300, seed=6)), end=END - 3 * HOUR)
    assert run(served, STAGECRAFT_WINDOW_HOURS="1").predictions == 200
    assert run(served, STAGECRAFT_WINDOW_HOURS="0.5").predictions == 100
    assert run(served).predictions == 500
    earlier = (END - 3 * HOUR).isoformat()
    assert run(served, STAGECRAFT_WINDOW_HOURS="1", STAGECRAFT_WINDOW_END=earlier).predictions == 300


def test_too_few_answers_say_nothing_about_drift(served: Served):
    served.asked(list(customers(99, seed=7)))
    assert run(served).features == ()
    assert served.metrics().keys() == {"CapturedPredictions", "ModelAge"}


def test_a_spoilt_log_costs_its_spoilt_lines_only(served: Served, caplog: pytest.LogCaptureFixture):
    rows = list(customers(200, seed=8))
    served.asked([*rows[:-1], {**rows[-1], "logins": "many", "premium": 1}])
    bucket = served.world.clients.bucket(BUCKETS["artifacts"])
    place = prediction_log.hour_prefix("screening", END - HOUR)
    bucket.put(f"{place}torn.jsonl", b'{"format":1,"id"\n[1]\n\n', content_type="application/jsonl")
    found = run(served)
    assert found.predictions == 200
    nulls = {item.name: item.current[-1] for item in found.features}
    assert (nulls["logins"], nulls["premium"]) == (1, 1)
    (told,) = [record for record in caplog.records if record.message == "malformed-lines"]
    assert told.__dict__["fields"]["lines"] == 2


def test_a_format_of_the_future_is_refused(served: Served):
    bucket = served.world.clients.bucket(BUCKETS["artifacts"])
    place = prediction_log.hour_prefix("screening", END - HOUR)
    line = json.dumps({"format": 2, "at": "2026-02-28T23:30:00.000000Z"}).encode()
    bucket.put(f"{place}new.jsonl", line, content_type="application/jsonl")
    with pytest.raises(JobError, match="another format"):
        run(served)


def test_a_version_without_its_baseline_cannot_be_compared(served: Served):
    bucket = served.world.clients.bucket(BUCKETS["artifacts"])
    key = layout.baseline_key("screening", served.digest)
    body = bucket.get(key)
    assert body is not None
    assert baseline.Baseline.from_json(body).to_json() == body
    try:
        bucket.put(
            key, body.replace(served.data_version.encode(), b"0" * 64), content_type="application/json"
        )
        with pytest.raises(JobError) as altered:
            run(served)
        bucket.delete(key)
        with pytest.raises(JobError, match="train and release a new one") as missing:
            run(served)
    finally:
        bucket.put(key, body, content_type="application/json")
    assert (altered.value.reason, missing.value.reason) == ("altered", "no-baseline")


def test_without_a_live_version_there_is_nothing_to_do(served: Served):
    other = {"STAGECRAFT_MODEL": "another"}
    assert drift.run(served.world.clients, served.settings(DriftSettings, **other)) is None
    assert served.metrics() == {}


def test_one_pass_reads_large_objects_piece_by_piece(served: Served, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("platform_jobs.captured.BLOCK", 10_000)
    served.asked(list(customers(700, seed=9)), end=END)
    served.asked(list(customers(50, seed=10)), end=END - datetime.timedelta(hours=2))
    assert run(served).predictions == 750
