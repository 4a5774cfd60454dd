"""What a server asks of a manifest beyond its schema: names, labels, selectors, pods that make sense."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from twin.kubernetes import quantities
from twin.kubernetes.checks.structure import shown
from twin.kubernetes.kinds import DEFINITION, Kind
from twin.providers.problems import Problems, index, join
from twin.wire import UNKNOWN

_LABEL: Final = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_SUBDOMAIN: Final = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_SEGMENT: Final = re.compile(r"^(?!\.{1,2}$)[^/%]+$")
_QUALIFIED: Final = re.compile(r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")
_CRON: Final = re.compile(r"^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|\S+( \S+){4})$")

_SHORT_NAMES: Final = frozenset({"Namespace", "Service"})
"""Kinds whose name is one DNS label of 63 characters."""
_FREE_NAMES: Final = "rbac.authorization.k8s.io"
_TEMPLATES: Final = {
    ("apps", "Deployment"): "spec.template",
    ("apps", "DaemonSet"): "spec.template",
    ("apps", "StatefulSet"): "spec.template",
    ("apps", "ReplicaSet"): "spec.template",
    ("batch", "Job"): "spec.template",
    ("batch", "CronJob"): "spec.jobTemplate.spec.template",
    ("", "Pod"): "",
}
_RUNS_ON: Final = frozenset({"Deployment", "DaemonSet", "StatefulSet", "ReplicaSet"})
_WHOLE: Final = re.compile(r"^[a-z0-9.-]+/")
"""Extended resources, such as nvidia.com/gpu, come in whole numbers and are never over-committed."""
_ANNOTATION_BYTES: Final = 256 * 1024
_CONTAINERS: Final = ("initContainers", "containers")


def check(kind: Kind, manifest: Mapping[str, Any], problems: Problems) -> None:
    """Notes what a server would refuse although the schema allows it."""
    metadata = manifest.get("metadata")
    if isinstance(metadata, dict):
        _metadata(kind, metadata, problems)
    spec = manifest.get("spec")
    template = _TEMPLATES.get((kind.group, kind.name))
    if template is not None:
        holder = _at(manifest, template)
        pod = holder.get("spec") if isinstance(holder, dict) else None
        if isinstance(pod, dict):
            claimed = _claims(spec) if isinstance(spec, dict) else set()
            _pod(pod, join(template, "spec").lstrip("."), kind, claimed, problems)
        if isinstance(holder, dict) and isinstance(spec, dict):
            _selected(kind, spec, holder, template, problems)
    if kind.name == "Service" and not kind.group and isinstance(spec, dict):
        _service(spec, problems)
    if kind.name == "CronJob" and isinstance(spec, dict):
        schedule = spec.get("schedule")
        if isinstance(schedule, str) and not _CRON.match(" ".join(schedule.split())):
            problems.add("spec.schedule", f"{shown(schedule)} is no schedule", 'give one such as "0 3 * * 1"')
    if kind.name == "PodDisruptionBudget" and isinstance(spec, dict):
        _either(spec, ("minAvailable", "maxUnavailable"), problems)
    if kind.name == DEFINITION and isinstance(spec, dict):
        _definition(spec, metadata, problems)


def _either(spec: Mapping[str, Any], names: tuple[str, str], problems: Problems) -> None:
    if all(spec.get(name) is not None for name in names):
        problems.add("spec", f"has {' and '.join(names)}", "give one of them")


# -- metadata


def _metadata(kind: Kind, metadata: Mapping[str, Any], problems: Problems) -> None:
    name = metadata.get("name")
    if isinstance(name, str):
        _name(kind, name, problems)
    namespace = metadata.get("namespace")
    # A server overlooks one of a kind that has none.
    if kind.namespaced and isinstance(namespace, str) and not _is_label(namespace):
        problems.add("metadata.namespace", f"{shown(namespace)} is no name of a namespace", _label_form(63))
    labels = metadata.get("labels")
    if isinstance(labels, dict):
        for key, value in labels.items():
            _label(key, value, "metadata.labels", problems)
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        for key in annotations:
            _key(key, "metadata.annotations", problems)
        size = sum(len(f"{key}{value}".encode()) for key, value in annotations.items())
        if size > _ANNOTATION_BYTES:
            problems.add(
                "metadata.annotations", f"have {size} bytes", f"at most {_ANNOTATION_BYTES} are allowed"
            )


def _name(kind: Kind, name: str, problems: Problems) -> None:
    if kind.group == _FREE_NAMES:
        if not _SEGMENT.match(name):
            problems.add("metadata.name", f"{shown(name)} is no name", "it must not hold / or %")
    elif kind.name in _SHORT_NAMES and not kind.group:
        if not _is_label(name):
            problems.add("metadata.name", f"{shown(name)} is no name of a {kind.name}", _label_form(63))
    elif len(name) > 253 or not _SUBDOMAIN.match(name):
        problems.add(
            "metadata.name",
            f"{shown(name)} is no name of a {kind.name}",
            "give lower-case letters, digits, '-' and '.', a letter or digit first and last, at most 253",
        )


def _is_label(name: str) -> bool:
    return len(name) <= 63 and _LABEL.match(name) is not None


def _label_form(most: int) -> str:
    return f"give lower-case letters, digits and '-', a letter or digit first and last, at most {most}"


def _label(key: str, value: Any, path: str, problems: Problems) -> None:
    _key(key, path, problems)
    if isinstance(value, str) and value and (len(value) > 63 or not _QUALIFIED.match(value)):
        problems.add(
            join(path, key),
            f"{shown(value)} is no value of a label",
            "give letters, digits, '-', '_' and '.', a letter or digit first and last, at most 63",
        )


def _key(key: str, path: str, problems: Problems) -> None:
    prefix, slash, name = key.rpartition("/")
    fits = len(name) <= 63 and _QUALIFIED.match(name) is not None
    if slash:
        fits = fits and len(prefix) <= 253 and _SUBDOMAIN.match(prefix) is not None
    if not fits:
        problems.add(
            join(path, key),
            f"{shown(key)} is no key",
            "give at most 63 letters, digits, '-', '_' and '.'; before them may stand a DNS domain and '/'",
        )


# -- pods and what makes them


def _selected(
    kind: Kind, spec: Mapping[str, Any], template: Mapping[str, Any], path: str, problems: Problems
) -> None:
    """A controller's selector must take in the pods that the controller makes."""
    selector = spec.get("selector")
    if kind.name not in _RUNS_ON or not isinstance(selector, dict):
        return
    wanted = selector.get("matchLabels")
    if not wanted and not selector.get("matchExpressions"):
        problems.add("spec.selector", "selects nothing", f"give the labels of {path}.metadata.labels")
        return
    metadata = template.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    if metadata is UNKNOWN or labels is UNKNOWN or not isinstance(wanted, dict):
        return
    for key, value in wanted.items():
        found = (labels or {}).get(key)
        if UNKNOWN not in (value, found) and found != value:
            problems.add(
                join("spec.selector.matchLabels", key),
                f"{shown(value)} is not a label of the pods it makes",
                f"give the same in {join(f'{path}.metadata.labels', key)}",
            )


