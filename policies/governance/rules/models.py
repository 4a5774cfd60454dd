"""Models: where they come from, who let them through, who watches them, and what is written of them."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from policies.catalogue import About, Findings, joined_rule, resource_rule
from policies.governance.rules.residency import STORES
from policies.models import CONFIGURATION, ENDPOINT, MODEL, is_serverless, variants
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.tags import known_label, tags_of
from policies.values import UNKNOWN, CannotJudge

GROUP: Final = "aws:sagemaker:ModelPackageGroup"
CARD: Final = "aws:sagemaker:ModelCard"
STATE_MACHINE: Final = "aws:sfn:StateMachine"
EVENT_RULE: Final = "aws:cloudwatch:EventRule"
SCHEDULE: Final = "aws:sagemaker:MonitoringSchedule"
ALARM: Final = "aws:cloudwatch:MetricAlarm"

PERSONAL: Final = frozenset({"personal", "sensitive", "restricted"})
"""Classifications of data about people."""

_ERASURE: Final = re.compile(r"eras(e|ure)|forget|gdpr[-_ ]?delet|right[-_ ]to[-_ ]delet", re.IGNORECASE)
_APPROVAL_EVENT: Final = "Model Package State Change"
_WAITS: Final = "waitForTaskToken"
_MONITORS: Final = {
    "drift": re.compile(r"drift|data.?quality|psi\b", re.IGNORECASE),
    "accuracy": re.compile(
        r"accuracy|model.?quality|\bf1\b|auc|rmse|\bmae\b|precision|recall", re.IGNORECASE
    ),
    "bias": re.compile(r"bias|disparit|fairness|demographic.?parity", re.IGNORECASE),
}


def _personal(resource: Resource) -> bool:
    return (known_label(resource, "dataClassification") or "").lower() in PERSONAL


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


@joined_rule(
    About(
        id="G3",
        name="personal-data-can-be-erased",
        title="Where there is personal data, there is an erasure workflow",
        remedy="Add a workflow (a state machine or job named for erasure) that deletes a person everywhere.",
        severity="high",
        stage="govern",
    ),
    types=STORES,
)
def personal_data_can_be_erased(store: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Someone may ask to be forgotten."""
    if not _personal(store):
        return
    workflows = stack.of(STATE_MACHINE, "aws:batch:JobDefinition", "aws:lambda:Function")
    if not any(_ERASURE.search(text) for workflow in workflows for text in _names(workflow)):
        yield "it holds personal data, and nothing in the stack erases a person"


def _names(resource: Resource) -> Iterator[str]:
    yield resource.name
    raw = resource.props.raw
    if isinstance(raw, dict):
        for key in ("name", "definition", "description", "containerProperties", "tags"):
            yield from _texts(raw.get(key))


