"""What must hold between settings that are each right in themselves."""

import itertools
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pricing.accelerators import ACCELERATORS, NVIDIA
from pricing.needs import NeedError, plan_pool
from pricing.usage import Usage, UsageError
from stacks import stages
from stacks.pools import DEFAULT_MAX_VCPUS, SHARED, DeclaredPool, declared_pools
from stacks.problems import Problem, did_you_mean
from stacks.schedules import schedule_problem
from stacks.tasks import MEASURES, Task, task_of

if TYPE_CHECKING:
    from stacks.settings import Batch, FeatureField, FeatureView, Model, PoolSettings, Serving

LADDER: Final = ("previous", "last-good", "default-answer")
"""What may answer in the live version's stead, from the better answer down."""
ZONES: Final = 2
"""Zones that whatever stands by itself is spread over."""
RATES: Final = ("conversionRate", "retentionRate")
"""Business figures that are shares."""
ERROR_METRICS: Final = ("mae", "rmse")
"""Of these, less is better."""


def cross_problems(
    namespace: str, parts: Mapping[str, Any], items: Mapping[str, Mapping[int, Any]], region: str
) -> Iterator[Problem]:
    """The problems between settings.

    Args:
        namespace: What paths start with.
        parts: The settings that are right as a whole.
        items: The items of list settings that are right, by their place; also of lists that are not.
        region: Where the stack will be, whose machines and prices pools are sized by.
    """
    views: Mapping[int, FeatureView] = items.get("feature_views", {})
    models: Mapping[int, Model] = items.get("models", {})
    yield from _twice(f"{namespace}:featureViews", {index: view.name for index, view in views.items()})
    for index, view in views.items():
        yield from _view(f"{namespace}:featureViews[{index}]", view)
    yield from _twice(f"{namespace}:models", {index: model.name for index, model in models.items()})
    # A view that is wrong in itself is no reason to call its models wrong too.
    complete = "feature_views" in parts
    for index, model in models.items():
        yield from _model(f"{namespace}:models[{index}]", model, list(views.values()) if complete else None)
        yield from _in_cluster(f"{namespace}:models[{index}].serving", namespace, model.serving, parts)
    yield from _watched(namespace, parts, models)
    too_large = list(_room(namespace, parts, models))
    yield from too_large
    if not too_large:
        yield from _pools(namespace, parts, items, region)
    yield from _budgets(namespace, parts, models)
    yield from _stage(namespace, parts)
    yield from _capabilities(namespace, parts)
    yield from _data_loss(namespace, parts)
    yield from _usage(namespace, parts)
    yield from _digest(namespace, parts, models)
    yield from _needs(namespace, parts, models)


