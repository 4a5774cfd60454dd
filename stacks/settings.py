"""The stack's settings: typed, checked as a whole, every problem told at once.

`parse_settings` is pure, so that a stack's file can be checked before anything runs; `read_settings` is the
one place that reads Pulumi's configuration.
"""

import datetime
import json
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import pydantic
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from pricing.usage import Usage
from stacks import stages
from stacks.cross_checks import LADDER, cross_problems
from stacks.explain import explain
from stacks.pools import DEFAULT_MAX_VCPUS, DEFAULT_REGION
from stacks.problems import Problem, SettingsError, did_you_mean
from stacks.sound import overlap, sound_part
from stacks.tasks import Task, task_of

NAMESPACE: Final = "stagecraft"
DEFAULT_RUNBOOKS: Final = "docs/runbooks"
"""This repository's own; every kind of alarm has one."""
DEFAULT_IMAGE: Final = "0.1.0"
"""The tag of the platform image that a release of Stagecraft is built with."""

Name = Annotated[
    str,
    Field(
        max_length=31,
        pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
        description="lower case letters, digits and single hyphens, starting with a letter",
    ),
]
Column = Annotated[
    str,
    Field(
        pattern=r"^[a-z_][a-z0-9_]{0,126}$",
        description="a column name: lower case letters, digits and underscores",
    ),
]
Label = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:/=+@-]{0,127}$",
        description="up to 128 letters, digits, spaces and . _ : / = + - @",
    ),
]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", description="an e-mail address")]
Step = Literal["previous", "last-good", "default-answer"]
PACKAGE_ARN: Final = r"^arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:model-package/.+$"
PackageArn = Annotated[
    str,
    Field(
        pattern=PACKAGE_ARN,
        description="the ARN of a registered version, as `review list` shows it",
    ),
]
Fraction = Annotated[float, Field(ge=0, le=1)]
Days = Annotated[int, Field(ge=1, le=36500)]
Dollars = Annotated[float, Field(gt=0, le=1e9)]


class _Section(pydantic.BaseModel):
    """Camel case outside, snake case inside; nothing that is not declared."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, allow_inf_nan=False)


class Labels(_Section):
    """Who answers and pays for the stack, and what its data is."""

    owner: Label
    cost_centre: Label
    data_classification: Literal["public", "internal", "confidential", "restricted", "personal", "sensitive"]


class FeatureField(_Section):
    """One column of a feature view."""

    name: Column
    type: Literal["string", "int", "float", "bool", "timestamp"]
    nullable: bool = False
    max_null_fraction: Fraction | None = None
    min: float | None = None
    max: float | None = None
    allowed: Annotated[list[str | int | float | bool], Field(min_length=1)] | None = None
    label: bool = False


class DataWatch(_Section):
    """When a view's data is no longer what it was."""

    max_age_hours: Annotated[float, Field(gt=0, le=8760)] | None = None
    """Hours without news."""
    min_row_ratio: Fraction | None = None
    """Rows of a window over what is usual."""
    max_null_rise: Fraction | None = None
    """Rise of a column's share of empty values."""


class FeatureView(_Section):
    """Features of one kind of entity."""

    name: Column
    entity: Column
    join_keys: Annotated[list[Column], Field(min_length=1)]
    event_time: Column
    ttl_days: Annotated[int, Field(ge=1, le=3650)] = 365
    retention_days: Days = 730
    fields: Annotated[list[FeatureField], Field(min_length=1)]
    max_bad_fraction: Fraction | None = None
    duplicates: Literal["quarantine", "fail"] | None = None
    watch: DataWatch = DataWatch()


class Training(_Section):
    """How a model is trained."""

    accelerator: str = "none"
    instance_types: Annotated[list[str], Field(min_length=1)] | None = None
    spot: bool = True
    checkpoint_minutes: Annotated[int, Field(ge=1, le=240)] = 15
    timeout_minutes: Annotated[int, Field(ge=1, le=20160)] = 240
    vcpus: Annotated[int, Field(ge=1, le=192)] | None = None
    memory_mib: Annotated[int, Field(ge=512, le=3145728)] | None = None
    gpus: Annotated[int, Field(ge=1, le=16)] = 1
    schedule: str | None = None
    feedback_rows: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """New labels since the last training that start the loop. Default: they do not."""
    parity_tolerance: Fraction = 0.005
    """The most that a metric may lose by a smaller form of the model: absolute, and of errors relative."""


