"""Delayed labels joined to answers: accuracy, calibration, bias."""

import datetime
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from platform_jobs import accuracy, bias, calibration, labelled, materialise, outcomes, quality
from platform_jobs.accuracy import Accuracy
from platform_jobs.bias import Bias, BiasSettings
from platform_jobs.demo_data import to_csv
from platform_jobs.errors import JobError
from platform_jobs.labelled import LabelSettings
from platform_jobs.outcomes import LABEL, Outcome
from platform_jobs.prediction_log import Record
from tests.platform_jobs.conftest import BUCKETS, make_world
from tests.platform_jobs.served import END, HOUR, VIEW, Served, customers, serve, taken


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with mock_aws():
        yield serve(make_world(tmp_path_factory.mktemp("accuracy")))


@pytest.fixture
def served(live: Served) -> Iterator[Served]:
    yield live
    live.clean()


def told(served: Served, records: list[Record], rows: list[dict[str, Any]], **changes: Any) -> None:
    """Every label comes true a minute before the window ends."""
    found = [
        Outcome(
            **{"at": END - HOUR / 60, "kind": LABEL, "prediction": record.id, "label": str(row["churned"])}
            | changes
        )
        for record, row in zip(records, rows, strict=True)
    ]
    outcomes.write(served.world.clients.bucket(BUCKETS["artifacts"]), "screening", found)


def run(served: Served, **overrides: str) -> Accuracy:
    found = accuracy.run(served.world.clients, served.settings(LabelSettings, **overrides))
    assert found is not None
    return found


def compare(served: Served, **overrides: str) -> Bias:
    known = {"STAGECRAFT_MODEL_GROUP_BY": "age_band", **overrides}
    found = bias.run(served.world.clients, served.settings(BiasSettings, **known))
    assert found is not None
    return found


def test_accuracy_is_of_answers_whose_label_is_known(served: Served):
    rows = list(customers(400, seed=2))
    records = served.asked(rows, wrong=0.2)
    told(served, records[:300], rows[:300])
    found = run(served)
    right = [
        record.prediction == row["churned"] for record, row in zip(records[:300], rows[:300], strict=True)
    ]
    assert (found.answers, found.labelled) == (400, 300)
    assert found.measures["accuracy"] == pytest.approx(np.mean(right))
    assert found.measures.keys() == {"accuracy", "f1", "precision", "recall", "roc_auc"}
    metrics = served.metrics()
    declared = {"auc" if name == "roc_auc" else name: value for name, value in found.measures.items()}
    assert metrics["ModelQuality"] == pytest.approx(declared)
    assert metrics["LabelledPredictions"][""] == 300
    assert metrics["CalibrationError"][""] > 0
    assert served.found("accuracy")["measures"] == found.measures


def test_labels_told_for_an_entity_belong_to_its_last_answer_before(served: Served):
    rows = list(customers(60, seed=3))
    served.asked(rows, end=END - 3 * HOUR, wrong=1.0)
    served.asked(rows, end=END - HOUR)
    told_for = [
        Outcome(
            at=END - 2.5 * HOUR if early else END - HOUR / 2,
            kind=LABEL,
            entity={"customer_id": row["customer_id"]},
            label=str(row["churned"]),
        )
        for row in rows[:40]
        for early in (True, False)
    ]
    outcomes.write(served.world.clients.bucket(BUCKETS["artifacts"]), "screening", told_for)
    found = run(served)
    assert (found.answers, found.labelled) == (120, 80)
    assert found.measures["accuracy"] == 0.5
    within = run(served, STAGECRAFT_LABEL_HORIZON_DAYS=str(20 / 60 / 24))
    assert within.labelled == 0


def test_labels_that_the_feature_store_learns_later_count_too(live: Served):
    rows = list(customers(50, seed=4))
    later = (END - datetime.timedelta(minutes=10)).isoformat()
    data = [{**taken(row), "observed_at": later} for row in rows]
    live.asked(rows, end=END - HOUR)
    world = live.world
    world.ingest(VIEW, to_csv(data), name="later.csv", now=END)
    quality.run(world.clients, world.quality(VIEW))
    materialise.run(world.clients, world.materialise(VIEW), now=END)
    found = run(live)
    live.clean()
    assert found.labelled == 50
    assert found.measures["accuracy"] == 1


def test_answers_of_others_do_not_count(served: Served):
    rows = list(customers(60, seed=5))
    told(served, served.asked(rows), rows)
    told(served, served.asked(rows, variant="shadow", wrong=1.0), rows)
    told(served, served.asked(rows, variant="canary", version="another", wrong=1.0), rows)
    told(served, served.asked(rows, variant="fallen", step="last-good", wrong=1.0), rows)
    found = run(served)
    assert (found.labelled, found.measures["accuracy"]) == (60, 1)


