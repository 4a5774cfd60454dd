"""What jobs that judge answers left: read in order of time, and never drawn when it is something else."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.overview.facts import Group
from cli.overview.judgements import bias_history, explanation, worth
from tests.cli.overview.test_findings import window


def bias(day: int, attribute: str = "age_band", **changes: Any) -> tuple[str, bytes]:
    told = {
        "window": window(day),
        "attribute": attribute,
        "disparity": 0.1 * day,
        "demographic_parity": 0.1 * day,
        "equalised_odds": None,
        "groups": {"old": 400, "young": 300},
        "small": {"unknown": 3},
        "positive": "1",
        "told": {"old": 0.5, "young": 0.25},
    }
    return f"monitoring/churn/bias/{day}.json", json.dumps(told | changes).encode()


def test_groups_are_those_of_the_newest_window_and_of_the_declared_attribute():
    found, unreadable = bias_history(
        [bias(3), bias(2), bias(4, attribute="region"), ("broken", b"{}")], attribute="age_band", limit=0.2
    )
    assert found is not None
    assert unreadable == ("broken",)
    assert found.disparity == pytest.approx((0.2, 0.3))
    assert (found.bad, found.positive, found.odds) == (True, "1", None)
    assert found.groups == (Group("old", 400, 0.5), Group("young", 300, 0.25), Group("unknown", 3, None))


def test_results_from_before_shares_were_kept_are_read_too():
    key, body = bias(2)
    old = {name: value for name, value in json.loads(body).items() if name not in ("positive", "told")}
    found, unreadable = bias_history([(key, json.dumps(old).encode())], attribute="age_band", limit=None)
    assert found is not None
    assert (unreadable, found.bad, [group.told for group in found.groups]) == ((), False, [None] * 3)


def explained(**means: float) -> bytes:
    importances = [{"feature": name, "mean": mean, "deviation": 0.01} for name, mean in means.items()]
    told = {"metric": "roc_auc", "score": 0.9, "rows": 100, "trained_on_this_data": True}
    return json.dumps({**told, "importances": importances}).encode()


def test_an_explanation_stands_beside_that_of_the_version_before():
    found = explanation(explained(a=0.1, b=0.3, c=0.2, d=0.0), explained(a=0.1, b=0.2, c=0.3))
    assert found is not None
    assert [(item.feature, item.before) for item in found.importances] == [
        ("b", 0.2),
        ("c", 0.3),
        ("a", 0.1),
        ("d", None),
    ]
    # Ranks 3 2 1 and 2 3 1: 1 - 6 x 2 / (3 x 8).
    assert found.agreement == pytest.approx(0.5)
    assert found.scale == pytest.approx((-0.01, 0.31))


@pytest.mark.parametrize("before", [None, b"", b"[]", explained(a=0.1, b=0.2), explained(a=1, b=1, c=1)])
def test_without_one_to_compare_with_nothing_is_said_of_stability(before):
    found = explanation(explained(a=0.1, b=0.3, c=0.2), before)
    assert found is not None
    assert found.agreement is None


def test_a_version_that_was_not_explained_has_none():
    assert explanation(None, explained(a=1)) is None


def kpis(day: int, **changes: Any) -> tuple[str, bytes]:
    told = {
        "window": window(day),
        "predictions": 100,
        "ConversionRate": 0.1 * day,
        "CostPerThousandPredictions": 0.5,
        "variants": {
            "live": {"predictions": 80, "conversion_rate": 0.1, "retention_rate": None, "revenue": 8}
        },
    }
    return f"monitoring/churn/kpis/{day}.json", json.dumps(told | changes).encode()


def test_figures_are_held_against_what_is_declared():
    found, unreadable = worth(
        [kpis(2), kpis(1), ("broken", b"{}")],
        floors={"conversionRate": 0.3, "returnOnCost": None},
        most_usd=0.4,
    )
    assert found is not None
    assert unreadable == ("broken",)
    figures = {figure.name: figure for figure in found.figures}
    assert figures["conversion"].values == pytest.approx((0.1, 0.2))
    assert {name: figure.bad for name, figure in figures.items()} == {
        "conversion": True,
        "retention": False,
        "revenue of a prediction": False,
        "cost of 1,000 predictions": True,
        "return on cost": False,
    }
    assert (figures["retention"].last, figures["return on cost"].limit) == (None, None)
    (variant,) = found.variants
    assert (variant.name, variant.revenue_each, variant.retention) == ("live", 0.1, None)


def test_jobs_that_never_ran_left_nothing():
    assert bias_history([], attribute="age_band", limit=None) == (None, ())
    assert worth([], floors={}, most_usd=None) == (None, ())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()), JSON, JSON)
def test_whatever_lies_there_nothing_breaks(body, groups, variants):
    for told in (body, bias(2, groups=groups, told=groups)[1], kpis(2, variants=variants)[1]):
        bias_history([("key", told)], attribute="age_band", limit=0.1)
        worth([("key", told)], floors={}, most_usd=None)
        with contextlib.suppress(ValueError):
            explanation(told, told)