class Pods(_Section):
    """A model's pods, where it is served from the cluster."""

    runtime: Literal["cpu", "gpu"] = "cpu"
    """`gpu`: vLLM, whose image `image` names."""
    image: Annotated[
        str | None,
        Field(
            pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$",
            description="an image by digest, …@sha256:<64 hex digits>",
        ),
    ] = None
    vcpus: Annotated[int, Field(ge=1, le=192)] = 1
    memory_mib: Annotated[int, Field(ge=256, le=3145728)] = 1024
    gpus: Annotated[int, Field(ge=1, le=8)] = 1
    model_gib: Annotated[int, Field(ge=1, le=1000)] = 1
    """Room for the model's files."""
    queue: Annotated[int, Field(ge=1, le=10000)] | None = None
    """Requests under way (cpu) or waiting (gpu) that one replica should have. Default: 8, and 4."""
    warm: Annotated[int, Field(ge=0, le=100)] = 0
    """Places held for replicas to come, on machines that run already."""


class Serving(_Section):
    """How a model answers."""

    mode: Literal["serverless", "realtime", "cluster"] = "serverless"
    """`cluster`: pods of the stack's own cluster, behind a gateway there; `pods` says of what size."""
    pods: Pods | None = None
    memory_mib: Literal[1024, 2048, 3072, 4096, 5120, 6144] = 2048
    max_concurrency: Annotated[int, Field(ge=1, le=200)] = 5
    instance_type: Annotated[
        str,
        Field(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9]+$", description="a SageMaker type such as ml.m6i.large"),
    ] = "ml.m6i.large"
    min_replicas: Annotated[int, Field(ge=1, le=100)] = 1
    max_replicas: Annotated[int, Field(ge=1, le=100)] | None = None
    """Default: twice `min_replicas`."""
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    """Requests that one replica should get; more replicas come above it."""
    fallback: Literal["none", "last-good", "default-answer"] = "none"
    """The lowest step of the ladder, with all above it; `ladder` names single ones."""
    ladder: list[Step] | None = None
    """What answers when the live version does not, in this order."""
    default_answer: bool | int | float | str | None = None
    last_good_minutes: Annotated[int, Field(ge=1, le=43200)] = 60
    timeout_ms: Annotated[int, Field(ge=10, le=60000)] | None = None
    """How long the gateway waits for a model. Default: twice the SLO's latency, or a second."""

    @property
    def pods_or_default(self) -> Pods:
        """What its pods are like, in a cluster."""
        return self.pods or Pods()

    @property
    def steps(self) -> tuple[str, ...]:
        """The ladder below the live version."""
        if self.ladder is not None:
            return tuple(self.ladder)
        return () if self.fallback == "none" else LADDER[: LADDER.index(self.fallback) + 1]


Prefix = Annotated[
    str,
    Field(
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(.*/)?$",
        description="an s3:// prefix that ends in '/'",
    ),
]


class Batch(_Section):
    """How a model scores everyone at once, beside whatever answers single questions."""

    schedule: str | None = None
    """UTC. Default: a run is started by whoever wants one."""
    entities: Prefix | None = None
    """Files that name whom to score. Default: everyone with fresh features."""
    rows: Prefix | None = None
    """Files of rows to score by their own features. Default: the store's."""
    chunk_rows: Annotated[int, Field(ge=100, le=5_000_000)] = 50_000
    """Rows in memory at once, and in a file of predictions."""
    max_bad_fraction: Fraction = 0.05
    """Share of rows that may be unfit before none is scored."""
    vcpus: Annotated[int, Field(ge=1, le=192)] = 2
    memory_mib: Annotated[int, Field(ge=1024, le=3145728)] = 3500
    timeout_minutes: Annotated[int, Field(ge=1, le=20160)] = 240
    retention_days: Days = 90
    """How long predictions are kept."""


class Slo(_Section):
    """What users may rely on."""

    availability: Annotated[float, Field(ge=90, le=99.999)]
    latency_p95_ms: Annotated[int, Field(ge=1, le=60000)]


