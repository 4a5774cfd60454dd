"""Feedback, business numbers, explanations and the report, around one live model."""

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from platform_jobs import (
    explain,
    feedback,
    feedback_volume,
    kpis,
    labelled,
    layout,
    materialise,
    outcomes,
    quality,
    registry,
    report,
    watch,
)
from platform_jobs.demo_data import to_csv
from platform_jobs.errors import JobError, SettingsError
from platform_jobs.explain import ExplainSettings
from platform_jobs.feedback_volume import Volume
from platform_jobs.kpis import Kpis, KpiSettings
from platform_jobs.labelled import LabelSettings
from platform_jobs.outcomes import CONVERSION, LABEL, RETENTION, REVENUE, Outcome
from platform_jobs.report import ReportSettings
from tests.platform_jobs import training
from tests.platform_jobs.conftest import BUCKETS, World, make_world
from tests.platform_jobs.served import END, HOUR, VIEW, Served, customers, serve, taken


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with mock_aws():
        yield serve(make_world(tmp_path_factory.mktemp("worth")))


@pytest.fixture
def served(live: Served) -> Iterator[Served]:
    yield live
    live.clean()


def tell(served: Served, *found: Outcome) -> None:
    outcomes.write(served.world.clients.bucket(BUCKETS["artifacts"]), "screening", found)


def count(served: Served, **overrides: str) -> Kpis:
    found = kpis.run(served.world.clients, served.settings(KpiSettings, **overrides))
    assert found is not None
    return found


def test_a_batch_run_costs_its_own_money(served: Served):
    rows = list(customers(100, seed=2))
    served.asked(rows[:50])
    served.asked(rows, variant="batch")
    cost = {"STAGECRAFT_SERVING_HOURLY_COST_USD": "0", "STAGECRAFT_SERVING_REQUEST_COST_USD": "0.01"}
    found = count(served, **cost)
    assert (found.whole.predictions, found.whole.asked) == (150, 50)
    assert found.whole.cost == pytest.approx(0.5)
    assert found.whole.cost_per_thousand == pytest.approx(10)
    assert found.variants["batch"].predictions == 100


def test_outcomes_become_rates_and_dollars(served: Served):
    rows = list(customers(100, seed=2))
    first = served.asked(rows, end=END - HOUR)
    served.asked(rows[:20], variant="shadow")
    minute = END - HOUR / 60
    tell(
        served,
        *(Outcome(at=minute, kind=CONVERSION, prediction=item.id) for item in first[:10]),
        Outcome(at=minute, kind=CONVERSION, prediction=first[0].id, id="a second one of the same answer"),
        *(
            Outcome(at=minute, kind=RETENTION, prediction=item.id, value=float(n < 6))
            for n, item in enumerate(first[:8])
        ),
        Outcome(at=minute, kind=REVENUE, entity={"customer_id": rows[3]["customer_id"]}, value=70),
        Outcome(at=minute, kind=REVENUE, prediction=first[4].id, value=-10),
        Outcome(at=minute, kind=REVENUE, entity={"customer_id": "a stranger"}, value=1000),
        Outcome(at=minute, kind=REVENUE, prediction="nothing of ours", value=1000),
    )
    found = count(
        served, STAGECRAFT_SERVING_HOURLY_COST_USD="0.5", STAGECRAFT_SERVING_REQUEST_COST_USD="0.03"
    )
    whole = found.whole
    assert (whole.predictions, whole.conversion_rate, whole.retention_rate) == (100, 0.1, 0.75)
    assert (whole.revenue, whole.cost) == (60, 24 * 0.5 + 3)
    assert found.variants.keys() == {"live"}
    assert {name: value[""] for name, value in served.metrics().items()} == {
        "ConversionRate": 0.1,
        "RetentionRate": 0.75,
        "RevenuePerPrediction": 0.6,
        "ReturnOnCost": 4,
        "CostPerThousandPredictions": 150,
    }


