"""What the stack as a whole, and each pool at its limits, will cost."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import pulumi

from policies.catalogue import About, Finding, Findings, joined_rule, stack_rule
from policies.machines import BATCH_POOL, NODE_POOL
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import CannotJudge
from pricing import Estimate, estimate
from pricing import Resource as Priced

_REGION: Final = {
    "type": "string",
    "default": "us-east-1",
    "description": "The AWS region of what names none, by itself or by its provider.",
}
_SHOWN: Final = 3


def _estimate(resources: Iterable[Resource], region: str) -> Estimate:
    return estimate([_priced(resource) for resource in resources], region=region)


def _priced(resource: Resource) -> Priced:
    properties = resource.props.raw
    return Priced(
        urn=resource.urn,
        type=resource.token,
        name=resource.name,
        properties=properties if isinstance(properties, dict) else {},
        parent=resource.parent_urn or None,
        provider=resource.provider_reference,
        property_dependencies=resource.all_property_dependencies(),
    )


def _budget(settings: Settings) -> Decimal | None:
    given: Any = settings["monthlyBudgetUsd"] or pulumi.Config("stagecraft").get("monthlyBudgetUsd")
    try:
        return Decimal(str(given)) if given else None
    except InvalidOperation:
        raise CannotJudge(f"the monthly budget {given!r} is no amount") from None


@stack_rule(
    About(
        id="C3",
        name="estimate-under-budget",
        title="The expected month stays under the budget, and the worst under twice the budget",
        remedy="Lower limits and sizes, or raise `stagecraft:monthlyBudgetUsd` (see `stagecraft cost`).",
        severity="high",
        options={
            "monthlyBudgetUsd": {
                "type": "number",
                "minimum": 0,
                "default": 0,
                "description": "The budget; 0: the stack's `stagecraft:monthlyBudgetUsd`, if it has one.",
            },
            "worstFactor": {
                "type": "number",
                "minimum": 1,
                "default": 2,
                "description": "How many times the budget the worst month may cost.",
            },
            "region": _REGION,
        },
    )
)
def estimate_under_budget(stack: Stack, settings: Settings) -> Findings:
    """Only where a budget is declared."""
    budget = _budget(settings)
    if budget is None:
        return
    found = _estimate(stack.resources, settings["region"])
    dearest = ", ".join(
        f"{item.name or 'outside components'} ${item.amounts.expected}" for item in found.components[:_SHOWN]
    )
    if found.expected > budget:
        yield f"the expected month costs ${found.expected}, the budget is ${budget} ({dearest})"
    ceiling = budget * Decimal(str(settings["worstFactor"]))
    if found.worst > ceiling:
        factor = f"{settings['worstFactor']:g} times the budget"
        yield f"the worst month costs ${found.worst}, more than ${ceiling} ({factor})"


@stack_rule(
    About(
        id="C4",
        name="cost-is-known",
        title="What everything costs is known",
        remedy="Count it by hand, or add its price to the snapshot (`stagecraft cost refresh`).",
        severity="low",
        level="advisory",
        options={"region": _REGION},
    )
)
def cost_is_known(stack: Stack, settings: Settings) -> Findings:
    """What the price table does not know is said, never counted as nothing."""
    for item in _estimate(stack.resources, settings["region"]).unpriced:
        yield Finding(f"it is in no estimate: {item.reason}", stack.by_urn.get(item.urn))


@joined_rule(
    About(
        id="C7",
        name="pool-has-a-cap",
        title="A pool has limits, and at its limits stays under its cap",
        remedy="Set limits (cpu, nvidia.com/gpu) on the pool, such that at them it stays under the cap.",
        severity="high",
        options={
            "capUsd": {
                "type": "number",
                "minimum": 0,
                "default": 0,
                "description": "Dollars a month a pool may cost at its limits; 0: any, if it has some.",
            },
            "region": _REGION,
        },
    ),
    types=(NODE_POOL, BATCH_POOL),
)
def pool_has_a_cap(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """Karpenter buys machines without end where a pool has no limits."""
    limits = resource.props.block("spec").mapping("limits") if resource.type == NODE_POOL else {}
    if resource.type == NODE_POOL and not limits:
        yield "it has no limits: nothing ends what it may buy"
        return
    if resource.type == BATCH_POOL and not resource.props.block("computeResources").stated("maxVcpus"):
        yield "it has no limits: maxVcpus is not set"
        return
    cap = Decimal(str(settings["capUsd"]))
    if not cap:
        return
    beside = stack.of("kubernetes:EC2NodeClass", "aws:ec2:LaunchTemplate", "pulumi:providers:aws")
    found = _estimate([resource, *beside], settings["region"])
    worst = next((item.amounts.worst for item in found.resources if item.urn == resource.urn), None)
    if worst is None:
        raise CannotJudge("the price of its machines is not known")
    if worst > cap:
        yield f"at its limits it costs ${worst} a month, its cap is ${cap:.2f}"
