"""Who is told when money is spent."""

from typing import Final

from policies.catalogue import About, Finding, Findings, joined_rule
from policies.machines import POOLS, Pool, is_training_pool
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.tags import tags_of
from policies.values import CannotJudge, Props, any_of

BUDGET: Final = "aws:budgets:Budget"
ENDPOINT: Final = "aws:sagemaker:Endpoint"

_SERVICES: Final = {
    "aws:sagemaker:Endpoint": ("Amazon SageMaker",),
    "aws:sagemaker:TrainingJob": ("Amazon SageMaker",),
    "aws:batch:ComputeEnvironment": ("Amazon Elastic Compute Cloud - Compute", "EC2 - Other"),
    "aws:eks:NodeGroup": ("Amazon Elastic Compute Cloud - Compute", "EC2 - Other"),
    "kubernetes:NodePool": ("Amazon Elastic Compute Cloud - Compute", "EC2 - Other"),
}
"""Under which services a thing's cost is booked."""


@joined_rule(
    About(
        id="C5",
        name="spending-has-budget",
        title="Every endpoint and training pool is covered by a budget with a notification",
        remedy="Add a budgets.Budget whose filters (if any) take it in, with a notification to a subscriber.",
        severity="high",
    ),
    types=(ENDPOINT, *POOLS),
)
def spending_has_budget(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """A budget nobody is told of covers nothing."""
    if resource.type != ENDPOINT and not is_training_pool(Pool(resource)):
        return
    budgets = stack.of(BUDGET)
    covering = any_of(budgets, lambda budget: _covers(budget, resource))
    if not covering:
        yield Finding("no budget covers what it costs")
    elif not any_of(budgets, lambda budget: _notifies(budget) and _covers(budget, resource)):
        yield Finding("the budget that covers it notifies nobody")


def _notifies(budget: Resource) -> bool:
    return any_of(budget.props.blocks("notifications", "notification"), _reaches_someone)


def _reaches_someone(notification: Props) -> bool:
    return notification.stated("subscriberEmailAddresses", "subscriberSnsTopicArns")


def _covers(budget: Resource, resource: Resource) -> bool:
    kind = budget.props.text("budgetType", default="COST").upper()
    if kind != "COST":
        return False
    filters = budget.props.blocks("costFilters", "costFilter")
    return all(_takes_in(item, resource) for item in filters) and _expression(
        budget.props.block("filterExpression"), resource
    )


def _takes_in(cost_filter: Props, resource: Resource) -> bool:
    """A filter of the older form: {name, values}."""
    name = cost_filter.text("name")
    values = cost_filter.texts("values")
    if name in ("TagKeyValue", "tag"):
        pairs = [value.removeprefix("user:").partition("$") for value in values]
        return any(_has_tag(resource, key, [wanted]) for key, _, wanted in pairs)
    if name in ("Service", "service"):
        return any(value in _SERVICES[resource.type] for value in values)
    # Accounts and regions are where the stack is; what else there is narrows it down.
    return name in ("LinkedAccount", "Region", "LegalEntityName", "BillingEntity")


def _expression(expression: Props, resource: Resource) -> bool:
    """A filter of the newer form: dimensions, tags, and/or/not."""
    if not expression:
        return True
    parts = [
        all(_expression(item, resource) for item in expression.blocks("ands")),
        not expression.blocks("ors") or any(_expression(item, resource) for item in expression.blocks("ors")),
        not expression.blocks("not") or not _expression(expression.block("not"), resource),
    ]
    tags = expression.block("tags")
    if tags:
        parts.append(_has_tag(resource, tags.text("key"), tags.texts("values")))
    dimensions = expression.block("dimensions")
    if dimensions and dimensions.text("key").upper() == "SERVICE":
        parts.append(any(value in _SERVICES[resource.type] for value in dimensions.texts("values")))
    return all(parts)


def _has_tag(resource: Resource, key: str, values: list[str]) -> bool:
    if resource.type.startswith("kubernetes:"):
        return True  # its machines carry their node class's tags, which the pool does not tell
    value = tags_of(resource).get(key)
    if value is not None and not isinstance(value, str | int | float):
        raise CannotJudge(f"tag {key} is not known yet")
    return str(value) in values