def test_told_twice_counts_once_and_nothing_told_is_no_number(served: Served):
    records = served.asked(list(customers(10, seed=3)), end=END - HOUR)
    once = Outcome(at=END - HOUR / 60, kind=REVENUE, prediction=records[0].id, value=5)
    tell(served, once)
    tell(served, once, Outcome(at=END - HOUR / 30, kind=REVENUE, prediction=records[1].id, value=1))
    assert count(served).whole.revenue == 6
    served.clean()
    served.asked(list(customers(10, seed=3)))
    assert count(served).whole.revenue is None
    assert served.metrics() == {}


def test_the_explanation_finds_what_the_truth_hangs_on(served: Served):
    found = explain.run(served.world.clients, served.settings(ExplainSettings))
    assert found is not None
    assert found.importances[0].feature == "logins"
    others = {item.feature: item.mean for item in found.importances[1:]}
    assert max(others.values()) < found.importances[0].mean / 2
    assert (found.metric, found.trained_on_this_data) == ("roc_auc", True)
    assert found.score > 0.7
    key = layout.explanation_key("screening", served.digest)
    assert json.loads(served.world.objects("artifacts")[key])["importances"][0]["feature"] == "logins"
    assert explain.run(served.world.clients, served.settings(ExplainSettings)) == found


def test_a_model_that_was_swapped_is_not_loaded(served: Served):
    bucket = served.world.clients.bucket(BUCKETS["artifacts"])
    key = layout.artifact_key("screening", served.digest)
    body = bucket.get(key)
    assert body is not None
    bucket.delete(key)
    try:
        with pytest.raises(JobError, match="lost its artifact"):
            explain.run(served.world.clients, served.settings(ExplainSettings))
    finally:
        bucket.put(key, body, content_type="application/gzip")


def test_watching_runs_all_of_it_and_explains_a_version_once(served: Served, monkeypatch: pytest.MonkeyPatch):
    served.asked(list(customers(150, seed=6)))
    environ = {**served.world.environ, "STAGECRAFT_WINDOW_END": END.isoformat()}
    with_groups = {**environ, "STAGECRAFT_MODEL_GROUP_BY": "age_band"}
    assert watch.run(served.world.clients, with_groups) == [
        "drift",
        "accuracy",
        "kpis",
        "explain",
        "feedback-volume",
        "bias",
    ]
    assert {"FeatureDriftMax", "LabelledPredictions", "BiasDisparity"} <= served.metrics().keys()
    monkeypatch.setattr(explain, "run", lambda *_: pytest.fail("explained again"))
    assert watch.run(served.world.clients, environ) == [
        "drift",
        "accuracy",
        "kpis",
        "explain",
        "feedback-volume",
    ]
    assert watch.run(served.world.clients, {**environ, "STAGECRAFT_MODEL": "another"}) == []


@pytest.mark.parametrize("asked", [0, 1])
@pytest.mark.parametrize("learnt", [0, 1])
def test_a_day_on_which_nobody_asked_or_nothing_came_of_it_is_no_failure(
    served: Served, asked: int, learnt: int
):
    served.asked(list(customers(asked, seed=8)))
    if learnt:
        tell(served, Outcome(at=END - HOUR / 60, kind=CONVERSION, entity={"customer_id": "someone"}))
    environ = {
        **served.world.environ,
        "STAGECRAFT_WINDOW_END": END.isoformat(),
        "STAGECRAFT_MODEL_GROUP_BY": "age_band",
    }
    assert watch.run(served.world.clients, environ) == [
        "drift",
        "accuracy",
        "kpis",
        "explain",
        "feedback-volume",
        "bias",
    ]


def test_one_failure_does_not_keep_the_others_from_telling(served: Served):
    served.asked(list(customers(150, seed=7)))
    environ = {
        **served.world.environ,
        "STAGECRAFT_WINDOW_END": END.isoformat(),
        "STAGECRAFT_MODEL_GROUP_BY": "shoe_size",
    }
    with pytest.raises(JobError, match=r"1 of 6 failed: bias \(no-group\): shoe_size is no feature"):
        watch.run(served.world.clients, environ)
    assert "FeatureDriftMax" in served.metrics()


