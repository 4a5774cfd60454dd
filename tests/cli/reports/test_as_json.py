"""The JSON report."""

import json
from decimal import Decimal

from cli.reports import as_json
from cli.reports.report import Comparison, Costs
from tests.cli.reports.samples import clean, hostile, report


def test_the_object_has_what_consumers_read():
    told = json.loads(as_json.render(report()))
    assert told["ok"] is False
    assert told["resources"] == 7
    assert told["violations"][0] == {
        "id": "C11",
        "rule": "bucket-has-lifecycle",
        "pack": "stagecraft-cost",
        "level": "mandatory",
        "urn": report().violations[0].urn,
        "message": "it has no lifecycle",
        "remedy": "add one",
    }
    assert [item["id"] for item in told["cannot_judge"]] == ["S8"]
    assert told["waived"][0]["waiver"] == {
        "owner": "growth",
        "expires": "2027-01-31",
        "reason": "migration (till spring)",
    }
    assert told["changes"]["create"] == 7
    assert told["outputs"] == {"token": "[secret]"}
    assert told["problems"] == []
    assert told["durationSeconds"] == 1.25


def test_costs_are_exact_and_additive_and_compared():
    cost = json.loads(as_json.render(report()))["cost"]
    for month in ("idle", "expected", "worst"):
        parts = [Decimal(item[month]) for item in cost["byComponent"]]
        assert sum(parts) == Decimal(cost[month])
    assert [item["type"] for item in cost["unpriced"]] == ["aws:braket/job:Job"]
    assert cost["budget"] == "400.00"
    against = cost["against"]
    assert against["what"] == "main"
    assert Decimal(against["before"]["expected"]) + Decimal(against["change"]["expected"]) == Decimal(
        cost["expected"]
    )
    changes = [Decimal(item["change"]["expected"]) for item in against["byComponent"]]
    assert sum(changes) == Decimal(against["change"]["expected"])
    assert "byResource" not in cost


def test_the_estimate_alone_has_every_line():
    costs = report().cost
    told = json.loads(as_json.render_costs(costs))
    lines = [line for item in told["byResource"] for line in item["lines"]]
    assert sum(Decimal(line["amount"]["worst"]) for line in lines) == Decimal(told["worst"])


def test_no_comparison_says_why():
    costs = Costs(report().cost.estimate, None, Comparison("main", None, "it does not exist there"))
    told = json.loads(as_json.render_costs(costs))
    assert told["against"] == {"what": "main", "problem": "it does not exist there"}
    assert told["budget"] is None


def test_without_an_estimate_the_cost_is_null_not_nothing():
    assert json.loads(as_json.render(clean()))["cost"] is None


def test_any_text_survives():
    assert (
        json.loads(as_json.render(hostile()))["violations"][0]["message"] == hostile().violations[0].message
    )
