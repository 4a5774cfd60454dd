"""The controls of each stage, as what a stack must have, whoever made it."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from policies.buckets import BUCKET, REPLICATION
from policies.models import CONFIGURATION, is_serverless, variants
from policies.resources import Resource, Stack

_TEXT_DEPTH: Final = 12


@dataclass(frozen=True)
class Control:
    """Something a stage adds."""

    stage: str
    name: str
    """How settings and waivers call it."""
    title: str
    setting: str
    """How to add it."""
    present: Callable[[Stack], bool]


def _has(*types: str) -> Callable[[Stack], bool]:
    return lambda stack: stack.has(*types)


def _none(*types: str) -> Callable[[Stack], bool]:
    return lambda stack: not stack.has(*types)


def _all(*tests: Callable[[Stack], bool]) -> Callable[[Stack], bool]:
    return lambda stack: all(test(stack) for test in tests)


def _any(*tests: Callable[[Stack], bool]) -> Callable[[Stack], bool]:
    return lambda stack: any(test(stack) for test in tests)


def _named(pattern: str, *types: str) -> Callable[[Stack], bool]:
    """Whether a resource of these types is named for something, or says so."""
    expression = re.compile(pattern, re.IGNORECASE)
    return lambda stack: any(
        expression.search(text) for resource in stack.of(*types) for text in _texts(resource)
    )


def _texts(resource: Resource) -> Iterable[str]:
    yield resource.name
    yield from _within(resource.props.raw, _TEXT_DEPTH)


def _within(value: Any, depth: int) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _within(item, depth - 1)
    elif depth and isinstance(value, list):
        for item in value:
            yield from _within(item, depth - 1)


def _all_serverless(stack: Stack) -> bool:
    """Serverless endpoints follow their requests by themselves; before a first release there are none."""
    served = [variant for item in stack.of(CONFIGURATION) for variant in variants(item)]
    return bool(served) and all(is_serverless(variant) for variant in served)


_ALARM: Final = "aws:cloudwatch:MetricAlarm"
_MACHINE: Final = "aws:sfn:StateMachine"
_SCHEDULES: Final = ("aws:scheduler:Schedule", "aws:cloudwatch:EventRule")
_ANSWERING: Final = ("aws:lambda:Function", "kubernetes:Deployment")
_JOBS: Final = ("aws:batch:JobDefinition", "aws:lambda:Function", _MACHINE)

CONTROLS: Final = (
    Control(
        "validate",
        "data-lake",
        "Encrypted buckets, catalogue and queries",
        "add the component DataLake",
        _all(_has(BUCKET), _has("aws:glue:CatalogDatabase")),
    ),
    Control(
        "validate",
        "feature-store",
        "Features online and offline",
        "declare `stagecraft:featureViews`",
        _any(
            _has("aws:sagemaker:FeatureGroup"),
            _all(_has("aws:dynamodb:Table"), _has("aws:glue:CatalogTable")),
        ),
    ),
    Control(
        "validate",
        "model-registry",
        "Versions, lineage, approval, pointers",
        "declare `stagecraft:models`",
        _has("aws:sagemaker:ModelPackageGroup"),
    ),
    Control(
        "validate",
        "training-pool",
        "Training that scales to zero",
        "add the component BatchTrainingPool",
        _has(
            "aws:batch:ComputeEnvironment",
            "kubernetes:NodePool",
            "aws:sagemaker:TrainingJob",
            "aws:sagemaker:Pipeline",
        ),
    ),
    Control(
        "validate",
        "budgets",
        "Budgets with notifications",
        "set `stagecraft:monthlyBudgetUsd`",
        _has("aws:budgets:Budget"),
    ),
    Control(
        "stabilise",
        "event-stream",
        "Streaming ingestion with an event schema",
        "set `stagecraft:capabilities` event-stream",
        _all(_has("aws:kinesis:Stream"), _has("aws:glue:Schema")),
    ),
    Control(
        "stabilise",
        "quality-gates",
        "Data-quality gates in the model loop",
        "set `stagecraft:capabilities` quality-gates",
        _named(r"quality", *_JOBS),
    ),
    Control(
        "stabilise",
        "experiment-tracking",
        "MLflow tracking",
        "set `stagecraft:capabilities` experiment-tracking",
        _has("aws:sagemaker:MlflowTrackingServer", "aws:sagemaker:MlflowApp"),
    ),
    Control(
        "stabilise",
        "retraining",
        "Scheduled retraining",
        "set training.schedule of a model",
        _all(_has(*_SCHEDULES), _named(r"train|model", *_SCHEDULES)),
    ),
    Control(
        "stabilise",
        "delivery-roles",
        "Roles for CI/CD by OIDC",
        "set `stagecraft:capabilities` delivery-roles",
        _any(
            _has("aws:iam:OpenIdConnectProvider"),
            _named(r"token\.actions\.githubusercontent\.com|gitlab|oidc-provider/", "aws:iam:Role"),
        ),
    ),
    Control(
        "stabilise",
        "monitors",
        "Drift and accuracy monitors",
        "set monitor of a model",
        _all(
            _named(r"drift|data.?quality", _ALARM, "aws:sagemaker:MonitoringSchedule"),
            _named(
                r"accuracy|model.?quality|\bf1\b|auc|rmse|recall|precision",
                _ALARM,
                "aws:sagemaker:MonitoringSchedule",
            ),
        ),
    ),
    Control(
        "stabilise",
        "slo-alarms",
        "Burn-rate alarms on each model's SLO",
        "set slo of a model",
        _any(
            _has("aws:applicationsignals:ServiceLevelObjective"),
            _named(r"\bslo\b|burn|error.?budget", _ALARM),
        ),
    ),
    Control(
        "stabilise",
        "dashboards",
        "Dashboards",
        "set `stagecraft:capabilities` dashboards",
        _has("aws:cloudwatch:Dashboard", "aws:grafana:Workspace"),
    ),
    Control(
        "stabilise",
        "fallback",
        "An answer while the model has none",
        "set `stagecraft:capabilities` fallback",
        # Where nothing answers yet, there is nothing to fall back from.
        _any(
            _none("aws:sagemaker:Endpoint"),
            _named(r"gateway|fallback|last-good|default-answer", *_ANSWERING),
        ),
    ),
    Control(
        "optimise",
        "cluster",
        "EKS with Karpenter pools",
        "set `stagecraft:capabilities` cluster",
        _all(_has("aws:eks:Cluster"), _has("kubernetes:NodePool")),
    ),
    Control(
        "optimise",
        "quotas",
        "Kueue quotas",
        "set `stagecraft:capabilities` quotas",
        _has("kubernetes:ClusterQueue"),
    ),
    Control(
        "optimise",
        "queue-autoscaling",
        "Autoscaling on queue depth",
        "set serving.maxReplicas of a model",
        _any(
            _has(
                "kubernetes:ScaledObject", "kubernetes:HorizontalPodAutoscaler", "aws:appautoscaling:Policy"
            ),
            _all_serverless,
        ),
    ),
    Control(
        "optimise",
        "progressive-release",
        "Canary and A/B release with metric gates",
        "set release.canaryPercent of a model",
        _any(_has("kubernetes:HTTPRoute"), _named(r"canary", _MACHINE)),
    ),
    Control(
        "optimise",
        "model-optimisation",
        "Smaller models that answer as well",
        "set `stagecraft:capabilities` model-optimisation",
        _named(
            r"quanti[sz]|distil|onnx|model.?optimi[sz]|stagecraft_optimise",
            *_JOBS,
            "aws:sagemaker:TrainingJob",
            "aws:sagemaker:Pipeline",
            "kubernetes:Job",
        ),
    ),
    Control(
        "optimise",
        "anomaly-monitors",
        "Cost anomaly monitors",
        "set `stagecraft:capabilities` anomaly-monitors",
        _has("aws:costexplorer:AnomalyMonitor"),
    ),
    Control(
        "optimise",
        "reaper",
        "Idle and expired resources are taken down",
        "set `stagecraft:capabilities` reaper",
        _named(r"reap|ttl|expire", *_SCHEDULES, "aws:lambda:Function"),
    ),
    Control(
        "optimise",
        "unit-costs",
        "Cost per prediction",
        "set `stagecraft:capabilities` unit-costs",
        _named(r"unit.?cost|cost.?per.?(thousand|prediction|request|1,?000)", _ALARM),
    ),
    Control(
        "govern",
        "audit-trail",
        "Audit trail with object lock",
        "set `stagecraft:capabilities` audit-trail",
        _has("aws:cloudtrail:Trail"),
    ),
    Control(
        "govern",
        "team-boundaries",
        "Access boundaries for teams",
        "set `stagecraft:capabilities` team-boundaries",
        _named(r"boundary", "aws:iam:Policy", "aws:iam:Role"),
    ),
    Control(
        "govern",
        "human-approval",
        "Nobody's model goes live unseen",
        "set release.approval of a model to human",
        _named(r"waitForTaskToken", _MACHINE),
    ),
    Control(
        "govern",
        "bias-monitors",
        "Bias monitors",
        "set monitor.bias of a model",
        _named(r"bias|disparit|fairness", _ALARM, "aws:sagemaker:MonitoringSchedule"),
    ),
    Control(
        "govern",
        "model-cards",
        "Model cards",
        "set `stagecraft:capabilities` model-cards",
        _has("aws:sagemaker:ModelCard"),
    ),
    Control(
        "govern",
        "consent",
        "Consent and opt-out",
        "set `stagecraft:capabilities` consent",
        _named(r"consent|opt-?out", "aws:dynamodb:Table"),
    ),
    Control(
        "govern",
        "erasure",
        "Erasure workflow",
        "set `stagecraft:capabilities` erasure",
        _named(r"eras(e|ure)|forget", *_JOBS),
    ),
    Control(
        "scale",
        "second-region",
        "Registry and features in a second region",
        "set `stagecraft:capabilities` second-region",
        _any(
            _has(REPLICATION), _has("aws:dynamodb:TableReplica"), _named(r"regionName", "aws:dynamodb:Table")
        ),
    ),
    Control(
        "scale",
        "failover-records",
        "Health-checked failover",
        "set `stagecraft:capabilities` failover-records",
        _all(_has("aws:route53:HealthCheck"), _has("aws:route53:Record")),
    ),
)
"""By stage; what a rule of its own judges (labels, privileges, runbooks) is not repeated here."""