def test_a_bug_of_one_does_not_either_and_no_data_is_quoted(served: Served, monkeypatch: pytest.MonkeyPatch):
    served.asked(list(customers(150, seed=7)))
    monkeypatch.setattr(labelled, "answers", lambda *_: {}["a value of a row"])
    environ = {**served.world.environ, "STAGECRAFT_WINDOW_END": END.isoformat()}
    with pytest.raises(JobError, match=r"1 of 5 failed: accuracy \(KeyError\): KeyError") as caught:
        watch.run(served.world.clients, environ)
    assert "a value of a row" not in str(caught.value)
    assert "FeatureDriftMax" in served.metrics()


def test_what_is_badly_set_is_said_once_and_before_anything_is_run(served: Served):
    environ = {**served.world.environ, "STAGECRAFT_WINDOW_END": "yesterday", "STAGECRAFT_WINDOW_HOURS": "0"}
    with pytest.raises(SettingsError) as caught:
        watch.run(served.world.clients, environ)
    assert [problem.partition("=")[0] for problem in caught.value.problems] == [
        "STAGECRAFT_WINDOW_HOURS",
        "STAGECRAFT_WINDOW_END",
    ]
    assert served.metrics() == {}


@pytest.mark.slow
def test_the_report_is_a_page_that_needs_nothing_else(served: Served):
    served.asked([{**row, "region": "west"} for row in customers(150, seed=4)])
    settings = served.settings(ReportSettings)
    uri = report.run(served.world.clients, settings)
    assert uri is not None
    assert uri.endswith("monitoring/screening/report/2026-03-01T00-00-00Z.html")
    page = served.world.objects("artifacts")[uri.removeprefix(f"s3://{BUCKETS['artifacts']}/")].decode()
    assert "<script src=" not in page
    assert all(name in page for name in ("logins", "spend", "region", "premium", "age_band"))


def test_a_report_needs_answers(served: Served):
    served.asked(list(customers(99, seed=5)))
    assert report.run(served.world.clients, served.settings(ReportSettings)) is None


GOOD = {"at": "2026-03-01T10:00:00+01:00", "kind": "label", "prediction": "r/0", "label": 1}


def lines(*values: Any) -> str:
    return "".join((value if isinstance(value, str) else json.dumps(value)) + "\n" for value in values)