def _pod(pod: Mapping[str, Any], path: str, kind: Kind, claimed: set[Any], problems: Problems) -> None:
    """A pod's specification; `claimed` are volumes that its controller makes for it."""
    policy = pod.get("restartPolicy")
    if kind.name in _RUNS_ON and policy not in (None, "Always", UNKNOWN):
        problems.add(join(path, "restartPolicy"), f"{shown(policy)} is not allowed here", 'give "Always"')
    if kind.group == "batch" and policy not in ("OnFailure", "Never", UNKNOWN):
        problems.add(
            join(path, "restartPolicy"),
            f"{shown(policy)} is not allowed for a Job" if policy else "is missing",
            'give "OnFailure" or "Never"',
        )
    volumes = _names(pod.get("volumes")) | claimed
    first: dict[str, str] = {}
    for group in _CONTAINERS:
        for place, container in _numbered(pod.get(group)):
            where = index(join(path, group), place)
            _container(container, where, volumes, problems)
            name = container.get("name")
            # Within one list the schema sees to it.
            if isinstance(name, str) and first.setdefault(name, group) != group:
                problems.add(join(where, "name"), f"{shown(name)} names two containers", "rename one")
    if "containers" in pod and not pod["containers"] and pod["containers"] is not UNKNOWN:
        problems.add(join(path, "containers"), "is empty", "give at least one")


def _claims(spec: Mapping[str, Any]) -> set[Any]:
    """The names of a StatefulSet's volumes."""
    templates = spec.get("volumeClaimTemplates")
    if templates is UNKNOWN:
        return {UNKNOWN}
    return _names([each.get("metadata") for each in _dicts(templates)])