def _twice(path: str, names: Mapping[int, str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in names.items():
        if name in seen:
            yield Problem(f"{path}[{index}].name", name, "stands there twice; names must differ")
        seen.add(name)


def _view(path: str, view: "FeatureView") -> Iterator[Problem]:
    own = [*view.join_keys, view.event_time]
    seen = set()
    for name in own:
        if name in seen:
            yield Problem(f"{path}.joinKeys", name, "stands there twice; columns must differ")
        seen.add(name)
    for index, field in enumerate(view.fields):
        if field.name in seen:
            yield Problem(
                f"{path}.fields[{index}].name", field.name, "stands there twice; columns must differ"
            )
        seen.add(field.name)
        if field.name == "event_date":
            yield Problem(f"{path}.fields[{index}].name", field.name, "is the partition column; take another")
        yield from _field(f"{path}.fields[{index}]", field)
    if all(field.label for field in view.fields):
        yield Problem(f"{path}.fields", len(view.fields), "must hold at least one that is not a label")


def _field(path: str, field: "FeatureField") -> Iterator[Problem]:
    if field.min is not None and field.max is not None and field.min > field.max:
        yield Problem(f"{path}.min", field.min, f"must be at most max ({field.max:g})")
    bounded = "min" if field.min is not None else "max" if field.max is not None else None
    if bounded and field.type not in ("int", "float"):
        yield Problem(f"{path}.{bounded}", getattr(field, bounded), f"is for int and float, not {field.type}")
    if field.max_null_fraction is not None and not field.nullable:
        yield Problem(f"{path}.maxNullFraction", field.max_null_fraction, "needs nullable: true")


def _model(path: str, model: "Model", views: "list[FeatureView] | None") -> Iterator[Problem]:
    if views is not None:
        yield from _features(path, model, views)
    training = model.training
    if training.schedule is not None and (wrong := schedule_problem(training.schedule)):
        yield Problem(f"{path}.training.schedule", training.schedule, wrong)
    if model.batch is not None:
        yield from _batch(f"{path}.batch", model.batch, model.serving)
    serving = model.serving
    if serving.max_replicas is not None and serving.max_replicas < serving.min_replicas:
        yield Problem(
            f"{path}.serving.maxReplicas",
            serving.max_replicas,
            f"must be at least minReplicas ({serving.min_replicas})",
        )
    yield from _ladder(path, serving)
    yield from _release(path, model)
    for index, kpi in enumerate(model.monitor.business):
        if kpi.metric in RATES and kpi.floor is not None and not 0 <= kpi.floor <= 1:
            yield Problem(
                f"{path}.monitor.business[{index}].floor", kpi.floor, f"must be from 0 to 1 for {kpi.metric}"
            )
    accuracy = model.monitor.accuracy
    if accuracy and accuracy.metric not in (*ERROR_METRICS, "r2") and not 0 <= accuracy.floor <= 1:
        yield Problem(
            f"{path}.monitor.accuracy.floor", accuracy.floor, f"must be from 0 to 1 for {accuracy.metric}"
        )


def _batch(path: str, batch: "Batch", serving: "Serving") -> Iterator[Problem]:
    if serving.pods_or_default.runtime == "gpu":
        said = batch.model_dump(by_alias=True, exclude_unset=True)
        yield Problem(path, said, "is for models that `train` makes: leave it out where pods run vLLM")
    if batch.schedule is not None and (wrong := schedule_problem(batch.schedule)):
        yield Problem(f"{path}.schedule", batch.schedule, wrong)
    if batch.entities is not None and batch.rows is not None:
        yield Problem(f"{path}.rows", batch.rows, "goes without entities: rows say who they are about")


def _features(path: str, model: "Model", views: "list[FeatureView]") -> Iterator[Problem]:
    by_name = {view.name: view for view in views}
    for index, name in enumerate(model.features):
        if name not in by_name:
            yield Problem(
                f"{path}.features[{index}]",
                name,
                f"must be one of the featureViews: {', '.join(by_name)}{did_you_mean(name, by_name)}",
            )
        elif name in model.features[:index]:
            yield Problem(f"{path}.features[{index}]", name, "stands there twice")
    read = [by_name[name] for name in model.features if name in by_name]
    outcomes = {field.name: field for view in read for field in view.fields if field.label}
    labels = list(outcomes)
    if read and model.label is None and len(labels) != 1:
        known = f"one of {', '.join(labels)}" if labels else "a field that a view marks with label: true"
        yield Problem(f"{path}.label", None, f"is required: {known}")
    elif read and model.label is not None and model.label not in labels:
        known = f": {', '.join(labels)}" if labels else "; mark one with label: true"
        yield Problem(
            f"{path}.label",
            model.label,
            f"must be a label of the model's views{known}{did_you_mean(model.label, labels)}",
        )
    if read and (model.label or len(labels) == 1) and (outcome := outcomes.get(model.label or labels[0])):
        yield from _measured(path, model, model.task or task_of(outcome))
    bias = model.monitor.bias
    columns = {field.name for view in read for field in view.fields}
    if bias and read and bias.attribute not in columns:
        yield Problem(
            f"{path}.monitor.bias.attribute",
            bias.attribute,
            f"must be a column of the model's views{did_you_mean(bias.attribute, columns)}",
        )


def _measured(path: str, model: "Model", task: Task) -> Iterator[Problem]:
    """What nobody measures of such a model raises no alarm, in silence."""
    monitor = model.monitor
    if monitor.accuracy and monitor.accuracy.metric not in MEASURES[task]:
        yield Problem(
            f"{path}.monitor.accuracy.metric",
            monitor.accuracy.metric,
            f"is not measured of a {task} model; take one of {', '.join(MEASURES[task])}",
        )
    if task == "regression":
        for name, declared in (("bias", monitor.bias), ("calibration", monitor.calibration)):
            if declared is not None:
                yield Problem(
                    f"{path}.monitor.{name}", task, "is measured of classes; leave it out for amounts"
                )


def _in_cluster(path: str, namespace: str, serving: "Serving", parts: Mapping[str, Any]) -> Iterator[Problem]:
    """What serving from the cluster needs, and what only it takes."""
    if serving.mode != "cluster":
        if serving.pods is not None:
            yield Problem(f"{path}.pods", serving.mode, "goes with mode cluster")
        return
    if "cluster" not in _enabled(parts):
        yield Problem(
            f"{path}.mode", serving.mode, f"needs the cluster: switch on {namespace}:capabilities.cluster"
        )
    pods = serving.pods_or_default
    if pods.runtime != "gpu":
        if "gpus" in pods.model_fields_set:
            yield Problem(f"{path}.pods.gpus", pods.gpus, "goes with runtime gpu")
        return
    if pods.image is None:
        yield Problem(f"{path}.pods.image", None, "is required with runtime gpu: vLLM's image, by digest")
    cluster = parts.get("cluster")
    if cluster is None or cluster.prometheus is None:
        yield Problem(
            f"{namespace}:cluster.prometheus", None, "is required: GPU pods are scaled by what waits for them"
        )


def _ladder(path: str, serving: "Serving") -> Iterator[Problem]:
    steps = serving.ladder
    if steps is not None:
        known = [step for step in LADDER if step in steps]
        if steps != known:
            yield Problem(
                f"{path}.serving.ladder", steps, f"must go down, each step once: {', '.join(LADDER)}"
            )
        if "fallback" in serving.model_fields_set:
            yield Problem(
                f"{path}.serving.fallback", serving.fallback, "says the same as ladder: leave one of them out"
            )
    wanted = "default-answer" in serving.steps
    if wanted and serving.default_answer is None:
        yield Problem(
            f"{path}.serving.defaultAnswer", None, "is required: the ladder ends with the default answer"
        )
    elif serving.default_answer is not None and not wanted:
        yield Problem(
            f"{path}.serving.defaultAnswer",
            serving.default_answer,
            "is never given: set fallback to default-answer, or add it to ladder",
        )


def _release(path: str, model: "Model") -> Iterator[Problem]:
    steps = model.release.canary_percent
    if any(later <= earlier for earlier, later in itertools.pairwise(steps)) or steps[-1] != 100:
        yield Problem(f"{path}.release.canaryPercent", steps, "must rise from step to step and end with 100")
    release = model.release
    if release.bake_limit_minutes < release.bake_minutes:
        yield Problem(
            f"{path}.release.bakeLimitMinutes",
            release.bake_limit_minutes,
            f"must be at least bakeMinutes ({release.bake_minutes})",
        )


WATCHED_BY: Final = (
    ("slo-alarms", "slo"),
    ("monitors", "monitor.drift"),
    ("monitors", "monitor.accuracy"),
)
"""Capability → what it needs each model to declare."""


def _watched(namespace: str, parts: Mapping[str, Any], models: "Mapping[int, Model]") -> Iterator[Problem]:
    """What a model does not promise cannot be watched; it is declared, not guessed."""
    stage, switches = parts.get("stage"), parts.get("capabilities", {})
    if stage is None:
        return
    on = stages.enabled(stage, switches)
    for index, model in models.items():
        for capability, setting in WATCHED_BY:
            value: Any = model
            for name in setting.split("."):
                value = getattr(value, name)
            if capability in on and value is None:
                yield Problem(
                    f"{namespace}:models[{index}].{setting}", None, f"is required where {capability} is on"
                )
        kpis = [kpi.metric for kpi in model.monitor.business]
        for place, kpi in enumerate(kpis):
            if kpi in kpis[:place]:
                yield Problem(
                    f"{namespace}:models[{index}].monitor.business[{place}].metric",
                    kpi,
                    "stands there twice; a figure has one floor",
                )


def _digest(namespace: str, parts: Mapping[str, Any], models: "Mapping[int, Model]") -> Iterator[Problem]:
    """The platform's image in pods: those that serve, and those that tell of a pool's GPUs."""
    image = parts.get("image", "")
    if "sha256:" in image:
        return
    serving = any(model.serving.mode == "cluster" for model in models.values())
    gpus = "cluster" in _enabled(parts) and any(
        kind.resource == NVIDIA
        for model in models.values()
        if (kind := ACCELERATORS.get(model.training.accelerator)) is not None
    )
    if serving or gpus:
        yield Problem(
            f"{namespace}:image", image, "must be a digest (sha256:…): pods run no image that can be moved"
        )


def _usage(namespace: str, parts: Mapping[str, Any]) -> Iterator[Problem]:
    """What estimates go by."""
    try:
        Usage.from_mapping(parts.get("usage", {}), f"{namespace}:usage")
    except UsageError as error:
        for found in error.problems:
            yield Problem(found.path, found.value, found.remedy)


def _room(namespace: str, parts: Mapping[str, Any], models: "Mapping[int, Model]") -> Iterator[Problem]:
    """A job that is larger than its pool waits for ever, and says nothing."""
    most = parts.get("max_vcpus", DEFAULT_MAX_VCPUS)
    for index, model in models.items():
        machines = ACCELERATORS.get(model.training.accelerator)
        asked = model.training.vcpus or (machines.vcpus if machines else 0)
        if asked > most:
            yield Problem(
                f"{namespace}:models[{index}].training.vcpus",
                asked,
                f"must be at most the stack's maxVcpus ({most})",
            )
        if model.batch is not None and model.batch.vcpus > most:
            yield Problem(
                f"{namespace}:models[{index}].batch.vcpus",
                model.batch.vcpus,
                f"must be at most the stack's maxVcpus ({most})",
            )


def _pools(
    namespace: str, parts: Mapping[str, Any], items: Mapping[str, Mapping[int, Any]], region: str
) -> Iterator[Problem]:
    """Every pool can be had: with the machines of the region, within its limits."""
    limits: Mapping[int, PoolSettings] = items.get("pools", {})
    yield from _twice(f"{namespace}:pools", {place: item.accelerator for place, item in limits.items()})
    for place, item in limits.items():
        if item.accelerator not in ACCELERATORS:
            yield _no_accelerator(f"{namespace}:pools[{place}].accelerator", item.accelerator)
    models: Mapping[int, Model] = items.get("models", {})
    known = {index: model for index, model in models.items() if model.training.accelerator in ACCELERATORS}
    # The quality gate and what watches run on machines without one.
    used = {"none", *(model.training.accelerator for model in models.values())}
    for place, item in limits.items():
        if "models" in parts and item.accelerator in ACCELERATORS and item.accelerator not in used:
            yield Problem(
                f"{namespace}:pools[{place}].accelerator",
                item.accelerator,
                f"no model trains on it: take one of {', '.join(sorted(used))}, or leave the pool out",
            )
    for index in sorted(set(models) - set(known)):
        path = f"{namespace}:models[{index}].training.accelerator"
        yield _no_accelerator(path, models[index].training.accelerator)
    told: set[str] = set()
    for pool in declared_pools(known, limits.values(), parts.get("max_vcpus", DEFAULT_MAX_VCPUS)):
        for problem in _sizing(namespace, pool, limits, region, models):
            if str(problem) not in told:
                told.add(str(problem))
                yield problem


def _no_accelerator(path: str, value: str) -> Problem:
    return Problem(
        path, value, f"must be one of {', '.join(ACCELERATORS)}{did_you_mean(value, ACCELERATORS)}"
    )


_OF_TRAINING: Final = {
    "accelerator": "accelerator",
    "accelerators": "gpus",
    "instance_types": "instanceTypes",
    "memory_mib": "memoryMib",
    "vcpus": "vcpus",
}
_OF_POOL: Final = {
    "families": "families",
    "max_hourly_usd": "maxHourlyUsd",
    "max_nodes": "maxNodes",
    "min_nodes": "minNodes",
    "spot_share": "spotShare",
    "zones": "zones",
}


def _sizing(
    namespace: str,
    pool: DeclaredPool,
    limits: "Mapping[int, PoolSettings]",
    region: str,
    models: "Mapping[int, Model]",
) -> Iterator[Problem]:
    """What is wrong with a pool's need, at the settings that say it."""
    try:
        plan_pool(pool.need, region=region)
    except NeedError as error:
        limit = next(
            (place for place, item in limits.items() if item.accelerator == pool.need.accelerator), None
        )
        training = f"{namespace}:models[{pool.models[0]}].training" if pool.models else f"{namespace}:models"
        for found in error.problems:
            if found.path == "region":
                path = "aws:region"
            elif found.path == "max_vcpus":
                path = f"{namespace}:maxVcpus"
            elif found.path in _OF_POOL and limit is not None:
                path = f"{namespace}:pools[{limit}].{_OF_POOL[found.path]}"
            else:
                path = f"{training}.{_OF_TRAINING.get(found.path, 'accelerator')}"
            value = float(found.value) if isinstance(found.value, Decimal) else found.value
            if path.startswith(training) and (large := _large_batch(pool, models)) is not None:
                path, value = f"{namespace}:{large[0]}", large[1]
            yield Problem(path, value, _as_set(found.remedy))


def _large_batch(pool: DeclaredPool, models: "Mapping[int, Model]") -> tuple[str, int] | None:
    """Where batch runs ask for the most that the shared pool must have, and for how much."""
    if pool.name != SHARED:
        return None
    for index, model in sorted(models.items()):
        stated = model.batch.model_fields_set if model.batch is not None else ()
        for name in ("memory_mib", "vcpus"):
            asked = getattr(model.batch, name, None)
            if name in stated and asked is not None and asked == getattr(pool.need, name):
                return f"models[{index}].batch.{_OF_TRAINING[name]}", asked
    return None


def _as_set(remedy: str) -> str:
    """A remedy in the words of the settings."""
    for name, setting in {**_OF_POOL, **_OF_TRAINING, "max_vcpus": "maxVcpus"}.items():
        if "_" in name:
            remedy = remedy.replace(name, setting)
    return remedy


def _budgets(namespace: str, parts: Mapping[str, Any], models: "Mapping[int, Model]") -> Iterator[Problem]:
    total = parts.get("monthly_budget_usd")
    if total is None:
        return
    for index, model in models.items():
        if model.monthly_budget_usd is not None and model.monthly_budget_usd > total:
            yield Problem(
                f"{namespace}:models[{index}].monthlyBudgetUsd",
                model.monthly_budget_usd,
                f"must be at most the stack's monthlyBudgetUsd ({total:g})",
            )


def _stage(namespace: str, parts: Mapping[str, Any]) -> Iterator[Problem]:
    """A stage may be declared when what this release lacks of it is switched off, by name."""
    stage = parts.get("stage")
    if stage is None:
        return
    switches = parts.get("capabilities", {})
    missing = [name for name in stages.unbuilt(stage) if switches.get(name) is not False]
    if missing:
        whole = [name for name in stages.STAGE_NAMES if not stages.unbuilt(name)]
        yield Problem(
            f"{namespace}:stage",
            stage,
            f"must be one of {', '.join(whole)} in this release; to declare {stage}, switch off under "
            f"{namespace}:capabilities what it does not build yet, each with a waiver of rule M3 whose "
            f"resource is its name: {', '.join(missing)}",
        )


def _capabilities(namespace: str, parts: Mapping[str, Any]) -> Iterator[Problem]:
    """What a higher stage adds may be on early; what the stage has goes off only under a waiver."""
    stage = parts.get("stage")
    for name, on in parts.get("capabilities", {}).items():
        path = f"{namespace}:capabilities.{name}"
        if name not in stages.CAPABILITIES:
            yield Problem(path, on, f"is no capability{did_you_mean(name, stages.CAPABILITIES)}")
        elif on and not stages.CAPABILITIES[name].built:
            yield Problem(path, on, "is not there in this release; leave it out")
        elif on and name == "quotas" and "cluster" not in _enabled(parts):
            yield Problem(path, on, "needs the cluster: switch on cluster too")
        elif not on and not stages.CAPABILITIES[name].switchable:
            yield Problem(path, on, "cannot be switched off: the rest of the stack stands on it")
        elif not on and stage is not None and not _waived(parts, "M3", name):
            have = [capability.name for capability in stages.included(stage)]
            if name in have:
                yield Problem(
                    path,
                    on,
                    f"belongs to stage {stages.stage_of(name)}; to go without it, waive rule M3 for "
                    f"resource {name!r} with owner, reason and expires",
                )


def _needs(namespace: str, parts: Mapping[str, Any], models: "Mapping[int, Model]") -> Iterator[Problem]:
    """What a capability needs of other settings."""
    stage = parts.get("stage")
    if stage is None:
        return
    on = stages.enabled(stage, parts.get("capabilities", {}))
    if "delivery-roles" in on and "delivery" not in parts:
        yield Problem(
            f"{namespace}:delivery",
            None,
            "is required where delivery-roles is on: name who delivers, as {repository: owner/name}",
        )
    if "delivery-roles" not in on and "delivery" in parts:
        yield Problem(
            f"{namespace}:delivery",
            parts["delivery"].repository,
            f"is for capability delivery-roles, which is off: switch it on in {namespace}:capabilities, "
            "or leave this out",
        )
    if "reaper" in on and "budgets" not in on:
        yield Problem(
            f"{namespace}:capabilities.budgets", False, "cannot be off where reaper is on: it reports there"
        )
    if "zone-failover" in on:
        yield from _zones(namespace, models)
    if "retraining" in on and "monitors" not in on:
        for index, model in models.items():
            if model.training.feedback_rows is not None:
                yield Problem(
                    f"{namespace}:models[{index}].training.feedbackRows",
                    model.training.feedback_rows,
                    "needs who counts them: switch on monitors, or leave it out",
                )
    if "fallback" not in on:
        yield from _unlogged(namespace, models)


def _unlogged(namespace: str, models: "Mapping[int, Model]") -> Iterator[Problem]:
    """Without the gateway nobody writes answers down, and no label has an answer to belong to."""
    for index, model in models.items():
        if model.release.gate.quality == "required":
            yield Problem(
                f"{namespace}:models[{index}].release.gate.quality",
                "required",
                "needs the gateway's log of answers: switch on fallback, or say if-known",
            )


def _zones(namespace: str, models: "Mapping[int, Model]") -> Iterator[Problem]:
    """All else that stands is in several zones by its nature; machines are where there are enough of them."""
    for index, model in models.items():
        if model.serving.mode == "realtime" and model.serving.min_replicas < ZONES:
            yield Problem(
                f"{namespace}:models[{index}].serving.minReplicas",
                model.serving.min_replicas,
                f"must be at least {ZONES} where zone-failover is on, so that one zone may fail; "
                "or serve it serverless",
            )


def _enabled(parts: Mapping[str, Any]) -> frozenset[str]:
    stage = parts.get("stage", stages.STAGE_NAMES[0])
    return stages.enabled(stage, parts.get("capabilities", {}))


def _data_loss(namespace: str, parts: Mapping[str, Any]) -> Iterator[Problem]:
    if (
        parts.get("environment") == "prod"
        and parts.get("data_loss") == "allow"
        and not _waived(parts, "G9", None)
    ):
        yield Problem(
            f"{namespace}:dataLoss",
            "allow",
            "must be refuse in prod, or needs a waiver of rule G9 with owner, reason and expires",
        )


def _waived(parts: Mapping[str, Any], rule: str, resource: str | None) -> bool:
    return any(
        waiver.rule == rule and (resource is None or waiver.resource in ("*", resource))
        for waiver in parts.get("waivers", [])
    )