def test_feedback_from_a_file_is_kept_once(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "labels.jsonl"
    path.write_text(
        lines(GOOD, "", {"at": "2026-03-01T08:00:00Z", "kind": "revenue", "entity": {"id": "7"}, "value": 3})
    )
    monkeypatch.setenv("STAGECRAFT_ARTIFACTS_BUCKET", BUCKETS["artifacts"])
    monkeypatch.setenv("STAGECRAFT_MODEL", "screening")
    for name, value in {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    assert feedback.main([str(path)]) == 0
    assert feedback.main([str(path)]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[0] == told[1]
    assert told[0]["outcomes"] == 2
    keys = world.keys("artifacts", "outcomes/screening/")
    assert [key.rpartition("/")[0] for key in keys] == [
        "outcomes/screening/dt=2026-03-01/hh=08",
        "outcomes/screening/dt=2026-03-01/hh=09",
    ]
    stored = json.loads(world.objects("artifacts")[keys[1]])
    assert (stored["label"], stored["at"]) == ("1", "2026-03-01T09:00:00.000000Z")


WRONG = {
    "is not JSON": "{",
    "is not a JSON object": [1],
    "there are format, id, at": {**GOOD, "lable": 1},
    "format=7 must be 1": {**GOOD, "format": 7},
    "kind='win' must be one of label, conversion, retention, revenue": {**GOOD, "kind": "win", "label": None},
    "expected a time with its zone": {**GOOD, "at": "2026-03-01T10:00:00"},
    "name either the prediction's id": {**GOOD, "entity": {"id": "7"}},
    "prediction must be the id": {**GOOD, "prediction": 7},
    "entity must be an object of join keys": {**GOOD, "prediction": None, "entity": {"id": 7}},
    "a label needs `label`": {**GOOD, "label": None},
    "must be a class": {**GOOD, "label": 1.5},
    "revenue needs a `value`": {**GOOD, "kind": "revenue", "label": None},
    "value=3 must be 1 (kept) or 0 (lost)": {**GOOD, "kind": "retention", "label": None, "value": 3},
    "value='3' must be a number": {**GOOD, "kind": "revenue", "label": None, "value": "3"},
    "`label` goes with kind label only": {**GOOD, "kind": "revenue", "value": 1},
}


def test_every_wrong_line_is_named_and_nothing_is_taken(tmp_path: Path):
    path = tmp_path / "wrong.jsonl"
    path.write_text(lines(GOOD, *WRONG.values()))
    with pytest.raises(SettingsError) as caught:
        feedback.read([str(path), str(tmp_path / "nowhere.jsonl")])
    problems = caught.value.problems
    for number, (cause, problem) in enumerate(zip(WRONG, problems, strict=False), start=2):
        assert f"line {number}: " in problem
        assert cause in problem
    assert problems[-1].endswith("nowhere.jsonl cannot be read: No such file or directory")


@given(
    st.builds(
        Outcome,
        at=st.integers(0, 60 * 24 * 400).map(lambda minutes: END + datetime.timedelta(minutes=minutes)),
        kind=st.just(REVENUE),
        prediction=st.text(min_size=1, max_size=40),
        value=st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_what_is_written_can_be_read(outcome: Outcome):
    line = outcome.to_line()
    again = outcomes.parse(json.loads(line))
    assert again.id
    assert again.to_line() == line
    assert Outcome(**{**again.__dict__, "id": ""}) == outcome


def volume(served: Served, end: datetime.datetime) -> Volume:
    found = feedback_volume.run(
        served.world.clients, served.settings(LabelSettings, STAGECRAFT_WINDOW_END=end.isoformat())
    )
    assert found is not None
    return found


def test_labels_count_from_the_newest_training_on_and_each_once(served: Served):
    trained = registry.describe(served.world.clients, served.arn).created.astimezone(datetime.UTC)
    hour = datetime.timedelta(hours=1)
    after, end = trained + hour, trained + 3 * hour
    tell(
        served,
        *(Outcome(at=after, kind=LABEL, prediction=f"p-{number}/0", label="1") for number in range(40)),
        # Told again, with another answer: it is still one label.
        *(Outcome(at=after + hour, kind=LABEL, prediction=f"p-{number}/0", label="0") for number in range(5)),
        *(Outcome(at=after, kind=LABEL, entity={"customer_id": f"c-{n}"}, label="1") for n in range(3)),
        Outcome(at=trained - hour, kind=LABEL, prediction="learnt/0", label="1"),
        Outcome(at=after, kind=CONVERSION, prediction="p-0/0"),
    )
    found = volume(served, end)
    assert (found.told, found.learnt, found.rows) == (43, 0, 43)
    assert served.metrics()["NewLabels"] == {"": 43}
    assert served.found("feedback-volume")["rows"] == 43
    # A version that was trained since, released or not, has learnt from what there was.
    served.clean()
    newer = training.run(served.world, STAGECRAFT_SEED="11")
    trained = registry.describe(served.world.clients, newer.arn).created.astimezone(datetime.UTC)
    for name, at in (("old", trained - hour / 60), ("new", trained + hour)):
        tell(served, Outcome(at=at, kind=LABEL, prediction=f"{name}/0", label="1"))
    found = volume(served, trained + 2 * hour)
    assert (found.since, found.rows) == (trained, 1)


def test_labels_that_the_feature_store_learnt_count_too(served: Served):
    newest = registry.latest(served.world.clients, training.GROUP)
    assert newest is not None
    trained = registry.describe(served.world.clients, newest).created.astimezone(datetime.UTC)
    learnt = trained + datetime.timedelta(minutes=30)
    rows = [{**taken(row), "observed_at": learnt.isoformat()} for row in customers(25, seed=31)]
    served.world.ingest(VIEW, to_csv(rows), now=learnt)
    quality.run(served.world.clients, served.world.quality(VIEW))
    materialise.run(served.world.clients, served.world.materialise(VIEW), now=learnt)
    assert volume(served, learnt + datetime.timedelta(hours=1)).learnt == 25
