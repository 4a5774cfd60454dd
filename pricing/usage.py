"""Declared usage: what an estimate cannot read from resources, with stated defaults.

Every field is a month's worth of use of ONE resource unless its text says otherwise. A stack overrides fields
for all resources, or by resource name pattern.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from typing import Annotated, Any, get_type_hints

from pricing.money import number


@dataclass(frozen=True)
class UsageProblem:
    """One thing that is wrong with declared usage."""

    path: str
    value: object
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.value!r}; {self.remedy}"


class UsageError(ValueError):
    """Declared usage that cannot be used; `problems` lists everything wrong with it."""

    def __init__(self, problems: Sequence[UsageProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Doc:
    """What a usage field means, and its bounds."""

    text: str
    at_most: int | None = None
    at_least: int = 0


@dataclass(frozen=True)
class Usage:
    """A month's use. The defaults are a small product's; state your own for an estimate you can rely on."""

    worst_factor: Annotated[
        Decimal,
        Doc("Worst month over expected month, for use that nothing in the resources limits.", at_least=1),
    ] = Decimal(3)
    autoscaling_share: Annotated[
        Decimal,
        Doc("How far between minimum and maximum what scales by itself stands on average.", at_most=1),
    ] = Decimal("0.25")
    pool_share: Annotated[
        Decimal,
        Doc("Share of its limits that a pool which scales to zero uses, averaged over the month.", at_most=1),
    ] = Decimal("0.10")
    notebook_hours: Annotated[
        Decimal, Doc("Hours that a notebook with automatic shut-down runs.", at_most=730)
    ] = Decimal(80)
    s3_storage_gb: Annotated[Decimal, Doc("GB stored in a bucket, averaged over the month.")] = Decimal(50)
    s3_put_requests: Annotated[Decimal, Doc("PUT, COPY, POST and LIST requests on a bucket.")] = Decimal(
        100000
    )
    s3_get_requests: Annotated[Decimal, Doc("GET and other requests on a bucket.")] = Decimal(1000000)
    dynamodb_writes: Annotated[Decimal, Doc("Write request units of an on-demand table.")] = Decimal(1000000)
    dynamodb_reads: Annotated[Decimal, Doc("Read request units of an on-demand table.")] = Decimal(5000000)
    dynamodb_storage_gb: Annotated[Decimal, Doc("GB stored in a table, indexes included.")] = Decimal(5)
    kms_requests: Annotated[Decimal, Doc("Requests on a customer managed key.")] = Decimal(100000)
    secret_requests: Annotated[Decimal, Doc("API calls for a secret.")] = Decimal(10000)
    lambda_requests: Annotated[Decimal, Doc("Invocations of a function.")] = Decimal(100000)
    lambda_seconds: Annotated[Decimal, Doc("Billed duration of one invocation, seconds.")] = Decimal("0.5")
    workflow_runs: Annotated[Decimal, Doc("Executions of a Step Functions state machine.")] = Decimal(1000)
    workflow_transitions: Annotated[Decimal, Doc("State transitions in one execution.")] = Decimal(20)
    workflow_seconds: Annotated[Decimal, Doc("Duration of one express execution, seconds.")] = Decimal(30)
    inference_requests: Annotated[Decimal, Doc("Invocations of a serverless SageMaker endpoint.")] = Decimal(
        1000000
    )
    inference_seconds: Annotated[Decimal, Doc("Billed duration of one serverless invocation, seconds.")] = (
        Decimal("0.1")
    )
    inference_payload_kb: Annotated[Decimal, Doc("Request and response of one invocation together, KB.")] = (
        Decimal(4)
    )
    monitoring_runs: Annotated[Decimal, Doc("Runs of a SageMaker monitoring schedule.", at_most=744)] = (
        Decimal(30)
    )
    monitoring_hours: Annotated[Decimal, Doc("Duration of one monitoring run, hours.")] = Decimal("0.25")
    training_runs: Annotated[Decimal, Doc("Runs of a declared training job.")] = Decimal(1)
    training_hours: Annotated[Decimal, Doc("Duration of one training run, hours.")] = Decimal(1)
    stream_gb: Annotated[Decimal, Doc("GB written to a Kinesis stream or delivered by Firehose.")] = Decimal(
        10
    )
    stream_record_kb: Annotated[Decimal, Doc("Size of one record in a stream, KB.")] = Decimal(1)
    glue_job_hours: Annotated[Decimal, Doc("Hours that a Glue job or crawler runs.", at_most=730)] = Decimal(
        10
    )
    athena_scanned_tb: Annotated[Decimal, Doc("TB scanned by a workgroup's queries.")] = Decimal("0.1")
    athena_queries: Annotated[Decimal, Doc("Queries in a workgroup.")] = Decimal(1000)
    logs_gb: Annotated[Decimal, Doc("GB ingested by a log group.")] = Decimal(1)
    metrics: Annotated[Decimal, Doc("Custom metrics that a log group's metric filter emits, beyond one.")] = (
        Decimal(0)
    )
    ecr_storage_gb: Annotated[Decimal, Doc("GB of images in a repository.")] = Decimal(5)
    queue_requests: Annotated[Decimal, Doc("Requests on an SQS queue.")] = Decimal(1000000)
    topic_publishes: Annotated[Decimal, Doc("Messages published to an SNS topic.")] = Decimal(10000)
    topic_emails: Annotated[Decimal, Doc("E-mail notifications of an SNS subscription.")] = Decimal(100)
    bus_events: Annotated[Decimal, Doc("Custom events on an EventBridge bus.")] = Decimal(100000)
    nat_gb: Annotated[Decimal, Doc("GB through a NAT gateway.")] = Decimal(50)
    flow_logs_gb: Annotated[Decimal, Doc("GB of flow logs that a VPC or subnet writes.")] = Decimal(5)
    endpoint_gb: Annotated[Decimal, Doc("GB through an interface endpoint.")] = Decimal(10)
    internet_out_gb: Annotated[Decimal, Doc("GB to the internet from a load balancer.")] = Decimal(10)
    load_balancer_units: Annotated[
        Decimal, Doc("Capacity units (LCU) that a load balancer uses on average.")
    ] = Decimal(1)
    cloudtrail_data_events: Annotated[
        Decimal, Doc("Data events that a trail records, if it records any.")
    ] = Decimal(1000000)
    config_items: Annotated[Decimal, Doc("Configuration items that a Config recorder records.")] = Decimal(
        2000
    )
    config_evaluations: Annotated[Decimal, Doc("Evaluations of a Config rule.")] = Decimal(2000)
    dns_queries: Annotated[Decimal, Doc("Queries on a hosted zone.")] = Decimal(1000000)
    prometheus_samples: Annotated[Decimal, Doc("Samples ingested by a Prometheus workspace.")] = Decimal(
        500000000
    )
    prometheus_storage_gb: Annotated[Decimal, Doc("GB stored in a Prometheus workspace.")] = Decimal(10)
    prometheus_query_samples: Annotated[Decimal, Doc("Samples read by queries on a workspace.")] = Decimal(
        10000000000
    )
    grafana_editors: Annotated[Decimal, Doc("Active editors and administrators of a Grafana workspace.")] = (
        Decimal(2)
    )
    grafana_viewers: Annotated[Decimal, Doc("Active viewers of a Grafana workspace.")] = Decimal(5)
    by_name: tuple[tuple[str, tuple[tuple[str, Decimal], ...]], ...] = ()
    """Overrides by resource name pattern (`*` and `?`), later ones win; see `from_mapping`."""

    def of(self, name: str) -> "Usage":
        """The use of the resource with this name."""
        if not self.by_name:
            return self
        changes: dict[str, Any] = {}
        for pattern, values in self.by_name:
            if fnmatchcase(name, pattern):
                changes.update(values)
        return replace(self, **changes) if changes else self

    @classmethod
    def describe(cls) -> dict[str, tuple[Decimal, Doc]]:
        """Default and meaning of every field that can be declared, by name and in order."""
        return {name: (getattr(cls, name), doc) for name, doc in _documented().items()}

    @classmethod
    def from_mapping(cls, declared: Mapping[str, Any], path: str = "usage") -> "Usage":
        """Usage from a configuration: field names in camelCase or snake_case.

        The key `byName` maps resource name patterns to fields for those resources only:
        `{"s3StorageGb": 200, "byName": {"*-raw": {"s3StorageGb": 5000}}}`.

        Raises:
            UsageError: with every problem at once, each with its path, the value and what would be right.
        """
        problems: list[UsageProblem] = []
        values = dict(declared)
        named = values.pop("byName", values.pop("by_name", {}))
        changes: dict[str, Any] = dict(_checked(values, path, problems))
        if not isinstance(named, Mapping):
            problems.append(
                UsageProblem(f"{path}.byName", named, "must map resource name patterns to fields")
            )
            named = {}
        overrides = []
        for pattern, item in named.items():
            if isinstance(item, Mapping):
                overrides.append((str(pattern), _checked(item, f"{path}.byName[{pattern}]", problems)))
            else:
                problems.append(UsageProblem(f"{path}.byName[{pattern}]", item, "must map fields to numbers"))
        if problems:
            raise UsageError(problems)
        return cls(**changes, by_name=tuple(overrides))


@cache
def _documented() -> dict[str, Doc]:
    hints = get_type_hints(Usage, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items() if hasattr(hint, "__metadata__")}


def _checked(
    declared: Mapping[Any, Any], path: str, problems: list[UsageProblem]
) -> tuple[tuple[str, Decimal], ...]:
    known = _documented()
    found: list[tuple[str, Decimal]] = []
    for key, value in declared.items():
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", str(key)).lower()
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "docs/pricing.md lists them"
            problems.append(UsageProblem(f"{path}.{key}", value, f"is no usage field; {hint}"))
            continue
        doc = known[name]
        amount = None if isinstance(value, str) else number(value)
        if amount is None or amount < doc.at_least or (doc.at_most is not None and amount > doc.at_most):
            bounds = f"{doc.at_least} or more" if doc.at_most is None else f"{doc.at_least} to {doc.at_most}"
            problems.append(UsageProblem(f"{path}.{key}", value, f"must be a number, {bounds}"))
            continue
        found.append((name, amount))
    return tuple(found)
