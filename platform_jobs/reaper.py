"""`reaper`: takes down what has expired, and what costs by the hour while nobody asks it anything.

Looks only at what carries the stack's own tag. What expires says so by the tag `expires` (a day, or a time
with its zone); what cannot be read as one is told of, never taken down.
"""

import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from botocore.exceptions import ClientError

from platform_jobs import log, settings
from platform_jobs.aws import Clients, error_code
from platform_jobs.log import WARNING, event
from platform_jobs.settings import Env

EXPIRES: Final = "expires"
_HOUR: Final = 3600
_ON: Final = "yes"


def _tag(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    if not key or not value:
        raise ValueError("expected key=value")
    return key, value


@dataclass(frozen=True, kw_only=True)
class ReaperSettings:
    """What `reaper` reads from its environment."""

    tag: Annotated[tuple[str, str], Env("STAGECRAFT_REAPER_TAG", _tag)]
    """The tag that everything of the stack carries, `key=value`."""
    topic: Annotated[str, Env("STAGECRAFT_REAPER_TOPIC")]
    """Who is told."""
    idle_hours: Annotated[int, Env("STAGECRAFT_REAPER_IDLE_HOURS", settings.positive_int)] = 24
    """Hours without a request after which an endpoint on machines of its own is idle."""
    stop_idle: Annotated[str, Env("STAGECRAFT_REAPER_STOP_IDLE", settings.one_of("yes", "no"))] = "no"
    """Whether idle endpoints are taken down, or only told of."""


@dataclass(frozen=True)
class Standing:
    """Something that costs while it stands."""

    kind: str
    id: str
    tags: Mapping[str, str]
    since: datetime.datetime
    by_the_hour: bool
    """Whether it bills while nothing happens."""


@dataclass(frozen=True)
class Kind:
    """What the reaper can take down, and how."""

    name: str
    found: Callable[[Clients], Iterator[Standing]]
    take_down: Callable[[Clients, str], object]


@dataclass(frozen=True)
class Finding:
    """What was found about one thing, and what was done about it."""

    kind: str
    id: str
    why: str
    done: bool


def reap(clients: Clients, config: ReaperSettings, now: datetime.datetime) -> list[Finding]:
    """Takes down what has expired or idles; the findings, in the order of kinds and names."""
    findings = []
    for kind in KINDS:
        for standing in sorted(kind.found(clients), key=lambda each: each.id):
            if standing.tags.get(config.tag[0]) != config.tag[1]:
                continue
            finding = _judged(clients, config, standing, now)
            if finding is None:
                continue
            if finding.done:
                finding = _taken_down(clients, kind, finding)
            findings.append(finding)
            event("reaper", "found", WARNING, **finding.__dict__)
    event("reaper", "finished", findings=len(findings))
    return findings


def _taken_down(clients: Clients, kind: Kind, finding: Finding) -> Finding:
    """One that cannot be taken down now keeps none of the others."""
    try:
        kind.take_down(clients, finding.id)
    except ClientError as error:
        return Finding(
            finding.kind, finding.id, f"{finding.why}; not taken down: {error_code(error)}", done=False
        )
    return finding


def _judged(
    clients: Clients, config: ReaperSettings, standing: Standing, now: datetime.datetime
) -> Finding | None:
    expires = standing.tags.get(EXPIRES)
    if expires is not None:
        moment = _moment(expires)
        if moment is None:
            why = f"its tag {EXPIRES} is {expires!r}, neither a day nor a time with its zone"
            return Finding(standing.kind, standing.id, why, done=False)
        if moment <= now:
            return Finding(standing.kind, standing.id, f"expired {expires}", done=True)
    if standing.kind == ENDPOINT and standing.by_the_hour and _is_idle(clients, config, standing, now):
        why = f"answered nothing for {config.idle_hours} hours"
        return Finding(standing.kind, standing.id, why, done=config.stop_idle == _ON)
    return None


def _moment(text: str) -> datetime.datetime | None:
    """A day ends with its last hour, UTC."""
    try:
        if len(text) == len("2026-01-31"):
            day = datetime.date.fromisoformat(text)
            return datetime.datetime.combine(day, datetime.time.max, datetime.UTC)
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _is_idle(clients: Clients, config: ReaperSettings, standing: Standing, now: datetime.datetime) -> bool:
    start = now - datetime.timedelta(hours=config.idle_hours)
    if standing.since > start:
        return False
    variants = clients.sagemaker.describe_endpoint(EndpointName=standing.id).get("ProductionVariants", [])
    for variant in variants:
        answer = clients.cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="Invocations",
            Dimensions=[
                {"Name": "EndpointName", "Value": standing.id},
                {"Name": "VariantName", "Value": variant["VariantName"]},
            ],
            StartTime=start,
            EndTime=now,
            Period=_HOUR,
            Statistics=["Sum"],
        )
        if any(point.get("Sum", 0) > 0 for point in answer["Datapoints"]):
            return False
    return True