def test_few_labels_say_how_few_they_are_and_nothing_else(served: Served):
    rows = list(customers(labelled.FEWEST_ROWS - 1, seed=6))
    told(served, served.asked(rows), rows)
    assert run(served).measures == {}
    assert served.metrics() == {"LabelledPredictions": {"": labelled.FEWEST_ROWS - 1}}


def test_the_window_moves_back_by_the_time_that_labels_take(served: Served):
    rows = list(customers(60, seed=7))
    records = served.asked(rows, end=END - 24 * HOUR)
    told(served, records, rows)
    assert run(served).answers == 0
    assert run(served, STAGECRAFT_LABEL_DELAY_HOURS="24").labelled == 60


def test_groups_that_are_answered_alike_have_no_disparity_to_speak_of(served: Served):
    rows = list(customers(1500, seed=8))
    told(served, served.asked(rows), rows)
    found = compare(served)
    assert found.groups.keys() == {"18-34", "35-59", "60+"}
    assert found.equalised_odds == 0
    assert found.disparity is not None
    assert found.disparity < 0.1
    assert served.metrics().keys() == {
        "BiasDisparity",
        "DemographicParityDifference",
        "EqualisedOddsDifference",
    }


def test_a_group_that_is_told_otherwise_is_seen_without_labels(served: Served):
    rows = list(customers(900, seed=9))
    served.asked([{**row, "churned": 1 if row["age_band"] == "60+" else row["churned"]} for row in rows])
    found = compare(served)
    told_so = {
        band: np.mean([1 if band == "60+" else row["churned"] for row in rows if row["age_band"] == band])
        for band in found.groups
    }
    assert found.demographic_parity == pytest.approx(max(told_so.values()) - min(told_so.values()))
    assert found.equalised_odds is None
    assert served.metrics()["BiasDisparity"] == {"age_band": pytest.approx(found.demographic_parity)}


def test_a_group_with_more_mistakes_is_seen_where_parity_holds(served: Served):
    rows = [{**row, "churned": number % 2} for number, row in enumerate(customers(1200, seed=10))]
    records = served.asked(
        [
            {
                **row,
                "churned": 1 - row["churned"] if row["age_band"] == "60+" and n % 3 == 0 else row["churned"],
            }
            for n, row in enumerate(rows)
        ]
    )
    told(served, records, rows)
    found = compare(served)
    assert found.demographic_parity is not None
    assert found.equalised_odds is not None
    assert found.demographic_parity < 0.1
    assert found.equalised_odds > 0.25


def test_what_cannot_be_compared_is_said(served: Served):
    rows = list(customers(70, seed=11))
    served.asked([{**row, "age_band": "rare" if n < 5 else "60+"} for n, row in enumerate(rows)])
    found = compare(served)
    assert (found.groups, found.small, found.disparity) == ({"60+": 65}, {"rare": 5}, None)
    with pytest.raises(JobError, match="is no feature of the live version"):
        compare(served, STAGECRAFT_MODEL_GROUP_BY="shoe_size")
    with pytest.raises(JobError, match="such as an age band"):
        compare(served, STAGECRAFT_MODEL_GROUP_BY="spend")


def test_confidence_that_means_what_it_says_has_no_error():
    chance = np.random.default_rng(3)
    sure = chance.uniform(0.5, 1, 50_000)
    honest = calibration.measure(sure, chance.random(50_000) < sure)
    boastful = calibration.measure(np.minimum(sure + 0.2, 1), chance.random(50_000) < sure)
    assert honest.error < 0.01
    assert boastful.error == pytest.approx(0.16, abs=0.03)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_the_calibration_error_is_a_share(answers: list[tuple[float, bool]]):
    found = calibration.measure([sure for sure, _ in answers], [right for _, right in answers])
    assert 0 <= found.error <= 1 + 1e-9
    assert sum(part.rows for part in found.parts) == len(answers)


def test_results_are_json_that_anyone_can_read(served: Served):
    rows = list(customers(200, seed=12))
    told(served, served.asked(rows), rows)
    run(served)
    compare(served)
    assert json.dumps(served.found("accuracy"), allow_nan=False)
    stored = served.found("bias")
    assert stored["attribute"] == "age_band"
    assert stored["positive"] == "1"
    assert stored["told"].keys() == stored["groups"].keys()
    shares = list(stored["told"].values())
    assert max(shares) - min(shares) == pytest.approx(stored["demographic_parity"])