class Drift(_Section):
    """When inputs are too far from those of training."""

    threshold: Annotated[float, Field(gt=0, le=1)]


class Accuracy(_Section):
    """When answers are no longer good enough."""

    metric: Literal["accuracy", "auc", "f1", "mae", "precision", "r2", "recall", "rmse"]
    floor: float


class Bias(_Section):
    """When groups are treated too differently."""

    attribute: Column
    max_disparity: Fraction


class Calibration(_Section):
    """When a model is surer than it is right."""

    max_error: Annotated[float, Field(gt=0, le=1)]


class Business(_Section):
    """A business figure of a model."""

    metric: Literal["conversionRate", "retentionRate", "revenuePerPrediction", "returnOnCost"]
    floor: float | None = None
    """The least that is good. Default: what is usual for it."""


class UnitCost(_Section):
    """What predictions may cost."""

    max_usd_per_thousand: Dollars


class Monitor(_Section):
    """What a live model is watched for."""

    drift: Drift | None = None
    accuracy: Accuracy | None = None
    bias: Bias | None = None
    calibration: Calibration | None = None
    business: list[Business] = []
    unit_cost: UnitCost | None = None


class Trial(_Section):
    """Another version beside the live one."""

    version: PackageArn
    percent: Annotated[float, Field(gt=0, le=100)]
    """Share of users, always the same ones."""


class Gate(_Section):
    """How sure a release must be of a version before it gets more of the traffic."""

    error_rate: Annotated[float, Field(ge=0.001, le=0.5)] = 0.05
    """Share of releases that may be decided wrongly."""
    excess_burn: Annotated[float, Field(ge=0.01, le=100)] = 1.0
    """Error budgets that a version may burn beyond the live one's."""
    quality_margin: Annotated[float, Field(ge=0.001, le=0.5)] = 0.02
    """Share of wrong answers beyond the live version's that is tolerated."""
    quality: Literal["required", "if-known"] | None = None
    """`if-known`: labels come too late to wait for. Default: required where the gateway's log is."""
    undecided: Literal["roll-back", "promote"] = "roll-back"
    """What becomes of a version of which too little is known when the bake's limit is over."""


class Release(_Section):
    """How a version goes live."""

    approval: Literal["human", "automatic"] = "human"
    canary_percent: Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1)] = [100]
    bake_minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    bake_limit_minutes: Annotated[int, Field(ge=1, le=10080)] = 1440
    """How long a share may wait for enough to be known."""
    gate: Gate = Gate()
    ab: Trial | None = None
    """A challenger that answers its users in the live version's stead."""
    shadow: Trial | None = None
    """A version that is asked along, and whose answers reach nobody."""


class Model(_Section):
    """The one declaration of a model; all that it needs follows from it."""

    name: Name
    description: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    owner: Label | None = None
    features: Annotated[list[Column], Field(min_length=1)]
    label: Column | None = None
    """The outcome it predicts. Default: the one label of its views."""
    task: Task | None = None
    """Default: what the label's type and values say."""
    training: Training = Training()
    serving: Serving = Serving()
    batch: Batch | None = None
    """Default: it answers single questions only."""
    slo: Slo | None = None
    monitor: Monitor = Monitor()
    release: Release = Release()
    monthly_budget_usd: Dollars | None = None


EventWord = Annotated[
    str,
    Field(
        max_length=64,
        pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$",
        description="a name in snake case, such as item_added",
    ),
]


class Events(_Section):
    """What happens in the product, as its event stream takes it."""

    types: Annotated[list[EventWord], Field(min_length=1)] | None = None
    """Default: what happens in most products (components/event_schema.py)."""
    outcomes: Annotated[list[EventWord], Field(min_length=1)] | None = None
    mode: Literal["provisioned", "on-demand"] = "provisioned"
    shards: Annotated[int, Field(ge=1, le=200)] | None = None


