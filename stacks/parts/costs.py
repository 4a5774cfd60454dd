"""What keeps spending in sight: budgets and anomaly monitors."""

from typing import Any, Final

from components import CostGuard
from components.model_registry import NO_VERSION
from stacks.code import function_code
from stacks.labels import MODEL_TAG, STACK_TAG, model_value, stack_value
from stacks.parts.base import Base
from stacks.parts.plan import Outputs, Plan

ANOMALY_SHARE: Final = 0.1
"""The share of the monthly budget that a single anomaly may cost before people are told."""


def cost_guard(plan: Plan, base: Base) -> CostGuard | None:
    """Registers it, if the stack has budgets."""
    settings = plan.settings
    if not plan.has("budgets"):
        return None
    guard: Any = {
        "monthly_limit_usd": settings.monthly_budget_usd,
        "tag_filter": {STACK_TAG: stack_value(plan.stack)},
        "models": [
            {
                "name": model.name,
                "monthly_limit_usd": model.monthly_budget_usd,
                "tag_filter": {MODEL_TAG: model_value(plan.stack, model.name)},
            }
            for model in settings.models
            if model.monthly_budget_usd is not None
        ],
        "emails": settings.notify,
        "kms_key_arn": base.lake.kms_key_arn,
        "tags": plan.tags,
    }
    if plan.has("anomaly-monitors"):
        guard["anomaly_usd"] = settings.monthly_budget_usd * ANOMALY_SHARE
    if plan.has("reaper"):
        # What idles in production is somebody's to look at; elsewhere it is taken down.
        guard["reaper"] = {"code": function_code(), "stop_idle": settings.environment != "prod"}
    return CostGuard("costs", guard)


def cost_outputs(costs: CostGuard | None) -> Outputs:
    """Where to hear of budgets."""
    return {"topics": {"costs": NO_VERSION if costs is None else costs.topic_arn}}
