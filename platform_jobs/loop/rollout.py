"""A version goes live step by step on the endpoint that is there, and comes back if it must.

The endpoint's own configuration (the deployment's) is never changed or deleted: the loop makes others beside
it, `<endpoint>-loop-<number>…`, so that the way back is one call. The next deployment puts a configuration of
its own with the same version in their place (docs/adr/0010).
"""

import datetime
import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from platform_jobs.aws import Clients, error_code
from platform_jobs.errors import JobError
from platform_jobs.log import event
from platform_jobs.times import iso

if TYPE_CHECKING:
    from types_boto3_sagemaker import SageMakerClient

CANDIDATE: Final = "candidate"
BASELINE: Final = datetime.timedelta(hours=24)
"""How long the live version is looked back at, where the two never share the traffic: one of every hour."""
WHOLE: Final = 100
_NAME_LENGTH: Final = 63
_LONGEST_SUFFIX: Final = len("-loop-999999-canary")


class NotYetError(Exception):
    """The endpoint is still changing: ask again in a while."""


@dataclass(frozen=True)
class Rollout:
    """One version on its way to one endpoint; what the execution carries from step to step."""

    endpoint: str
    original: str
    """Configuration to come back to."""
    number: int
    """Of the version."""
    model: str
    """SageMaker model made of the version."""
    splits: bool
    """Whether the endpoint can share its traffic between versions: serverless ones can't (ADR 0010)."""
    expected: str
    """Configuration that should be in service."""
    variant: str
    """The variant that the live version answers as, and this one when it has all of the traffic."""
    since: str
    """From when on answers count: when the two began to share the traffic; until then, a day before."""
    side_by_side: bool = False
    """Whether they have shared it."""
    left: str = ""
    """When the live version's share began to go; empty before."""
    whole: str = ""
    """When this one had all; empty before."""
    given: str = ""
    """When it had the share that it has; empty before it has one."""

    @property
    def base(self) -> str:
        """What the names of everything that the loop makes for this endpoint start with."""
        return name_base(self.endpoint)


def name_base(endpoint: str) -> str:
    """What the names of everything that the loop makes for an endpoint start with."""
    return f"{endpoint[: _NAME_LENGTH - _LONGEST_SUFFIX].rstrip('-')}-loop-"


def begin(clients: Clients, endpoint: str, version_arn: str, number: int) -> Rollout | None:
    """Makes a model of the version, like the one that is live; None while there is no endpoint yet.

    Raises:
        NotYetError: the endpoint is changing.
        JobError: reason `endpoint-failed`.
    """
    described = _described(clients, endpoint)
    if described is None:
        return None
    original = _in_service(described)
    configuration: Any = clients.sagemaker.describe_endpoint_config(EndpointConfigName=original)
    variant = configuration["ProductionVariants"][0]
    model = f"{name_base(endpoint)}{number}"
    _create_model(clients, model, like=variant["ModelName"], version_arn=version_arn)
    event("loop", "rollout", endpoint=endpoint, version=version_arn, original=original)
    # What answered before this configuration was there was another version, perhaps.
    since = max(_now() - BASELINE, configuration["CreationTime"].astimezone(datetime.UTC))
    return Rollout(
        endpoint=endpoint,
        original=original,
        number=number,
        model=model,
        splits="ServerlessConfig" not in variant,
        expected=original,
        variant=variant["VariantName"],
        since=iso(since),
    )