ENDPOINT: Final = "SageMaker endpoint"


def _endpoints(clients: Clients) -> Iterator[Standing]:
    sagemaker = clients.sagemaker
    for page in sagemaker.get_paginator("list_endpoints").paginate(StatusEquals="InService"):
        for each in page["Endpoints"]:
            described: Any = sagemaker.describe_endpoint(EndpointName=each["EndpointName"])
            configuration: Any = sagemaker.describe_endpoint_config(
                EndpointConfigName=described["EndpointConfigName"]
            )
            machines = any(
                "ServerlessConfig" not in variant for variant in configuration["ProductionVariants"]
            )
            tags = _sagemaker_tags(clients, each["EndpointArn"])
            yield Standing(ENDPOINT, each["EndpointName"], tags, each["LastModifiedTime"], machines)


def _notebooks(clients: Clients) -> Iterator[Standing]:
    sagemaker = clients.sagemaker
    for page in sagemaker.get_paginator("list_notebook_instances").paginate(StatusEquals="InService"):
        for each in page["NotebookInstances"]:
            tags = _sagemaker_tags(clients, each["NotebookInstanceArn"])
            yield Standing("notebook", each["NotebookInstanceName"], tags, each["LastModifiedTime"], True)


def _machines(clients: Clients) -> Iterator[Standing]:
    running: Any = [{"Name": "instance-state-name", "Values": ["running"]}]
    for page in clients.client("ec2").get_paginator("describe_instances").paginate(Filters=running):
        for reservation in page["Reservations"]:
            for each in reservation["Instances"]:
                tags = {tag["Key"]: tag["Value"] for tag in each.get("Tags", [])}
                yield Standing("EC2 instance", each["InstanceId"], tags, each["LaunchTime"], True)


def _sagemaker_tags(clients: Clients, arn: str) -> dict[str, str]:
    pages = clients.sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


KINDS: Final = (
    Kind(ENDPOINT, _endpoints, lambda clients, name: clients.sagemaker.delete_endpoint(EndpointName=name)),
    Kind(
        "notebook",
        _notebooks,
        lambda clients, name: clients.sagemaker.stop_notebook_instance(NotebookInstanceName=name),
    ),
    Kind(
        "EC2 instance",
        _machines,
        lambda clients, name: clients.client("ec2").terminate_instances(InstanceIds=[name]),
    ),
)


def handler(_event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """The schedule's call."""
    log.configure()
    config, clients = settings.load(ReaperSettings), Clients()
    findings = reap(clients, config, datetime.datetime.now(datetime.UTC))
    if findings:
        _tell(clients, config, findings)
    return {"findings": [finding.__dict__ for finding in findings]}


def _tell(clients: Clients, config: ReaperSettings, findings: list[Finding]) -> None:
    lines = [
        f"{'taken down' if each.done else 'found'}: {each.kind} {each.id}: {each.why}" for each in findings
    ]
    down = sum(each.done for each in findings)
    clients.client("sns").publish(
        TopicArn=config.topic,
        Subject=f"{config.tag[1]}: {down} taken down, {len(findings) - down} to look at"[:100],
        Message="\n".join(lines),
    )