class Delivery(_Section):
    """Where this stack is delivered from: the roles for CI trust that and nothing else."""

    provider: Literal["github"] = "github"
    repository: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$",
            description="owner/name of the repository",
        ),
    ]
    environment: (
        Annotated[
            str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$", description="a GitHub environment")
        ]
        | None
    ) = None
    branch: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,254}$", description="a branch")] = (
        "main"
    )
    oidc_provider_arn: (
        Annotated[
            str,
            Field(
                pattern=r"^arn:aws[a-z-]*:iam::\d{12}:oidc-provider/token\.actions\.githubusercontent\.com$",
                description="the ARN of the account's identity provider for GitHub",
            ),
        ]
        | None
    ) = None
    """An account has one: the first stack of an account makes it, the others name it."""
    state_bucket: (
        Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="a bucket's name")]
        | None
    ) = None
    state_key_arn: (
        Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:kms:.+$", description="the ARN of a KMS key")] | None
    ) = None


class PoolSettings(_Section):
    """How far the pool of an accelerator may grow, where the stack's maxVcpus is not what to say it by."""

    accelerator: str
    max_hourly_usd: Dollars | None = None
    max_nodes: Annotated[int, Field(ge=1, le=1000)] | None = None
    min_nodes: Annotated[int, Field(ge=0, le=1000)] = 0
    families: list[str] = []
    zones: list[str] = []
    spot_share: Annotated[float, Field(gt=0, le=1)] | None = None
    efa: bool = False


class Prometheus(_Section):
    """A Prometheus in the cluster, by whose numbers models are scaled."""

    url: Annotated[
        str,
        Field(
            pattern=r"^https?://[^\s/@]+$",
            description="an address such as http://prometheus.monitoring.svc:9090",
        ),
    ]
    namespace: Name


class Entrance(_Section):
    """A Gateway of the Gateway API, by which requests come in from outside the cluster."""

    gateway: Name
    namespace: Name
    hostnames: list[str] = []
    models: bool = False
    """Whether callers without users reach models past the gateway, by the variants' shares."""


class ClusterSettings(_Section):
    """The cluster, where its defaults are not right."""

    kubernetes_version: Annotated[
        str, Field(pattern=r"^1\.\d{2}$", description="a minor version such as 1.36")
    ] = "1.36"
    admin_arns: list[
        Annotated[
            str,
            Field(
                pattern=r"^arn:aws[a-z-]*:iam::\d{12}:(role|user)/.+$",
                description="the ARN of an IAM role or user",
            ),
        ]
    ] = []
    nat: Literal["single", "zonal"] = "single"
    """`zonal`: a NAT gateway in each zone, so that one zone's failure stays its own."""
    system_instance_type: Annotated[
        str, Field(pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$", description="a Graviton type such as t4g.small")
    ] = "t4g.small"
    system_nodes: Annotated[int, Field(ge=2, le=10)] = 2
    prometheus: Prometheus | None = None
    entrance: Entrance | None = None
    callers: list[Name] = []
    """Namespaces that may ask the gateway."""


class Waiver(_Section):
    """An exception that someone answers for until a day."""

    rule: Annotated[str, Field(min_length=1)]
    resource: Annotated[str, Field(min_length=1)] = "*"
    owner: Label
    reason: Annotated[str, Field(min_length=10, description="a reason of at least ten letters")]
    expires: datetime.date


class Settings(_Section):
    """All settings of a stack."""

    stage: Literal["validate", "stabilise", "optimise", "govern", "scale"]
    environment: Literal["dev", "staging", "prod"]
    labels: Labels
    monthly_budget_usd: Dollars
    feature_views: Annotated[list[FeatureView], Field(min_length=1)]
    models: Annotated[list[Model], Field(min_length=1)]
    image: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}$",
            description="a tag or digest in the stack's own repository, or the whole URI of another image",
        ),
    ] = DEFAULT_IMAGE
    notify: Annotated[list[Email], Field(max_length=10)] = []
    runbooks_url: Annotated[
        str,
        Field(
            pattern=r"^(https://[^\s]+|[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)$",
            description="an https:// address, or a folder of the repository such as docs/runbooks",
        ),
    ] = DEFAULT_RUNBOOKS
    capabilities: dict[str, bool] = {}
    max_vcpus: Annotated[int, Field(ge=1, le=10000)] = DEFAULT_MAX_VCPUS
    pools: list[PoolSettings] = []
    cluster: ClusterSettings = ClusterSettings()
    data_loss: Literal["allow", "refuse"] = "refuse"
    disposable: list[Literal["lake", "features", "registry", "images", "cluster"]] = []
    waivers: list[Waiver] = []
    events: Events = Events()
    delivery: Delivery | None = None
    usage: dict[str, Any] = {}
    """A month's use (docs/pricing.md), for estimates and for what predictions cost."""

    @property
    def declared_usage(self) -> Usage:
        """The same, as estimates take it."""
        return Usage.from_mapping(self.usage)

    def may_lose_data(self, component: str) -> bool:
        """Both switches are set: the stack's, and the component's."""
        return self.data_loss == "allow" and component in self.disposable

    def outcome_of(self, model: Model) -> tuple[str, Task]:
        """What a model predicts: the label's column, and the kind of task."""
        views = [view for view in self.feature_views if view.name in model.features]
        labels = {field.name: field for view in views for field in view.fields if field.label}
        name = model.label or next(iter(labels))
        return name, model.task or task_of(labels[name])

    @property
    def enabled(self) -> frozenset[str]:
        """The stack's capabilities."""
        return stages.enabled(self.stage, self.capabilities)