def shift(clients: Clients, rollout: Rollout, percent: int, largest: int) -> Rollout:
    """Gives the version this share of the traffic; a second time changes nothing.

    Args:
        clients: the AWS clients to use.
        rollout: what is rolled out.
        percent: from 1 to 100; 100 leaves the old version none.
        largest: the largest share under 100 that it will have: its machines are made for that.

    Raises:
        NotYetError: the endpoint is changing.
    """
    if percent < WHOLE and not rollout.splits:
        return rollout  # all of its traffic comes with the last step
    described = _described(clients, rollout.endpoint)
    if described is None:
        raise JobError("no-endpoint", f"endpoint {rollout.endpoint} went away during the release")
    now = _in_service(described)
    variants = _variants(clients, rollout.original)
    left = rollout.left
    if percent == WHOLE:
        target, left = f"{rollout.base}{rollout.number}", left or iso(_now())
        wanted = [{**variants[0], "ModelName": rollout.model, "InitialVariantWeight": 1.0}]
    else:
        target = f"{rollout.base}{rollout.number}-canary"
        wanted = [*_weighted(variants, WHOLE - percent), _candidate(variants[0], rollout, percent, largest)]
    if now == target:
        _reweigh(clients, rollout, wanted)
    else:
        _create_configuration(clients, target, wanted, like=rollout.original)
        clients.sagemaker.update_endpoint(
            EndpointName=rollout.endpoint, EndpointConfigName=target, **_kept(rollout)
        )
    event("loop", "shifted", endpoint=rollout.endpoint, version=rollout.number, percent=percent)
    return replace(rollout, expected=target, left=left, given="")


def settled(clients: Clients, rollout: Rollout) -> Rollout:
    """The rollout, once the endpoint has what was last asked of it.

    Raises:
        NotYetError: it is still changing.
        JobError: reason `update-failed`: SageMaker went back to what was in service before.
    """
    described = _described(clients, rollout.endpoint) or {}
    now = _in_service(described)
    if now != rollout.expected:
        cause = described.get("FailureReason", "no reason given")
        raise JobError("update-failed", f"{rollout.endpoint} stayed with {now}: {cause}")
    return rollout if now == rollout.original or rollout.given else _marked(rollout)


def _marked(rollout: Rollout) -> Rollout:
    """The rollout, which has from now on the share that it was to be given."""
    at = iso(_now())
    if rollout.left:
        return replace(rollout, given=at, whole=at)
    since = rollout.since if rollout.side_by_side else at
    return replace(rollout, given=at, since=since, side_by_side=True)


def undo(clients: Clients, rollout: Rollout) -> Rollout:
    """Has the endpoint go back to what was there before.

    Raises:
        NotYetError: the endpoint is changing.
    """
    described = _described(clients, rollout.endpoint)
    if described is not None and _in_service(described) != rollout.original:
        clients.sagemaker.update_endpoint(
            EndpointName=rollout.endpoint, EndpointConfigName=rollout.original, **_kept(rollout)
        )
    event("loop", "undone", endpoint=rollout.endpoint, version=rollout.number)
    return replace(rollout, expected=rollout.original)


def tidy(clients: Clients, endpoint: str) -> None:
    """Removes what earlier rollouts made and the endpoint does not use."""
    described = _described(clients, endpoint)
    used = [] if described is None else [str(described["EndpointConfigName"])]
    models = {variant["ModelName"] for name in used for variant in _variants(clients, name)}
    remove(clients.sagemaker, endpoint, spared={*used, *models})


