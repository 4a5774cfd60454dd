"""What stands beside a model's endpoint (previous version, challenger, shadow), and the gateway before it.

The endpoints are serverless whatever the model's own endpoint is: while nobody asks them they cost nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

import pulumi

from components import Endpoint, Gateway, Monitoring
from components.endpoint import EndpointArgs
from components.model_registry import NO_VERSION
from stacks.parts.base import Base
from stacks.parts.plan import Outputs, Plan
from stacks.parts.serving import FALLBACK_TAG, Versions, fallback_of, serve_environment
from stacks.settings import Model

PREVIOUS: Final = "previous"
CHALLENGER: Final = "challenger"
SHADOW: Final = "shadow"
LIVE: Final = "live"
_RUNBOOK: Final = "degraded-answers.md"
_PATIENCE: Final = 2
"""Times the SLO's latency that the gateway waits for a model."""
_DEFAULT_TIMEOUT_MS: Final = 1000


def standby_endpoints(
    plan: Plan,
    base: Base,
    released: Versions,
    watch: Monitoring | None,
) -> dict[str, dict[str, Endpoint]]:
    """Registers them: model → role → endpoint. A model that is not live has none.

    Args:
        plan: The stack.
        base: What it stands on.
        released: The versions that the registry's pointers name.
        watch: Who is told if one of them fails, if the stack has that.
    """
    made: dict[str, dict[str, Endpoint]] = {}
    for model in plan.settings.models:
        versions = standby_versions(model, released.previous) if model.name in released.live else {}
        made[model.name] = {
            role: Endpoint(f"{role}-{model.name}", _standby(plan, base, model, version, watch))
            for role, version in versions.items()
        }
    return made


def declarations(
    plan: Plan,
    endpoints: Mapping[str, Endpoint],
    standby: Mapping[str, Mapping[str, Endpoint]],
    live: Mapping[str, str],
) -> dict[str, Any]:
    """What a gateway is told of each live model: `STAGECRAFT_GATEWAY_MODELS` (docs/serving.md)."""
    return {
        model.name: _declaration(plan, model, endpoints[model.name], standby[model.name])
        for model in plan.settings.models
        if model.name in live
    }


def gateway(plan: Plan, base: Base, declared: Mapping[str, Any]) -> Gateway | None:
    """Registers it, if the stack has a fallback and a model that is live."""
    if not plan.has("fallback") or not declared:
        return None
    return Gateway(
        "gateway",
        {
            "image_uri": base.image.uri,
            "models": dict(declared),
            "artifacts_bucket": base.lake.artifacts_bucket,
            "kms_key_arn": base.lake.kms_key_arn,
            "tags": plan.tags,
        },
    )


def gateway_outputs(
    plan: Plan,
    standby: Mapping[str, Mapping[str, Endpoint]],
    declared: Mapping[str, Any],
    made: Gateway | None,
) -> Outputs:
    """What a gateway is told, and where the stack's own is asked."""
    return {
        "gateway": dict(declared),
        "gatewayFunction": NO_VERSION if made is None else made.function_name,
        "models": {model.name: {"views": model.features} for model in plan.settings.models},
        "policies": {
            **({} if made is None else {"invokeGateway": made.invoke_policy_arn}),
            "invokeStandby": {
                name: {role: endpoint.invoke_policy_arn for role, endpoint in roles.items()}
                for name, roles in standby.items()
                if roles
            },
        },
    }


def patience(model: Model) -> tuple[int, int]:
    """How long the gateway waits for a model, and what counts as slow; milliseconds."""
    slo = model.slo.latency_p95_ms if model.slo else None
    timeout = model.serving.timeout_ms or (slo * _PATIENCE if slo else _DEFAULT_TIMEOUT_MS)
    return timeout, slo or timeout


def standby_versions(model: Model, previous: Mapping[str, str]) -> dict[str, str]:
    """Role → version of what stands beside a live model."""
    versions: dict[str, str] = {}
    if PREVIOUS in model.serving.steps and model.name in previous:
        versions[PREVIOUS] = previous[model.name]
    for role, trial in ((CHALLENGER, model.release.ab), (SHADOW, model.release.shadow)):
        if trial is not None:
            versions[role] = trial.version
    return versions


def _standby(plan: Plan, base: Base, model: Model, version: str, watch: Monitoring | None) -> EndpointArgs:
    args: EndpointArgs = {
        "model": model.name,
        "artifacts_bucket": base.lake.artifacts_bucket,
        "model_package_arn": version,
        "memory_mib": model.serving.memory_mib,
        "max_concurrency": model.serving.max_concurrency,
        "kms_key_arn": base.lake.kms_key_arn,
        "tags": {**plan.tags, **plan.tags_of(model), FALLBACK_TAG: fallback_of(model)},
    }
    if environment := serve_environment(plan):
        args["environment"] = environment
    if base.image.repository_arns:
        args["repository_arns"] = list(base.image.repository_arns)
    if watch is not None:
        args["alarms"] = {
            "topic_arn": watch.ticket_topic_arn,
            "runbook_url": f"{plan.settings.runbooks_url}/{_RUNBOOK}",
        }
        if model.slo is not None:
            args["alarms"]["slo"] = model.name
            args["alarms"]["latency_p95_ms"] = model.slo.latency_p95_ms
    return args


def _declaration(
    plan: Plan, model: Model, endpoint: Endpoint, standby: Mapping[str, Endpoint]
) -> dict[str, Any]:
    serving = model.serving
    timeout, slow = patience(model)
    told: dict[str, Any] = {
        "keys": join_keys(plan, model),
        "variants": _variants(model, endpoint, standby),
        "ladder": [LIVE, *(step for step in serving.steps if step != PREVIOUS or PREVIOUS in standby)],
        "timeoutMs": timeout,
        "slowMs": slow,
    }
    if PREVIOUS in standby:
        told["previous"] = {"endpoint": standby[PREVIOUS].endpoint_name}
    if model.release.shadow is not None:
        told["shadow"] = {
            "endpoint": standby[SHADOW].endpoint_name,
            "percent": model.release.shadow.percent,
        }
    if "last-good" in serving.steps:
        told["lastGoodSeconds"] = serving.last_good_minutes * 60
    if "default-answer" in serving.steps:
        told["defaultAnswer"] = serving.default_answer
    return told


def _variants(model: Model, endpoint: Endpoint, standby: Mapping[str, Endpoint]) -> list[dict[str, Any]]:
    percent = model.release.ab.percent if model.release.ab else 0
    variants: list[dict[str, pulumi.Input[Any]]] = [
        {"name": LIVE, "endpoint": endpoint.endpoint_name, "weight": 100 - percent}
    ]
    if CHALLENGER in standby:
        variants.append(
            {"name": CHALLENGER, "endpoint": standby[CHALLENGER].endpoint_name, "weight": percent}
        )
    return variants


def join_keys(plan: Plan, model: Model) -> list[str]:
    """What names the model's entities: the join keys of its views, each once."""
    views = [view for view in plan.settings.feature_views if view.name in model.features]
    return list(dict.fromkeys(key for view in views for key in view.join_keys))
