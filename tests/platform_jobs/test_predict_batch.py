"""Everyone scored at once: each once, by what was known then, however often the machine is taken away."""

import datetime
import json
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
from moto import mock_aws

from platform_jobs import accuracy, artifact, prediction_log
from platform_jobs.aws import Bucket
from platform_jobs.demo_data import to_csv
from platform_jobs.encoding import encode_instances
from platform_jobs.errors import Interrupted, JobError, SettingsError
from platform_jobs.fetch_model import FetchSettings, fetch
from platform_jobs.labelled import LabelSettings
from platform_jobs.outcomes import LABEL, Outcome
from platform_jobs.outcomes import write as write_outcomes
from tests.platform_jobs.batch import artifacts, given, log_lines, outputs, score, written
from tests.platform_jobs.conftest import BUCKETS, make_world
from tests.platform_jobs.served import END, HOUR, Served, customers, serve, taken
from tests.platform_jobs.training import After

CUSTOMERS = 400
CHUNKS = {"STAGECRAFT_CHUNK_ROWS": "100"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with mock_aws():
        yield serve(make_world(tmp_path_factory.mktemp("batch")), rows=CUSTOMERS)


@pytest.fixture
def served(live: Served) -> Iterator[Served]:
    yield live
    live.clean()
    for zone in ("batch/", "checkpoints/", "in/"):
        for key in live.world.keys("artifacts", zone):
            artifacts(live).delete(key)


def model_of(served: Served, folder: Any) -> artifact.LoadedModel:
    """The live version, got by the way that pods get it."""
    place = folder / "model"
    digest = fetch(
        served.world.clients,
        FetchSettings(version=served.arn, model_dir=place, digest_file=folder / "digest"),
    )
    return artifact.load(place, digest)


def test_everyone_is_scored_once_by_the_live_version(served: Served, tmp_path: Any) -> None:
    found = score(served, **CHUNKS)
    assert (found.rows, found.predictions, found.put_aside, len(found.chunks)) == (CUSTOMERS, CUSTOMERS, 0, 4)
    assert (found.version, found.model_version) == (served.arn, served.digest)
    frame = written(served, found).set_index("customer_id").sort_index()
    expected = {row["customer_id"]: row for row in customers(CUSTOMERS, seed=1)}
    assert list(frame.index) == sorted(expected)
    model = model_of(served, tmp_path)
    instances = [
        {feature.name: expected[customer][feature.name] for feature in model.features}
        for customer in frame.index
    ]
    probabilities = model.estimator.predict_proba(encode_instances(model.features, instances))
    assert frame["probability"].tolist() == pytest.approx(probabilities.max(axis=1).tolist(), abs=1e-12)
    assert frame["prediction"].tolist() == [model.classes[place] for place in probabilities.argmax(axis=1)]
    assert dict(frame["probabilities"].iloc[0]) == pytest.approx(
        {"0": probabilities[0][0], "1": probabilities[0][1]}
    )
    assert set(frame["model_version"]) == {served.digest}
    assert set(frame["as_of"]) == {pd.Timestamp(END)}
    keys = [chunk.key for chunk in found.chunks]
    assert keys[0] == "batch/screening/version=1/run=run-1/part-00000.parquet"
    assert served.world.keys("artifacts", "checkpoints/predict") == []
    assert served.world.keys("artifacts", "batch/screening/_put_aside") == []


def test_chunks_change_nothing(served: Served) -> None:
    small = written(served, score(served, name="small", **CHUNKS))
    whole = written(served, score(served, name="whole"))
    columns = ["customer_id", "prediction", "probability"]
    pd.testing.assert_frame_equal(
        small[columns].sort_values("customer_id", ignore_index=True),
        whole[columns].sort_values("customer_id", ignore_index=True),
    )


def test_every_prediction_is_in_the_log_and_gets_its_label(served: Served) -> None:
    found = score(served, now=END - HOUR, **CHUNKS)
    lines = log_lines(served)
    assert len(lines) == len({line["id"] for line in lines}) == CUSTOMERS
    assert {(line["variant"], line["step"], line["version"]) for line in lines} == {
        ("batch", "live", served.digest)
    }
    by_id = written(served, found).set_index("prediction_id")["customer_id"].to_dict()
    assert {line["id"]: line["entity"]["customer_id"] for line in lines} == by_id
    unknown = [line["features"]["spend"] is None for line in lines]
    assert 0 < sum(unknown) < CUSTOMERS / 4  # values that nobody knows are null, not NaN
    truth = {row["customer_id"]: row["churned"] for row in customers(CUSTOMERS, seed=1)}
    told = [
        Outcome(
            at=END - HOUR / 60,
            kind=LABEL,
            prediction=line["id"],
            label=str(truth[line["entity"]["customer_id"]]),
        )
        for line in lines
    ]
    write_outcomes(artifacts(served), "screening", told)
    measured = accuracy.run(served.world.clients, served.settings(LabelSettings))
    assert measured is not None
    assert measured.labelled == CUSTOMERS
    assert measured.measures["accuracy"] > 0.7


def test_an_interrupted_run_comes_to_the_same_bytes(served: Served) -> None:
    score(served, **CHUNKS)
    expected = outputs(served)
    for key in [*expected, *served.world.keys("artifacts", "checkpoints/")]:
        artifacts(served).delete(key)
    for number in range(3):
        with pytest.raises(Interrupted):
            score(served, After(2), now=END + number * HOUR, **CHUNKS)
        assert len(served.world.keys("artifacts", "batch/screening/version=1/")) == number + 1
        assert served.world.keys("artifacts", "batch/screening/_runs/") == []
    found = score(served, now=END + 3 * HOUR, **CHUNKS)
    assert found.as_of == prediction_log.iso(END)
    assert outputs(served) == expected
    assert len(log_lines(served)) == CUSTOMERS


class DeathError(Exception):
    """The machine is gone, without notice."""


@pytest.mark.parametrize("place", ["version=", "predictions/", "chunk-", "_runs/"])
def test_a_machine_that_dies_between_two_writes_costs_nothing(
    served: Served, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    score(served, **CHUNKS)
    expected = outputs(served)
    for key in expected:
        artifacts(served).delete(key)
    original, left = Bucket.put, [2]

    def put(self: Bucket, key: str, body: bytes, **options: Any) -> None:
        original(self, key, body, **options)
        if place in key:
            left[0] -= 1
            if left[0] == 0 or place == "_runs/":
                raise DeathError

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "put", put)
        with pytest.raises(DeathError):
            score(served, **CHUNKS)
    score(served, now=END + HOUR, **CHUNKS)
    assert outputs(served) == expected
    assert served.world.keys("artifacts", "checkpoints/predict") == []


def test_a_run_that_is_through_is_not_done_again(served: Served) -> None:
    first = score(served, **CHUNKS)
    served.metrics()
    assert score(served, now=END + HOUR, **CHUNKS) == first
    assert served.metrics() == {}
    assert len(log_lines(served)) == CUSTOMERS


def test_given_rows_are_scored_by_their_own_features(served: Served) -> None:
    rows = [taken(row) for row in customers(120, seed=9)]
    place = given(served, to_csv(rows))
    found = score(served, STAGECRAFT_ROWS_URI=place, STAGECRAFT_CHUNK_ROWS="50")
    assert (found.rows, found.predictions, len(found.chunks)) == (120, 120, 3)
    assert set(written(served, found)["customer_id"]) == {row["customer_id"] for row in rows}
    lines = {line["entity"]["customer_id"]: line["features"] for line in log_lines(served)}
    assert lines[rows[0]["customer_id"]]["logins"] == rows[0]["logins"]


SPOILED: list[tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = [
    (lambda row: {**row, "logins": "many"}, "logins:type"),
    (lambda row: {**row, "logins": -1}, "logins:min"),
    (lambda row: {**row, "region": ""}, "region:required"),
    (lambda row: {**row, "customer_id": ""}, "customer_id:required"),
    (lambda row: {**row, "customer_id": "c9-0"}, "duplicate"),
]


def test_bad_rows_are_put_aside_with_their_reasons(served: Served) -> None:
    rows = [taken(row) for row in customers(120, seed=9)]
    for place, (spoil, _) in enumerate(SPOILED, start=1):
        rows[place * 10] = spoil(rows[place * 10])
    text = to_csv(rows) + "only,two\n"
    found = score(served, STAGECRAFT_ROWS_URI=given(served, text), STAGECRAFT_CHUNK_ROWS="50")
    assert (found.rows, found.predictions, found.put_aside) == (121, 115, 6)
    assert found.reasons == {**dict.fromkeys((reason for _, reason in SPOILED), 1), "malformed": 1}
    objects = served.world.objects("artifacts")
    aside = [
        json.loads(line)
        for key in objects
        if key.startswith("batch/screening/_put_aside/run-1/")
        for line in objects[key].splitlines()
    ]
    assert sorted(item["row"] for item in aside) == [11, 21, 31, 41, 51, 121]
    assert {item["source"] for item in aside} == {f"s3://{BUCKETS['artifacts']}/in/rows.csv"}
    assert all(item["reasons"][0]["message"] for item in aside)
    assert written(served, found)["customer_id"].is_unique


def test_too_many_bad_rows_and_none_is_scored(served: Served) -> None:
    rows = [taken(row) for row in customers(100, seed=9)]
    for row in rows[:10]:
        row["logins"] = "many"
    place = given(served, to_csv(rows))
    with pytest.raises(JobError, match=r"10 of 100 rows are bad \(10.0%, at most 5.0%\).*logins:type 10"):
        score(served, STAGECRAFT_ROWS_URI=place)
    assert log_lines(served) == []
    assert served.world.keys("artifacts", "batch/screening/version=") == []
    assert len(served.world.keys("artifacts", "batch/screening/_put_aside/run-1/")) == 1
    assert served.metrics()["BatchFailures"] == {"": 1.0}
    found = score(served, STAGECRAFT_ROWS_URI=place, STAGECRAFT_MAX_BAD_FRACTION="0.1")
    assert found.predictions == 90


def test_named_entities_are_scored_by_what_the_store_knows(served: Served) -> None:
    names = [f"c1-{number}" for number in range(0, 200, 2)]
    lines = [json.dumps({"customer_id": name}) for name in [*names, "stranger", "c1-0"]]
    place = given(served, "\n".join(lines), "who.jsonl")
    found = score(served, STAGECRAFT_ENTITIES_URI=place, **CHUNKS)
    assert found.reasons == {"unknown": 1, "duplicate": 1}
    assert sorted(written(served, found)["customer_id"]) == sorted(names)
    everyone = written(served, score(served, name="all")).set_index("customer_id")["probability"]
    some = written(served, found).set_index("customer_id")["probability"]
    assert some.to_dict() == everyone[some.index].to_dict()


def test_what_a_run_came_to_is_told(served: Served) -> None:
    found = score(served, STAGECRAFT_BATCH_HOURLY_COST_USD="0.36")
    told = served.metrics()
    assert told["BatchPredictions"] == {"": float(CUSTOMERS)}
    assert told["BatchRowsPutAside"] == told["BatchFailures"] == {"": 0.0}
    assert told["BatchSeconds"] == {"": found.seconds}
    assert found.seconds > 0
    assert found.cost_usd == pytest.approx(0.36 * found.seconds / 3600, abs=1e-6)
    assert told["BatchCostPerThousandPredictions"][""] == pytest.approx(
        found.cost_usd / CUSTOMERS * 1000, rel=1e-6
    )
    score(served, name="free")
    assert "BatchCostPerThousandPredictions" not in served.metrics()


def test_what_cannot_be_done_is_said(served: Served) -> None:
    empty = f"s3://{BUCKETS['artifacts']}/nothing/"
    with pytest.raises(JobError, match="nothing to score"):
        score(served, STAGECRAFT_ROWS_URI=empty)
    with pytest.raises(JobError, match="no live version"):
        score(served, STAGECRAFT_POINTER_PREFIX="/stagecraft/other/models/")
    with pytest.raises(JobError, match="nobody to score"):
        score(served, STAGECRAFT_AS_OF=(END - datetime.timedelta(days=900)).isoformat())
    with pytest.raises(SettingsError, match="set one of them"):
        score(served, STAGECRAFT_ROWS_URI=empty, STAGECRAFT_ENTITIES_URI=empty)
    with pytest.raises(JobError, match="format"):
        score(served, STAGECRAFT_ROWS_URI=given(served, "x", "rows.xlsx"))


def test_chunks_without_anyone_are_chunks_too(served: Served) -> None:
    rows = [taken(row) for row in customers(5, seed=9)]
    place = given(served, to_csv(rows))
    found = score(served, STAGECRAFT_ROWS_URI=place, STAGECRAFT_CHUNK_ROWS="1")
    assert len(found.chunks) == 5
    assert 0 in {chunk.rows for chunk in found.chunks}
    assert len(written(served, found)) == 5
    everyone = score(served, name="all", STAGECRAFT_CHUNK_ROWS="1")
    assert 0 in {chunk.rows for chunk in everyone.chunks}
    assert everyone.predictions == CUSTOMERS
