"""What answers: an endpoint a model, of the version that the registry's pointer names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components import Endpoint
from components.endpoint import EndpointArgs
from components.endpoint_scaling import EndpointScaling
from components.model_registry import NO_VERSION
from components.naming import pointer_prefix
from stacks.parts.base import Base
from stacks.parts.plan import Outputs, Plan
from stacks.settings import Model

DEFAULT_GROWTH: Final = 2
"""How many times its least replicas a model may have, where it does not say."""
QUIET_FROM: Final = "cron(0 19 ? * MON-FRI *)"
QUIET_UNTIL: Final = "cron(0 6 ? * MON-FRI *)"
"""UTC; from Friday evening until Monday morning nothing wakes the machines."""
FALLBACK_TAG: Final = "fallback"
"""What users get while the model has no answer, told where policies and people look for it."""


def endpoints(plan: Plan, base: Base, live: Mapping[str, str]) -> dict[str, Endpoint]:
    """Registers them: model → endpoint.

    Args:
        plan: The stack.
        base: What it stands on.
        live: Model → ARN of its live version; a model without one has no endpoint yet.
    """
    return {model.name: _endpoint(plan, model, base, live) for model in plan.settings.models}


def serving_outputs(base: Base, made: Mapping[str, Endpoint], live: Mapping[str, str]) -> Outputs:
    """Each model's endpoint and pointers, and which policy lets one ask it."""
    registry = base.registry
    return {
        "models": {
            name: {
                "packageGroup": registry.package_groups[name],
                "endpoint": endpoint.endpoint_name if name in live else NO_VERSION,
                "endpointRole": endpoint.role_arn,
                "livePointer": registry.live_pointers[name],
                "previousPointer": registry.previous_pointers[name],
                "artifactUri": registry.artifact_uris[name],
            }
            for name, endpoint in made.items()
        },
        "policies": {"invoke": {name: endpoint.invoke_policy_arn for name, endpoint in made.items()}},
    }


@dataclass(frozen=True)
class Versions:
    """What the registry's pointers say: model → ARN of a version; models without one are left out."""

    live: Mapping[str, str]
    previous: Mapping[str, str]


def released_versions(stack: str) -> Versions:
    """The versions that answer, and those that did before; one look-up."""
    found = aws.ssm.get_parameters_by_path(path=pointer_prefix(stack).rstrip("/"), recursive=True)
    pointers = dict(sorted(zip(found.names, found.values, strict=True)))
    return Versions(_pointed(pointers, "live"), _pointed(pointers, "previous"))


def in_cluster(model: Model) -> bool:
    """Whether a model answers from the stack's own cluster."""
    return model.serving.mode == "cluster"


def hosted(plan: Plan, released: Versions) -> Versions:
    """Those of the versions that SageMaker serves; the others answer from the cluster."""
    elsewhere = {model.name for model in plan.settings.models if in_cluster(model)}

    def here(versions: Mapping[str, str]) -> dict[str, str]:
        return {name: version for name, version in versions.items() if name not in elsewhere}

    return Versions(live=here(released.live), previous=here(released.previous))


def serve_environment(plan: Plan) -> dict[str, pulumi.Input[str]]:
    """What `serve` is told beside its model."""
    return {"STAGECRAFT_SERVE_OPTIMISED": "true"} if plan.has("model-optimisation") else {}


def fallback_of(model: Model) -> str:
    """The lowest step of a model's ladder, or `none`."""
    return model.serving.steps[-1] if model.serving.steps else "none"


def _pointed(pointers: Mapping[str, str], pointer: str) -> dict[str, str]:
    return {
        name.split("/")[-2]: value
        for name, value in pointers.items()
        if name.endswith(f"/{pointer}") and value != NO_VERSION
    }


def most_replicas(model: Model) -> int:
    """How many replicas a model may have."""
    return model.serving.max_replicas or model.serving.min_replicas * DEFAULT_GROWTH


def scaling_of(model: Model, *, production: bool) -> EndpointScaling:
    """How a model's machines come and go; outside production they rest at night and at the weekend."""
    serving = model.serving
    scaling: EndpointScaling = {
        "max_count": most_replicas(model),
        "requests_per_minute": serving.requests_per_minute,
    }
    if not production:
        scaling["quiet_hours"] = {"start": QUIET_FROM, "end": QUIET_UNTIL}
    return scaling


def _endpoint(plan: Plan, model: Model, base: Base, live: Mapping[str, str]) -> Endpoint:
    serving = model.serving
    args: EndpointArgs = {
        "model": model.name,
        "artifacts_bucket": base.lake.artifacts_bucket,
        "kms_key_arn": base.lake.kms_key_arn,
        "tags": {**plan.tags, **plan.tags_of(model), FALLBACK_TAG: fallback_of(model)},
    }
    if environment := serve_environment(plan):
        args["environment"] = environment
    if base.image.repository_arns:
        args["repository_arns"] = list(base.image.repository_arns)
    if model.name in live:
        args["model_package_arn"] = live[model.name]
    if serving.mode == "realtime":
        args["instances"] = {
            "instance_type": serving.instance_type,
            "instance_count": serving.min_replicas,
        }
        args["scaling"] = scaling_of(model, production=plan.settings.environment == "prod")
        args["capture"] = {
            "uri": pulumi.Output.format("s3://{0}/captured/{1}/", base.lake.artifacts_bucket, model.name)
        }
    else:
        args["memory_mib"] = serving.memory_mib
        args["max_concurrency"] = serving.max_concurrency
    return Endpoint(f"endpoint-{model.name}", args)
