"""C5: what spends money is covered by a budget that tells someone."""

from tests.policies.cases import UNKNOWN, fails, missing, open_question, parametrized, passes, resource

ENDPOINT = "aws:sagemaker/endpoint:Endpoint"
BATCH = "aws:batch/computeEnvironment:ComputeEnvironment"

TOLD = [
    {"comparisonOperator": "GREATER_THAN", "threshold": 80, "subscriberEmailAddresses": ["team@example.com"]}
]
ENDPOINT_OF_SHOP = resource(ENDPOINT, "churn", tags={"project": "shop"})


def budget(**properties):
    return resource(
        "aws:budgets/budget:Budget",
        "monthly",
        **{
            "budgetType": "COST",
            "timeUnit": "MONTHLY",
            "limitAmount": "100",
            "notifications": TOLD,
            **properties,
        },
    )


def by_tag(value):
    return [{"name": "TagKeyValue", "values": [f"user:project${value}"]}]


CASES = [
    passes("C5", "a budget for everything", ENDPOINT_OF_SHOP, budget()),
    passes("C5", "by tag", ENDPOINT_OF_SHOP, budget(costFilters=by_tag("shop"))),
    passes(
        "C5",
        "by service",
        ENDPOINT_OF_SHOP,
        budget(costFilters=[{"name": "Service", "values": ["Amazon SageMaker"]}]),
    ),
    passes(
        "C5", "to a topic", ENDPOINT_OF_SHOP, budget(notifications=[{"subscriberSnsTopicArns": [UNKNOWN]}])
    ),
    passes(
        "C5",
        "by an expression",
        ENDPOINT_OF_SHOP,
        budget(filterExpression={"ands": [{"tags": {"key": "project", "values": ["shop"]}}, {"ors": []}]}),
    ),
    passes(
        "C5", "one that tells beside one that does not", ENDPOINT_OF_SHOP, budget(notifications=[]), budget()
    ),
    passes("C5", "nothing that spends", resource("aws:s3/bucket:Bucket")),
    fails("C5", "for another tag", ENDPOINT_OF_SHOP, budget(costFilters=by_tag("office"))),
    fails(
        "C5",
        "for another service",
        ENDPOINT_OF_SHOP,
        budget(costFilters=[{"name": "Service", "values": ["AWS Lambda"]}]),
    ),
    fails(
        "C5",
        "for all but this",
        ENDPOINT_OF_SHOP,
        budget(filterExpression={"not": {"tags": {"key": "project", "values": ["shop"]}}}),
    ),
    fails("C5", "for usage, not cost", ENDPOINT_OF_SHOP, budget(budgetType="USAGE")),
    fails("C5", "tells nobody", ENDPOINT_OF_SHOP, budget(notifications=[{"threshold": 80}])),
    missing("C5", "no notifications", ENDPOINT_OF_SHOP, budget(notifications=None)),
    missing("C5", "no budget", ENDPOINT_OF_SHOP),
    missing("C5", "a pool without a budget", resource(BATCH, computeResources={"type": "SPOT"})),
    open_question("C5", "an unknown filter", ENDPOINT_OF_SHOP, budget(costFilters=UNKNOWN)),
    open_question(
        "C5",
        "an unknown tag",
        resource(ENDPOINT, tags={"project": UNKNOWN}),
        budget(costFilters=by_tag("shop")),
    ),
]


@parametrized(CASES)
def test_rule(cost, case):
    case.check(cost)