def remove(
    sagemaker: "SageMakerClient", endpoint: str, *, spared: Collection[str] = frozenset()
) -> list[str]:
    """Removes the configurations and models that the loop made for an endpoint, but those spared.

    Returns:
        Their names: configurations, then models.
    """
    base = name_base(endpoint)
    configurations = [
        each["EndpointConfigName"]
        for page in sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=base)
        for each in page["EndpointConfigs"]
    ]
    models = [
        each["ModelName"]
        for page in sagemaker.get_paginator("list_models").paginate(NameContains=base)
        for each in page["Models"]
    ]
    configurations, models = _own(configurations, base, spared), _own(models, base, spared)
    for name in configurations:
        sagemaker.delete_endpoint_config(EndpointConfigName=name)
    for name in models:
        sagemaker.delete_model(ModelName=name)
    return [*configurations, *models]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _own(names: Iterable[str], base: str, spared: Collection[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(base) and name not in spared)


def _described(clients: Clients, endpoint: str) -> dict[str, Any] | None:
    try:
        described: Any = clients.sagemaker.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if error_code(error) in {"ValidationException", "ValidationError", "ResourceNotFound"}:
            return None
        raise
    return dict(described)


def _in_service(described: dict[str, Any]) -> str:
    """The configuration in service, when nothing is under way."""
    status = described.get("EndpointStatus", "gone")
    if status == "InService":
        return str(described["EndpointConfigName"])
    if status in {"Failed", "gone"}:
        cause = described.get("FailureReason", "no reason given")
        raise JobError("endpoint-failed", f"the endpoint is {status}: {cause}")
    raise NotYetError(f"the endpoint is {status}")


def _variants(clients: Clients, configuration: str) -> list[dict[str, Any]]:
    described: Any = clients.sagemaker.describe_endpoint_config(EndpointConfigName=configuration)
    return [dict(variant) for variant in described["ProductionVariants"]]


def _weighted(variants: list[dict[str, Any]], percent: int) -> list[dict[str, Any]]:
    """The variants there are, with a share of the traffic between them as before."""
    total = sum(variant.get("InitialVariantWeight", 1.0) for variant in variants)
    return [
        {**each, "InitialVariantWeight": percent * each.get("InitialVariantWeight", 1.0) / total}
        for each in variants
    ]


def _candidate(like: dict[str, Any], rollout: Rollout, percent: int, largest: int) -> dict[str, Any]:
    machines = math.ceil(like["InitialInstanceCount"] * largest / WHOLE)
    return {
        **like,
        "VariantName": CANDIDATE,
        "ModelName": rollout.model,
        "InitialInstanceCount": machines,
        "InitialVariantWeight": float(percent),
    }


def _reweigh(clients: Clients, rollout: Rollout, variants: list[dict[str, Any]]) -> None:
    if len(variants) == 1:
        return
    clients.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=rollout.endpoint,
        DesiredWeightsAndCapacities=[
            {"VariantName": each["VariantName"], "DesiredWeight": each["InitialVariantWeight"]}
            for each in variants
        ],
    )


def _kept(rollout: Rollout) -> dict[str, Any]:
    """As many machines as scaling has made of them, whatever the configuration began with."""
    if not rollout.splits:
        return {}
    weights = [{"VariantPropertyType": "DesiredWeight"}]
    return {"RetainAllVariantProperties": True, "ExcludeRetainedVariantProperties": weights}


def _create_model(clients: Clients, name: str, *, like: str, version_arn: str) -> None:
    described: Any = clients.sagemaker.describe_model(ModelName=like)
    container = described.get("PrimaryContainer") or described["Containers"][0]
    settings = {
        key: described[key]
        for key in ("ExecutionRoleArn", "EnableNetworkIsolation", "VpcConfig")
        if key in described
    }
    made: Any = {"ModelPackageName": version_arn, "Environment": container.get("Environment", {})}
    if not made["Environment"]:
        del made["Environment"]
    _create_once(
        lambda: clients.sagemaker.create_model(
            ModelName=name,
            Containers=[made],
            Tags=_tags(clients, described["ModelArn"]),
            **settings,
        )
    )


def _create_configuration(clients: Clients, name: str, variants: list[dict[str, Any]], *, like: str) -> None:
    described: Any = clients.sagemaker.describe_endpoint_config(EndpointConfigName=like)
    settings = {key: described[key] for key in ("DataCaptureConfig", "KmsKeyId") if key in described}
    wanted: Any = variants
    _create_once(
        lambda: clients.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=wanted,
            Tags=_tags(clients, described["EndpointConfigArn"]),
            **settings,
        )
    )


def _create_once(create: Callable[[], object]) -> None:
    """A step that is tried again finds what its first try made."""
    try:
        create()
    except ClientError as error:
        exists = "existing" in str(error) or "already exist" in str(error)
        if not exists:
            raise


def _tags(clients: Clients, arn: str) -> Any:
    """Labels go along: budgets count what the loop makes, too."""
    return [
        tag
        for tag in clients.sagemaker.list_tags(ResourceArn=arn)["Tags"]
        if not tag["Key"].startswith("aws:")
    ]
