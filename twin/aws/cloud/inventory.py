"""What is in the cloud that a user made: for audits, and for the proof that a destroy leaves nothing.

Not a list of services: whatever model objects moto's backends hold counts, less what a new backend of the
same service and region holds, too (the default VPC, AWS's own policies). New backends come out the same,
ids and all, because they are seeded (`moto_patches`).
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from twin.aws.cloud import clock, randomness
from twin.aws.cloud.gaps.store import RecordStore
from twin.aws.cloud.moto_host import backends_in_use
from twin.aws.cloud.moto_patches import EPOCH

Found = dict[str, str]
_DEPTH: Final = 4


def inventory(store: RecordStore) -> list[Found]:
    """Everything a user made: `type`, `id`, `arn` (may be empty) and `region` of each, sorted."""
    found = [*_in_moto(), *_in_store(store)]
    return sorted(found, key=lambda each: (each["type"], each["region"], each["id"]))


def _in_store(store: RecordStore) -> Iterator[Found]:
    for service, noun, region, name, record in store.everywhere():
        if (service, noun) == ("batch", "JobDefinition") and record["status"] == "INACTIVE":
            continue  # AWS keeps them for 180 days; they can't be deleted
        arn = next(
            (value for value in record.values() if isinstance(value, str) and value.startswith("arn:aws:")),
            "",
        )
        arns = [value for key, value in record.items() if key.lower() in ("arn", f"{noun}arn".lower())]
        yield {"type": f"{service}:{noun}", "id": name, "arn": arns[0] if arns else arn, "region": region}


def _in_moto() -> Iterator[Found]:
    for backends in backends_in_use():
        for account, regions in list(backends.items()):
            for region, backend in list(regions.items()):
                from_the_start = _pristine(backends, account, region)
                service = type(backend).__module__.split(".")[1].removesuffix("_simple")
                for path, model in _models(backend, from_the_start.__contains__):
                    if path in from_the_start or _is_gone(service, model):
                        continue
                    yield {
                        "type": f"{service}:{type(model).__name__.removeprefix('Fake')}",
                        "id": path.rpartition("/")[2],
                        "arn": _arn(model),
                        "region": region,
                    }


_pristine_paths: dict[tuple[str, str, str], frozenset[str]] = {}


def _pristine(backends: Any, account: str, region: str) -> frozenset[str]:
    """The paths of what a new backend of that service and region holds."""
    place = (f"{backends.backend.__module__}.{backends.backend.__name__}", account, region)
    known = _pristine_paths.get(place)
    if known is None:
        with randomness.seeded("backend", backends.service_name, account, region), clock.frozen(EPOCH):
            new = backends.backend(region, account_id=account)
        known = _pristine_paths[place] = frozenset(path for path, _ in _models(new, lambda _path: True))
    return known


def _models(backend: Any, opened: Callable[[str], bool]) -> Iterator[tuple[str, Any]]:
    """The model objects of a backend by their path in it.

    What lies inside of a model counts as part of it, unless the model is opened: what users add to the
    default event bus, say, is theirs.
    """
    seen: set[int] = set()
    ignored = _NOT_RESOURCES.get(type(backend).__module__.split(".")[1], ())
    waiting = [(name, value) for name, value in sorted(vars(backend).items()) if name not in ignored]
    while waiting:
        inside = []
        for path, value in waiting:
            for found, model in _within(path, value, 0, seen):
                yield found, model
                if opened(found):
                    inside += [(f"{found}.{name}", each) for name, each in sorted(vars(model).items())]
        waiting = inside


def _within(path: str, value: Any, depth: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    from moto.core.common_models import BaseModel

    if isinstance(value, BaseModel):
        if id(value) not in seen:
            seen.add(id(value))
            yield path, value
        return
    if depth >= _DEPTH:
        return
    if isinstance(value, dict):
        for key, each in list(value.items()):
            yield from _within(f"{path}/{key}", each, depth + 1, seen)
    elif isinstance(value, list | tuple | set):
        for place, each in enumerate(list(value)):
            yield from _within(f"{path}/{place}", each, depth + 1, seen)
    elif _is_holder(value):
        for name, each in sorted(vars(value).items()):
            yield from _within(f"{path}.{name}", each, depth + 1, seen)


def _is_holder(value: Any) -> bool:
    """Some backends keep their resources in a helper object (Lambda's storage of functions and layers)."""
    return type(value).__module__.startswith("moto.awslambda") and type(value).__name__.endswith("Storage")


def _arn(model: Any) -> str:
    for name in ("arn", "function_arn", "alias_arn", "resource_arn"):
        try:
            value = getattr(model, name, None)
        except Exception:  # noqa: S112  (a property that needs what isn't there)
            continue
        if isinstance(value, str) and value.startswith("arn:"):
            return value
    return ""


_NOT_RESOURCES: Final[dict[str, tuple[str, ...]]] = {
    # Histories, and what is put in rather than made.
    "athena": ("executions",),
    "cloudwatch": ("metric_data", "paged_metric_data", "past_metric_data"),
    "stepfunctions": ("executions",),
}

Gone = Callable[[Any], bool]
_GONE: Final[dict[tuple[str, str], Gone]] = {
    # What AWS keeps for a while after the user deleted it, and nobody can use any more.
    # moto keeps the default network ACL of a VPC that is gone.
    ("ec2", "NetworkAcl"): lambda each: each.vpc_id not in each.ec2_backend.vpcs,
    ("kms", "Key"): lambda each: (
        each.key_state == "PendingDeletion" or any(name.startswith("alias/aws/") for name in each.aliases)
    ),
    ("secretsmanager", "FakeSecret"): lambda each: each.deleted_date is not None,
}


def _is_gone(service: str, model: Any) -> bool:
    rule = _GONE.get((service, type(model).__name__))
    if rule is not None and rule(model):
        return True
    states = (vars(model).get(name) for name in ("state", "_state", "status"))
    return any(str(getattr(state, "name", state)).lower() in ("deleted", "terminated") for state in states)