def problems_of(raw: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with a stack's configuration; empty if it can be used.

    Args:
        raw: Configuration as in the stack's file (`stagecraft:stage` → …); other namespaces are left alone.
    """
    return _parse(raw)[1]


def parse_settings(raw: Mapping[str, Any]) -> Settings:
    """Settings from a stack's configuration.

    Raises:
        SettingsError: with every problem.
    """
    parts, problems = _parse(raw)
    if problems:
        raise SettingsError(problems)
    return Settings.model_construct(**{**_defaults(), **parts})


def read_settings() -> Settings:
    """The settings of the stack that is being deployed.

    Raises:
        SettingsError: with every problem.
    """
    from pulumi.runtime import config  # the SDK has no other way to list a namespace's keys

    raw = {**config.get_config_env(), **config.CONFIG.get()}
    return parse_settings(raw)


def _defaults() -> dict[str, Any]:
    return {
        name: field.get_default(call_default_factory=True)
        for name, field in Settings.model_fields.items()
        if not field.is_required()
    }


def _parse(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Each setting on its own, so that one that is wrong hides no other."""
    given = {
        key.removeprefix(f"{NAMESPACE}:"): _decoded(value)
        for key, value in raw.items()
        if key.startswith(f"{NAMESPACE}:")
    }
    fields = {field.alias or name: (name, field) for name, field in Settings.model_fields.items()}
    problems = [
        Problem(f"{NAMESPACE}:{key}", given[key], f"is no setting{did_you_mean(key, fields)}")
        for key in sorted(set(given) - set(fields))
    ]
    parts: dict[str, Any] = {}
    items: dict[str, dict[int, Any]] = {}
    for alias, (name, field) in fields.items():
        path, value = f"{NAMESPACE}:{alias}", given.get(alias)
        if value is None:
            if field.is_required():
                problems.append(Problem(path, None, "is required"))
            continue
        annotation = field.rebuild_annotation()
        try:
            parts[name] = TypeAdapter(annotation).validate_python(value)
        except pydantic.ValidationError as error:
            # The rebuilt annotation has the field's bounds, and not what it says of itself.
            problems.extend(explain(error, path, Annotated[annotation, field], value))
        items[name] = _sound_items(field.annotation, value)
    region = str(raw.get("aws:region") or DEFAULT_REGION)
    told = [problem.path for problem in problems]
    problems.extend(
        found
        for found in cross_problems(NAMESPACE, parts, items, region)
        if not any(overlap(found.path, path) for path in told)
    )
    return parts, problems


def _sound_items(annotation: Any, value: Any) -> dict[int, Any]:
    """The items of a list, as far as they are right in themselves, so that that much is checked together."""
    if typing.get_origin(annotation) is not list or not isinstance(value, list):
        return {}
    adapter: TypeAdapter[Any] = TypeAdapter(typing.get_args(annotation)[0])
    found = {index: sound_part(adapter, item) for index, item in enumerate(value)}
    return {index: item for index, item in found.items() if item is not None}


def _decoded(value: Any) -> Any:
    """Pulumi hands structured values over as JSON."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
