"""Endpoints: enough machines, someone who notices, and an answer when the model has none."""

import re
from collections.abc import Iterator
from typing import Any, Final

from policies.catalogue import About, Findings, joined_rule
from policies.models import CONFIGURATION, ENDPOINT, is_serverless, variants
from policies.resources import Resource, Stack, interpolated_names
from policies.settings import Settings
from policies.tags import known_label, tags_of
from policies.values import UNKNOWN, Props, for_each

ALARMS: Final = ("aws:cloudwatch:MetricAlarm", "aws:cloudwatch:CompositeAlarm")
SCALING_TARGET: Final = "aws:appautoscaling:Target"
OBJECTIVE: Final = "aws:applicationsignals:ServiceLevelObjective"
_SLO: Final = re.compile(r"slo\b|slo[-_]|burn|error.?budget", re.IGNORECASE)


@joined_rule(
    About(
        id="R3",
        name="endpoint-has-two-instances",
        title="Endpoints of production have at least two instances",
        remedy="Set initialInstanceCount (or managedInstanceScaling.minInstanceCount) to 2 or more.",
        references=("SageMaker.4",),
    ),
    types=(CONFIGURATION,),
)
def endpoint_has_two_instances(configuration: Resource, _stack: Stack, settings: Settings) -> Findings:
    """SageMaker spreads instances over zones, if there is more than one; serverless needs none."""
    if not (known_label(configuration, "environment") or settings.environment).lower().startswith("prod"):
        return
    yield from for_each(configuration.props.blocks("productionVariants"), _lonely)


def _lonely(variant: Props) -> Findings:
    if is_serverless(variant):
        return
    count = variant.block("managedInstanceScaling").number("minInstanceCount")
    if count is None:
        count = variant.number("initialInstanceCount")
    if (1 if count is None else count) < 2:
        yield f"variant {variant.text('variantName') or variant.path} stops with its only instance"


@joined_rule(
    About(
        id="R4",
        name="endpoint-is-watched",
        title="Every endpoint has an alarm, autoscaling and an objective",
        remedy=(
            "Add a MetricAlarm on the endpoint's metrics, an appautoscaling Target for its variants, and an "
            "alarm on the burn rate of its SLO (say so in its name or description)."
        ),
        stage="stabilise",
    ),
    types=(ENDPOINT,),
)
def endpoint_is_watched(endpoint: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Serverless scales by itself."""
    alarms = [alarm for alarm in stack.of(*ALARMS) if _mentions(alarm, endpoint)]
    if not alarms:
        yield "nobody notices when it fails: no alarm watches it"
    objectives = [item for item in stack.of(OBJECTIVE) if _mentions(item, endpoint)]
    # Behind a gateway the promise is judged where callers stand: by the model's name, not the endpoint's.
    promised = [*alarms, *(alarm for alarm in stack.of(*ALARMS) if _of_its_model(alarm, endpoint))]
    if not objectives and not any(_SLO.search(_said_of(alarm)) for alarm in promised):
        yield "nobody notices when it breaks its promise: no alarm watches its SLO"
    configurations = stack.targets(endpoint, "endpointConfigName", (CONFIGURATION,))
    served = [variant for item in configurations for variant in variants(item)]
    if served and all(
        is_serverless(variant) or variant.stated("managedInstanceScaling") for variant in served
    ):
        return
    if not any(_mentions(target, endpoint) for target in stack.of(SCALING_TARGET)):
        yield "it does not scale: no appautoscaling Target is for it"


def _said_of(alarm: Resource) -> str:
    names = ("name", "alarmName", "alarmDescription", "metricName")
    known = [alarm.props.text(name) for name in names if not alarm.props.unknown(name)]
    return " ".join([alarm.name, *known, *(f"{key} {value}" for key, value in tags_of(alarm).items())])


def _mentions(resource: Resource, endpoint: Resource) -> bool:
    """Whether a resource is about an endpoint: by dependency, or by holding its name."""
    if endpoint.urn in resource.dependencies():
        return True
    names = {endpoint.name} | {
        endpoint.props.text(key) for key in ("name", "id") if not endpoint.props.unknown(key)
    }
    names.discard("")
    return any(_names(text, names) for text in _texts(resource.props.raw))


def _of_its_model(alarm: Resource, endpoint: Resource) -> bool:
    """Whether an alarm is about the model that the endpoint's tag names, whichever endpoint answers."""
    told = tags_of(endpoint).get("model")
    model = told.rpartition("/")[2] if isinstance(told, str) else ""
    return bool(model) and any(item.get("Model") == model for item in _objects(alarm.props.raw))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _objects(item)
    elif isinstance(value, list):
        for item in value:
            yield from _objects(item)


def _names(text: str, names: set[str]) -> bool:
    return any(
        text == name or f"endpoint/{name}/" in f"{text}/" or name in interpolated_names(text)
        for name in names
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


@joined_rule(
    About(
        id="R14",
        name="endpoint-declares-fallback",
        title="A realtime endpoint declares its fallback",
        remedy="Tag the endpoint `fallback`: last-good, default-answer, or, knowingly, none.",
        stage="stabilise",
    ),
    types=(ENDPOINT,),
)
def endpoint_declares_fallback(endpoint: Resource, stack: Stack, _settings: Settings) -> Findings:
    """What users get while the model has no answer; batch and asynchronous inference can wait."""
    for configuration in stack.targets(endpoint, "endpointConfigName", (CONFIGURATION,)):
        if configuration.props.stated("asyncInferenceConfig"):
            return
    tags = tags_of(endpoint)
    stated = [value for key, value in tags.items() if key.lower().rpartition(":")[2] == "fallback"]
    if not stated or stated[0] in ("", None) or (stated[0] is not UNKNOWN and str(stated[0]) == ""):
        yield "nothing says what users get while it does not answer"
