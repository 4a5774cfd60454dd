"""Budgets and cost anomalies."""

import json

from tests.twin.aws.provider.samples import Sample

TOPIC = ("aws:sns/topic:Topic", {})
SPECIFICATION = {"Tags": {"Key": "stack", "MatchOptions": None, "Values": ["prod"]}}
MONITOR = (
    "aws:costexplorer/anomalyMonitor:AnomalyMonitor",
    {"monitorType": "DIMENSIONAL", "monitorDimension": "SERVICE"},
)


def told(kind: str, percent: int, **who: list[str]) -> dict:
    return {
        "comparisonOperator": "GREATER_THAN",
        "notificationType": kind,
        "threshold": percent,
        "thresholdType": "PERCENTAGE",
        **who,
    }


COSTS = [
    Sample(
        "aws:budgets/budget:Budget",
        lambda made: {
            "budgetType": "COST",
            "timeUnit": "MONTHLY",
            "limitAmount": "100.00",
            "limitUnit": "USD",
            "costFilters": [{"name": "TagKeyValue", "values": ["user:stack$prod"]}],
            "notifications": [
                told("FORECASTED", 100, subscriberSnsTopicArns=[made["t"].state["arn"]]),
                told("ACTUAL", 50, subscriberEmailAddresses=["a@example.com", "b@example.com"]),
            ],
            "tags": {"a": "b"},
        },
        {
            "limitAmount": "250.50",
            "notifications": [
                told("ACTUAL", 80, subscriberEmailAddresses=["a@example.com"]),
                told("ACTUAL", 50, subscriberEmailAddresses=["c@example.com"]),
            ],
        },
        {"t": TOPIC},
        {"name": "other"},
    ),
    Sample(
        "aws:costexplorer/anomalyMonitor:AnomalyMonitor",
        {"monitorType": "CUSTOM", "monitorSpecification": json.dumps(SPECIFICATION), "tags": {"a": "b"}},
        {"name": "other"},
        replaces={"monitorSpecification": json.dumps({"Tags": {"Key": "stack", "Values": ["dev"]}})},
    ),
    Sample(
        "aws:costexplorer/anomalySubscription:AnomalySubscription",
        lambda made: {
            "frequency": "IMMEDIATE",
            "monitorArnLists": [made["m"].id],
            "subscribers": [{"type": "SNS", "address": made["t"].state["arn"]}],
            "thresholdExpression": {
                "dimension": {
                    "key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    "values": ["50"],
                    "matchOptions": ["GREATER_THAN_OR_EQUAL"],
                }
            },
        },
        {
            "thresholdExpression": {
                "dimension": {
                    "key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    "values": ["75"],
                    "matchOptions": ["GREATER_THAN_OR_EQUAL"],
                }
            }
        },
        {"m": MONITOR, "t": TOPIC},
        {"name": "other"},
    ),
]
