"""G8 and what waivers do: someone answers for an exception, until a date."""

import pytest

from tests.policies.cases import Case, parametrized, passes, resource

TABLE = resource("aws:dynamodb/table:Table", "users")
WAIVER = {
    "rule": "G9",
    "resource": "users",
    "owner": "ann",
    "reason": "moves next month",
    "expires": "2099-01-31",
}


def waived(**change):
    return {"waivers": [{key: value for key, value in {**WAIVER, **change}.items() if value is not None}]}


CASES = [
    passes("G8", "complete", TABLE, **waived()),
    passes("G8", "none"),
    Case("G8", "fails", "expired", [TABLE], waived(expires="2020-01-31")),
    Case("G8", "fails", "no owner", [TABLE], waived(owner="")),
    Case("G8", "fails", "no reason", [TABLE], waived(reason=None)),
    Case("G8", "fails", "an expiry that is no date", [TABLE], waived(expires="soon")),
    Case("G8", "fails", "no rule", [TABLE], waived(rule=None)),
    Case("G8", "missing", "no expiry", [TABLE], waived(expires=None)),
]


@parametrized(CASES)
def test_rule(governance, case):
    case.check(governance)


def test_a_waived_finding_is_reported_as_such(governance):
    verdict = governance.judge([TABLE], **waived())
    assert "G9" not in verdict.ids
    (note,) = verdict.waived
    assert (note.id, note.level, note.urn.rpartition("::")[2]) == ("G9", "advisory", "users")
    assert note.message.startswith("waived: ")
    assert note.message.endswith("(ann, until 2099-01-31: moves next month)")


@pytest.mark.parametrize(
    "change",
    [
        {"rule": "stateful-resource-is-protected"},
        {"resource": "urn:pulumi:*::users"},
        {"resource": "us*"},
        {"resource": None},
    ],
)
def test_a_waiver_names_rule_and_resource_in_several_ways(governance, change):
    assert "G9" not in governance.judge([TABLE], **waived(**change)).ids


@pytest.mark.parametrize(
    "change",
    [{"rule": "G2"}, {"resource": "others"}, {"expires": "2020-01-31"}, {"owner": None}, {"reason": " "}],
)
def test_a_waiver_that_does_not_fit_or_count_waives_nothing(governance, change):
    verdict = governance.judge([TABLE], **waived(**change))
    assert "G9" in verdict.ids
    assert verdict.waived == []


def test_a_remediable_rule_can_be_waived(governance):
    verdict = governance.judge([TABLE], **waived(rule="G1"))
    assert "G1" not in verdict.ids
    assert [item.id for item in verdict.waived] == ["G1"]