@joined_rule(
    About(
        id="G4",
        name="model-group-has-approval",
        title="A model group has an approval gate",
        remedy="Send the group's version events to those who approve, or let the release wait for them.",
        severity="high",
        stage="govern",
    ),
    types=(GROUP,),
)
def model_group_has_approval(group: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Someone, or something with a measure, lets a version through."""
    if not _approval_events(group, stack) and not _waiting_releases(stack):
        yield "nobody is asked before one of its versions goes live"


@joined_rule(
    About(
        id="G12",
        name="personal-model-approved-by-human",
        title="A human approves models on personal data",
        remedy="Let the release wait for a person (a Step Functions task with waitForTaskToken).",
        severity="high",
        stage="govern",
    ),
    types=(GROUP,),
)
def personal_model_approved_by_human(group: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Being told is not enough: the release must wait for the answer."""
    if _personal(group) and not _waiting_releases(stack):
        yield "its versions are made from personal data and can go live without a person's consent"


def _approval_events(group: Resource, stack: Stack) -> list[Resource]:
    found = []
    for rule in stack.of(EVENT_RULE):
        if rule.props.unknown("eventPattern"):
            if group.urn in rule.dependencies("eventPattern"):
                found.append(rule)
            continue
        pattern = _parsed(rule.props.raw_get("eventPattern"))
        texts = set(_texts(pattern))
        if any(_APPROVAL_EVENT in text for text in texts):
            named = (
                pattern.get("detail", {}).get("ModelPackageGroupName") if isinstance(pattern, dict) else None
            )
            if not named or group.name in named or _group_name(group) in named:
                found.append(rule)
    return found


def _group_name(group: Resource) -> str:
    name = "modelPackageGroupName"
    return "" if group.props.unknown(name) else group.props.text(name)


def _waiting_releases(stack: Stack) -> list[Resource]:
    return [
        machine
        for machine in stack.of(STATE_MACHINE)
        if any(_WAITS in text for text in _texts(machine.props.raw_get("definition")))
    ]


def _parsed(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


@joined_rule(
    About(
        id="G5",
        name="model-comes-from-registry",
        title="An endpoint's model is a registered version",
        remedy="Give the container modelPackageName (an approved version's ARN) instead of image and data.",
        severity="high",
    ),
    types=(MODEL,),
)
def model_comes_from_registry(model: Resource, _stack: Stack, _settings: Settings) -> Findings:
    """SageMaker serves a package only while it is approved; an image and a file come from anywhere."""
    containers = model.props.blocks("containers") + model.props.blocks("primaryContainer")
    if not containers:
        yield "it names no registered version"
    for container in containers:
        if not container.stated("modelPackageName"):
            yield "nobody can tell which registered version it is: a container has no modelPackageName"


@joined_rule(
    About(
        id="G6",
        name="served-model-is-monitored",
        title="Every served model has drift and accuracy monitors, and for personal data a bias monitor",
        remedy="Add a MonitoringSchedule, or an alarm on the monitor's metric, for each.",
        stage="stabilise",
    ),
    types=(ENDPOINT,),
)
def served_model_is_monitored(endpoint: Resource, stack: Stack, settings: Settings) -> Findings:
    """A model gets worse without failing."""
    wanted = ["drift", "accuracy"]
    if settings.reached("govern") and _personal(endpoint):
        wanted.append("bias")
    watching = [item for item in stack.of(SCHEDULE, ALARM) if _about(item, endpoint)]
    missing = [kind for kind in wanted if not any(_watches(item, _MONITORS[kind]) for item in watching)]
    if missing:
        yield f"it has no monitor of {' and of '.join(missing)}"


def _about(monitor: Resource, endpoint: Resource) -> bool:
    if endpoint.urn in monitor.dependencies():
        return True
    names = {endpoint.name} | {
        endpoint.props.text(key) for key in ("name", "id") if not endpoint.props.unknown(key)
    }
    model = tags_of(endpoint).get("model")
    if isinstance(model, str):
        names |= {model, model.rpartition("/")[2]}
    names.discard("")
    return any(text in names for text in _texts(monitor.props.raw))


def _watches(monitor: Resource, pattern: re.Pattern[str]) -> bool:
    raw = monitor.props.raw
    keys = ("metricName", "metricQueries", "monitoringScheduleConfig", "name", "alarmDescription")
    texts = (text for key in keys for text in _texts(raw.get(key)))
    return bool(pattern.search(monitor.name)) or any(pattern.search(text) for text in texts)


@resource_rule(
    About(
        id="G7",
        name="prod-endpoint-captures-data",
        title="Endpoints of production capture data, encrypted",
        remedy="Set dataCaptureConfig with enableCapture, initialSamplingPercentage above 0 and kmsKeyId.",
    ),
    types=(CONFIGURATION,),
)
def prod_endpoint_captures_data(configuration: Resource, settings: Settings) -> Findings:
    """Without what was asked, nothing can be monitored. Serverless endpoints do not offer it."""
    if not (known_label(configuration, "environment") or settings.environment).lower().startswith("prod"):
        return
    served = variants(configuration)
    if served and all(is_serverless(variant) for variant in served):
        return
    capture = configuration.props.block("dataCaptureConfig")
    if not capture or not capture.flag("enableCapture", default=True):
        yield "nobody can tell what it was asked: it captures nothing"
        return
    if capture.number("initialSamplingPercentage") == 0:
        yield "it captures 0 % of the requests"
    if not capture.stated("kmsKeyId"):
        yield "what it captures is not encrypted with a key of yours"


_CARD_PARTS: Final = {
    "its training data": ("training_data", "training_datasets", "training_details", "datasets"),
    "its owner": ("model_owner", "model_creator", "owner", "owners"),
    "its intended use": ("intended_uses", "intended_use", "purpose_of_model"),
}


@joined_rule(
    About(
        id="G11",
        name="model-card-is-complete",
        title="A model card names training data, owner and intended use",
        remedy="Write training_details, model_overview.model_owner and intended_uses into a ModelCard.",
        stage="govern",
    ),
    types=(GROUP, CARD),
)
def model_card_is_complete(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """A group without any card in the stack has none."""
    if resource.type == GROUP:
        if not stack.has(CARD):
            yield "no model card tells what its versions are for"
        return
    content = resource.props.raw_get("content")
    if content is UNKNOWN:
        raise CannotJudge("content is not known yet")
    parsed = _parsed(content)
    if not isinstance(parsed, dict):
        raise CannotJudge("content is no JSON object")
    stated = set(_stated(parsed))
    missing = [part for part, names in _CARD_PARTS.items() if not stated & set(names)]
    if missing:
        yield f"it does not say {', '.join(missing)}"


def _stated(value: Any) -> Iterator[str]:
    """The names of all fields that have a value."""
    if isinstance(value, dict):
        for key, item in value.items():
            if item not in (None, "", [], {}):
                yield str(key)
                yield from _stated(item)
    elif isinstance(value, list):
        for item in value:
            yield from _stated(item)
