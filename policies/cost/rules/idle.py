"""What is paid for while nobody uses it: notebooks, endpoints, experiments, gateways."""

import base64
import binascii
import re
from typing import Final

from policies.catalogue import About, Finding, Findings, joined_rule, stack_rule
from policies.models import CONFIGURATION, endpoints_of, is_serverless, variants
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.tags import known_label, tags_of
from policies.values import UNKNOWN, CannotJudge, any_of

NOTEBOOK: Final = "aws:sagemaker:NotebookInstance"
LIFECYCLE: Final = "aws:sagemaker:NotebookInstanceLifecycleConfiguration"
DOMAIN: Final = "aws:sagemaker:Domain"
SCALING_TARGET: Final = "aws:appautoscaling:Target"
SCHEDULED_ACTION: Final = "aws:appautoscaling:ScheduledAction"
JOB: Final = "kubernetes:Job"
CLUSTER: Final = "aws:eks:Cluster"
NAT: Final = "aws:ec2:NatGateway"
VPC_ENDPOINT: Final = "aws:ec2:VpcEndpoint"

_IDLE: Final = re.compile(r"auto-?_?stop|auto-?_?shut|idle", re.IGNORECASE)
_EXPIRY: Final = re.compile(r"(^|[:/_-])(ttl|expires?|expires-?_?at|expiry|delete-?_?after)", re.IGNORECASE)
_EXPERIMENT: Final = re.compile(r"(^|[:/_-])experiment", re.IGNORECASE)


def _outside_prod(resource: Resource, settings: Settings) -> bool:
    label = known_label(resource, "environment") or settings.environment
    return not label.lower().startswith("prod")


@joined_rule(
    About(
        id="C8",
        name="experiment-ends",
        title="Experiments end",
        remedy="Give the experiment a tag `ttl` or `expires` (a Kubernetes Job: ttlSecondsAfterFinished).",
        level="advisory",
    ),
    types=(
        JOB,
        "aws:sagemaker:Endpoint",
        "aws:sagemaker:NotebookInstance",
        "aws:sagemaker:Space",
        "aws:batch:ComputeEnvironment",
        "aws:ec2:Instance",
        "aws:eks:NodeGroup",
        "aws:s3:Bucket",
    ),
)
def experiment_ends(resource: Resource, _stack: Stack, _settings: Settings) -> Findings:
    """What is tagged as an experiment, and Jobs, which stay in the cluster once they are done."""
    if resource.type == JOB:
        if not resource.props.block("spec").stated("ttlSecondsAfterFinished"):
            yield "its pods stay for ever once it is done: ttlSecondsAfterFinished is not set"
        return
    tags = tags_of(resource)
    if any(_EXPERIMENT.search(key) or str(value).lower() == "experiment" for key, value in tags.items()):
        stated = [value for key, value in tags.items() if _EXPIRY.search(key)]
        if not stated:
            yield "it is an experiment without an end: no tag `ttl` or `expires`"


@joined_rule(
    About(
        id="C9",
        name="notebook-stops-when-idle",
        title="Notebooks shut down when idle",
        remedy=(
            "Give the notebook a lifecycle configuration that stops it when idle; a Studio domain "
            "appLifecycleManagement.idleSettings with lifecycleManagement ENABLED."
        ),
    ),
    types=(NOTEBOOK, DOMAIN),
)
def notebook_stops_when_idle(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """SageMaker bills a notebook until someone stops it."""
    if resource.type == DOMAIN:
        spaces = resource.props.block("defaultUserSettings")
        apps = [spaces.block("jupyterLabAppSettings"), spaces.block("codeEditorAppSettings")]
        managed = [app.block("appLifecycleManagement").block("idleSettings") for app in apps]
        if not any_of(managed, lambda idle: idle.text("lifecycleManagement").upper() == "ENABLED"):
            yield "its apps run until someone stops them"
        return
    if not resource.props.stated("lifecycleConfigName"):
        yield "it runs until someone stops it: it has no lifecycle configuration"
        return
    for configuration in stack.targets(resource, "lifecycleConfigName", (LIFECYCLE,)):
        scripts = " ".join(_decoded(configuration.props.text(name)) for name in ("onStart", "onCreate"))
        if not _IDLE.search(scripts):
            yield f"its lifecycle configuration {configuration.name} does not stop it when idle"


def _decoded(script: str) -> str:
    try:
        return base64.b64decode(script, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return script


@joined_rule(
    About(
        id="C10",
        name="endpoint-scales-to-nothing",
        title="Endpoints outside prod are serverless, scheduled or scale to nothing",
        remedy="Use a serverlessConfig, a minimum of 0 instances, or a scheduled action that scales down.",
    ),
    types=(CONFIGURATION,),
)
def endpoint_scales_to_nothing(configuration: Resource, stack: Stack, settings: Settings) -> Findings:
    """An instance that waits for requests bills all night."""
    if not _outside_prod(configuration, settings):
        return
    standing = [item for item in variants(configuration) if not is_serverless(item)]
    if not standing:
        return
    if all(item.block("managedInstanceScaling").number("minInstanceCount") == 0 for item in standing):
        return
    used_by = [endpoint for endpoint, used in endpoints_of(stack) if used is configuration]
    targets = [target for target in stack.of(SCALING_TARGET, SCHEDULED_ACTION) if _scales(target, used_by)]
    if not any_of(targets, lambda target: target.type == SCHEDULED_ACTION or _to_nothing(target)):
        yield "its machines bill around the clock"


def _scales(target: Resource, endpoints: list[Resource]) -> bool:
    urns = {*target.dependencies("resourceId"), *target.dependencies()}
    if any(endpoint.urn in urns for endpoint in endpoints):
        return True
    if target.props.unknown("resourceId"):
        return False
    kind, _, rest = target.props.text("resourceId").partition("/")
    name = rest.partition("/")[0]
    names = {endpoint.name for endpoint in endpoints} | {
        endpoint.props.text("name") for endpoint in endpoints if not endpoint.props.unknown("name")
    }
    return kind == "endpoint" and name in names


def _to_nothing(target: Resource) -> bool:
    return target.props.number("minCapacity") == 0


@stack_rule(
    About(
        id="C17",
        name="network-fits-stage",
        title="NAT gateways and interface endpoints fit the stage",
        remedy="Share one NAT gateway outside production; at validate use gateway endpoints and IPv6 egress.",
        severity="low",
        level="advisory",
    )
)
def network_fits_stage(stack: Stack, settings: Settings) -> Findings:
    """Each bills by the hour, used or not; at `validate` nothing should, but what a cluster stands on."""
    gateways = stack.of(NAT)
    interfaces = [
        item
        for item in stack.of(VPC_ENDPOINT)
        if _known_text(item, "vpcEndpointType", "Gateway").lower() == "interface"
    ]
    if not settings.reached("stabilise") and not stack.has(CLUSTER):
        for item in (*gateways, *interfaces):
            yield Finding("it bills by the hour, at a stage where nothing should", item)
    elif not settings.is_prod:
        for item in gateways[1:]:
            yield Finding("outside production one NAT gateway is enough", item)


def _known_text(resource: Resource, name: str, default: str) -> str:
    value = resource.props.raw_get(name)
    if value is UNKNOWN:
        raise CannotJudge(f"{name} of {resource.name} is not known yet")
    return str(value or default)
