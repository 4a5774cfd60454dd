"""What the gate is told of the truth: real answers of two versions in the log, and what came true of them."""

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from platform_jobs import outcomes
from platform_jobs.__main__ import main
from platform_jobs.errors import JobError
from platform_jobs.gate import labels
from platform_jobs.gate.evidence import Labelled
from platform_jobs.gate.labels import GateLabelSettings
from platform_jobs.outcomes import LABEL, Outcome
from platform_jobs.prediction_log import Record
from tests.platform_jobs import training
from tests.platform_jobs.conftest import BUCKETS, make_world
from tests.platform_jobs.served import END, HOUR, Served, customers, serve

SINCE = END - HOUR


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Any]]:
    """A live version, and one that was trained after it and waits for its release."""
    with mock_aws():
        served = serve(make_world(tmp_path_factory.mktemp("labels")))
        newer = training.run(served.world, STAGECRAFT_SEED="7")
        assert digest(newer) != served.digest
        yield served, newer


@pytest.fixture
def released(live: tuple[Served, Any]) -> Iterator[tuple[Served, Any]]:
    yield live
    live[0].clean()


def came_true(served: Served, records: list[Record], rows: list[dict[str, Any]], **changes: Any) -> None:
    found = [
        Outcome(
            **{"at": END - HOUR / 60, "kind": LABEL, "prediction": record.id, "label": str(row["churned"])}
            | changes
        )
        for record, row in zip(records, rows, strict=True)
    ]
    outcomes.write(served.world.clients.bucket(BUCKETS["artifacts"]), "screening", found)


def count(served: Served, newer: Any, **overrides: str) -> dict[str, Labelled]:
    told = {"STAGECRAFT_GATE_VERSION": newer.arn, "STAGECRAFT_GATE_SINCE": SINCE.isoformat()}
    config = served.settings(GateLabelSettings, **(told | overrides))
    return labels.count(served.world.clients, config)


def digest(newer: Any) -> str:
    found: str = newer.artifact_uri.split("/")[-2]
    return found


def test_each_version_is_counted_by_what_it_said_whatever_variant_it_was(
    released: tuple[Served, Any],
) -> None:
    served, newer = released
    rows, others = list(customers(200, seed=11)), list(customers(100, seed=12))
    ours = served.asked(others, wrong=0.5, variant="candidate", version=digest(newer))
    theirs = served.asked(rows, wrong=0.1)
    # Answers of lower steps and of shadows are nobody's evidence.
    shadows = served.asked(others, wrong=1.0, variant="shadow", version=digest(newer))
    came_true(served, theirs[:150], rows[:150])
    came_true(served, ours, others)
    came_true(served, shadows, others)
    found = count(served, newer)
    wrong = {
        name: sum(record.prediction != row["churned"] for record, row in zip(records, asked, strict=True))
        for name, records, asked in (("canary", ours, others), ("live", theirs[:150], rows[:150]))
    }
    assert found == {
        "canary": Labelled(100, wrong["canary"]),
        "live": Labelled(150, wrong["live"]),
    }
    key = next(iter(served.world.keys("artifacts", "gate/screening/")))
    written = json.loads(served.world.objects("artifacts")[key])
    assert written["quality"]["live"] == {"labelled": 150, "wrong": wrong["live"]}
    assert written["versions"] == {"canary": newer.arn, "live": served.arn}


def test_before_anybody_asked_and_told_nothing_is_known(released: tuple[Served, Any]) -> None:
    assert count(*released) == {"canary": Labelled(), "live": Labelled()}


def test_an_entity_counts_once_by_its_first_known_answer(released: tuple[Served, Any]) -> None:
    served, newer = released
    rows = list(customers(20, seed=13))
    early = served.asked([*rows, *rows], version=digest(newer))
    came_true(served, early[20:], rows)  # only its second answer's truth is known, of each
    assert count(served, newer)["canary"] == Labelled(20, 0)
    came_true(served, early[:20], [{**row, "churned": 1 - row["churned"]} for row in rows])
    assert count(served, newer)["canary"] == Labelled(20, 20)


def test_what_was_asked_before_the_release_is_not_its_evidence(released: tuple[Served, Any]) -> None:
    served, newer = released
    rows = list(customers(40, seed=14))
    before = served.asked(rows, end=END - HOUR)
    came_true(served, before, rows)
    assert count(served, newer) == {"canary": Labelled(), "live": Labelled()}
    earlier = {"STAGECRAFT_GATE_SINCE": (END - 2 * HOUR).isoformat()}
    config = served.settings(GateLabelSettings, STAGECRAFT_GATE_VERSION=newer.arn, **earlier)
    assert labels.count(served.world.clients, config)["live"] == Labelled(40, 0)


def test_feedback_about_entities_and_later_labels_count_as_for_accuracy(
    released: tuple[Served, Any],
) -> None:
    served, newer = released
    rows = list(customers(30, seed=15))
    served.asked(rows, wrong=1.0, version=digest(newer))
    found = [
        Outcome(
            at=END - datetime.timedelta(seconds=1),
            kind=LABEL,
            entity={"customer_id": row["customer_id"]},
            label=str(row["churned"]),
        )
        for row in rows
    ]
    outcomes.write(served.world.clients.bucket(BUCKETS["artifacts"]), "screening", found)
    assert count(served, newer)["canary"] == Labelled(30, 30)


def test_a_version_that_is_none_is_refused(
    released: tuple[Served, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served, newer = released
    with pytest.raises(JobError, match="no model version"):
        count(served, newer, STAGECRAFT_GATE_VERSION=f"{newer.arn}99")
    monkeypatch.setenv("STAGECRAFT_GATE_SINCE", "yesterday")
    assert main(["gate-labels"]) == 2
    assert "STAGECRAFT_GATE_SINCE" in capsys.readouterr().err
