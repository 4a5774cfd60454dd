"""What watching jobs left: read in order of time, and never drawn when it is something else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.overview.findings import drift_history, measures, view_facts


def window(day: int) -> dict[str, str]:
    return {"start": f"2026-03-{day:02}T00:00:00+00:00", "end": f"2026-03-{day + 1:02}T00:00:00+00:00"}


def column(name: str, drift: float) -> dict[str, object]:
    bins = {"bins": ["low", "high"], "reference": [30, 10], "current": [5, 15]}
    return {"name": name, "drift": drift, "index": drift, **bins}


def drift(day: int, predictions: int = 500, **features: float) -> tuple[str, bytes]:
    told = {
        "window": window(day),
        "predictions": predictions,
        "threshold": 0.3,
        "features": [column(name, value) for name, value in features.items()],
        "answers": [],
    }
    return f"monitoring/churn/drift/{day}.json", json.dumps(told).encode()


def test_a_history_goes_by_time_and_shows_the_furthest_first():
    found = drift_history([drift(3, age=0.1, plan=0.4), drift(2, age=0.5)], threshold=0.2)
    assert found is not None
    assert [end.day for end in found.ends] == [3, 4]
    assert [(line.name, line.values) for line in found.features] == [
        ("plan", (None, 0.4)),
        ("age", (0.5, 0.1)),
    ]
    assert found.over == ("plan",)
    latest = found.features[0].latest
    assert latest is not None
    assert (latest.reference, latest.current) == ((0.75, 0.25), (0.25, 0.75))


def test_a_window_that_says_nothing_is_a_gap_and_not_a_zero():
    found = drift_history([drift(2, age=0.5), drift(3, predictions=7)], threshold=None)
    assert found is not None
    assert found.features[0].values == (0.5, None)
    assert (found.threshold, found.over) == (0.3, ())


def test_never_run_is_nothing():
    assert drift_history([], threshold=0.2) is None


BAD = [
    b"",
    b"\xff",
    b"[]",
    b"null",
    b"[" * 100_000,
    json.dumps(
        {"window": {"end": "2026-03-01T00:00:00"}, "predictions": 1, "features": [], "answers": []}
    ).encode(),
    json.dumps({"window": window(1), "predictions": 1, "features": [{"name": "a"}], "answers": []}).encode(),
    json.dumps(
        {
            "window": window(1),
            "predictions": 1,
            "features": [{**column("a", 1), "bins": ["x"]}],
            "answers": [],
        }
    ).encode(),
    json.dumps(
        {"window": window(1), "predictions": 1, "features": [column("a", float("nan"))], "answers": []}
    ).encode(),
    json.dumps(
        {
            "window": window(1),
            "predictions": 1,
            "features": [{**column("a", 1), "current": [float("inf"), 1]}],
            "answers": [],
        }
    ).encode(),
    json.dumps({"window": window(1), "predictions": float("inf"), "features": [], "answers": []}).encode(),
]


@pytest.mark.parametrize("body", BAD, ids=range(len(BAD)))
def test_what_is_no_result_is_named_and_the_rest_is_shown(body):
    found = drift_history([("odd.json", body), drift(2, age=0.5)], threshold=0.2)
    assert found is not None
    assert found.unreadable == ("odd.json",)
    assert len(found.ends) == 1
    assert view_facts("orders", [("odd.json", body)])[1] == ("odd.json",)
    assert measures([("odd.json", body)], names={}, declared=None, limit=None) == ((), ("odd.json",))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "window",
                        "end",
                        "predictions",
                        "features",
                        "answers",
                        "measures",
                        "rows",
                        "name",
                        "drift",
                    ]
                ),
                inner,
            )
        ),
        max_leaves=8,
    )
)
def test_no_json_makes_a_reader_fail(value):
    stored = [("odd.json", json.dumps(value).encode())]
    found = drift_history(stored, threshold=None)
    assert found is not None
    assert found.unreadable or found.ends
    measures(stored, names={}, declared=None, limit=None)
    view_facts("orders", stored)


def test_the_declared_measure_comes_first_by_the_name_it_is_declared_by():
    def accuracy(day, **values):
        return f"{day}", json.dumps({"window": window(day), "measures": values}).encode()

    found, unreadable = measures(
        [accuracy(1, roc_auc=0.99, accuracy=0.9), accuracy(2, roc_auc=0.91, accuracy=0.9)],
        names={"roc_auc": "auc"},
        declared="auc",
        limit=0.95,
    )
    assert unreadable == ()
    assert [(each.name, each.limit, each.bad) for each in found] == [
        ("auc", 0.95, True),
        ("accuracy", None, False),
    ]
    (error,), _ = measures([accuracy(1, mae=3.0)], names={}, declared="mae", limit=2.0)
    assert error.bad


def test_a_view_is_shown_by_its_newest_window():
    def health(day, **told):
        return f"{day}", json.dumps({"window": window(day), "rows": 5, "usual_rows": 20.0, **told}).encode()

    found, _ = view_facts("orders", [health(2, age_seconds=60.0, constant=["plan"]), health(1)])
    assert (found.rows, found.usual_rows, found.age_seconds) == (5, 20.0, 60.0)
    assert found.problems == ("constant: plan",)
    assert view_facts("orders", []) == (view_facts("orders", [])[0], ())
