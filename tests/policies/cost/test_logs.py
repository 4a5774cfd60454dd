"""C13: logs are not kept for ever; the rule can mend that."""

import pytest

from tests.policies.cases import UNKNOWN, fails, missing, open_question, parametrized, passes, resource

GROUP = "aws:cloudwatch/logGroup:LogGroup"

CASES = [
    passes("C13", "30 days", resource(GROUP, retentionInDays=30)),
    passes("C13", "as text", resource(GROUP, retentionInDays="30")),
    passes("C13", "a class with a fixed retention", resource(GROUP, logGroupClass="DELIVERY")),
    fails("C13", "0 is for ever", resource(GROUP, retentionInDays=0)),
    missing("C13", "nothing said", resource(GROUP)),
    open_question("C13", "unknown", resource(GROUP, retentionInDays=UNKNOWN)),
    open_question("C13", "a wrong type", resource(GROUP, retentionInDays={"days": 30})),
]


@parametrized(CASES)
def test_rule(cost, case):
    case.check(cost)


def test_a_missing_retention_is_put_in(cost):
    group = resource(GROUP, name="logs", kmsKeyId="key")
    (change,) = cost.repair([group])
    assert change.id == "C13"
    assert change.properties == {"name": "logs", "kmsKeyId": "key", "retentionInDays": 90}


def test_the_retention_that_is_put_in_can_be_configured(cost):
    (change,) = cost.repair([resource(GROUP)], overrides={"log-group-has-retention": {"days": 7}})
    assert change.properties == {"retentionInDays": 7}


@pytest.mark.parametrize("properties", [{"retentionInDays": 14}, {"retentionInDays": UNKNOWN}])
def test_a_retention_that_is_there_is_left_alone(cost, properties):
    assert cost.repair([resource(GROUP, **properties)]) == []
