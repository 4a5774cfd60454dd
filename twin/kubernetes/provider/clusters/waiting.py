"""When an object is what it was applied to be: Pulumi's own conditions, in short."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from twin.kubernetes.kinds import Kind

SKIP: Final = "pulumi.com/skipAwait"
_Object = Mapping[str, Any]


def pending(kind: Kind, live: _Object) -> str | None:
    """What is still missing, in words; None when the object is ready, or need not be waited for."""
    if (live.get("metadata", {}).get("annotations") or {}).get(SKIP) == "true":
        return None
    judge = _READY.get((kind.group, kind.name))
    return None if judge is None else judge(live.get("spec") or {}, live.get("status") or {}, live)


def failed(kind: Kind, live: _Object) -> str | None:
    """Why the object will never be ready; None while it may."""
    conditions = _conditions(live.get("status") or {})
    if kind.name == "Job" and "Failed" in conditions:
        return _told(conditions["Failed"])
    progress = conditions.get("Progressing")
    if kind.name == "Deployment" and progress is not None and progress.get("status") == "False":
        return _told(progress)
    return None


def _rolled_out(
    wanted: str, updated: str, available: str
) -> Callable[[_Object, _Object, _Object], str | None]:
    def judge(spec: _Object, status: _Object, live: _Object) -> str | None:
        if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
            return "its controller has not seen it yet"
        # A DaemonSet's own status says how many it wants.
        count = spec.get(wanted, 1) if wanted == "replicas" else status.get(wanted, 0)
        for name in (updated, available):
            if status.get(name, 0) < count:
                return f"{status.get(name, 0)} of {count} pods are {name.removesuffix('Replicas')}"
        return None

    return judge


def _deployment(spec: _Object, status: _Object, live: _Object) -> str | None:
    """As `kubectl rollout status` has it: until then, what is available may be the version before."""
    missing = _counted(spec, status, live)
    left = int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))
    return missing or (f"{left} pods of the version before are left" if left > 0 else None)


_counted: Final = _rolled_out("replicas", "updatedReplicas", "availableReplicas")


def _job(spec: _Object, status: _Object, live: _Object) -> str | None:
    if spec.get("suspend"):
        return None
    done = "Complete" in _conditions(status)
    return (
        None if done else f"{status.get('succeeded', 0)} of {spec.get('completions', 1)} pods have succeeded"
    )


def _pod(spec: _Object, status: _Object, live: _Object) -> str | None:
    if status.get("phase") == "Succeeded" or "Ready" in _conditions(status):
        return None
    return f"it is {status.get('phase', 'Pending')}"


def _definition(spec: _Object, status: _Object, live: _Object) -> str | None:
    return None if "Established" in _conditions(status) else "it is not established"


def _conditions(status: _Object) -> dict[str, Mapping[str, Any]]:
    """The conditions that hold, and Progressing whether it does or not, by type."""
    return {
        str(each.get("type")): each
        for each in status.get("conditions") or ()
        if each.get("status") == "True" or each.get("type") == "Progressing"
    }


def _told(condition: Mapping[str, Any]) -> str:
    return f"{condition.get('reason', condition.get('type'))}: {condition.get('message', '')}".rstrip(": ")


_READY: Final = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _rolled_out("replicas", "updatedReplicas", "readyReplicas"),
    ("apps", "DaemonSet"): _rolled_out("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable"),
    ("batch", "Job"): _job,
    ("", "Pod"): _pod,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