def _names(items: Any) -> set[Any]:
    """The names of a list's objects; UNKNOWN is among them where some are not known."""
    if not isinstance(items, list):
        return {UNKNOWN} if items is UNKNOWN else set()
    named = {item.get("name") for item in _dicts(items)}
    return named | {UNKNOWN} if any(item is UNKNOWN for item in items) else named


def _container(container: Mapping[str, Any], path: str, volumes: set[Any], problems: Problems) -> None:
    name = container.get("name")
    if isinstance(name, str) and not _is_label(name):
        problems.add(join(path, "name"), f"{shown(name)} is no name of a container", _label_form(63))
    if container.get("image") in ("", None):
        problems.add(join(path, "image"), "is missing", "name the image to run")
    for place, port in _numbered(container.get("ports")):
        _port(port.get("containerPort"), join(index(join(path, "ports"), place), "containerPort"), problems)
    for place, mount in _numbered(container.get("volumeMounts")):
        wanted = mount.get("name")
        if isinstance(wanted, str) and UNKNOWN not in volumes and wanted not in volumes:
            problems.add(
                join(index(join(path, "volumeMounts"), place), "name"),
                f"{shown(wanted)} is no volume of the pod",
                "name one of spec.volumes",
            )
    resources = container.get("resources")
    if isinstance(resources, dict):
        _resources(resources, join(path, "resources"), problems)


def _resources(resources: Mapping[str, Any], path: str, problems: Problems) -> None:
    requests, limits = resources.get("requests"), resources.get("limits")
    requests = requests if isinstance(requests, dict) else {}
    limits = limits if isinstance(limits, dict) else {}
    for name, wanted in requests.items():
        least, most = quantities.parse(wanted), quantities.parse(limits.get(name))
        where = join(join(path, "requests"), name)
        if least is not None and most is not None and least > most:
            problems.add(where, f"{shown(wanted)} is more than its limit", f"at most {shown(limits[name])}")
        if _WHOLE.match(name) and UNKNOWN not in (limits.get(name), wanted) and least != most:
            problems.add(where, f"{shown(wanted)} is not its limit", "give the same as limit and request")
    for group, values in (("requests", requests), ("limits", limits)):
        for name, value in values.items():
            number = quantities.parse(value)
            if number is not None and number < 0:
                problems.add(join(join(path, group), name), f"{shown(value)} is negative", "give 0 or more")
            elif number is not None and _WHOLE.match(name) and number % 1:
                problems.add(
                    join(join(path, group), name), f"{shown(value)} is not whole", "give a whole number"
                )


# -- others


def _service(spec: Mapping[str, Any], problems: Problems) -> None:
    ports = spec.get("ports")
    if spec.get("type") == "ExternalName":
        return
    if not ports and spec.get("clusterIP") != "None" and ports is not UNKNOWN:
        problems.add("spec.ports", "is missing", "give the ports that the Service serves")
    for place, port in _numbered(ports):
        where = index("spec.ports", place)
        _port(port.get("port"), join(where, "port"), problems)
        target = port.get("targetPort")
        if isinstance(target, int):
            _port(target, join(where, "targetPort"), problems)
        if isinstance(ports, list) and len(ports) > 1 and not port.get("name"):
            problems.add(join(where, "name"), "is missing", "with several ports each needs a name")


def _definition(spec: Mapping[str, Any], metadata: Any, problems: Problems) -> None:
    names = spec.get("names")
    plural = names.get("plural") if isinstance(names, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    group = spec.get("group")
    if all(isinstance(each, str) for each in (plural, name, group)) and name != f"{plural}.{group}":
        problems.add("metadata.name", f"{shown(name)} is not <plural>.<group>", f'give "{plural}.{group}"')


def _port(value: Any, path: str, problems: Problems) -> None:
    if isinstance(value, int) and not 1 <= value <= 65535:
        problems.add(path, f"{value} is no port", "give 1 to 65535")


def _at(value: Any, path: str) -> Any:
    for key in filter(None, path.split(".")):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    return (item for item in (value if isinstance(value, list) else ()) if isinstance(item, dict))


def _numbered(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    items = value if isinstance(value, list) else ()
    return ((place, item) for place, item in enumerate(items) if isinstance(item, dict))
